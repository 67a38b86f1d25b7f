import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { fakeTransport, next, settled } from "./fake.js";

// A page, as far as the engine asks for one; it has to be there before the engine is loaded.
const page = new EventTarget();
globalThis.addEventListener = page.addEventListener.bind(page);
globalThis.removeEventListener = page.removeEventListener.bind(page);
const { Engine } = await import("../src/engine.js");

function setup(opts) {
  const Fake = fakeTransport("polling");
  const Better = fakeTransport("websocket");
  const engine = new Engine("http://h", { transports: [Fake, Better], ...opts });
  const events = [];
  for (const name of ["open", "upgrading", "upgrade", "upgradeError", "error", "close"]) {
    engine.on(name, (value) => events.push(value instanceof Error ? `${name}: ${value.message}` : name));
  }
  return { engine, Fake, Better, events, transport: Fake.opened[0] };
}

const texts = (transport) => transport.sent.splice(0).map(({ type, data }) => (data ? type + " " + data : type));

describe("Engine", () => {
  it("opens with the first transport it knows", () => {
    const Fake = fakeTransport("fake");
    const engine = new Engine("https://h:1/n?a=b&c=%20", {
      transports: ["carrier pigeon", Fake],
      path: "/p",
      transportOptions: { fake: { special: 1 } },
    });
    const [transport] = Fake.opened;
    assert.equal(engine.transport, transport);
    assert.deepEqual(engine.transports, ["fake"]);
    assert.deepEqual(transport.query, { a: "b", c: " ", EIO: 4, transport: "fake" });
    assert.equal(transport.opts.special, 1);
    assert.equal(transport.uri("x", false, false), "xs://h:1/p/?a=b&c=+&EIO=4&transport=fake");
    engine.close();
  });

  it("makes the address of its options", () => {
    const uri = (url, opts, ...args) => {
      const Fake = fakeTransport();
      new Engine(url, { transports: [Fake], ...opts }).close();
      return Fake.opened[0].uri("http", ...args);
    };
    assert.equal(uri("http://h:80", {}), "http://h/engine.io/?EIO=4&transport=fake");
    assert.equal(uri("https://h:443", {}), "https://h/engine.io/?EIO=4&transport=fake");
    assert.equal(uri("https://h:80", {}), "https://h:80/engine.io/?EIO=4&transport=fake");
    assert.equal(uri("http://[::1]:3000", {}), "http://[::1]:3000/engine.io/?EIO=4&transport=fake");
    assert.equal(uri("http://h", { addTrailingSlash: false, path: "/a/b/" }), "http://h/a/b?EIO=4&transport=fake");
    assert.equal(uri("http://h", { query: { a: "é&" } }), "http://h/engine.io/?a=%C3%A9%26&EIO=4&transport=fake");
    assert.equal(uri("http://h", { query: "a=1&b" }), "http://h/engine.io/?a=1&b=&EIO=4&transport=fake");
    assert.match(uri("http://h", { timestampParam: "ts" }, true), /&ts=[a-z0-9]{6,}$/);
    assert.match(uri("http://h", {}, false, true), /&b64=1$/);
  });

  it("takes the parts of an address, where it has none", () => {
    const uri = (opts) => {
      const Fake = fakeTransport();
      new Engine(undefined, { transports: [Fake], ...opts }).close();
      return Fake.opened[0].address("x");
    };
    assert.equal(uri({ host: "h", port: 3000 }), "x://h:3000/engine.io/");
    assert.equal(uri({ hostname: "h", secure: true }), "x://h/engine.io/");
    const Fake = fakeTransport();
    const engine = new Engine("https://a:1", { host: "b", port: 2, secure: false, transports: [Fake] });
    assert.deepEqual([engine.hostname, engine.port, engine.secure], ["a", "1", true], "the address counts");
    engine.close();
  });

  it("takes transport classes by either name, but not by both", () => {
    const Fake = fakeTransport();
    const engine = new Engine("http://h", { transportImplementations: [Fake] });
    assert.equal(Fake.opened.length, 1);
    engine.close();
    assert.throws(() => new Engine("http://h", { transportImplementations: [Fake], transports: [Fake] }), /exclude/);
    assert.equal(Engine.protocol, 4);
  });

  it("tells when a message was handed over", async () => {
    const { engine, transport } = setup();
    const told = [];
    engine.write("a", {}, () => told.push("a"));
    engine.send("b", () => told.push("b"));
    assert.deepEqual(told, []);
    transport.handshake();
    assert.deepEqual(told, ["a", "b"]);
    engine.once("flush", () => told.push("flush"));
    await next(engine, "drain");
    engine.send("c", undefined, () => told.push("c"));
    assert.deepEqual(told, ["a", "b", "flush", "c"]);
    engine.close();
  });

  it("gives bytes as Blobs when asked, whenever that is", async () => {
    const { engine, transport } = setup();
    transport.handshake();
    assert.equal(engine.binaryType, "arraybuffer");
    const got = [];
    engine.on("message", (data) => got.push(data));
    const receive = () => {
      transport.onData(new Uint8Array([97]).buffer);
      transport.onData("bYg==");
    };
    receive();
    engine.binaryType = "blob";
    receive();
    assert.deepEqual(got.map((data) => data instanceof Blob), [false, false, true, true]);
    assert.deepEqual(await Promise.all(got.slice(2).map((blob) => blob.text())), ["a", "b"]);
    engine.close();
  });

  it("uses the timers it was loaded with when asked to", async (t) => {
    t.mock.timers.enable({ apis: ["setTimeout"] });
    for (const useNativeTimers of [false, true]) {
      const { engine, transport } = setup({ useNativeTimers });
      const closed = next(engine, "close");
      transport.handshake({ pingInterval: 1, pingTimeout: 1 });
      t.mock.timers.tick(1000);
      assert.equal(engine.readyState, useNativeTimers ? "open" : "closed");
      assert.deepEqual(await closed, ["ping timeout", undefined]);
    }
  });

  it("tells when there is no transport", async () => {
    const engine = new Engine("http://h", { transports: ["none"] });
    const closed = next(engine, "close");
    assert.deepEqual(await next(engine, "error"), ["No transports available"]);
    await closed;
  });

  it("tries the next transport when asked to", async () => {
    for (const tryAllTransports of [true, false]) {
      const { engine, Better, events, transport } = setup({ tryAllTransports });
      transport.onError("refused");
      assert.equal(Better.opened.length, tryAllTransports ? 1 : 0);
      if (tryAllTransports) {
        Better.opened[0].handshake();
        assert.equal(engine.transport.name, "websocket");
        Better.opened[0].onError("lost");
      }
      assert.deepEqual(events, [...(tryAllTransports ? ["open", "error: lost"] : ["error: refused"]), "close"]);
    }
  });

  it("fails on a handshake that is none", () => {
    for (const data of ["{", "{}", "null", '{"upgrades":1}']) {
      const { engine, events, transport } = setup();
      transport.onOpen();
      transport.onPacket({ type: "open", data });
      assert.deepEqual(events, ["error: server error", "close"], data);
      assert.equal(engine.readyState, "closed");
    }
  });

  it("fails on a packet that is none", () => {
    const { engine, events, transport } = setup();
    transport.handshake();
    transport.onData("x");
    assert.deepEqual(events, ["open", "error: server error", "close"]);
    assert.equal(engine.id, null);
  });

  it("hands packets over when the transport is ready, all at once", async () => {
    const { engine, transport } = setup();
    engine.write("early");
    transport.fast = false;
    transport.handshake();
    assert.deepEqual(texts(transport), ["message early"]);
    engine.write("a");
    engine.send("b");
    assert.deepEqual(texts(transport), []);
    assert.equal(engine.writeBuffer.length, 3);
    let drained = 0;
    engine.on("drain", () => drained++);
    transport.onDrain();
    assert.deepEqual(texts(transport), ["message a", "message b"]);
    assert.equal(drained, 0);
    transport.onDrain();
    assert.equal(drained, 1);
    assert.equal(engine.writeBuffer.length, 0);
    engine.close();
  });

  it("keeps a polling body within maxPayload", () => {
    const { engine, transport } = setup();
    transport.fast = false;
    engine.write("x".repeat(20));
    engine.write("abc");
    engine.write("é€");
    engine.write(new Uint8Array(3));
    engine.write("z");
    // One packet counts 1, each further one 2 (type and separator): 3+1, +5+2, then 4+2 would be too much.
    transport.handshake({ maxPayload: 12 });
    const batches = [];
    for (let batch; (batch = transport.sent.splice(0)).length; transport.onDrain()) {
      batches.push(batch.map(({ data }) => data.length));
    }
    assert.deepEqual(batches, [[20], [3, 2], [3, 1]]);
    engine.close();
  });

  it("answers pings and tells of them", () => {
    const { engine, transport } = setup();
    transport.handshake();
    let pings = 0;
    engine.on("ping", () => pings++);
    transport.onPacket({ type: "ping" });
    assert.deepEqual([pings, texts(transport)], [1, ["pong"]]);
    transport.onClose();
  });

  it("closes after what is queued was sent", () => {
    const { engine, transport, events } = setup();
    transport.fast = false;
    transport.handshake();
    engine.write("a");
    engine.write("b");
    engine.close();
    engine.write("late");
    assert.equal(engine.readyState, "closing");
    transport.onDrain();
    assert.equal(transport.closed, false);
    transport.onDrain();
    assert.deepEqual(texts(transport), ["message a", "message b"]);
    assert.equal(transport.closed, true);
    assert.deepEqual(events, ["open", "close"]);
    engine.close();
    assert.equal(events.length, 2);
  });
});

