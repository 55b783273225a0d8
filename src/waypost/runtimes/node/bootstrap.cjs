// Start of a Node.js function environment: `node bootstrap.cjs HANDLER`.
//
// A client of Lambda's Runtime API over one raw connection, which is three times faster to start and to answer than
// the http module. What a function sees of it (context, console lines, error documents, when a callback's answer
// leaves) follows AWS's runtime: up to Node.js 22 with callbacks, from nodejs24.x on without.
'use strict';

const fs = require('fs');
const net = require('net');
const path = require('path');
const { format } = require('util');

const INVOCATION = '/2018-06-01/runtime/invocation/';
const MAJOR = Number(/nodejs(\d+)/.exec(process.env.AWS_EXECUTION_ENV)?.[1] ?? 0);
const CALLBACKS = MAJOR < 24;

const log = { fd: Number(process.env._LAMBDA_TELEMETRY_LOG_FD), requestId: undefined };
delete process.env._LAMBDA_TELEMETRY_LOG_FD;

// ---- errors

function runtimeError(name, message, stack) {
  const error = new Error(message);
  error.name = `Runtime.${name}`;
  if (stack !== undefined) error.stack = stack;
  return error;
}

function errorDocument(error) {
  if (error instanceof Error || (error && typeof error === 'object' && error.name && error.message !== undefined && error.stack)) {
    return { errorType: error.name, errorMessage: error.message, trace: String(error.stack ?? '').split('\n') };
  }
  const text = error && typeof error.toString === 'function' ? error.toString() : String(error);
  return { errorType: typeof error, errorMessage: text, trace: [] };
}

/** An error as console lines show it: with what was added to it, such as a code or a cause. */
function forLog(error) {
  const shown = error instanceof Error ? error : Object.assign(new Error(String(error)), { name: typeof error });
  try {
    return `\t${JSON.stringify(shown, (_, value) => {
      if (!(value instanceof Error)) return value;
      const members = { errorType: value.name, errorMessage: value.message, code: value.code, ...value };
      if (typeof value.stack === 'string') members.stack = value.stack.split('\n');
      return members;
    })}`;
  } catch {
    return `\t${JSON.stringify(errorDocument(error))}`;
  }
}

// ---- console

/** A log record as one frame, so that its lines stay together: type, length, microseconds, text. */
function writeFrame(text, now) {
  const size = Buffer.byteLength(text);
  const frame = Buffer.allocUnsafe(16 + size);
  frame.writeUInt32BE(0xa55a0003, 0);
  frame.writeUInt32BE(size, 4);
  frame.writeBigInt64BE(BigInt(now.getTime()) * 1000n, 8);
  frame.write(text, 16);
  for (let at = 0; at < frame.length; ) {
    try {
      at += fs.writeSync(log.fd, frame, at);
    } catch (error) {
      // The pipe is full, and process.stdout made it non-blocking: wait for the reader.
      if (error.code !== 'EAGAIN') throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
    }
  }
}

function patchConsole() {
  for (const level of ['trace', 'debug', 'info', 'warn', 'error', 'fatal']) {
    console[level] = (...values) => {
      const now = new Date();
      writeFrame(`${now.toISOString()}\t${log.requestId}\t${level.toUpperCase()}\t${format(...values)}\n`, now);
    };
  }
  console.log = console.info;
}

// ---- Runtime API

/** One connection, one request at a time. It keeps the process alive only while an answer is awaited. */
class RuntimeApi {
  constructor(address) {
    const [host, port] = address.split(':');
    this.head = `Host: ${address}\r\n`;
    this.answered = null;
    this.parts = [];
    this.size = 0;
    this.expected = -1;
    this.socket = net.connect({ host, port: Number(port), noDelay: true });
    this.socket.on('data', (data) => this.receive(data));
    // Without its server an environment has nothing to live for.
    this.socket.on('error', () => process.exit(1));
    this.socket.on('close', () => process.exit(1));
  }

  request(method, url, headers, body) {
    const size = body === undefined ? 0 : Buffer.byteLength(body);
    const head = `${method} ${url} HTTP/1.1\r\n${this.head}${headers}Content-Length: ${size}\r\n\r\n`;
    this.socket.ref();
    return new Promise((resolve) => {
      this.answered = resolve;
      if (typeof body === 'string' && size < 65536) {
        this.socket.write(head + body);
      } else {
        this.socket.write(head);
        if (size) this.socket.write(body);
      }
    });
  }

