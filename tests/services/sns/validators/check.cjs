// Validates envelopes with AWS's own validator: a JSON list of texts on stdin, a JSON list of complaints on stdout (null
// where there is none). It insists on https and on AWS's hosts; the server under test speaks http, on this host.
const http = require("http");
const https = require("https");
https.get = (url, callback) => http.get(url.replace(/^https:/, "http:"), callback);
const Validator = require("sns-validator");

const validator = new Validator(/^127\.0\.0\.1:\d+$/);
const check = (text) =>
  new Promise((resolve) => validator.validate(text, (error) => resolve(error ? error.message : null)));

let input = "";
process.stdin.on("data", (part) => (input += part));
process.stdin.on("end", async () => {
  const complaints = [];
  for (const text of JSON.parse(input)) complaints.push(await check(text));
  process.stdout.write(JSON.stringify(complaints));
});
