// SNS with the AWS SDK for JavaScript: every command of the client but those of text messages, which the CLI tries.
import assert from "node:assert/strict";
import * as sdk from "@aws-sdk/client-sns";
import { CreateQueueCommand, ReceiveMessageCommand, SQSClient } from "@aws-sdk/client-sqs";

const client = new sdk.SNSClient({ maxAttempts: 1 });
const sqs = new SQSClient({ maxAttempts: 1 });
const run = new Set();
const sns = new Proxy({}, {
  get: (_, name) => (input = {}) => {
    run.add(name);
    return client.send(new sdk[`${name}Command`](input));
  },
});

// Topics.
const { TopicArn } = await sns.CreateTopic({ Name: "js", Attributes: { DisplayName: "Js" }, Tags: [{ Key: "team", Value: "a" }] });
await sns.SetTopicAttributes({ TopicArn, AttributeName: "SignatureVersion", AttributeValue: "2" });
const { Attributes } = await sns.GetTopicAttributes({ TopicArn });
assert.equal(Attributes.DisplayName + Attributes.SignatureVersion, "Js2");
await sns.TagResource({ ResourceArn: TopicArn, Tags: [{ Key: "floor", Value: "ö & <2>" }] });
await sns.UntagResource({ ResourceArn: TopicArn, TagKeys: ["team"] });
assert.deepEqual((await sns.ListTagsForResource({ ResourceArn: TopicArn })).Tags, [{ Key: "floor", Value: "ö & <2>" }]);
await sns.AddPermission({ TopicArn, Label: "l", AWSAccountId: ["111111111111"], ActionName: ["Publish"] });
await sns.RemovePermission({ TopicArn, Label: "l" });
for (let number = 0; number < 101; number++) await sns.CreateTopic({ Name: `js-page-${number}` });
assert.ok((await sns.ListTopics()).NextToken);
const pages = [];
for await (const page of sdk.paginateListTopics({ client }, {})) pages.push(page.Topics.map((topic) => topic.TopicArn));
assert.ok(pages.length > 1);
assert.equal(pages.flat().filter((arn) => arn.includes(":js-page-")).length, 101);

// Subscriptions and messages.
const { QueueUrl } = await sqs.send(new CreateQueueCommand({ QueueName: "js-sns" }));
const Endpoint = "arn:aws:sqs:us-east-1:000000000000:js-sns";
const { SubscriptionArn } = await sns.Subscribe({ TopicArn, Protocol: "sqs", Endpoint, Attributes: { RawMessageDelivery: "true" } });
await sns.SetSubscriptionAttributes({ SubscriptionArn, AttributeName: "FilterPolicy", AttributeValue: '{"colour":["red"]}' });
assert.equal((await sns.GetSubscriptionAttributes({ SubscriptionArn })).Attributes.FilterPolicy, '{"colour":["red"]}');
assert.deepEqual((await sns.ListSubscriptionsByTopic({ TopicArn })).Subscriptions.map((one) => one.SubscriptionArn), [SubscriptionArn]);
assert.ok((await sns.ListSubscriptions()).Subscriptions.some((one) => one.SubscriptionArn === SubscriptionArn));
const red = { colour: { DataType: "String", StringValue: "red" }, bytes: { DataType: "Binary", BinaryValue: new Uint8Array([0, 255]) } };
await sns.Publish({ TopicArn, Message: "unwanted" });
await sns.Publish({ TopicArn, Message: "grün <&> \u{1f600}", MessageAttributes: red });
const batch = await sns.PublishBatch({
  TopicArn,
  PublishBatchRequestEntries: [{ Id: "a", Message: "one", MessageAttributes: red }, { Id: "b", Message: "" }],
});
assert.deepEqual(batch.Successful.map((one) => one.Id), ["a"]);
assert.deepEqual(batch.Failed.map((one) => [one.Id, one.SenderFault]), [["b", true]]);
const { Messages } = await sqs.send(new ReceiveMessageCommand({ QueueUrl, MaxNumberOfMessages: 10, MessageAttributeNames: ["All"] }));
assert.deepEqual(Messages.map((one) => one.Body), ["grün <&> \u{1f600}", "one"]);
assert.deepEqual([...Messages[0].MessageAttributes.bytes.BinaryValue], [0, 255]);
await sns.Unsubscribe({ SubscriptionArn });

