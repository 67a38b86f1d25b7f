import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Manager, Socket, connect, io, protocol } from "../src/index.js";
import client from "../src/index.js";
import { fakeTransport, next, settled } from "./fake.js";

function setup(t, opts) {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  t.mock.method(Math, "random", () => 0.5);
  const Fake = fakeTransport();
  const manager = new Manager("http://h", { transports: [Fake], randomizationFactor: 0, ...opts });
  const events = [];
  for (const name of ["open", "error", "close", "reconnect_attempt", "reconnect", "reconnect_error", "reconnect_failed"]) {
    manager.on(name, (value) => events.push([name, value instanceof Error ? value.message : value]));
  }
  t.after(() => manager.disconnect());
  return { manager, events, opened: Fake.opened, Fake, last: () => Fake.opened.at(-1) };
}

describe("Manager", () => {
  it("has the official defaults, which can be changed", () => {
    const manager = new Manager("http://h", { autoConnect: false });
    const values = { reconnection: true, reconnectionAttempts: Infinity, reconnectionDelay: 1000, reconnectionDelayMax: 5000, randomizationFactor: 0.5, timeout: 20000 };
    for (const [name, value] of Object.entries(values)) {
      assert.equal(manager[name](), value, name);
      const other = name === "reconnection" ? false : 7;
      assert.equal(manager[name](other), manager);
      assert.equal(manager[name](), other);
    }
    assert.equal(manager.timeout(false).timeout(), false);
    assert.equal(manager.randomizationFactor(0).randomizationFactor(), 0);
    assert.equal(manager.opts.path, "/socket.io");
    assert.equal(manager.engine, undefined);
  });

  it("takes options in the official way", () => {
    const opts = { autoConnect: false, reconnection: false, reconnectionAttempts: 0, reconnectionDelay: 0, reconnectionDelayMax: 0, randomizationFactor: 0, timeout: 0 };
    const manager = new Manager(opts);
    assert.deepEqual(
      ["reconnection", "reconnectionAttempts", "reconnectionDelay", "reconnectionDelayMax", "randomizationFactor", "timeout"].map((name) => manager[name]()),
      [false, Infinity, 1000, 5000, 0, 0],
    );
    assert.equal("path" in opts, false, "the caller's object is not changed");
  });

  it("connects only when told, without autoConnect", (t) => {
    const { manager, opened } = setup(t, { autoConnect: false });
    const socket = manager.socket("/");
    assert.equal(opened.length, 0);
    assert.equal(socket.active, false);
    socket.connect();
    manager.open();
    assert.equal(opened.length, 1);
  });

  it("gives one socket per namespace and connects it again", async (t) => {
    const { manager, last } = setup(t);
    const socket = manager.socket("/");
    last().handshake();
    last().receive('0{"sid":"a"}');
    await settled();
    assert.equal(manager.socket("/"), socket);
    socket.disconnect();
    assert.equal(socket.active, false);
    assert.equal(manager.socket("/"), socket);
    assert.equal(socket.active, true);
  });

  it("comes back after growing delays", async (t) => {
    const { events, opened, last } = setup(t, { reconnectionDelay: 100, reconnectionDelayMax: 300 });
    last().handshake();
    events.length = 0;
    last().onClose();
    for (const delay of [100, 200, 300, 300]) {
      const before = opened.length;
      t.mock.timers.tick(delay - 1);
      assert.equal(opened.length, before);
      t.mock.timers.tick(1);
      assert.equal(opened.length, before + 1);
      last().onError("no");
    }
    t.mock.timers.tick(300);
    last().handshake();
    const attempt = (n) => [["reconnect_attempt", n], ["error", "no"], ["reconnect_error", "no"]];
    assert.deepEqual(events, [
      ["close", "transport close"],
      ...[1, 2, 3, 4].flatMap(attempt),
      ["reconnect_attempt", 5],
      ["open", undefined],
      ["reconnect", 5],
    ]);
    // And starts over.
    last().onClose();
    t.mock.timers.tick(100);
    assert.equal(opened.length, 7);
  });

  it("gives up after reconnectionAttempts, also when it never connected", (t) => {
    const { events, opened, last } = setup(t, { reconnectionAttempts: 2 });
    last().onError("no");
    t.mock.timers.tick(1000);
    last().onError("no");
    t.mock.timers.tick(2000);
    last().onError("no");
    t.mock.timers.tick(100_000);
    assert.equal(opened.length, 3);
    assert.deepEqual(events.map(([name]) => name), [
      "error", "reconnect_attempt", "error", "reconnect_error", "reconnect_attempt", "error", "reconnect_failed", "reconnect_error",
    ]);
  });

  it("stops trying when it is closed, whenever that is", async (t) => {
    const { manager, opened, last } = setup(t);
    last().handshake();
    last().onClose();
    manager.disconnect();
    t.mock.timers.tick(100_000);
    assert.equal(opened.length, 1);

    manager.open();
    last().onError("no");
    manager.once("reconnect_attempt", () => manager.disconnect());
    t.mock.timers.tick(1000);
    assert.equal(opened.length, 2);

    manager.open();
    last().onError("no");
    manager.once("reconnect_error", () => manager.disconnect());
    t.mock.timers.tick(1000);
    last().onError("no");
    t.mock.timers.tick(100_000);
    assert.equal(opened.length, 4);
  });

  it("stops trying when reconnection is turned off", (t) => {
    const { manager, events, opened, last } = setup(t);
    last().onError("no");
    manager.reconnection(false);
    t.mock.timers.tick(100_000);
    assert.equal(opened.length, 1);
    assert.deepEqual(events, [["error", "no"]]);
  });

  it("can be opened by hand while it waits for an attempt", (t) => {
    const { manager, events, opened, last } = setup(t);
    last().handshake();
    last().onClose();
    manager.open();
    assert.equal(opened.length, 2);
    t.mock.timers.tick(1000);
    assert.equal(opened.length, 2);
    last().onError("no");
    t.mock.timers.tick(1999);
    assert.equal(opened.length, 2);
    t.mock.timers.tick(1);
    assert.equal(opened.length, 3);
    manager.open();
    last().handshake();
    assert.deepEqual(events.at(-1), ["reconnect", 2]);

    last().onClose();
    manager.once("reconnect_attempt", () => manager.open());
    t.mock.timers.tick(1000);
    assert.equal(opened.length, 4);
    last().handshake();
    last().onClose();
    t.mock.timers.tick(1000);
    assert.equal(opened.length, 5, "comes back again");
  });

  it("does not come back with reconnection off", (t) => {
    const { opened, last } = setup(t, { reconnection: false });
    last().handshake();
    last().onClose();
    t.mock.timers.tick(100_000);
    assert.equal(opened.length, 1);
  });

  it("gives a connection a time to open", (t) => {
    const { events, last } = setup(t, { timeout: 100, reconnection: false });
    t.mock.timers.tick(99);
    assert.deepEqual(events, []);
    t.mock.timers.tick(1);
    assert.deepEqual(events, [["error", "timeout"]]);
    assert.equal(last().closed, true);
  });

  it("takes a connection that ends before it is open for a failure", (t) => {
    const { events, last, opened } = setup(t, { reconnectionDelay: 100 });
    last().onClose({ description: "closed" });
    assert.deepEqual(events, [["error", "transport close"]]);
    t.mock.timers.tick(100);
    assert.equal(opened.length, 2);
  });

  it("leaves a failure to the one who opened with a callback", (t) => {
    const { manager, opened, last } = setup(t, { autoConnect: false });
    const calls = [];
    manager.open((err) => calls.push(err && err.message));
    last().onError("no");
    t.mock.timers.tick(100_000);
    assert.equal(opened.length, 1);
    manager.connect((err) => calls.push(err));
    last().handshake();
    assert.deepEqual(calls, ["no", undefined]);
  });

  it("tells its sockets of failures while they are not connected", async (t) => {
    const { manager, last } = setup(t);
    const socket = manager.socket("/");
    const failed = next(socket, "connect_error");
    last().onError("no", 503);
    assert.equal((await failed)[0].description, 503);
    assert.equal(socket.active, true);
  });

  it("tells of pings and packets", async (t) => {
    const { manager, last } = setup(t);
    last().handshake();
    const ping = next(manager, "ping");
    const packet = next(manager, "packet");
    last().onPacket({ type: "ping" });
    last().receive('2/n,["a"]');
    await ping;
    assert.deepEqual(await packet, [{ type: 2, nsp: "/n", data: ["a"] }]);
  });

  it("uses another parser when given one", async () => {
    class Encoder {
      encode({ type, nsp, data }) {
        return [`mine ${type} ${nsp}`, JSON.stringify(data) ?? ""];
      }
    }
    const listeners = new Set();
    class Decoder {
      on(event, listener) {
        listeners.add(listener);
      }
      off(event, listener) {
        listeners.delete(listener);
      }
      add(text) {
        for (const listener of listeners) listener(JSON.parse(text));
      }
      destroy() {}
    }
    const Fake = fakeTransport();
    const manager = new Manager("http://h", { transports: [Fake], parser: { Encoder, Decoder } });
    const socket = manager.socket("/");
    const [transport] = Fake.opened;
    transport.handshake();
    transport.receive('{"type":0,"nsp":"/","data":{"sid":"x"}}');
    await next(socket, "connect");
    assert.equal(transport.messages()[0], "mine 0 /");
    socket.disconnect();
    await settled();
    assert.equal(listeners.size, 0);
  });
});

