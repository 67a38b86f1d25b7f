import assert from "node:assert/strict";
import { afterEach, describe, it } from "node:test";
import { Engine } from "../src/engine.js";
import { encodeFrames, frameDecoder } from "../src/frames.js";
import { WebTransportTransport } from "../src/transport_webtransport.js";
import { fakeTransport, next, settled } from "./fake.js";

const HANDSHAKE = { sid: "s", upgrades: [], pingInterval: 25000, pingTimeout: 20000, maxPayload: 100 };

/** Stands in for the browser's class; the test plays the server. */
class FakeWebTransport {
  static last;

  constructor(...args) {
    FakeWebTransport.last = this;
    this.args = args;
    this.closes = 0;
    /** Encoded packets. */
    this.got = [];
    this.closed = new Promise((resolve, reject) => Object.assign(this, { end: resolve, fail: reject }));
    this.ready = Promise.resolve();
  }

  async createBidirectionalStream() {
    const decode = frameDecoder();
    const readable = new ReadableStream({ start: (controller) => (this.down = controller) });
    const writable = new WritableStream({
      write: (chunk) => {
        if (this.stuck) return new Promise(() => {});
        if (this.broken) throw new Error("broken");
        for (const { type, data } of decode(chunk)) this.got.push(data === undefined ? type : [type, data]);
      },
      close: () => this.got.push("end of stream"),
    });
    return { readable, writable };
  }

  send(...encoded) {
    this.down.enqueue(encodeFrames(encoded));
  }

  close() {
    this.closes++;
    this.end({ closeCode: 0, reason: "" });
  }
}

globalThis.WebTransport = FakeWebTransport;
afterEach(() => (globalThis.WebTransport = FakeWebTransport));

async function setup(opts) {
  const engine = new Engine("https://h:3000/?a=1", { transports: ["webtransport"], ...opts });
  await settled();
  return { engine, session: FakeWebTransport.last };
}

async function open(opts) {
  const { engine, session } = await setup(opts);
  const opened = next(engine, "open");
  session.send("0" + JSON.stringify(HANDSHAKE));
  await opened;
  return { engine, session };
}

