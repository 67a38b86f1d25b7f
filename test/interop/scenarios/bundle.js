// What the client for browsers that speaks MessagePack does; it is served under this name, and bytes are ArrayBuffers.
"use strict";

const { assert, call, once } = require("../harness");

const bytes = (...all) => Uint8Array.from(all).buffer;

const kept = [
  null, true, -5, 1.5, 2 ** 40, 2 ** 53 - 1, -(2 ** 53 - 1), NaN, -Infinity, "", "é😀\ufeff", "x".repeat(70000), [],
  new Date(1700000000123), bytes(), bytes(0, 255), { a: { b: [bytes(1), new Date(5), { __proto__: null, 7: "seven" }] } },
  Array.from({ length: 70000 }, (_, i) => i % 300),
];

// Prototypes are not compared: only one end makes objects without one.
const plain = (value) => structuredClone(value);

module.exports = [
  {
    title: "values, both ways",
    async body({ clients }) {
      const socket = await clients.settled("/", { auth: { token: "x", bytes: bytes(1, 2) } });
      const back = once(socket, "echo");
      socket.emit("echo", ...kept);
      assert.deepEqual(plain(await back), plain(kept));
      assert.deepEqual(plain(await call(socket, "echo", ...kept)), plain(kept));
      const asked = once(socket, "please-ack");
      socket.emit("ask-ack", new Date(5), bytes(7));
      const args = await asked;
      const ack = args.pop();
      assert.deepEqual(args, [new Date(5), bytes(7)]);
      const acked = once(socket, "acked");
      ack(NaN, { bytes: bytes(8) });
      assert.deepEqual(await acked, [NaN, { bytes: bytes(8) }]);
    },
  },
  {
    title: "views of bytes, and what has toJSON",
    async body({ clients }) {
      const socket = await clients.settled();
      const view = new Uint16Array([1, 2, 3]).subarray(1, 2);
      const got = await call(socket, "echo", view, { toJSON: () => ({ made: view }) });
      assert.deepEqual(got, [bytes(2, 0), { made: bytes(2, 0) }]);
    },
  },
  {
    title: "auth, a refusal, and the end",
    async body({ clients }) {
      const socket = clients.open("/", { auth: { token: "x" } });
      const [hello] = await once(socket, "hello");
      assert.deepEqual([hello.nsp, hello.auth], ["/", { token: "x" }]);
      const [err] = await once(clients.share(socket, "/denied"), "connect_error");
      assert.deepEqual([err.message, err.data], ["not allowed", { code: "E_DENIED" }]);
      const gone = once(socket, "disconnect");
      socket.emit("kick");
      assert.equal((await gone)[0], "io server disconnect");
    },
  },
];
