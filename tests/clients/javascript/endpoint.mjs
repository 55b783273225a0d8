// A web server as subscribers write it: it checks every signature with sns-validator, and confirms with the SDK.
import assert from "node:assert/strict";
import http from "node:http";
import https from "node:https";
import { ConfirmSubscriptionCommand, CreateTopicCommand, PublishCommand, SNSClient, SubscribeCommand, UnsubscribeCommand } from "@aws-sdk/client-sns";
import Validator from "sns-validator";

// The validator insists on https and on AWS's hosts; the server under test speaks http, on this host.
https.get = (url, callback) => http.get(url.replace(/^https:/, "http:"), callback);
const validator = new Validator(/^127\.0\.0\.1:\d+$/);
const validate = (text) =>
  new Promise((resolve, reject) => {
    const letter = JSON.parse(text);
    letter.SigningCertURL = letter.SigningCertURL.replace(/^http:/, "https:");
    validator.validate(letter, (error, message) => (error ? reject(error) : resolve(message)));
  });

const letters = [];
const waiting = [];
const received = () => (letters.length ? Promise.resolve(letters.shift()) : new Promise((resolve) => waiting.push(resolve)));
const server = http.createServer((request, response) => {
  let body = "";
  request.on("data", (part) => (body += part));
  request.on("end", () => {
    const letter = { type: request.headers["x-amz-sns-message-type"], subscription: request.headers["x-amz-sns-subscription-arn"], body };
    (waiting.shift() ?? ((one) => letters.push(one)))(letter);
    response.end();
  });
});
await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));

const sns = new SNSClient({ maxAttempts: 1 });
for (const version of ["1", "2"]) {
  const { TopicArn } = await sns.send(new CreateTopicCommand({ Name: `js-endpoint-${version}`, Attributes: { SignatureVersion: version } }));
  const Endpoint = `http://127.0.0.1:${server.address().port}/${version}`;
  const asked = await sns.send(new SubscribeCommand({ TopicArn, Protocol: "http", Endpoint }));
  assert.equal(asked.SubscriptionArn, "pending confirmation");
  const confirmation = await received();
  assert.equal(confirmation.type, "SubscriptionConfirmation");
  const { Token, SignatureVersion } = await validate(confirmation.body);
  assert.equal(SignatureVersion, version);
  const { SubscriptionArn } = await sns.send(new ConfirmSubscriptionCommand({ TopicArn, Token }));
  await sns.send(new PublishCommand({ TopicArn, Message: "grün ☃ <&>", Subject: "s" }));
  const notification = await received();
  assert.deepEqual([notification.type, notification.subscription], ["Notification", SubscriptionArn]);
  const message = await validate(notification.body);
  assert.deepEqual([message.Message, message.Subject, message.TopicArn], ["grün ☃ <&>", "s", TopicArn]);
  await assert.rejects(validate(notification.body.replace("grün", "rot")), { message: "The message signature is invalid." });
  await sns.send(new UnsubscribeCommand({ SubscriptionArn }));
}
server.closeAllConnections();
server.close();
console.log("validated");
