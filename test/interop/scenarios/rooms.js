"use strict";

const { assert, call, once } = require("../harness");

/** Collects the messages of a room that a socket sees. */
function listen(socket) {
  const seen = [];
  socket.on("room-msg", (...args) => seen.push(args));
  return seen;
}

/** After this, everything that was broadcast before has arrived at socket. */
async function fence(from, socket) {
  const mark = Math.random();
  const arrived = new Promise((resolve) => {
    socket.on("broadcast", function listener(value) {
      if (value !== mark) return;
      socket.off("broadcast", listener);
      resolve();
    });
  });
  from.emit("broadcast", mark);
  await arrived;
}

module.exports = [
  {
    title: "joining and leaving show in the list of rooms",
    async body({ clients }) {
      const socket = await clients.connected();
      assert.deepEqual(await call(socket, "join", "b"), []);
      assert.deepEqual(await call(socket, "join", ["a", "c", "ü room"]), []);
      const [{ rooms }] = await call(socket, "whoami");
      assert.deepEqual(rooms, [socket.id, "a", "b", "c", "ü room"].sort());
      assert.deepEqual(await call(socket, "leave", "b"), []);
      assert.deepEqual(await call(socket, "leave", "never joined"), []);
      assert.deepEqual((await call(socket, "whoami"))[0].rooms, [socket.id, "a", "c", "ü room"].sort());
    },
  },
  {
    title: "a message to a room reaches its members but not its sender",
    async body({ clients }) {
      const [a, b, c] = await Promise.all([clients.connected(), clients.connected(), clients.settled()]);
      const seen = [a, b, c].map(listen);
      await Promise.all([call(a, "join", "r1"), call(b, "join", "r1")]);
      a.emit("to-room", "r1", "hi", 1, { n: [2] });
      await fence(a, b);
      await fence(a, c);
      assert.deepEqual(seen, [[], [["r1", "hi", 1, { n: [2] }]], []]);
    },
  },
  {
    title: "who is outside may send into a room",
    async body({ clients }) {
      const [a, b] = await Promise.all([clients.connected(), clients.connected()]);
      await call(b, "join", "r2");
      const message = once(b, "room-msg");
      a.emit("to-room", "r2");
      assert.deepEqual(await message, ["r2"]);
    },
  },
  {
    title: "who has left gets nothing",
    async body({ clients }) {
      const [a, b] = await Promise.all([clients.connected(), clients.connected()]);
      const seen = listen(b);
      await call(b, "join", ["r3", "r3b"]);
      await call(b, "leave", "r3");
      a.emit("to-room", "r3", "no");
      a.emit("to-room", "r3b", "yes");
      await fence(a, b);
      assert.deepEqual(seen, [["r3b", "yes"]]);
    },
  },
  {
    title: "binary reaches a room whole",
    async body({ clients }) {
      const [a, b, c] = await Promise.all([clients.connected(), clients.connected(), clients.settled()]);
      await Promise.all([call(b, "join", "r4"), call(c, "join", "r4")]);
      const value = { name: "picture", bytes: Buffer.alloc(50000, "jpeg"), more: [Buffer.from([1])] };
      const messages = Promise.all([once(b, "room-msg"), once(c, "room-msg")]);
      a.emit("to-room", "r4", value, Buffer.from("top"));
      for (const message of await messages) {
        assert.deepEqual(message, ["r4", value, Buffer.from("top")]);
      }
    },
  },
  {
    title: "the id of a socket is a room of its own",
    async body({ clients }) {
      const [a, b] = await Promise.all([clients.connected(), clients.connected()]);
      const message = once(b, "room-msg");
      a.emit("to-room", b.id, "only you");
      assert.deepEqual(await message, [b.id, "only you"]);
    },
  },
  {
    title: "a broadcast reaches everybody else, once",
    async body({ clients }) {
      const sockets = await Promise.all(Array.from({ length: 10 }, () => clients.connected("/dyn-900")));
      const seen = sockets.map((socket) => {
        const values = [];
        socket.on("broadcast", (...args) => values.push(args));
        return values;
      });
      await Promise.all(sockets.map((socket) => call(socket, "join", ["x", "y"])));
      const arrived = Promise.all(sockets.slice(1).map((socket) => once(socket, "broadcast")));
      sockets[0].emit("broadcast", "all", Buffer.from("b"));
      await arrived;
      await Promise.all(sockets.map((socket) => call(socket, "echo")));
      assert.deepEqual(seen[0], []);
      for (const values of seen.slice(1)) assert.deepEqual(values, [["all", Buffer.from("b")]]);
    },
  },
  {
    title: "rooms of one namespace are not those of another",
    async body({ clients }) {
      const [main, admin, sender] = await Promise.all([
        clients.connected("/"),
        clients.connected("/admin"),
        clients.connected("/admin"),
      ]);
      const seen = listen(main);
      await Promise.all([call(main, "join", "shared"), call(admin, "join", "shared")]);
      const message = once(admin, "room-msg");
      sender.emit("to-room", "shared", 1);
      assert.deepEqual(await message, ["shared", 1]);
      await call(main, "echo");
      assert.deepEqual(seen, []);
    },
  },
  {
    title: "a thousand broadcasts arrive in order",
    async body({ clients }) {
      const [a, b] = await Promise.all([clients.connected("/dyn-901"), clients.settled("/dyn-901")]);
      const seen = [];
      const all = new Promise((resolve) => {
        b.on("broadcast", (n) => {
          seen.push(n);
          if (seen.length === 1000) resolve();
        });
      });
      for (let i = 0; i < 1000; i++) a.emit("broadcast", i);
      await all;
      assert.deepEqual(seen, Array.from({ length: 1000 }, (_, i) => i));
    },
  },
];
