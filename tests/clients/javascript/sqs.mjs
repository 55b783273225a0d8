// SQS with the AWS SDK for JavaScript, which checks every MD5 that it is given, and sqs-consumer.
import assert from "node:assert/strict";
import { once } from "node:events";
import {
  AddPermissionCommand,
  BatchEntryIdsNotDistinct,
  CancelMessageMoveTaskCommand,
  ChangeMessageVisibilityBatchCommand,
  ChangeMessageVisibilityCommand,
  CreateQueueCommand,
  DeleteMessageBatchCommand,
  DeleteMessageCommand,
  DeleteQueueCommand,
  EmptyBatchRequest,
  GetQueueAttributesCommand,
  GetQueueUrlCommand,
  ListDeadLetterSourceQueuesCommand,
  ListMessageMoveTasksCommand,
  ListQueueTagsCommand,
  ListQueuesCommand,
  PurgeQueueCommand,
  QueueDoesNotExist,
  QueueNameExists,
  ReceiptHandleIsInvalid,
  ReceiveMessageCommand,
  RemovePermissionCommand,
  SendMessageBatchCommand,
  SendMessageCommand,
  SetQueueAttributesCommand,
  SQSClient,
  StartMessageMoveTaskCommand,
  TagQueueCommand,
  UntagQueueCommand,
  paginateListQueues,
} from "@aws-sdk/client-sqs";
import { Consumer } from "sqs-consumer";

const client = new SQSClient({ maxAttempts: 1 });
const run = new Set();
const send = (Command, input) => {
  run.add(Command.name.replace(/Command$/, ""));
  return client.send(new Command(input));
};

// Queues, tags, permissions.
const { QueueUrl } = await send(CreateQueueCommand, { QueueName: "js", Attributes: { VisibilityTimeout: "40" }, tags: { team: "a" } });
assert.equal((await send(GetQueueUrlCommand, { QueueName: "js" })).QueueUrl, QueueUrl);
await send(SetQueueAttributesCommand, { QueueUrl, Attributes: { DelaySeconds: "0", VisibilityTimeout: "50" } });
const { Attributes } = await send(GetQueueAttributesCommand, { QueueUrl, AttributeNames: ["VisibilityTimeout", "QueueArn"] });
assert.deepEqual(Attributes, { VisibilityTimeout: "50", QueueArn: "arn:aws:sqs:us-east-1:000000000000:js" });
await send(TagQueueCommand, { QueueUrl, Tags: { floor: "2" } });
await send(UntagQueueCommand, { QueueUrl, TagKeys: ["team"] });
assert.deepEqual((await send(ListQueueTagsCommand, { QueueUrl })).Tags, { floor: "2" });
await send(AddPermissionCommand, { QueueUrl, Label: "l", AWSAccountIds: ["111111111111"], Actions: ["SendMessage"] });
await send(RemovePermissionCommand, { QueueUrl, Label: "l" });

// Messages: bodies, attributes and system attributes whose MD5s the SDK checks, and bytes.
const MessageAttributes = {
  text: { DataType: "String", StringValue: "grün ☃ \u{1f600}" },
  number: { DataType: "Number.int", StringValue: "99.12" },
  bytes: { DataType: "Binary.png", BinaryValue: new Uint8Array([0, 255, 10]) },
};
const trace = "Root=1-5759e988-bd862e3fe1be46a994272793";
const sent = await send(SendMessageCommand, {
  QueueUrl,
  MessageBody: 'ä <&> "\r\n\t \u{1f600}',
  MessageAttributes,
  MessageSystemAttributes: { AWSTraceHeader: { DataType: "String", StringValue: trace } },
});
assert.ok(sent.MD5OfMessageAttributes && sent.MD5OfMessageSystemAttributes);
const all = { QueueUrl, MessageAttributeNames: ["All"], MessageSystemAttributeNames: ["All"], MaxNumberOfMessages: 10, WaitTimeSeconds: 5 };
const [message] = (await send(ReceiveMessageCommand, all)).Messages;
assert.equal(message.Body, 'ä <&> "\r\n\t \u{1f600}');
assert.equal(message.Attributes.AWSTraceHeader, trace);
assert.equal(message.MD5OfMessageAttributes, sent.MD5OfMessageAttributes);
assert.deepEqual(message.MessageAttributes.text.StringValue, MessageAttributes.text.StringValue);
assert.deepEqual([...message.MessageAttributes.bytes.BinaryValue], [0, 255, 10]);
await send(ChangeMessageVisibilityCommand, { QueueUrl, ReceiptHandle: message.ReceiptHandle, VisibilityTimeout: 90 });
await send(DeleteMessageCommand, { QueueUrl, ReceiptHandle: message.ReceiptHandle });

// Batches, a mistake in one entry, and how entries fail.
const batch = await send(SendMessageBatchCommand, {
  QueueUrl,
  Entries: [{ Id: "a", MessageBody: "one", MessageAttributes }, { Id: "b", MessageBody: "two" }, { Id: "c", MessageBody: "\u0000" }],
});
assert.deepEqual(batch.Successful.map((one) => one.Id), ["a", "b"]);
assert.deepEqual(batch.Failed.map((one) => [one.Id, one.Code, one.SenderFault]), [["c", "InvalidMessageContents", true]]);
const { Messages } = await send(ReceiveMessageCommand, all);
assert.deepEqual(Messages.map((one) => one.Body), ["one", "two"]);
const entries = Messages.map((one, index) => ({ Id: String(index), ReceiptHandle: one.ReceiptHandle }));
const changed = await send(ChangeMessageVisibilityBatchCommand, { QueueUrl, Entries: entries.map((one) => ({ ...one, VisibilityTimeout: 60 })) });
assert.deepEqual(changed.Successful.map((one) => one.Id), ["0", "1"]);
assert.deepEqual((await send(DeleteMessageBatchCommand, { QueueUrl, Entries: entries })).Successful, [{ Id: "0" }, { Id: "1" }]);

