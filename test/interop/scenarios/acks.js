"use strict";

const { assert, call, once } = require("../harness");
const values = require("../values");

module.exports = [
  {
    title: "the server acknowledges with no argument to ten",
    async body({ clients }) {
      const socket = await clients.connected();
      for (let n = 0; n <= 10; n++) {
        const args = Array.from({ length: n }, (_, i) => values.json[(i * 3) % values.json.length]);
        assert.deepEqual(await call(socket, "echo", ...args), args, `${n} arguments`);
      }
    },
  },
  {
    title: "the server acknowledges with every JSON value and with binary",
    async body({ clients }) {
      const socket = await clients.connected();
      for (const value of [...values.json, ...values.binary]) {
        assert.deepEqual(await call(socket, "echo", value), [value]);
      }
    },
  },
  {
    title: "the client acknowledges with no argument to ten",
    async body({ clients }) {
      const socket = await clients.connected();
      for (let n = 0; n <= 10; n++) {
        const args = Array.from({ length: n }, (_, i) => values.json[(i * 5) % values.json.length]);
        socket.once("please-ack", (...asked) => asked.pop()(...asked));
        const held = once(socket, "acked");
        socket.emit("ask-ack", ...args);
        assert.deepEqual(await held, args, `${n} arguments`);
      }
    },
  },
  {
    title: "the client acknowledges with every JSON value and with binary",
    async body({ clients }) {
      const socket = await clients.connected();
      socket.on("please-ack", (value, ack) => ack(value));
      for (const value of [...values.json, ...values.binary]) {
        const held = once(socket, "acked");
        socket.emit("ask-ack", value);
        assert.deepEqual(await held, [value]);
      }
    },
  },
  {
    title: "many clients are asked at once, beside what each is asked alone",
    async body({ clients }) {
      const sockets = await Promise.all(Array.from({ length: 5 }, () => clients.connected()));
      await Promise.all(sockets.map((socket) => call(socket, "join", "asked")));
      for (const [i, socket] of sockets.entries()) {
        socket.on("please-ack", (kind, value, ack) => ack(kind === "alone" ? [kind, i, value] : [kind, i, value.length]));
      }
      for (let round = 0; round < 20; round++) {
        const alone = sockets.map((socket) => once(socket, "acked"));
        sockets.forEach((socket) => socket.emit("ask-ack", "alone", round));
        const [[together]] = await Promise.all([
          call(sockets[round % 5], "ask-room", "asked", "together", Buffer.alloc(round)),
          ...alone,
        ]);
        assert.deepEqual(together.map(([, i]) => i).sort(), [0, 1, 2, 3, 4]);
        for (const answer of together) assert.deepEqual([answer[0], answer[2]], ["together", round]);
        for (const [i, held] of (await Promise.all(alone)).entries()) assert.deepEqual(held, [["alone", i, round]]);
      }
    },
  },
  {
    title: "five hundred acknowledgements are outstanding and none is mixed up",
    async body({ clients }) {
      const socket = await clients.connected();
      const all = await Promise.all(Array.from({ length: 500 }, (_, i) => call(socket, "echo", i, `n${i}`)));
      all.forEach((held, i) => assert.deepEqual(held, [i, `n${i}`]));
    },
  },
  {
    title: "the server asks five thousand times before the client reads, and all are answered",
    async body({ clients }) {
      const socket = await clients.connected();
      const asked = 5000;
      socket.on("please-ack", (i, ack) => ack(i));
      const held = new Promise((resolve) => {
        let sum = 0;
        let n = 0;
        socket.on("acked", (i) => {
          sum += i;
          if (++n === asked) {
            resolve(sum);
          }
        });
      });
      for (let i = 0; i < asked; i++) {
        socket.emit("ask-ack", i);
      }
      assert.equal(await held, (asked * (asked - 1)) / 2);
    },
  },
  {
    title: "the server asks while the client asks",
    async body({ clients }) {
      const socket = await clients.connected();
      socket.on("please-ack", async (value, ack) => {
        const [nested] = await call(socket, "echo", value * 2);
        ack(nested);
      });
      const held = once(socket, "acked");
      socket.emit("ask-ack", 21);
      assert.deepEqual(await held, [42]);
    },
  },
  {
    title: "a client that never acknowledges holds nothing up",
    async body({ clients }) {
      const socket = await clients.connected();
      const asked = once(socket, "please-ack");
      socket.emit("ask-ack", "never");
      const [value] = await asked;
      assert.equal(value, "never");
      assert.deepEqual(await call(socket, "echo", "next"), ["next"]);
    },
  },
  {
    title: "what asks for an acknowledgement keeps its place among the events",
    async body({ clients }) {
      const socket = await clients.connected();
      const seen = [];
      socket.on("please-ack", (n) => seen.push(n));
      socket.on("echo", (n) => seen.push(n));
      for (let n = 0; n < 400; n++) socket.emit(n % 2 ? "echo" : "ask-ack", n);
      await call(socket, "echo");
      assert.deepEqual(seen, Array.from({ length: 400 }, (_, n) => n));
    },
  },
  {
    title: "only the first acknowledgement counts",
    async body({ clients }) {
      const socket = await clients.connected();
      const held = [];
      socket.on("acked", (value) => held.push(value));
      socket.once("please-ack", (ack) => {
        ack("first");
        ack("second");
      });
      const first = once(socket, "acked");
      socket.emit("ask-ack");
      await first;
      await call(socket, "echo");
      assert.deepEqual(held, ["first"]);
    },
  },
  {
    title: "a timeout is reported and the next event is acknowledged",
    clients: [4],
    async body({ clients }) {
      const socket = await clients.connected();
      const err = await new Promise((resolve) => socket.timeout(50).emit("not answered", resolve));
      assert.equal(err.message, "operation has timed out");
      const held = await new Promise((resolve) =>
        socket.timeout(200000).emit("echo", "in time", (...args) => resolve(args)),
      );
      assert.deepEqual(held, [null, "in time"]);
    },
  },
  {
    title: "emitWithAck resolves, and rejects after its timeout",
    clients: [4],
    async body({ clients }) {
      const socket = await clients.connected();
      assert.equal(await socket.emitWithAck("echo", "value"), "value");
      await assert.rejects(socket.timeout(50).emitWithAck("not answered"), /operation has timed out/);
    },
  },
  {
    title: "an acknowledgement fails when the connection is lost",
    clients: [4],
    async body({ clients }) {
      const socket = await clients.connected("/", { reconnection: false });
      const failed = assert.rejects(socket.timeout(200000).emitWithAck("not answered"), /socket has been disconnected/);
      socket.emit("drop");
      await failed;
    },
  },
  {
    title: "retries deliver in order",
    clients: [4],
    async body({ clients }) {
      const socket = await clients.connected("/", { retries: 3, ackTimeout: 20000 });
      const all = await Promise.all(
        Array.from({ length: 20 }, (_, i) => new Promise((resolve) => socket.emit("echo", i, (err, v) => resolve([err, v])))),
      );
      assert.deepEqual(all, Array.from({ length: 20 }, (_, i) => [null, i]));
    },
  },
];