  receive(data) {
    this.parts.push(data);
    this.size += data.length;
    if (this.size < this.expected) return;
    const all = this.parts.length === 1 ? data : Buffer.concat(this.parts);
    if (this.expected < 0) {
      const end = all.indexOf('\r\n\r\n');
      if (end < 0) {
        this.parts = [all];
        return;
      }
      this.fields = all.latin1Slice(0, end).split('\r\n');
      this.bodyAt = end + 4;
      this.expected = this.bodyAt + Number(this.header('content-length') ?? 0);
      if (all.length < this.expected) {
        this.parts = [all];
        return;
      }
    }
    const answer = {
      status: Number(this.fields[0].split(' ')[1]),
      headers: this.fields,
      body: all.utf8Slice(this.bodyAt, this.expected),
    };
    this.parts = [];
    this.size = 0;
    this.expected = -1;
    this.socket.unref();
    const answered = this.answered;
    this.answered = null;
    answered(answer);
  }

  header(name) {
    return header(this.fields, name);
  }

  next() {
    return this.request('GET', `${INVOCATION}next`, '');
  }

  respond(id, body, contentType) {
    return this.request('POST', `${INVOCATION}${encodeURIComponent(id)}/response`, `Content-Type: ${contentType}\r\n`, body);
  }

  fail(id, error) {
    const document = errorDocument(error);
    return this.request('POST', `${INVOCATION}${encodeURIComponent(id)}/error`, typeHeader(document), JSON.stringify(document));
  }

  failStart(error) {
    const document = errorDocument(error);
    return this.request('POST', '/2018-06-01/runtime/init/error', typeHeader(document), JSON.stringify(document));
  }
}

function typeHeader(document) {
  const type = String(document.errorType).replace(/[^\x20-\x7e]/g, '?');
  return `Content-Type: application/json\r\nLambda-Runtime-Function-Error-Type: ${type}\r\n`;
}

function header(fields, name) {
  for (let at = 1; at < fields.length; at++) {
    const colon = fields[at].indexOf(':');
    if (fields[at].slice(0, colon).toLowerCase() === name) return fields[at].slice(colon + 1).trim();
  }
  return undefined;
}

// ---- the handler

const STREAMING = Symbol.for('aws.lambda.runtime.handler.streaming');
const PRELUDE_TYPE = 'application/vnd.awslambda.http-integration-response';

function defineGlobals() {
  globalThis.awslambda = {
    streamifyResponse(handler) {
      handler[STREAMING] = 'response';
      return handler;
    },
    HttpResponseStream: {
      from(stream, prelude) {
        stream.setContentType(PRELUDE_TYPE);
        stream._onBeforeFirstWrite = (write) => {
          write(JSON.stringify(prelude));
          write(new Uint8Array(8));
        };
        return stream;
      },
    },
  };
}

/** Whether the nearest package.json makes .js files ES modules. */
function isModulePackage(folder) {
  if (path.basename(folder) === 'node_modules') return false;
  const file = path.join(folder, 'package.json');
  if (fs.existsSync(file)) {
    try {
      return JSON.parse(fs.readFileSync(file, 'utf8'))?.type === 'module';
    } catch (error) {
      console.warn(`${file} cannot be read, it will be ignored for ES module detection purposes.`, error);
      return false;
    }
  }
  return path.dirname(folder) === folder ? false : isModulePackage(path.dirname(folder));
}

async function loadModule(root, folder, name) {
  const file = path.resolve(root, folder, name);
  if (fs.existsSync(file) && fs.statSync(file).isFile()) return require(file);
  if (fs.existsSync(`${file}.js`)) {
    return isModulePackage(path.dirname(file)) ? import(`${file}.js`) : require(`${file}.js`);
  }
  if (fs.existsSync(`${file}.mjs`)) return import(`${file}.mjs`);
  if (fs.existsSync(`${file}.cjs`)) return require(`${file}.cjs`);
  return require(require.resolve(name, { paths: [root, path.join(root, folder)] }));
}

