"use strict";

// The inventory: is fed by the queue, checks the stock, and answers the workflow that waits.

const {
  SFNClient,
  SendTaskFailureCommand,
  SendTaskHeartbeatCommand,
  SendTaskSuccessCommand,
} = require("@aws-sdk/client-sfn");

// Item > pieces in stock; null means that it is being counted by hand, and the answer may never come.
const STOCK = JSON.parse(process.env.STOCK);
const GONE = new Set(["TaskTimedOut", "TaskDoesNotExist"]);

const workflows = new SFNClient({});

async function answer(request) {
  const { taskToken, orderId, item, quantity } = request;
  const inStock = Object.hasOwn(STOCK, item) ? STOCK[item] : 0;
  if (inStock === null) {
    console.log(`order ${orderId}: ${item} is being counted, no answer`);
    return;
  }
  await workflows.send(new SendTaskHeartbeatCommand({ taskToken }));
  if (quantity > inStock) {
    console.log(`order ${orderId}: ${quantity} ${item} asked, ${inStock} there`);
    const cause = `${quantity} ${item} asked, ${inStock} in stock`;
    await workflows.send(new SendTaskFailureCommand({ taskToken, error: "OutOfStock", cause }));
    return;
  }
  console.log(`order ${orderId}: ${quantity} ${item} reserved`);
  const output = JSON.stringify({ reservation: `${item}-${orderId}`, countedBy: "nodejs" });
  await workflows.send(new SendTaskSuccessCommand({ taskToken, output }));
}

exports.handler = async (event) => {
  const batchItemFailures = [];
  for (const record of event.Records) {
    try {
      await answer(JSON.parse(record.body));
    } catch (error) {
      // A queue delivers at least once: a task that was answered before, or timed out meanwhile, is done.
      if (!GONE.has(error.name)) {
        console.error(`message ${record.messageId}: ${error.stack}`);
        batchItemFailures.push({ itemIdentifier: record.messageId });
      }
    }
  }
  return { batchItemFailures };
};
