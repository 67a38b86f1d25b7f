// Runs with compression switched on at both ends, and checks that what is sent is.
"use strict";

const { assert, call, config, once, many } = require("../harness");

const sentence = "What repeats itself gets smaller when it is compressed. ";

/** Whether the WebSocket of socket has agreed to compress. */
function agreed(socket) {
  return String(socket.io.engine.transport.ws.extensions || "").includes("permessage-deflate");
}

module.exports = [
  {
    title: "is agreed about on WebSockets",
    only: ["websocket", "upgrade"],
    async body({ clients }) {
      const socket = await clients.settled();
      assert.equal(agreed(socket), config.deflate);
    },
  },
  {
    title: "large and small events of both kinds come back",
    async body({ clients }) {
      const socket = await clients.settled();
      for (const n of [0, 1, 10, 20, 100, 1000, 5000]) {
        const text = sentence.repeat(n);
        const noise = Array.from({ length: n }, (_, i) => (i * 2654435761) % 4294967296).join(",");
        const binary = Buffer.from(text);
        const [held] = await call(socket, "echo", { text, noise, binary });
        assert.equal(held.text, text);
        assert.equal(held.noise, noise);
        assert.deepEqual(Buffer.from(held.binary), binary);
      }
    },
  },
  {
    title: "what is sent in a row comes in order",
    async body({ clients }) {
      const socket = await clients.connected();
      const back = many(socket, "echo", 60);
      for (let i = 0; i < 60; i++) {
        const sender = i % 5 === 0 ? socket.compress(false) : socket;
        sender.emit("echo", i, sentence.repeat(i % 3 === 0 ? 100 : 1), Buffer.alloc(i * 50, i));
      }
      (await back).forEach(([n, text, bytes], i) => {
        assert.equal(n, i);
        assert.equal(text.length, sentence.length * (i % 3 === 0 ? 100 : 1));
        assert.deepEqual(Buffer.from(bytes), Buffer.alloc(i * 50, i));
      });
    },
  },
  {
    title: "a broadcast reaches those that compress and those that do not",
    async body({ clients }) {
      const sender = await clients.settled();
      const sockets = [];
      for (let i = 0; i < 6; i++) {
        const opts = i % 2 ? { perMessageDeflate: false } : {};
        const socket = await clients.settled("/", opts);
        await call(socket, "join", "compressed");
        sockets.push(socket);
      }
      const text = sentence.repeat(200);
      const all = sockets.map((socket) => once(socket, "room-msg"));
      sender.emit("to-room", "compressed", text, Buffer.from(text));
      for (const [room, got, bytes] of await Promise.all(all)) {
        assert.equal(room, "compressed");
        assert.equal(got, text);
        assert.deepEqual(Buffer.from(bytes), Buffer.from(text));
      }
    },
  },
];