async function loadHandler(root, text) {
  if (text.includes('..')) {
    throw runtimeError(
      'MalformedHandlerName',
      `'${text}' is not a valid handler name. Use absolute paths when specifying root directories in handler names.`,
    );
  }
  const last = path.basename(text);
  const match = /^([^.]*)\.(.*)$/.exec(last);
  if (!match) throw runtimeError('MalformedHandlerName', 'Bad handler');
  let module;
  try {
    module = await loadModule(root, text.slice(0, text.indexOf(last)), match[1]);
  } catch (error) {
    if (error instanceof SyntaxError) throw runtimeError('UserCodeSyntaxError', String(error), error.stack);
    if (error?.code === 'MODULE_NOT_FOUND') throw runtimeError('ImportModuleError', String(error));
    throw error;
  }
  const find = (from) => match[2].split('.').reduce((value, key) => value?.[key], from);
  const handler = find(module) ?? (CALLBACKS ? undefined : find(module?.default));
  if (!handler) throw runtimeError('HandlerNotFound', `${text} is undefined or not exported`);
  if (typeof handler !== 'function') throw runtimeError('HandlerNotFound', `${text} is not a function`);
  if (handler[STREAMING] && handler[STREAMING] !== 'response') {
    throw runtimeError('MalformedStreamingHandler', 'Only response streaming is supported.');
  }
  if (!CALLBACKS && handler.length >= 3 && !handler[STREAMING]) {
    throw runtimeError(
      'CallbackHandlerDeprecated',
      'ERROR: AWS Lambda has removed support for callback-based function handlers starting with Node.js 24. ' +
        'You need to modify this function to use a supported handler signature to use Node.js 24 or later. ' +
        'For more information see https://docs.aws.amazon.com/lambda/latest/dg/nodejs-handler.html.',
    );
  }
  return handler;
}

// ---- invocations

/** What to do when nothing is left to run although the invocation under way has no answer. */
let onEmpty = null;
/** How to answer the invocation under way, or the start, when an error escapes. */
let onEscape = null;

function serialize(value) {
  let text;
  try {
    text = JSON.stringify(value === undefined ? null : value);
  } catch {
    throw CALLBACKS
      ? new Error('Unable to stringify response body')
      : runtimeError('JSONStringifyError', 'Unable to stringify response body');
  }
  return text ?? 'null';
}

function contextOf(fields) {
  const deadline = Number(header(fields, 'lambda-runtime-deadline-ms'));
  const parsed = (name) => {
    const text = header(fields, name);
    return text ? JSON.parse(text) : undefined;
  };
  return {
    functionVersion: process.env.AWS_LAMBDA_FUNCTION_VERSION,
    functionName: process.env.AWS_LAMBDA_FUNCTION_NAME,
    memoryLimitInMB: process.env.AWS_LAMBDA_FUNCTION_MEMORY_SIZE,
    logGroupName: process.env.AWS_LAMBDA_LOG_GROUP_NAME,
    logStreamName: process.env.AWS_LAMBDA_LOG_STREAM_NAME,
    clientContext: parsed('lambda-runtime-client-context'),
    identity: parsed('lambda-runtime-cognito-identity'),
    invokedFunctionArn: header(fields, 'lambda-runtime-invoked-function-arn'),
    awsRequestId: header(fields, 'lambda-runtime-aws-request-id'),
    getRemainingTimeInMillis: () => deadline - Date.now(),
  };
}

const isPromise = (value) => value !== null && typeof value === 'object' && typeof value.then === 'function';

/** Settles once an invocation has its answer and the server knows it. */
class Invocation {
  constructor(api, id) {
    this.api = api;
    this.id = id;
    this.answered = false;
    this.done = new Promise((resolve) => {
      this.resolve = resolve;
    });
  }

  answer(post) {
    if (this.answered) return;
    this.answered = true;
    onEmpty = null;
    post().then(this.resolve);
  }

  succeed(value) {
    this.answer(() => {
      let body;
      try {
        body = serialize(value);
      } catch (error) {
        console.error('Invoke Error', forLog(error));
        return this.api.fail(this.id, error);
      }
      return this.api.respond(this.id, body, 'application/json');
    });
  }

  fail(error) {
    this.answer(() => {
      console.error('Invoke Error', forLog(error));
      return this.api.fail(this.id, error);
    });
  }
}