describe("the heartbeat", () => {
  it("closes when no ping comes", (t) => {
    t.mock.timers.enable({ apis: ["setTimeout", "Date"] });
    const { engine, transport } = setup();
    let reason;
    engine.on("close", (...args) => (reason = args));
    transport.handshake({ pingInterval: 300, pingTimeout: 200 });
    t.mock.timers.tick(499);
    transport.onPacket({ type: "ping" });
    t.mock.timers.tick(499);
    assert.equal(reason, undefined);
    t.mock.timers.tick(1);
    assert.deepEqual(reason, ["ping timeout", undefined]);
    assert.equal(transport.closed, true);
  });

  it("is found overdue after the timer was suspended", async (t) => {
    t.mock.timers.enable({ apis: ["Date"] });
    const { engine, transport } = setup();
    assert.equal(engine._hasPingExpired(), false);
    transport.handshake({ pingInterval: 300, pingTimeout: 200 });
    t.mock.timers.setTime(500);
    assert.equal(engine._hasPingExpired(), false);
    t.mock.timers.setTime(501);
    const closed = next(engine, "close");
    assert.equal(engine._hasPingExpired(), true);
    assert.equal(engine._hasPingExpired(), true);
    assert.deepEqual(await closed, ["ping timeout", undefined]);
  });
});

