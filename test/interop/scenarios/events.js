"use strict";

const { assert, config, call, once, many } = require("../harness");
const values = require("../values");

/** Emits and waits for the echo. */
async function echo(socket, ...args) {
  const back = once(socket, "echo");
  socket.emit("echo", ...args);
  return back;
}

module.exports = [
  {
    title: "events with no argument to ten",
    async body({ clients }) {
      const socket = await clients.connected();
      for (let n = 0; n <= 10; n++) {
        const args = Array.from({ length: n }, (_, i) => values.json[i % values.json.length]);
        assert.deepEqual(await echo(socket, ...args), args, `${n} arguments`);
      }
    },
  },
  {
    title: "every JSON type at every place of ten",
    async body({ clients }) {
      const socket = await clients.connected();
      const small = values.json.filter((v) => JSON.stringify(v).length < 1000);
      for (let first = 0; first < small.length; first++) {
        const args = Array.from({ length: 10 }, (_, i) => small[(first + i) % small.length]);
        assert.deepEqual(await echo(socket, ...args), args);
      }
    },
  },
  {
    title: "every JSON value alone",
    async body({ clients }) {
      const socket = await clients.settled();
      for (const value of values.json) {
        assert.deepEqual(await echo(socket, value), [value]);
      }
    },
  },
  {
    title: "binary at any depth",
    async body({ clients }) {
      const socket = await clients.connected();
      for (const value of values.binary) {
        assert.deepEqual(await echo(socket, value), [value]);
      }
    },
  },
  {
    title: "binary at any depth on the last transport",
    async body({ clients }) {
      const socket = await clients.settled();
      for (const value of values.binary) {
        assert.deepEqual(await echo(socket, value), [value]);
      }
    },
  },
  {
    title: "binary and JSON side by side",
    async body({ clients }) {
      const socket = await clients.connected();
      const args = [1, Buffer.from([0, 255]), "two", { three: [Buffer.from("3")] }, null, Buffer.alloc(0)];
      assert.deepEqual(await echo(socket, ...args), args);
    },
  },
  {
    title: "all kinds of binary a client may send",
    async body({ clients }) {
      const socket = await clients.connected();
      const bytes = Uint8Array.from([9, 8, 7]);
      const [buffer, typed] = await echo(socket, bytes.buffer, bytes);
      assert.deepEqual(Buffer.from(buffer), Buffer.from(bytes));
      assert.deepEqual(Buffer.from(typed), Buffer.from(bytes));
    },
  },
  {
    title: "what MessagePack keeps",
    parser: "msgpack",
    async body({ clients }) {
      const socket = await clients.settled();
      const date = new Date(1700000000123);
      const kept = [date, NaN, -Infinity, 2 ** 53 - 1, -(2 ** 53 - 1), 2 ** 60, [date, { at: date }]];
      assert.deepEqual(await echo(socket, ...kept), kept);
      const gone = (v) => v === null || v === undefined; // undefined is null to a server that is not written in JavaScript
      const [alone, { a, b }, [c]] = await echo(socket, undefined, { a: undefined, b: 1 }, [undefined]);
      assert.ok(gone(alone) && gone(a) && b === 1 && gone(c));
      const back = once(socket, "please-ack");
      socket.emit("ask-ack", date, Buffer.from("bytes"));
      const [sent, bytes, ack] = await back;
      assert.deepEqual([sent, bytes], [date, Buffer.from("bytes")]);
      const acked = once(socket, "acked");
      ack(NaN, { bytes: Buffer.from("more") });
      assert.deepEqual(await acked, [NaN, { bytes: Buffer.from("more") }]);
    },
  },
  {
    title: "what JSON turns into something else",
    parser: undefined,
    async body({ clients }) {
      const socket = await clients.connected();
      const date = new Date(1700000000123);
      const args = [date, NaN, Infinity, undefined, -0, { gone: undefined, kept: 1 }, [undefined]];
      assert.deepEqual(await echo(socket, ...args), [date.toISOString(), null, null, null, 0, { kept: 1 }, [null]]);
    },
  },
  {
    title: "a text and a binary event of 900 kB",
    async body({ clients }) {
      const socket = await clients.settled();
      const base64 = config.parser === "msgpack" && config.transport === "polling"; // which text is then, too
      const text = "0123456789".repeat(base64 ? 70000 : 90000);
      assert.deepEqual(await echo(socket, text), [text]);
      // Base64 makes a third more of it, and polling must stay under the limit of one million too.
      const bytes = Buffer.alloc(700000, "abcdefg");
      assert.deepEqual(await echo(socket, bytes), [bytes]);
    },
  },
  {
    title: "events nobody listens for are ignored",
    async body({ clients }) {
      const socket = await clients.connected();
      socket.emit("no such event", 1, { a: Buffer.from("x") });
      socket.emit("no such event, acknowledged", 1, () => assert.fail("acknowledged"));
      socket.emit("🙂 \"quoted\", [bracketed]", []);
      assert.deepEqual(await call(socket, "echo", "still here"), ["still here"]);
    },
  },
  {
    title: "what is emitted before the connection comes after it, in order",
    async body({ clients }) {
      const socket = clients.open();
      const back = many(socket, "echo", 100);
      for (let i = 0; i < 100; i++) socket.emit("echo", i, i % 10 === 0 ? Buffer.from([i]) : null);
      const got = await back;
      assert.deepEqual(got, Array.from({ length: 100 }, (_, i) => [i, i % 10 === 0 ? Buffer.from([i]) : null]));
    },
  },
  {
    title: "a volatile event arrives on a free connection",
    clients: [3, 4],
    async body({ clients }) {
      const socket = await clients.settled();
      await call(socket, "echo"); // nothing is on its way any more
      const back = once(socket, "echo");
      // A poll or a post may be about to start: what is dropped for that may be sent again.
      const again = setInterval(() => socket.volatile.emit("echo", "now"), 5);
      try {
        assert.deepEqual(await back, ["now"]);
      } finally {
        clearInterval(again);
      }
    },
  },
  {
    title: "send and the message event",
    async body({ clients }) {
      const socket = await clients.connected();
      socket.send("nobody listens for it");
      assert.deepEqual(await call(socket, "echo", 1), [1]);
    },
  },
];
