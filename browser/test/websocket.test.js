import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Engine } from "../src/engine.js";
import { next, settled } from "./fake.js";

const HANDSHAKE = '0{"sid":"s","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":100}';

/** Stands in for the browser's class. */
function fakeWebSocket() {
  return class FakeWebSocket {
    static last;
    constructor(...args) {
      FakeWebSocket.last = this;
      this.args = args;
      this.sent = [];
    }
    send(data) {
      if (this.broken) throw new Error("closed");
      this.sent.push(data);
    }
    close() {
      this.closed = true;
    }
  };
}

function setup(opts) {
  const WebSocket = fakeWebSocket();
  const engine = new Engine("https://h/?a=1", { transports: ["websocket"], WebSocket, ...opts });
  const ws = WebSocket.last;
  return { engine, ws, open: () => (ws.onopen(), ws.onmessage({ data: HANDSHAKE })) };
}

describe("websocket", () => {
  it("opens a session and sends a message for each packet", async () => {
    const { engine, ws, open } = setup();
    assert.deepEqual(ws.args, ["wss://h/engine.io/?a=1&EIO=4&transport=websocket"]);
    assert.equal(ws.binaryType, "arraybuffer");
    open();
    const view = new Uint8Array([1]);
    const blob = new Blob(["x"]);
    engine.write("text");
    engine.write(view);
    engine.write(blob);
    engine.write("x".repeat(1000));
    await settled();
    assert.deepEqual(ws.sent, ["4text", view, blob, "4" + "x".repeat(1000)]);
    assert.equal(ws.sent[1], view);

    const got = [];
    engine.on("message", (data) => got.push(data));
    const { buffer } = view;
    ws.onmessage({ data: "4a" });
    ws.onmessage({ data: buffer });
    assert.deepEqual(got, ["a", buffer]);
    engine.close();
    assert.equal(ws.closed, true);
  });

  it("takes subprotocols and a time, and base64 when told", async () => {
    const { engine, ws, open } = setup({ protocols: ["p"], timestampRequests: true, forceBase64: true });
    assert.match(ws.args[0], /&t=[a-z0-9]{6,}&b64=1$/);
    assert.deepEqual(ws.args[1], ["p"]);
    open();
    engine.write(new Blob([new Uint8Array([1])]));
    engine.write(new Uint8Array([2]));
    await next(engine, "drain");
    assert.deepEqual(ws.sent, ["bAQ==", "bAg=="]);
    const got = next(engine, "message");
    ws.onmessage({ data: "bAw==" });
    assert.deepEqual(await got, [new Uint8Array([3]).buffer]);
    engine.close();
  });

  it("tells why it closed", async () => {
    const { engine, ws, open } = setup();
    open();
    const closed = next(engine, "close");
    const event = { code: 1009 };
    ws.onclose(event);
    assert.deepEqual(await closed, ["transport close", { description: "websocket connection closed", context: event }]);
  });

  it("tells of an error, once", async () => {
    const { engine, ws } = setup();
    const events = [];
    for (const name of ["error", "close"]) engine.on(name, (...args) => events.push([name, ...args]));
    const event = {};
    ws.onerror(event);
    ws.onclose({});
    const [[, err], [, reason, details]] = events;
    assert.deepEqual([err.message, err.description, reason], ["websocket error", event, "transport error"]);
    assert.equal(details, err);
    assert.equal(events.length, 2);
  });

  it("closes when the server says so in the session", async () => {
    const { engine, ws, open } = setup();
    open();
    const closed = next(engine, "close");
    ws.onmessage({ data: "1" });
    assert.deepEqual(await closed, ["transport close", { description: "transport closed by the server" }]);
    assert.equal(ws.closed, true);
  });

  it("tells, later, when it cannot be made", async () => {
    for (const WebSocket of [
      class {
        constructor() {
          throw new DOMException("insecure", "SecurityError");
        }
      },
      {},
    ]) {
      const engine = new Engine("http://h", { transports: ["websocket"], WebSocket });
      const [err] = await next(engine, "error");
      assert.equal(err.message, "websocket error");
      assert.ok(err.description instanceof Error);
      assert.equal(engine.readyState, "closed");
    }
  });

  it("goes on when a message can no longer be sent", async () => {
    const { engine, ws, open } = setup();
    open();
    ws.broken = true;
    engine.write("x");
    await next(engine, "drain");
    ws.onclose({});
    assert.equal(engine.readyState, "closed");
  });
});
