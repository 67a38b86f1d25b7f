// What clients of Socket.IO 2 do in another way: no auth but the query of a namespace, ids that both ends take for
// granted, refusals as the event "error", and signs of life that the client asks for.
"use strict";

const { assert, call, many, once } = require("../harness");

const clients = [2];

module.exports = [
  {
    title: "ids are those of the connection",
    clients,
    async body({ clients }) {
      const main = await clients.connected();
      const admin = clients.share(main, "/admin");
      await once(admin, "hello");
      const { id } = main.io.engine;
      assert.equal(main.id, id);
      assert.equal((await call(main, "whoami"))[0].id, id);
      assert.equal(admin.id, `/admin#${id}`);
      const [me] = await call(admin, "whoami");
      assert.deepEqual([me.id, me.rooms], [admin.id, [admin.id]]);
    },
  },
  {
    title: "the query of a namespace is its auth",
    clients,
    async body({ clients }) {
      const main = await clients.connected();
      const query = { token: "a b&c=ü,🙂", empty: "", n: 1 };
      const admin = clients.share(main, "/admin", { query });
      const [hello] = await once(admin, "hello");
      assert.deepEqual(hello, { nsp: "/admin", auth: { token: "a b&c=ü,🙂", empty: "", n: "1" } });
      const [handshake] = await call(admin, "handshake");
      assert.deepEqual(handshake.auth, hello.auth);
      const back = once(admin, "echo");
      admin.emit("echo", 1, Buffer.from([2]));
      assert.deepEqual(await back, [1, Buffer.from([2])]);
    },
  },
  {
    title: "middleware refuses with its data, and a query lets in",
    clients,
    async body({ clients }) {
      const main = await clients.connected();
      const refused = clients.share(main, "/denied");
      assert.deepEqual(await once(refused, "error"), [{ code: "E_DENIED" }]);
      assert.equal(refused.connected, false);
      assert.deepEqual(await call(main, "echo", 1), [1]);
      const other = await clients.connected();
      const [hello] = await once(clients.share(other, "/denied", { query: "token=letmein" }), "hello");
      assert.deepEqual(hello, { nsp: "/denied", auth: { token: "letmein" } });
    },
  },
  {
    title: "an unknown namespace is refused, a dynamic one is there",
    clients,
    async body({ clients }) {
      const main = await clients.connected();
      for (const name of ["/nope", "/dyn-x", "/Admin"]) {
        assert.deepEqual(await once(clients.share(main, name), "error"), [{ message: "Invalid namespace" }], name);
      }
      const [hello] = await once(clients.share(main, "/dyn-31"), "hello");
      assert.equal(hello.nsp, "/dyn-31");
    },
  },
  {
    title: "four namespaces on one connection, left and joined again",
    clients,
    async body({ clients }) {
      const main = await clients.connected();
      const names = ["/admin", "/dyn-7", "/dyn-8"];
      const others = names.map((name) => clients.share(main, name));
      assert.deepEqual((await Promise.all(others.map((s) => once(s, "hello")))).map(([{ nsp }]) => nsp), names);
      for (let i = 0; i < 10; i++) {
        const [admin] = others;
        admin.disconnect();
        const greeted = once(admin, "hello");
        admin.connect();
        await greeted;
        assert.deepEqual((await call(admin, "whoami"))[0].rooms, [admin.id]);
        assert.deepEqual(await call(main, "echo", i), [i]);
      }
    },
  },
  {
    title: "a kicked client is told so, and the others of its connection stay",
    clients,
    async body({ clients }) {
      const main = await clients.settled();
      const admin = clients.share(main, "/admin");
      await once(admin, "hello");
      const reason = once(admin, "disconnect");
      admin.emit("kick");
      assert.deepEqual(await reason, ["io server disconnect"]);
      assert.deepEqual(await call(main, "echo", 1), [1]);
      const greeted = once(admin, "hello");
      admin.connect();
      await greeted;
      assert.deepEqual(await call(admin, "echo", 2), [2]);
    },
  },
  {
    title: "rooms are shared with clients of today",
    clients,
    async body({ clients, server }) {
      const { io } = require("socket.io-client");
      const today = io(`${server.url}/dyn-600`, { forceNew: true, transports: ["websocket"] });
      try {
        await once(today, "hello");
        const [old, other] = [await clients.settled("/dyn-600"), await clients.connected("/dyn-600")];
        await Promise.all([today, old, other].map((socket) => call(socket, "join", "mixed")));
        for (const [from, to] of [[today, [old, other]], [old, [today, other]]]) {
          const seen = to.map((socket) => many(socket, "room-msg", 100));
          const value = (i) => (i % 3 ? "é🙂" : { b: Buffer.from([i, 4, 30]) });
          for (let i = 0; i < 100; i++) from.emit("to-room", "mixed", i, value(i));
          for (const all of await Promise.all(seen)) {
            all.forEach((args, i) => assert.deepEqual(args, ["mixed", i, value(i)]));
          }
        }
        for (const socket of [today, old, other]) socket.on("please-ack", (value, ack) => ack(value + 1));
        assert.deepEqual(await call(old, "ask-room", "mixed", 1), [[2, 2, 2]]);
        const message = once(old, "room-msg");
        today.emit("to-room", old.id, "only you");
        assert.deepEqual(await message, [old.id, "only you"]);
      } finally {
        today.disconnect();
      }
    },
  },
];
