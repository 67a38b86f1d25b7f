import assert from "node:assert/strict";
import { afterEach, describe, it } from "node:test";
import { Manager } from "../src/index.js";
import { fakeTransport, next, settled } from "./fake.js";

const managers = [];
afterEach(() => managers.splice(0).forEach((manager) => manager.disconnect()));

/** A socket whose server is the test. */
function setup(opts, nsp = "/") {
  const FakeTransport = fakeTransport();
  const manager = new Manager("http://h", { transports: [FakeTransport], reconnection: false, timeout: false, ...opts });
  managers.push(manager);
  const socket = manager.socket(nsp, opts);
  return {
    manager,
    socket,
    get transport() {
      return FakeTransport.opened.at(-1);
    },
    opened: FakeTransport.opened,
    async connect(reply = '0{"sid":"a"}') {
      this.transport.handshake();
      await settled();
      this.transport.messages();
      this.transport.receive(reply);
      await settled();
    },
    async receive(...messages) {
      this.transport.receive(...messages);
      await settled();
    },
    async sent() {
      await settled();
      return this.transport.messages();
    },
  };
}

/** The messages of exceptions that nobody catches; the test runner would take them for failures. */
function catchUncaught(t) {
  const thrown = [];
  t.mock.method(globalThis, "queueMicrotask", (task) => {
    Promise.resolve().then(task).catch((err) => thrown.push(err.message));
  });
  return thrown;
}

describe("connecting", () => {
  it("sends CONNECT and takes the id of the reply", async () => {
    const s = setup();
    assert.equal(s.socket.active, true);
    s.transport.handshake();
    assert.deepEqual(await s.sent(), ["0"]);
    assert.equal(s.socket.connected, false);
    assert.equal(s.socket.disconnected, true);
    assert.equal(s.socket.id, undefined);
    const connected = next(s.socket, "connect");
    s.transport.receive('0{"sid":"a"}');
    await connected;
    assert.equal(s.socket.connected, true);
    assert.equal(s.socket.id, "a");
    assert.equal(s.socket.recovered, false);
  });

  it("delivers what came early, sends what waited, and only then emits connect", async () => {
    const s = setup({ retries: 1, ackTimeout: 1000 });
    const calls = [];
    s.socket.on("early", () => calls.push("early"));
    s.socket.onAnyOutgoing((event) => calls.push("out " + event));
    s.socket.on("connect", () => calls.push("connect"));
    s.socket.volatile.emit("volatile");
    s.socket.emit("queued", () => {});
    s.socket._emit(["buffered"], {});
    s.transport.handshake();
    await settled();
    s.transport.messages();
    await s.receive('2["early"]');
    assert.deepEqual(calls, []);
    await s.receive('0{"sid":"a"}');
    assert.deepEqual(calls, ["early", "out buffered", "out queued", "connect"]);
    assert.deepEqual(await s.sent(), ['2["buffered"]', '20["queued"]']);
  });

  it("sends one CONNECT however often it is told", async () => {
    const s = setup();
    s.socket.connect().open();
    s.transport.handshake();
    s.socket.connect();
    await settled();
    s.socket.open();
    assert.deepEqual(await s.sent(), ["0"]);
    await s.receive('0{"sid":"a"}');
    s.socket.connect();
    assert.deepEqual(await s.sent(), []);
  });

  it("sends auth: an object, or what a function gives at each connection", async () => {
    const s = setup({ auth: { token: "x" } }, "/n");
    s.transport.handshake();
    assert.deepEqual(await s.sent(), ['0/n,{"token":"x"}']);
    await s.receive('0/n,{"sid":"a"}', "1/n,");
    let calls = 0;
    s.socket.auth = (send) => send({ call: ++calls });
    for (const call of [1, 2]) {
      s.socket.connect();
      s.transport.handshake();
      assert.deepEqual(await s.sent(), [`0/n,{"call":${call}}`]);
      await s.receive('0/n,{"sid":"a"}', "1/n,");
    }
  });

  it("takes auth once", async () => {
    const s = setup({ auth: (send) => (send({ n: 1 }), send({ n: 2 })) });
    s.transport.handshake();
    assert.deepEqual(await s.sent(), ['0{"n":1}']);
  });

  it("drops auth that comes too late", async () => {
    const late = [];
    const s = setup({ auth: (send) => late.push(send) });
    s.transport.handshake();
    s.socket.disconnect().connect();
    s.transport.handshake();
    await settled();
    assert.equal(late.length, 2);
    late[0]({ n: 0 });
    assert.deepEqual(await s.sent(), []);
    late[1]({ n: 1 });
    assert.deepEqual(await s.sent(), ['0{"n":1}']);
  });

  it("tells a refusal, with its data, and stays away", async () => {
    const s = setup();
    s.transport.handshake();
    const refused = next(s.socket, "connect_error");
    s.transport.receive('4{"message":"no","data":{"code":1}}');
    const [err] = await refused;
    assert.ok(err instanceof Error);
    assert.equal(err.message, "no");
    assert.deepEqual(err.data, { code: 1 });
    assert.equal(s.socket.active, false);
    assert.equal(s.transport.closed, true);
  });

  it("tells of an old server", async () => {
    for (const reply of ["0", "0{}"]) {
      const s = setup();
      s.transport.handshake();
      const refused = next(s.socket, "connect_error");
      s.transport.receive(reply);
      assert.match((await refused)[0].message, /v2/);
      assert.equal(s.socket.connected, false);
    }
  });

  it("ignores packets of other namespaces", async () => {
    const s = setup({}, "/n");
    s.socket.onAny(() => assert.fail("delivered"));
    s.transport.handshake();
    await s.receive('0{"sid":"a"}', '2["x"]', '0/m,{"sid":"b"}');
    assert.equal(s.socket.connected, false);
  });
});