describe("io", () => {
  it("has the official names", () => {
    assert.equal(client, io);
    assert.equal(connect, io);
    assert.equal(io.connect, io);
    assert.equal(io.io, io);
    assert.equal(io.Manager, Manager);
    assert.equal(io.Socket, Socket);
    assert.equal(io.protocol, protocol);
  });

  const opts = { autoConnect: false };

  it("shares connections by server and path", () => {
    const a = io("http://shared", opts);
    assert.ok(a instanceof Socket);
    assert.equal(a.nsp, "/");
    const b = io("http://shared:80/b?x=1", opts);
    assert.equal(b.nsp, "/b");
    assert.equal(b.io, a.io);
    assert.notEqual(io("http://shared/c", { ...opts, path: "/other" }).io, a.io);
    assert.notEqual(io("https://shared/c", opts).io, a.io);
    assert.notEqual(io("http://other/c", opts).io, a.io);
  });

  it("makes a connection of its own when asked to, or when the namespace is in use", () => {
    const a = io("http://own", opts);
    for (const more of [{ forceNew: true }, { multiplex: false }]) assert.notEqual(io("http://own/x", { ...opts, ...more }).io, a.io);
    assert.notEqual(io("http://own", opts).io, a.io);
    assert.equal(io("http://own/y", opts).io, a.io);
  });

  it("takes options alone, and leaves them as they are", () => {
    const own = { ...opts, forceNew: true };
    const socket = io(own);
    assert.equal(socket.nsp, "/");
    const other = io("http://q/?a=1", own);
    assert.deepEqual(other.io.opts.query, { a: "1" });
    assert.deepEqual(own, { autoConnect: false, forceNew: true });
    assert.deepEqual(io("http://q/?a=1", { ...own, query: { b: "2" } }).io.opts.query, { b: "2" });
  });
});