describe("the upgrade", () => {
  const probed = async (opts) => {
    const s = setup(opts);
    s.transport.handshake({ upgrades: ["websocket", "unknown"] });
    [s.probe] = s.Better.opened;
    return s;
  };

  it("probes, pauses, then moves over with what was queued", async () => {
    const { engine, transport, probe, events } = await probed();
    assert.equal(probe.query.sid, "engine");
    probe.onOpen();
    assert.deepEqual(texts(probe), ["ping probe"]);
    engine.write("by polling");
    await settled();
    assert.deepEqual(texts(transport), ["message by polling"]);
    probe.onPacket({ type: "pong", data: "probe" });
    engine.write("held");
    await settled();
    assert.deepEqual(texts(transport), []);
    transport.receive("last");
    transport.idle();
    assert.equal(engine.transport, probe);
    await settled();
    assert.deepEqual(texts(probe), ["upgrade", "message held"]);
    assert.deepEqual(events, ["open", "upgrading", "upgrade"]);
    engine.close();
    await settled();
    assert.equal(engine.readyState, "closed");
  });

  it("is not tried when it is not wanted or not known", () => {
    for (const [opts, upgrades] of [[{ upgrade: false }, ["websocket"]], [{}, []], [{}, ["webtransport"]]]) {
      const { engine, transport, Better } = setup(opts);
      transport.handshake({ upgrades });
      assert.equal(Better.opened.length, 0);
      engine.close();
    }
  });

  it("that fails leaves the session as it is", async () => {
    for (const fail of [
      (probe) => probe.onError("refused"),
      (probe) => probe.onClose(),
      (probe) => (probe.onOpen(), probe.onPacket({ type: "pong" })),
      (probe) => (probe.onOpen(), probe.onPacket({ type: "message", data: "probe" })),
    ]) {
      const { engine, transport, probe, events } = await probed();
      fail(probe);
      probe.onPacket({ type: "pong", data: "probe" });
      assert.match(events.join(), /^open,upgradeError: probe error: /);
      engine.write("x");
      assert.deepEqual(texts(transport), ["message x"]);
      transport.onClose();
    }
  });

  it("that fails half way lets polling go on", async () => {
    const { engine, transport, probe, events } = await probed();
    probe.onOpen();
    probe.onPacket({ type: "pong", data: "probe" });
    engine.write("held");
    probe.onClose();
    assert.equal(transport.resumed, true);
    assert.deepEqual(texts(transport), ["message held"]);
    assert.equal(events.at(-1), "upgradeError: probe error: transport closed");
    // What was waiting for polling to pause must not happen any more.
    transport.idle();
    assert.equal(engine.transport, transport);
    transport.onClose();
  });

  it("ends with the session", async () => {
    for (const half of [false, true]) {
      const { transport, probe, events } = await probed();
      probe.onOpen();
      if (half) probe.onPacket({ type: "pong", data: "probe" });
      transport.onClose();
      assert.equal(probe.closed, true);
      assert.equal(transport.resumed, undefined);
      assert.deepEqual(events.slice(-2), ["close", "upgradeError: probe error: socket closed"]);
    }
  });

  it("holds back a close", async () => {
    for (const fail of [false, true]) {
      const { engine, transport, probe, events } = await probed();
      probe.onOpen();
      probe.onPacket({ type: "pong", data: "probe" });
      engine.close();
      assert.equal(engine.readyState, "closing");
      if (fail) probe.onClose();
      else transport.idle();
      assert.equal(engine.readyState, "closed");
      assert.equal((fail ? transport : probe).closed, true);
      assert.equal(events.at(-1), "close");
    }
  });

  it("is remembered when asked to", async () => {
    const { engine, transport, probe } = await probed();
    probe.onOpen();
    probe.onPacket({ type: "pong", data: "probe" });
    transport.idle();
    engine.close();
    assert.equal(setup().engine.transport.name, "polling");
    const { engine: second, Better } = setup({ rememberUpgrade: true });
    assert.equal(second.transport.name, "websocket");
    Better.opened[0].onError("refused");
    assert.equal(setup({ rememberUpgrade: true }).engine.transport.name, "polling");
  });
});