describe("webtransport", () => {
  it("opens a session by a packet without data", async () => {
    const options = { serverCertificateHashes: [] };
    const { engine, session } = await open({ transportOptions: { webtransport: options } });
    assert.deepEqual(session.args, ["https://h:3000/engine.io/", options]);
    assert.equal(engine.id, "s");
    assert.deepEqual(session.got, ["open"]);
    engine.close();
  });

  it("sends and receives text, bytes and Blobs in order", async () => {
    const { engine, session } = await open();
    session.got.length = 0;
    for (const data of ["a", new Blob(["bc"]), new Uint8Array([1]), new Blob([]), "d"]) engine.write(data);
    await next(engine, "drain");
    const bytes = (...values) => new Uint8Array(values).buffer;
    const message = (data) => ["message", data];
    assert.deepEqual(session.got, ["a", bytes(98, 99), bytes(1), bytes(), "d"].map(message));

    const got = [];
    engine.on("message", (data) => got.push(data));
    session.send("4x", new Uint8Array([2]), "4y");
    await settled();
    assert.deepEqual(got, ["x", bytes(2), "y"]);
    engine.binaryType = "blob";
    const blob = next(engine, "message");
    session.send(new Uint8Array([97]));
    assert.equal(await (await blob)[0].text(), "a");
    engine.close();
  });

  it("goes on when a listener throws", async (t) => {
    const { engine, session } = await open();
    const later = queueMicrotask;
    const thrown = new Promise((resolve) => {
      t.mock.method(globalThis, "queueMicrotask", (task) => later(() => {
        try {
          task();
        } catch (err) {
          resolve(err);
        }
      }));
    });
    engine.once("message", () => {
      throw new Error("listener");
    });
    const second = new Promise((resolve) => engine.on("message", (data) => data === "2" && resolve()));
    session.send("41", "42");
    assert.equal((await thrown).message, "listener");
    await second;
    engine.close();
  });

  it("lets the last words leave before it closes", async () => {
    const { engine, session } = await open();
    engine.write("bye");
    engine.close();
    await session.closed;
    assert.deepEqual(session.got, ["open", ["message", "bye"], "end of stream"]);
  });

  it("closes even if they can't leave", async (t) => {
    t.mock.timers.enable({ apis: ["setTimeout"] });
    const { engine, session } = await open();
    session.stuck = true;
    engine.transport.send([{ type: "message", data: "x" }]);
    await settled();
    engine.close();
    await settled();
    assert.equal(session.closes, 0);
    t.mock.timers.tick(1000);
    assert.equal(session.closes, 1);
  });

  for (const [name, end, want] of [
    ["a close packet", (session) => session.send("1"), "transport closed by the server"],
    ["the end of the stream", (session) => session.down.close(), "webtransport connection closed"],
    ["the end of the session", (session) => session.end({}), "webtransport connection closed"],
    ["an error of the stream", (session) => session.down.error(new Error("reset")), "webtransport connection closed"],
  ]) {
    it(`closes on ${name}`, async () => {
      const { engine, session } = await open();
      const closed = next(engine, "close");
      end(session);
      const [reason, { description }] = await closed;
      assert.deepEqual([reason, description], ["transport close", want]);
      await session.closed;
    });
  }

  it("closes when it can no longer send", async () => {
    const { engine, session } = await open();
    session.broken = true;
    const closed = next(engine, "close");
    engine.write("x");
    assert.equal((await closed)[0], "transport close");
  });

  it("tells of a Blob that can't be read", async () => {
    class Broken extends Blob {
      arrayBuffer() {
        return Promise.reject(new Error("gone"));
      }
    }
    const { engine } = await open();
    const failed = next(engine, "error");
    engine.write(new Broken([]));
    const [err] = await failed;
    assert.deepEqual([err.message, err.description.message], ["webtransport error", "gone"]);
  });

  it("tells of an error, once", async () => {
    const { engine, session } = await open();
    const events = [];
    for (const name of ["error", "close"]) engine.on(name, (...args) => events.push([name, ...args]));
    const cause = new Error("lost");
    session.fail(cause);
    session.down.error(cause);
    await settled();
    const [[, err], [, reason]] = events;
    assert.deepEqual([err.message, err.description, reason, events.length], ["webtransport error", cause, "transport error", 2]);
  });

  it("tells, later, when there is none", async () => {
    for (const missing of [undefined, class { constructor() { throw new DOMException("insecure", "SecurityError"); } }]) {
      globalThis.WebTransport = missing;
      const engine = new Engine("http://h", { transports: ["webtransport"] });
      const [err] = await next(engine, "error");
      assert.equal(err.message, "webtransport error");
      assert.equal(engine.readyState, "closed");
    }
  });

  it("fails when the server refuses the session", async () => {
    globalThis.WebTransport = class extends FakeWebTransport {
      constructor(...args) {
        super(...args);
        this.ready = Promise.reject(new Error("refused"));
        this.fail(new Error("refused"));
      }
    };
    const engine = new Engine("https://h", { transports: ["webtransport"] });
    const [err] = await next(engine, "error");
    assert.deepEqual([err.message, err.description.message], ["webtransport error", "refused"]);
  });

  it("is upgraded to, before WebSocket", async (t) => {
    t.mock.timers.enable({ apis: ["setTimeout"] });
    const Polling = fakeTransport("polling");
    const Slow = fakeTransport("websocket");
    const engine = new Engine("https://h", { transports: [Polling, Slow, WebTransportTransport] });
    Polling.opened[0].handshake({ sid: "1\"", upgrades: ["websocket", "webtransport"] });
    await settled();
    const session = FakeWebTransport.last;
    assert.equal(Slow.opened.length, 0);
    assert.deepEqual(session.got, [["open", '{"sid":"1\\""}'], ["ping", "probe"]]);
    const upgraded = next(engine, "upgrade");
    session.send("3probe");
    await settled();
    t.mock.timers.tick(1000);
    assert.equal(Slow.opened.length, 0);
    Polling.opened[0].idle();
    await upgraded;
    await settled();
    assert.equal(engine.transport.name, "webtransport");
    assert.equal(session.got.at(-1), "upgrade");
    engine.close();
  });

  it("is not waited for where there is none", () => {
    globalThis.WebTransport = undefined;
    const Polling = fakeTransport("polling");
    const Other = fakeTransport("websocket");
    const engine = new Engine("https://h", { transports: [Polling, Other, WebTransportTransport] });
    engine.on("upgradeError", assert.fail);
    Polling.opened[0].handshake({ upgrades: ["websocket", "webtransport"] });
    assert.equal(Other.opened.length, 1);
    engine.off("upgradeError");
    engine.close();
  });

  it("leaves the upgrade to WebSocket when it is not quick", async (t) => {
    t.mock.timers.enable({ apis: ["setTimeout"] });
    const Polling = fakeTransport("polling");
    const Quick = fakeTransport("websocket");
    const engine = new Engine("https://h", { transports: [Polling, Quick, WebTransportTransport] });
    const errors = [];
    engine.on("upgradeError", (err) => errors.push(err));
    Polling.opened[0].handshake({ upgrades: ["websocket", "webtransport"] });
    await settled();
    const session = FakeWebTransport.last;
    t.mock.timers.tick(200);
    const [probe] = Quick.opened;
    probe.onOpen();
    probe.onPacket({ type: "pong", data: "probe" });
    Polling.opened[0].idle();
    await settled();
    assert.equal(engine.transport.name, "websocket");
    await session.closed;
    assert.deepEqual(errors, []);
    engine.close();
  });
});