describe("emitting", () => {
  it("refuses reserved names", async () => {
    const s = setup();
    for (const name of ["connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"]) {
      assert.throws(() => s.socket.emit(name), new Error(`"${name}" is a reserved event name`));
      await assert.rejects(s.socket.emitWithAck(name), /reserved/);
    }
    assert.deepEqual(s.socket.sendBuffer, []);
  });

  it("sends events with their arguments, and send() as message", async () => {
    const s = setup();
    await s.connect();
    assert.equal(s.socket.emit("a", 1, null, undefined, { x: [] }).send("hi", 2), s.socket);
    assert.deepEqual(await s.sent(), ['2["a",1,null,null,{"x":[]}]', '2["message","hi",2]']);
  });

  it("keeps events in order until connected", async () => {
    const s = setup();
    for (let i = 0; i < 5; i++) s.socket.emit("e", i);
    assert.equal(s.socket.sendBuffer.length, 5);
    s.transport.handshake();
    s.socket.emit("e", 5);
    await s.receive('0{"sid":"a"}');
    s.socket.emit("e", 6);
    assert.deepEqual(await s.sent(), ["0", ...Array.from({ length: 7 }, (_, i) => `2["e",${i}]`)]);
    assert.equal(s.socket.sendBuffer.length, 0);
  });

  it("drops volatile events while not connected or while the transport is busy", async () => {
    const s = setup();
    s.socket.volatile.emit("offline");
    s.transport.handshake();
    await settled();
    s.socket.volatile.emit("not yet");
    await s.receive('0{"sid":"a"}');
    s.transport.messages();
    s.transport.fast = false;
    s.socket.volatile.emit("sent");
    s.socket.volatile.emit("busy");
    s.socket.emit("waits");
    s.transport.onDrain();
    assert.deepEqual(await s.sent(), ['2["sent"]', '2["waits"]']);
    s.transport.onDrain();
  });

  it("forgets flags with the event they were for", async () => {
    const s = setup();
    s.socket.timeout(1).volatile.compress(false).emit("x");
    await s.connect();
    let error;
    s.socket.emit("e", (...args) => (error = args));
    await s.receive("30[1]");
    assert.deepEqual(error, [1]);
  });

  it("calls back with the acknowledgement, once", async () => {
    const s = setup();
    await s.connect();
    const calls = [];
    s.socket.emit("e", 1, (...args) => calls.push(args));
    const promise = s.socket.emitWithAck("f");
    assert.deepEqual(await s.sent(), ['20["e",1]', '21["f"]']);
    await s.receive('31["second"]', '30["a",null]', '30["again"]', '37["unknown"]');
    assert.deepEqual(calls, [["a", null]]);
    assert.equal(await promise, "second");
  });

  it("times acknowledgements out", async (t) => {
    t.mock.timers.enable({ apis: ["setTimeout"] });
    const s = setup({ ackTimeout: 500 });
    const calls = [];
    s.socket.timeout(100).emit("a", (...args) => calls.push(["a", ...args]));
    s.socket.emit("b", (...args) => calls.push(["b", ...args]));
    s.transport.handshake();
    s.transport.receive('0{"sid":"a"}');
    await settled();
    s.socket.timeout(100).emit("c", (...args) => calls.push(["c", ...args]));
    const late = s.socket.timeout(200).emitWithAck("d");
    s.transport.receive('32["ok"]');
    await settled();
    assert.deepEqual(calls, [["c", null, "ok"]]);
    calls.length = 0;
    t.mock.timers.tick(100);
    assert.equal(calls.length, 1);
    assert.equal(calls[0][1].message, "operation has timed out");
    t.mock.timers.tick(100);
    await assert.rejects(late, { message: "operation has timed out" });
    await s.receive('30["late"]');
    assert.equal(calls.length, 1);
    t.mock.timers.tick(300);
    assert.equal(calls[1][0], "b");
  });

  it("takes an event that timed out from the buffer", async (t) => {
    t.mock.timers.enable({ apis: ["setTimeout"] });
    const s = setup();
    const promise = s.socket.timeout(100).emitWithAck("a");
    s.socket.emit("b", () => {});
    t.mock.timers.tick(100);
    await assert.rejects(promise);
    assert.deepEqual(s.socket.sendBuffer.map(({ data }) => data), [["b"]]);
  });

  it("tells onAnyOutgoing listeners what is sent, when it is", async () => {
    const s = setup();
    const calls = [];
    const second = (...args) => calls.push([2, ...args]);
    s.socket.onAnyOutgoing(second).prependAnyOutgoing((...args) => calls.push([1, ...args]));
    s.socket.emit("a", "x", () => {});
    assert.deepEqual(calls, []);
    await s.connect();
    assert.deepEqual(calls, [[1, "a", "x"], [2, "a", "x"]]);
    s.socket.offAnyOutgoing(second).offAnyOutgoing(() => {}).emit("b");
    assert.deepEqual(calls.slice(2), [[1, "b"]]);
    assert.equal(s.socket.listenersAnyOutgoing().length, 1);
    assert.equal(s.socket.offAnyOutgoing().listenersAnyOutgoing().length, 0);
  });
});