describe("in a page", () => {
  it("closes when the network is gone, except to localhost", async () => {
    const { engine, transport } = setup();
    const Fake = fakeTransport();
    const local = new Engine("http://localhost", { transports: [Fake] });
    transport.handshake();
    const closed = next(engine, "close");
    page.dispatchEvent(new Event("offline"));
    assert.deepEqual(await closed, ["transport close", { description: "network connection lost" }]);
    assert.equal(transport.closed, true);
    assert.equal(local.readyState, "opening");
    page.dispatchEvent(new Event("offline"));
    local.close();
  });

  for (const event of ["pageshow", "resume"]) {
    it(`looks at its heartbeat when it runs again: ${event}`, async (t) => {
      t.mock.timers.enable({ apis: ["Date"] });
      const { engine, transport } = setup();
      transport.handshake({ pingInterval: 10_000, pingTimeout: 10_000 });
      page.dispatchEvent(new Event(event));
      await settled();
      assert.equal(engine.readyState, "open");
      const closed = next(engine, "close");
      t.mock.timers.setTime(20_001);
      page.dispatchEvent(new Event(event));
      assert.deepEqual(await closed, ["ping timeout", undefined]);
    });
  }

  it("closes quietly before it is left, when asked to", () => {
    for (const closeOnBeforeunload of [true, false]) {
      const { engine, transport, events } = setup({ closeOnBeforeunload });
      transport.handshake();
      page.dispatchEvent(new Event("beforeunload"));
      assert.equal(transport.closed, closeOnBeforeunload);
      assert.deepEqual(events, ["open"]);
      engine.write("x");
      assert.equal(texts(transport).length, closeOnBeforeunload ? 0 : 1);
      engine._onClose("test");
    }
  });
});
