import assert from "node:assert/strict";
import { createServer } from "node:http";
import { afterEach, beforeEach, describe, it } from "node:test";
import { Engine } from "../src/engine.js";
import { next } from "./fake.js";

const HANDSHAKE = '0{"sid":"s","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}';

let server, url;
/** Requests in the order they came, and those who wait for the next one. */
let requests, waiting;
const engines = [];

function open(opts) {
  const engine = new Engine(url, { transports: ["polling"], ...opts });
  engines.push(engine);
  return engine;
}

/** The next request: its method, query, headers, body and an `answer` function. */
function request() {
  return requests.length ? Promise.resolve(requests.shift()) : new Promise((resolve) => waiting.push(resolve));
}

/** Opens a session, leaving the first poll after the handshake unanswered. */
async function session(opts) {
  const engine = open(opts);
  const opened = next(engine, "open");
  const handshake = await request();
  handshake.answer(HANDSHAKE);
  await opened;
  return { engine, handshake, poll: await request() };
}

// One server for each test, since the last words of an engine may come after the test it was made in.
beforeEach(async () => {
  requests = [];
  waiting = [];
  server = createServer(async (req, res) => {
    const entry = { method: req.method, url: req.url, query: new URL(req.url, "http://h").searchParams, headers: req.headers, aborted: next(res, "close") };
    let body = "";
    for await (const chunk of req) body += chunk;
    entry.body = body;
    entry.answer = (text, status = 200) => res.writeHead(status).end(text);
    const waiter = waiting.shift();
    if (waiter) waiter(entry);
    else requests.push(entry);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  url = "http://127.0.0.1:" + server.address().port;
});

afterEach(() => {
  for (const engine of engines.splice(0)) engine._onClose("test");
  server.close();
  server.closeAllConnections();
});

describe("polling", () => {
  it("opens a session and polls in it", async () => {
    const { engine, handshake, poll } = await session({ path: "/socket.io", query: { token: "é" }, extraHeaders: { "X-Mine": "1" } });
    assert.equal(handshake.method, "GET");
    assert.match(handshake.url, /^\/socket\.io\/\?/);
    assert.equal(handshake.headers["x-mine"], "1");
    const { t, ...query } = Object.fromEntries(handshake.query);
    assert.match(t, /^[a-z0-9]{6,}$/);
    assert.deepEqual(query, { token: "é", EIO: "4", transport: "polling" });
    assert.deepEqual([poll.method, poll.query.get("sid"), poll.headers["x-mine"]], ["GET", "s", "1"]);
    assert.notEqual(poll.query.get("t"), t);
    assert.equal(engine.id, "s");

    const got = [];
    engine.on("message", (data) => got.push(data));
    poll.answer("4a\x1ebAQI=\x1e4b");
    await request();
    assert.deepEqual(got, ["a", new Uint8Array([1, 2]).buffer, "b"]);
  });

  it("posts one body at a time, with all that waits", async () => {
    const { engine } = await session();
    engine.write("first");
    engine.write("é");
    engine.write(new Uint8Array([1, 2, 3]).subarray(1));
    const first = await request();
    assert.deepEqual([first.method, first.body, first.query.get("sid")], ["POST", "4first", "s"]);
    assert.equal(first.headers["content-type"], "text/plain;charset=UTF-8");
    engine.write(new Blob(["blob"]));
    engine.write("after the blob");
    assert.deepEqual(requests, []);
    first.answer("ok");
    const second = await request();
    assert.equal(second.body, "4é\x1ebAgM=\x1ebYmxvYg==\x1e4after the blob");
    assert.deepEqual(requests, []);
    second.answer("ok");
    await next(engine, "drain");
    assert.equal(engine.writeBuffer.length, 0);
  });

  it("says so to the server when it closes, and then lets the poll go", async () => {
    const { engine, poll } = await session();
    engine.close();
    const last = await request();
    assert.deepEqual([last.method, last.body], ["POST", "1"]);
    last.answer("ok");
    await poll.aborted;
  });

  it("lets a handshake go when it is closed before", async () => {
    const engine = open();
    const handshake = await request();
    engine.close();
    await handshake.aborted;
    assert.deepEqual(requests, []);
  });

  it("closes when the server does, after what came with it", async () => {
    const { engine, poll } = await session();
    const got = [];
    engine.on("message", (data) => queueMicrotask(() => got.push(data)));
    engine.on("close", (...args) => got.push(args));
    const closed = next(engine, "close");
    poll.answer("4a\x1e1\x1e4b");
    await closed;
    assert.deepEqual(got, ["a", ["transport close", { description: "transport closed by the server" }]]);
    assert.deepEqual(requests, [], "no request for a session that is gone");
  });

  for (const [what, message] of [["poll", "xhr poll error"], ["post", "xhr post error"]]) {
    it(`tells the status and the body of a failed ${what}`, async () => {
      const { engine, poll } = await session();
      const failed = next(engine, "error");
      const closed = next(engine, "close");
      let failing = poll;
      if (what === "post") {
        engine.write("x");
        failing = await request();
      }
      failing.answer('{"code":1}', 400);
      const [err] = await failed;
      assert.deepEqual([err.message, err.type, err.description], [message, "TransportError", 400]);
      assert.deepEqual([err.context.status, err.context.responseText], [400, '{"code":1}']);
      assert.deepEqual(await closed, ["transport error", err]);
    });
  }

  it("tells the error when there is no answer", async () => {
    const closed = createServer();
    await new Promise((resolve) => closed.listen(0, "127.0.0.1", resolve));
    const { port } = closed.address();
    await new Promise((resolve) => closed.close(resolve));
    const engine = new Engine("http://127.0.0.1:" + port, { transports: ["polling"] });
    const [err] = await next(engine, "error");
    assert.equal(err.message, "xhr poll error");
    assert.ok(err.description instanceof Error);
  });

  it("gives up a request after requestTimeout", async () => {
    const engine = open({ requestTimeout: 20 });
    const [err] = await next(engine, "error");
    assert.equal(err.message, "xhr poll error");
    assert.equal(err.description.name, "AbortError");
  });

  it("asks for base64 and leaves the time out, when told", async () => {
    const { handshake, poll } = await session({ forceBase64: true, timestampRequests: false });
    assert.deepEqual(Object.fromEntries(handshake.query), { EIO: "4", transport: "polling", b64: "1" });
    assert.deepEqual(Object.fromEntries(poll.query), { EIO: "4", transport: "polling", sid: "s" });
  });

  it("sends cookies to other origins only when told", async (t) => {
    const calls = [];
    t.mock.method(globalThis, "fetch", async (uri, init) => {
      calls.push(init);
      return new Response("no", { status: 500 });
    });
    for (const withCredentials of [true, undefined]) await next(open({ withCredentials }), "close");
    assert.deepEqual(calls.map(({ credentials, keepalive }) => [credentials, keepalive]), [["include", false], ["same-origin", false]]);
  });

  it("waits for its requests before it gives way to another transport", async () => {
    const { engine, poll } = await session();
    engine.write("x");
    const post = await request();
    let paused = 0;
    const { transport } = engine;
    transport.pause(() => paused++);
    const got = next(engine, "message");
    poll.answer("4last");
    await got;
    assert.equal(paused, 0);
    const drained = next(engine, "drain");
    post.answer("ok");
    await drained;
    assert.equal(transport.readyState, "paused");
    assert.equal(paused, 1);
    assert.deepEqual(requests, []);
    transport.resume();
    assert.equal((await request()).method, "GET");
    assert.equal(transport.readyState, "open");
  });

  it("keeps its poll when it takes up again before that has ended", async () => {
    const { engine, poll } = await session();
    const { transport } = engine;
    transport.pause(() => assert.fail("paused"));
    transport.resume();
    engine.write("x");
    assert.equal((await request()).body, "4x");
    assert.deepEqual(requests, []);
    poll.answer("6");
    assert.equal((await request()).method, "GET");
  });
});