// Errors are of the classes that the SDK makes from the model.
const fails = (Command, input, kind, more = {}) =>
  assert.rejects(client.send(new Command(input)), (error) => {
    assert.ok(error instanceof kind, `${error.name} is no ${kind.name}: ${error.message}`);
    for (const [name, value] of Object.entries(more)) assert.deepEqual(error[name], value);
    return true;
  });
await fails(GetQueueUrlCommand, { QueueName: "none" }, QueueDoesNotExist, { $fault: "client", message: "The specified queue does not exist." });
await fails(CreateQueueCommand, { QueueName: "js", Attributes: { DelaySeconds: "9" } }, QueueNameExists);
await fails(DeleteMessageCommand, { QueueUrl, ReceiptHandle: "none" }, ReceiptHandleIsInvalid);
await fails(SendMessageBatchCommand, { QueueUrl, Entries: [] }, EmptyBatchRequest);
const twice = [{ Id: "a", MessageBody: "1" }, { Id: "a", MessageBody: "2" }];
await fails(SendMessageBatchCommand, { QueueUrl, Entries: twice }, BatchEntryIdsNotDistinct);

// Pages.
for (let number = 0; number < 5; number++) await send(CreateQueueCommand, { QueueName: `js-page-${number}` });
const found = [];
for await (const page of paginateListQueues({ client, pageSize: 2 }, { QueueNamePrefix: "js-page" })) found.push(...page.QueueUrls);
assert.equal(found.length, 5);
assert.equal((await send(ListQueuesCommand, { QueueNamePrefix: "js-page", MaxResults: 5 })).QueueUrls.length, 5);

// A FIFO queue.
const fifo = (await send(CreateQueueCommand, { QueueName: "js.fifo", Attributes: { FifoQueue: "true" } })).QueueUrl;
const group = { QueueUrl: fifo, MessageGroupId: "g" };
const first = await send(SendMessageCommand, { ...group, MessageBody: "1", MessageDeduplicationId: "1" });
const again = await send(SendMessageCommand, { ...group, MessageBody: "1", MessageDeduplicationId: "1" });
assert.equal(again.MessageId, first.MessageId);
assert.equal(again.SequenceNumber, first.SequenceNumber);
await send(PurgeQueueCommand, { QueueUrl: fifo });

// Dead letters come back.
const dead = (await send(CreateQueueCommand, { QueueName: "js-dead" })).QueueUrl;
const RedrivePolicy = JSON.stringify({ deadLetterTargetArn: "arn:aws:sqs:us-east-1:000000000000:js-dead", maxReceiveCount: 1 });
const source = (await send(CreateQueueCommand, { QueueName: "js-source", Attributes: { RedrivePolicy } })).QueueUrl;
assert.deepEqual((await send(ListDeadLetterSourceQueuesCommand, { QueueUrl: dead })).queueUrls, [source]);
await send(SendMessageCommand, { QueueUrl: source, MessageBody: "poison" });
await send(ReceiveMessageCommand, { QueueUrl: source, VisibilityTimeout: 0 });
assert.equal((await send(ReceiveMessageCommand, { QueueUrl: source })).Messages, undefined);
const SourceArn = "arn:aws:sqs:us-east-1:000000000000:js-dead";
const { TaskHandle } = await send(StartMessageMoveTaskCommand, { SourceArn });
assert.ok(TaskHandle);
const [poison] = (await send(ReceiveMessageCommand, { QueueUrl: source, WaitTimeSeconds: 20 })).Messages;
assert.equal(poison.Body, "poison");
const [task] = (await send(ListMessageMoveTasksCommand, { SourceArn, MaxResults: 1 })).Results;
assert.equal(task.SourceArn, SourceArn);
await assert.rejects(send(CancelMessageMoveTaskCommand, { TaskHandle: "none" }), { name: /InvalidParameterValue|ResourceNotFound/ });

// sqs-consumer: long polls, batches, deletion of what was handled, and what was not handled comes again.
const work = (await send(CreateQueueCommand, { QueueName: "js-work", Attributes: { VisibilityTimeout: "0" } })).QueueUrl;
await send(SendMessageBatchCommand, {
  QueueUrl: work,
  Entries: [...Array(10).keys()].map((number) => ({ Id: String(number), MessageBody: String(number) })),
});
const handled = new Set();
let refusals = 0;
const consumer = Consumer.create({
  queueUrl: work,
  sqs: client,
  batchSize: 10,
  waitTimeSeconds: 1,
  visibilityTimeout: 30,
  terminateVisibilityTimeout: true,
  handleMessage: async (one) => {
    if (one.Body === "5" && refusals++ < 2) throw new Error("not yet");
    handled.add(one.Body);
    if (handled.size === 10) consumer.emit("done");
    return one;
  },
});
const mistakes = [];
consumer.on("error", (error) => mistakes.push(error));
consumer.on("processing_error", () => {});
consumer.start();
await once(consumer, "done");
const stopped = once(consumer, "stopped");
consumer.stop();
await stopped;
assert.deepEqual(mistakes, []);
assert.equal(refusals, 3);

await send(DeleteQueueCommand, { QueueUrl: work });
console.log(JSON.stringify([...run]));