describe("receiving", () => {
  it("calls listeners with the arguments, catch-all listeners first", async () => {
    const s = setup();
    await s.connect();
    const calls = [];
    const any = (...args) => calls.push(["any", ...args]);
    s.socket.on("e", (...args) => calls.push(["on", ...args]));
    s.socket.onAny(any).prependAny((...args) => calls.push(["first", ...args]));
    await s.receive('2["e",1,{"x":null}]');
    const args = ["e", 1, { x: null }];
    assert.deepEqual(calls, [["first", ...args], ["any", ...args], ["on", ...args.slice(1)]]);
    assert.equal(s.socket.offAny(any).listenersAny().length, 1);
    assert.equal(s.socket.offAny().listenersAny().length, 0);
  });

  it("gives a function to acknowledge with, which works once", async () => {
    const s = setup({}, "/n");
    await s.connect('0/n,{"sid":"a"}');
    s.socket.on("e", (value, ack) => {
      ack(value, new Uint8Array([1]));
      ack("again");
    });
    await s.receive('2/n,9["e","x"]');
    const [text, bytes, ...more] = await s.sent();
    assert.equal(text, '61-/n,9["x",{"_placeholder":true,"num":0}]');
    assert.deepEqual(bytes, new Uint8Array([1]));
    assert.deepEqual(more, []);
  });

  it("acknowledges only in the session of the event", async () => {
    const s = setup();
    await s.connect();
    const acks = [];
    s.socket.on("e", (ack) => acks.push(ack));
    await s.receive('20["e"]');
    s.transport.onClose();
    acks[0]("while away");
    s.socket.connect();
    await s.connect();
    await s.receive('20["e"]');
    acks[0]("too late");
    acks[1]("in time");
    assert.deepEqual(await s.sent(), ['30["in time"]']);
  });

  it("goes on after a listener has thrown", async (t) => {
    const s = setup();
    await s.connect();
    const thrown = catchUncaught(t);
    const got = [];
    s.socket.on("e", (value) => {
      if (value === 1) throw new Error("mine");
      got.push(value);
    });
    await s.receive('2["e",1]', '2["e",2]');
    assert.deepEqual([thrown, got, s.socket.connected], [["mine"], [2], true]);
  });

  it("connects in spite of early events and late ones that throw", async (t) => {
    const s = setup();
    const thrown = catchUncaught(t);
    const got = [];
    s.socket.on("e", (value) => {
      if (value === 1) throw new Error("mine");
      got.push(value);
    });
    s.socket.emit("large", 1n);
    s.socket.emit("last");
    s.transport.handshake();
    await s.receive('2["e",1]', '2["e",2]');
    const connected = next(s.socket, "connect");
    await s.receive('0{"sid":"a"}');
    await connected;
    assert.deepEqual(got, [2]);
    assert.deepEqual(await s.sent(), ["0", '2["last"]']);
    assert.equal(thrown.length, 2);
  });

  it("forgets early events of a connection that was lost", async () => {
    const s = setup();
    s.socket.on("e", (value) => assert.equal(value, "new"));
    s.transport.handshake();
    await s.receive('2["e","old"]');
    s.transport.onClose();
    s.socket.connect();
    s.transport.handshake();
    const delivered = next(s.socket, "e");
    await s.receive('2["e","new"]', '0{"sid":"a"}');
    assert.deepEqual(await delivered, ["new"]);
  });
});

