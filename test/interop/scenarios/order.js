"use strict";

const EventEmitter = require("node:events");
const { assert, config, call, holdUpgrades, many, once } = require("../harness");

const total = 10000;
const before = 3000; // sent before the upgrade may begin
const window = 400; // on their way at once

/**
 * Emits numbered events, with no more than a window on their way, until there are enough and, in the runs that
 * upgrade, until the upgrade is over; the upgrade begins when some have been sent, and none waits for it.
 */
async function flood({ emit, seen, proxy, socket }) {
  let over = config.transport !== "upgrade";
  if (!over) socket.io.engine.once("upgrade", () => (over = true));
  let sent = 0;
  while (sent < total || !over) {
    emit(sent++);
    if (sent === before) {
      assert.equal(over, config.transport !== "upgrade", "the upgrade did not wait");
      proxy.release();
    }
    while (sent - seen.numbers.length >= window) await once(seen, "number");
    if (sent % 20 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  return sent;
}

/** The numbers that have arrived. */
class Seen extends EventEmitter {
  numbers = [];

  add(n) {
    this.numbers.push(n);
    this.emit("number");
  }
}

function check(seen, sent) {
  assert.equal(seen.length, sent);
  for (let i = 0; i < sent; i++) {
    if (seen[i] !== i) assert.fail(`number ${seen[i]} came at place ${i}`);
  }
}

function bytes(n) {
  const b = Buffer.alloc(4);
  b.writeUInt32BE(n);
  return b;
}

module.exports = [
  {
    title: "ten thousand events there and back in order, during the upgrade",
    async body({ server, clients, trace }) {
      const proxy = await holdUpgrades(server);
      try {
        const socket = clients.open("/", {}, proxy.url);
        socket.on("disconnect", (reason) => trace.push(`disconnect: ${reason}`));
        await once(socket, "hello");
        const seen = new Seen();
        socket.on("echo", (n) => seen.add(n));
        const sent = await flood({ emit: (n) => socket.emit("echo", n), seen, proxy, socket });
        await call(socket, "echo");
        check(seen.numbers, sent);
      } finally {
        proxy.close();
      }
    },
  },
  {
    title: "ten thousand events with binary ones among them in order, during the upgrade",
    async body({ server, clients, trace }) {
      const proxy = await holdUpgrades(server);
      try {
        const socket = clients.open("/", {}, proxy.url);
        socket.on("disconnect", (reason) => trace.push(`disconnect: ${reason}`));
        await once(socket, "hello");
        const seen = new Seen();
        socket.on("echo", (n, b) => {
          seen.add(n % 10 !== 0 || b.readUInt32BE(0) === n ? n : `${n} with other bytes`);
        });
        const emit = (n) => socket.emit("echo", n, n % 10 === 0 ? bytes(n) : null);
        const sent = await flood({ emit, seen, proxy, socket });
        await call(socket, "echo");
        check(seen.numbers, sent);
      } finally {
        proxy.close();
      }
    },
  },
  {
    title: "ten thousand events from another client in order, during the upgrade",
    async body({ server, clients, trace }) {
      const proxy = await holdUpgrades(server);
      try {
        const sender = await clients.connected("/dyn-77", { transports: ["websocket"] });
        const socket = clients.open("/dyn-77", {}, proxy.url);
        socket.on("disconnect", (reason) => trace.push(`disconnect: ${reason}`));
        await once(socket, "hello");
        const seen = new Seen();
        socket.on("broadcast", (n) => seen.add(n));
        const sent = await flood({ emit: (n) => sender.emit("broadcast", n), seen, proxy, socket });
        while (seen.numbers.length < sent) await once(seen, "number");
        check(seen.numbers, sent);
      } finally {
        proxy.close();
      }
    },
  },
  {
    title: "acknowledgements come back in order, during the upgrade",
    async body({ server, clients }) {
      const proxy = await holdUpgrades(server);
      try {
        const socket = clients.open("/", {}, proxy.url);
        await once(socket, "hello");
        const seen = new Seen();
        const emit = (n) => call(socket, "echo", n).then(([v]) => seen.add(v));
        const sent = await flood({ emit, seen, proxy, socket });
        await call(socket, "echo");
        check(seen.numbers, sent);
      } finally {
        proxy.close();
      }
    },
  },
  {
    title: "ten thousand events in one burst come back in order",
    async body({ clients, trace }) {
      const socket = await clients.settled();
      socket.on("disconnect", (reason) => trace.push(`disconnect: ${reason}`));
      const back = many(socket, "echo", total);
      for (let i = 0; i < total; i++) socket.emit("echo", i);
      const seen = (await back).map(([n]) => n);
      check(seen, total);
    },
  },
];
