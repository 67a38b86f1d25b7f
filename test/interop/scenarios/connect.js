"use strict";

const { assert, config, call, once, opened, upgraded } = require("../harness");

module.exports = [
  {
    title: "a client connects and is greeted",
    async body({ clients }) {
      const socket = clients.open();
      const [hello] = await once(socket, "hello");
      assert.deepEqual(hello, { nsp: "/", auth: {} });
      assert.equal(socket.connected, true);
      const [me] = await call(socket, "whoami");
      assert.deepEqual(me, { id: socket.id, rooms: [socket.id], node: "n1", recovered: false });
    },
  },
  {
    title: "the connect event comes before the first event",
    clients: [3, 4],
    async body({ clients }) {
      const socket = clients.open();
      const order = [];
      socket.on("connect", () => order.push("connect"));
      socket.onAny((name) => order.push(name));
      await once(socket, "hello");
      assert.deepEqual(order, ["connect", "hello"]);
    },
  },
  {
    title: "the id of a socket is not the id of its connection",
    clients: [3, 4],
    async body({ clients }) {
      const socket = await clients.connected();
      assert.equal(typeof socket.id, "string");
      assert.notEqual(socket.id, socket.io.engine.id);
    },
  },
  {
    title: "both sides agree on the transport",
    async body({ clients }) {
      const socket = clients.open();
      await opened(socket);
      const first = config.transport === "websocket" ? "websocket" : "polling";
      assert.equal(socket.io.engine.transport.name, first);
      await upgraded(socket);
      const last = config.transport === "polling" ? "polling" : "websocket";
      assert.equal(socket.io.engine.transport.name, last);
      assert.deepEqual(await call(socket, "transport"), [{ name: last, protocol: config.client === 2 ? 3 : 4 }]);
    },
  },
  {
    title: "auth as an object reaches the server",
    clients: [3, 4],
    async body({ clients }) {
      const auth = { token: "naïve ☃", n: 1, list: [true, null], deep: { a: { b: "c" } } };
      const socket = clients.open("/", { auth });
      const [hello] = await once(socket, "hello");
      assert.deepEqual(hello.auth, auth);
      const [handshake] = await call(socket, "handshake");
      assert.deepEqual(handshake.auth, auth);
      assert.equal(handshake.xdomain, false);
    },
  },
  {
    title: "auth as a function is asked at each connection",
    clients: [3, 4],
    async body({ clients }) {
      let asked = 0;
      const socket = clients.open("/", { auth: (give) => give({ token: ++asked }) });
      const [first] = await once(socket, "hello");
      assert.deepEqual(first.auth, { token: 1 });
      socket.disconnect();
      socket.connect();
      const [second] = await once(socket, "hello");
      assert.deepEqual(second.auth, { token: 2 });
    },
  },
  {
    title: "the query reaches the server",
    async body({ clients }) {
      const socket = await clients.connected("/", { query: { a: "1", b: "x y&z=ü", empty: "" } });
      const [handshake] = await call(socket, "handshake");
      assert.equal(handshake.query.a, "1");
      assert.equal(handshake.query.b, "x y&z=ü");
      assert.equal(handshake.query.empty, "");
      assert.equal(handshake.query.EIO, config.client === 2 ? "3" : "4");
      assert.equal(handshake.query.transport, config.transport === "websocket" ? "websocket" : "polling");
    },
  },
  {
    title: "middleware refuses with its message and data",
    clients: [3, 4],
    async body({ clients }) {
      const socket = clients.open("/denied", { auth: { token: "wrong" } });
      const [err] = await once(socket, "connect_error");
      assert.equal(err.message, "not allowed");
      assert.deepEqual(err.data, { code: "E_DENIED" });
      assert.equal(socket.connected, false);
    },
  },
  {
    title: "a refused client comes back with other credentials",
    clients: [3, 4],
    async body({ clients }) {
      const socket = clients.open("/denied");
      await once(socket, "connect_error");
      socket.auth = { token: "letmein" };
      socket.connect();
      const [hello] = await once(socket, "hello");
      assert.deepEqual(hello, { nsp: "/denied", auth: { token: "letmein" } });
    },
  },
  {
    title: "a refusal leaves the other namespaces of the connection alone",
    clients: [3, 4],
    async body({ clients }) {
      const socket = await clients.connected();
      const refused = clients.share(socket, "/denied");
      const [err] = await once(refused, "connect_error");
      assert.equal(err.message, "not allowed");
      assert.deepEqual(await call(socket, "echo", 1), [1]);
    },
  },
  {
    title: "an unknown namespace is refused",
    clients: [3, 4],
    async body({ clients }) {
      for (const name of ["/nope", "/dyn-", "/dyn-x", "/dyn-1x", "/Admin", "/admin/"]) {
        const socket = clients.open(name);
        const [err] = await once(socket, "connect_error");
        assert.equal(err.message, "Invalid namespace", name);
        assert.equal(socket.connected, false);
      }
    },
  },
  {
    title: "a dynamic namespace is there when a client asks for it",
    clients: [3, 4],
    async body({ clients }) {
      for (const name of ["/dyn-1", "/dyn-0042"]) {
        const socket = clients.open(name, { auth: { a: 1 } });
        const [hello] = await once(socket, "hello");
        assert.deepEqual(hello, { nsp: name, auth: { a: 1 } });
        assert.deepEqual(await call(socket, "echo", name), [name]);
      }
    },
  },
  {
    title: "fifty clients at once",
    async body({ clients }) {
      const sockets = await Promise.all(Array.from({ length: 50 }, () => clients.connected()));
      assert.equal(new Set(sockets.map((s) => s.id)).size, 50);
      const ids = await Promise.all(sockets.map(async (s) => (await call(s, "whoami"))[0].id));
      assert.deepEqual(ids, sockets.map((s) => s.id));
    },
  },
];