describe("disconnecting", () => {
  it("says so to the server, and closes the connection with the last socket", async () => {
    const s = setup();
    await s.connect();
    const other = s.manager.socket("/n");
    await s.receive('0/n,{"sid":"b"}');
    s.transport.messages();
    const reasons = [];
    s.socket.on("disconnect", (...args) => reasons.push(args));
    s.socket.disconnect();
    assert.deepEqual(reasons, [["io client disconnect", undefined]]);
    assert.deepEqual([s.socket.id, s.socket.connected, s.socket.active], [undefined, false, false]);
    assert.deepEqual(await s.sent(), ["1"]);
    assert.equal(s.transport.closed, false);
    other.close();
    assert.deepEqual(await s.sent(), ["1/n,"]);
    assert.equal(s.transport.closed, true);
    s.socket.disconnect();
    assert.equal(reasons.length, 1);
  });

  it("by the server is final, until told", async () => {
    const s = setup({ reconnection: true });
    await s.connect();
    const gone = next(s.socket, "disconnect");
    s.transport.receive("1");
    assert.deepEqual(await gone, ["io server disconnect", undefined]);
    assert.equal(s.socket.active, false);
    s.socket.connect();
    assert.equal(s.opened.length, 2);
    await s.connect('0{"sid":"b"}');
    assert.equal(s.socket.id, "b");
  });

  it("tells why a connection was lost", async () => {
    const s = setup();
    await s.connect();
    let gone = next(s.socket, "disconnect");
    s.transport.onClose({ description: "d", context: "c" });
    assert.deepEqual(await gone, ["transport close", { description: "d", context: "c" }]);
    assert.equal(s.socket.active, true);

    s.socket.connect();
    await s.connect();
    gone = next(s.socket, "disconnect");
    s.transport.onError("some error", 503, "context");
    const [reason, details] = await gone;
    assert.equal(reason, "transport error");
    assert.ok(details instanceof Error);
    assert.deepEqual([details.message, details.type, details.description, details.context], ["some error", "TransportError", 503, "context"]);

    s.socket.connect();
    await s.connect();
    gone = next(s.socket, "disconnect");
    s.transport.receive("2[}");
    assert.equal((await gone)[0], "parse error");
    assert.equal(s.transport.closed, true);
  });

  it("lets go of acknowledgements that were sent, after the disconnect event", async () => {
    const s = setup();
    await s.connect();
    const calls = [];
    s.socket.on("disconnect", () => {
      calls.push("disconnect");
      s.socket.emit("buffered", (...args) => calls.push(["buffered", ...args]));
    });
    s.socket.emit("plain", () => calls.push("plain"));
    s.socket.timeout(5000).emit("timeout", (err) => calls.push(err.message));
    const promise = s.socket.emitWithAck("promise");
    s.transport.onClose();
    await assert.rejects(promise, { message: "socket has been disconnected" });
    assert.deepEqual(calls, ["disconnect", "socket has been disconnected"]);

    s.socket.connect();
    s.transport.handshake();
    await s.receive('0{"sid":"b"}', '33["yes"]');
    assert.deepEqual(await s.sent(), ["0", '23["buffered"]']);
    assert.deepEqual(calls.at(-1), ["buffered", "yes"]);
  });
});