function runCallbackStyle(handler, event, context, invocation) {
  let waitForEmpty = true;
  Object.defineProperty(context, 'callbackWaitsForEmptyEventLoop', {
    enumerable: true,
    get: () => waitForEmpty,
    set: (value) => {
      waitForEmpty = value;
    },
  });
  const succeed = (value) => invocation.succeed(value);
  const fail = (error) => invocation.fail(error);
  context.succeed = succeed;
  context.fail = (error) => (error === undefined || error === null ? fail('handled') : fail(error));
  context.done = (error, value) => (error === undefined || error === null ? succeed(value) : fail(error));
  const callback = (error, value) => {
    if (error !== undefined && error !== null) fail(error);
    else if (!waitForEmpty) succeed(value);
    else onEmpty = () => setImmediate(succeed, value);
  };
  onEmpty = () => succeed(null);
  try {
    const result = handler(event, context, callback);
    if (isPromise(result)) result.then(succeed, fail);
  } catch (error) {
    fail(error);
  }
}

async function runReturnStyle(handler, event, context, invocation) {
  onEmpty = () => invocation.succeed(null);
  try {
    invocation.succeed(await handler(event, context));
  } catch (error) {
    invocation.fail(error);
  }
}

/** A streaming handler: what it writes is gathered and answered as a whole. */
async function runStreaming(handler, event, context, invocation) {
  const { Writable } = require('stream');
  const parts = [];
  let contentType = 'application/octet-stream';
  const keep = (part) => parts.push(Buffer.from(part));
  const stream = new Writable({
    decodeStrings: true,
    write(part, _encoding, next) {
      keep(part);
      next();
    },
  });
  const write = stream.write.bind(stream);
  let begun = false;
  stream.write = (part, ...rest) => {
    if (!begun) {
      begun = true;
      stream._onBeforeFirstWrite?.(keep);
    }
    const isBytes = typeof part === 'string' || part instanceof Uint8Array;
    return write(isBytes ? part : JSON.stringify(part), ...rest);
  };
  stream.setContentType = (type) => {
    if (begun) throw runtimeError('InvalidStreamingOperation', 'Cannot set content-type, too late.');
    contentType = type;
  };
  onEmpty = () => invocation.fail(new Error('Response stream is not finished.'));
  const finished = new Promise((resolve) => stream.on('finish', resolve));
  try {
    const result = handler(event, stream, context);
    if (!isPromise(result)) throw new Error('Streaming does not support non-async handlers.');
    if ((await result) !== undefined) console.warn('Streaming handlers ignore return values.');
    await finished;
    invocation.answer(() => invocation.api.respond(invocation.id, Buffer.concat(parts), contentType));
  } catch (error) {
    invocation.fail(error);
  }
}

async function serve(api, handler) {
  const run = handler[STREAMING] ? runStreaming : CALLBACKS ? runCallbackStyle : runReturnStyle;
  for (;;) {
    const { headers, body } = await api.next();
    const context = contextOf(headers);
    const trace = header(headers, 'lambda-runtime-trace-id');
    if (trace) process.env._X_AMZN_TRACE_ID = trace;
    else delete process.env._X_AMZN_TRACE_ID;
    log.requestId = context.awsRequestId;
    const invocation = new Invocation(api, context.awsRequestId);
    onEscape = (error) => (invocation.answered ? invocation.done : api.fail(invocation.id, error));
    let event;
    try {
      event = JSON.parse(body);
    } catch (error) {
      invocation.fail(error);
    }
    if (!invocation.answered) run(handler, event, context, invocation);
    await invocation.done;
  }
}

function escape(title, error, code) {
  console.error(title, forLog(error));
  const post = onEscape;
  onEscape = () => new Promise(() => {});
  onEmpty = null;
  post(error).then(() => process.exit(code));
}

async function main() {
  patchConsole();
  defineGlobals();
  const api = new RuntimeApi(process.env.AWS_LAMBDA_RUNTIME_API);
  api.socket.unref();
  onEscape = (error) => api.failStart(error);
  process.on('beforeExit', () => onEmpty?.());
  process.on('uncaughtException', (error) => escape('Uncaught Exception', error, 129));
  process.on('unhandledRejection', (reason, promise) => {
    const error = runtimeError('UnhandledPromiseRejection', String(reason));
    Object.assign(error, { reason, promise });
    escape('Unhandled Promise Rejection', error, 128);
  });
  let handler;
  try {
    handler = await loadHandler(process.env.LAMBDA_TASK_ROOT, process.argv[2]);
  } catch (error) {
    escape(CALLBACKS ? 'Uncaught Exception' : 'Init Error', error, 1);
    return;
  }
  await serve(api, handler);
}

main();