// Errors are of the classes that the SDK makes from the model.
const fails = (promise, kind, message) =>
  assert.rejects(promise, (error) => {
    assert.ok(error instanceof kind, `${error.name} is no ${kind.name}: ${error.message}`);
    assert.equal(error.message, message);
    return true;
  });
await fails(sns.GetTopicAttributes({ TopicArn: `${TopicArn}-none` }), sdk.NotFoundException, "Topic does not exist");
await fails(sns.CreateTopic({ Name: "a b" }), sdk.InvalidParameterException, "Invalid parameter: Topic Name");
await fails(sns.ConfirmSubscription({ TopicArn, Token: "none" }), sdk.InvalidParameterException, "Invalid token");

// Platform applications and endpoints.
const { PlatformApplicationArn } = await sns.CreatePlatformApplication({ Name: "js", Platform: "GCM", Attributes: { PlatformCredential: "key" } });
await sns.SetPlatformApplicationAttributes({ PlatformApplicationArn, Attributes: { Enabled: "true" } });
assert.equal((await sns.GetPlatformApplicationAttributes({ PlatformApplicationArn })).Attributes.Enabled, "true");
assert.ok((await sns.ListPlatformApplications()).PlatformApplications.length);
const { EndpointArn } = await sns.CreatePlatformEndpoint({ PlatformApplicationArn, Token: "t" });
await sns.SetEndpointAttributes({ EndpointArn, Attributes: { Enabled: "false" } });
assert.equal((await sns.GetEndpointAttributes({ EndpointArn })).Attributes.Enabled, "false");
assert.equal((await sns.ListEndpointsByPlatformApplication({ PlatformApplicationArn })).Endpoints.length, 1);
await assert.rejects(sns.Publish({ TargetArn: EndpointArn, Message: "m" }), (error) => error instanceof sdk.EndpointDisabledException);
await sns.DeleteEndpoint({ EndpointArn });
await sns.DeletePlatformApplication({ PlatformApplicationArn });

// Policies, texts.
const DataProtectionPolicy = JSON.stringify({
  Name: "n", Version: "2021-06-01",
  Statement: [{
    Sid: "s", DataDirection: "Inbound", Principal: ["*"], Operation: { Deny: {} },
    DataIdentifier: ["arn:aws:dataprotection::aws:data-identifier/EmailAddress"],
  }],
});
await sns.PutDataProtectionPolicy({ ResourceArn: TopicArn, DataProtectionPolicy });
assert.deepEqual(JSON.parse((await sns.GetDataProtectionPolicy({ ResourceArn: TopicArn })).DataProtectionPolicy), JSON.parse(DataProtectionPolicy));
await sns.SetSMSAttributes({ attributes: { DefaultSMSType: "Promotional" } });
assert.deepEqual((await sns.GetSMSAttributes({ attributes: ["DefaultSMSType"] })).attributes, { DefaultSMSType: "Promotional" });
assert.equal((await sns.CheckIfPhoneNumberIsOptedOut({ phoneNumber: "+15550100009" })).isOptedOut, false);
assert.deepEqual((await sns.ListPhoneNumbersOptedOut()).phoneNumbers, []);
assert.deepEqual((await sns.ListOriginationNumbers()).PhoneNumbers, []);
assert.equal((await sns.GetSMSSandboxAccountStatus()).IsInSandbox, true);
await sns.OptInPhoneNumber({ phoneNumber: "+15550100009" });

for (const page of pages) for (const arn of page) if (arn.includes(":js")) await sns.DeleteTopic({ TopicArn: arn });
console.log(JSON.stringify([...run]));