describe("recovery", () => {
  it("asks for the session with the last offset and tells when it was given back", async () => {
    const s = setup({ auth: { a: 1 } });
    await s.connect('0{"sid":"a","pid":"p"}');
    assert.equal(s.socket.recovered, false);
    const got = [];
    s.socket.on("e", (...args) => got.push(args));
    await s.receive('2["e",1,"offset1"]', '2["e",2]');
    s.transport.onClose();
    s.socket.connect();
    s.transport.handshake();
    assert.deepEqual(await s.sent(), ['0{"pid":"p","offset":"offset1","a":1}']);
    await s.receive('0{"sid":"a","pid":"p"}', '2["e",3,"offset2"]');
    assert.equal(s.socket.recovered, true);
    assert.deepEqual(got, [[1, "offset1"], [2], [3, "offset2"]]);

    s.transport.onClose();
    s.socket.connect();
    s.transport.handshake();
    assert.deepEqual(await s.sent(), ['0{"pid":"p","offset":"offset2","a":1}']);
    await s.receive('0{"sid":"b","pid":"q"}');
    assert.equal(s.socket.recovered, false);

    // The offset was one of the session before.
    s.transport.onClose();
    s.socket.connect();
    s.transport.handshake();
    assert.deepEqual(await s.sent(), ['0{"pid":"q","a":1}']);
  });

  it("takes for an offset neither the name of an event, nor text that is too long, nor what is to be acknowledged", async () => {
    const s = setup();
    await s.connect('0{"sid":"a","pid":"p"}');
    await s.receive('2["e","right"]', '2["e"]', `2["e","${"x".repeat(1025)}"]`, '21["e","x"]', '2["e","x",1]');
    s.transport.onClose();
    s.socket.connect();
    s.transport.handshake();
    assert.deepEqual(await s.sent(), ['0{"pid":"p","offset":"right"}']);
  });

  it("takes off the offset that a server puts behind each string", async () => {
    const s = setup();
    await s.connect('0{"sid":"a","pid":"p","offset":"begin"}');
    const again = async () => {
      s.transport.onClose();
      s.socket.connect();
      s.transport.handshake();
      return (await s.sent())[0];
    };
    assert.equal(await again(), '0{"pid":"p","offset":"begin"}');
    const got = [];
    s.socket.onAny((...args) => got.push(args));
    // What was missed may come before the answer.
    await s.receive('0{"sid":"a","pid":"p","offset":"begin"}', '2["e","text","offset1"]', '2["e","offset2"]', '2["e",{}]', '2["volatile"]');
    assert.deepEqual(got, [["e", "text"], ["e"], ["e", {}], ["volatile"]]);
    assert.equal(await again(), '0{"pid":"p","offset":"offset2"}');
    // Another server, which does without.
    await s.receive('0{"sid":"b","pid":"q"}', '2["e","text"]');
    assert.deepEqual(got.at(-1), ["e", "text"]);
  });
});

describe("retries", () => {
  it("sends one event at a time", async () => {
    const s = setup({ retries: 2, ackTimeout: 100 });
    await s.connect();
    const calls = [];
    s.socket.emit("a", (...args) => calls.push(["a", ...args]));
    s.socket.emit("b");
    assert.deepEqual(await s.sent(), ['20["a"]']);
    s.socket.volatile.emit("v");
    assert.deepEqual(await s.sent(), ['2["v"]']);
    await s.receive('30["ok",1]');
    assert.deepEqual(calls, [["a", null, "ok", 1]]);
    assert.deepEqual(await s.sent(), ['21["b"]']);
    await s.receive("31[]");
    assert.equal(s.socket._queue.length, 0);
  });

  it("sends again after a timeout, then gives up and goes on", async (t) => {
    t.mock.timers.enable({ apis: ["setTimeout"] });
    const s = setup({ retries: 2, ackTimeout: 100 });
    await s.connect();
    const calls = [];
    s.socket.emit("a", (err) => calls.push(err.message));
    s.socket.emit("b", (err, value) => calls.push([err, value]));
    for (const id of [0, 1, 2]) {
      assert.deepEqual(await s.sent(), [`2${id}["a"]`]);
      t.mock.timers.tick(100);
    }
    assert.deepEqual(calls, ["operation has timed out"]);
    assert.deepEqual(await s.sent(), ['23["b"]']);
    await s.receive('30["late"]', '33["ok"]');
    assert.deepEqual(calls.slice(1), [[null, "ok"]]);
  });

  it("sends again at once after a reconnection", async (t) => {
    t.mock.timers.enable({ apis: ["setTimeout"] });
    const s = setup({ retries: 5, ackTimeout: 100 });
    await s.connect();
    const answer = s.socket.emitWithAck("a");
    await s.sent();
    s.transport.onClose();
    t.mock.timers.tick(1000);
    s.socket.connect();
    s.transport.handshake();
    await s.receive('0{"sid":"b"}');
    assert.deepEqual(await s.sent(), ["0", '21["a"]']);
    await s.receive('31["ok"]');
    assert.equal(await answer, "ok");
  });

  it("needs no timeout to understand an acknowledgement", async () => {
    const s = setup({ retries: 3 });
    await s.connect();
    const answer = s.socket.emitWithAck("a");
    await s.receive('30["value"]');
    assert.equal(await answer, "value");
    assert.deepEqual(await s.sent(), ['20["a"]']);
  });
});
