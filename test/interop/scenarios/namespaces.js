"use strict";

const { assert, call, once } = require("../harness");

const names = ["/admin", "/dyn-7", "/dyn-8"];

module.exports = [
  {
    title: "four namespaces share one connection",
    clients: [3, 4],
    async body({ clients }) {
      const main = clients.open();
      const others = names.map((name) => clients.share(main, name, { auth: { for: name } }));
      const greeted = Promise.all([main, ...others].map((socket) => once(socket, "hello")));
      const hellos = (await greeted).map(([hello]) => hello);
      assert.deepEqual(
        hellos.map((hello) => hello.nsp),
        ["/", ...names],
      );
      const sockets = [main, ...others];
      assert.equal(new Set(sockets.map((socket) => socket.io)).size, 1);
      assert.equal(new Set(sockets.map((socket) => socket.id)).size, 4);
      const answers = await Promise.all(sockets.map((socket) => call(socket, "whoami")));
      assert.deepEqual(
        answers.map(([me]) => me.id),
        sockets.map((socket) => socket.id),
      );
    },
  },
  {
    title: "events of many namespaces do not mix",
    async body({ clients }) {
      const main = await clients.connected();
      const others = names.map((name) => clients.share(main, name));
      const greeted = Promise.all(others.map((socket) => once(socket, "hello")));
      await greeted;
      const sockets = [main, ...others];
      const seen = sockets.map((socket) => {
        const values = [];
        socket.on("echo", (...args) => values.push(args));
        return values;
      });
      for (let i = 0; i < 50; i++) {
        sockets.forEach((socket, n) => socket.emit("echo", n, i, i % 7 === 0 ? Buffer.from([n, i]) : null));
      }
      await Promise.all(sockets.map((socket) => call(socket, "echo")));
      seen.forEach((values, n) => {
        const wanted = Array.from({ length: 50 }, (_, i) => [n, i, i % 7 === 0 ? Buffer.from([n, i]) : null]);
        assert.deepEqual(values, wanted);
      });
    },
  },
  {
    title: "leaving one namespace keeps the others, and coming back gives a new id",
    clients: [3, 4],
    async body({ clients }) {
      const main = await clients.connected();
      const admin = clients.share(main, "/admin");
      await once(admin, "hello");
      const engine = main.io.engine;
      const before = admin.id;

      const reason = once(admin, "disconnect");
      admin.disconnect();
      assert.equal((await reason)[0], "io client disconnect");
      assert.deepEqual(await call(main, "echo", 1), [1]);

      admin.connect();
      await once(admin, "hello");
      assert.notEqual(admin.id, before);
      assert.equal(main.io.engine, engine);
      assert.deepEqual(await call(admin, "echo", 2), [2]);
    },
  },
  {
    title: "connect() said twice leaves all namespaces of the connection alone",
    ours: true, // the official server makes two sockets, or closes the connection if the first one was quick
    async body({ clients }) {
      const main = await clients.connected();
      const engine = main.io.engine;
      const admin = clients.share(main, "/admin"); // it asks by itself
      const greeted = once(admin, "hello");
      admin.connect(); // and asks again
      let connects = 0;
      admin.on("connect", () => connects++);
      await greeted;
      admin.connect();
      assert.deepEqual(await call(admin, "echo", 1), [1]);
      assert.equal(connects, 1);
      assert.deepEqual(await call(main, "echo", 2), [2]);
      assert.equal(main.io.engine, engine);
      assert.ok(main.connected && admin.connected);
    },
  },
  {
    title: "the connection closes with its last namespace",
    async body({ clients }) {
      const main = await clients.connected();
      const admin = clients.share(main, "/admin");
      await once(admin, "hello");
      const closed = once(main.io.engine, "close");
      main.disconnect();
      assert.deepEqual(await call(admin, "echo", 1), [1]);
      admin.disconnect();
      await closed;
    },
  },
  {
    title: "the same namespace twice takes two connections",
    async body({ clients }) {
      const first = await clients.connected("/dyn-5", { forceNew: false });
      const second = await clients.connected("/dyn-5", { forceNew: false });
      assert.notEqual(first.id, second.id);
      assert.notEqual(first.io.engine, second.io.engine);
    },
  },
];
