"use strict";

const { createServer } = require("node:net");
const { assert, config, call, once, startServer, until, upgraded, Clients } = require("../harness");

/** Runs a scenario with a server of its own, that it may end. */
async function withServer(options, body) {
  const server = await startServer({ options });
  const clients = new Clients(server);
  try {
    await body(server, clients);
  } finally {
    clients.close();
    await server.end("SIGKILL");
  }
}

/** The reasons by which a client may learn that a connection broke: polling sees a failed request. */
const lost = config.transport === "polling" ? ["transport error", "transport close"] : ["transport close", "transport error"];

module.exports = [
  {
    title: "a client that disconnects is gone from the server",
    async body({ clients }) {
      const watcher = await clients.connected("/dyn-300");
      await withServer({}, async (server, own) => {
        const first = await own.connected();
        const second = await own.settled();
        await until(() => call(first, "count"), ([n]) => n === 2);
        const reason = once(second, "disconnect");
        second.disconnect();
        assert.equal((await reason)[0], "io client disconnect");
        await until(() => call(first, "count"), ([n]) => n === 1);
      });
      assert.equal(watcher.connected, true);
    },
  },
  {
    title: "a kicked client is told so, stays away, and may come back by hand",
    clients: [3, 4],
    async body({ clients }) {
      const socket = await clients.settled();
      const admin = clients.share(socket, "/admin");
      await once(admin, "hello");

      const reason = once(socket, "disconnect");
      socket.emit("kick");
      assert.equal((await reason)[0], "io server disconnect");
      assert.equal(socket.active, config.client === 3 ? socket.active : false);
      assert.deepEqual(await call(admin, "echo", "still here"), ["still here"]);
      assert.equal(socket.connected, false);

      socket.connect();
      await once(socket, "hello");
      assert.deepEqual(await call(socket, "echo", 1), [1]);
    },
  },
  {
    title: "kick-all disconnects every namespace of the connection, and it closes",
    async body({ clients }) {
      const socket = await clients.settled();
      const admin = clients.share(socket, "/admin");
      await once(admin, "hello");
      const closed = once(socket.io.engine, "close");
      const reasons = Promise.all([once(socket, "disconnect"), once(admin, "disconnect")]);
      socket.emit("kick-all");
      assert.deepEqual((await reasons).map(([reason]) => reason), ["io server disconnect", "io server disconnect"]);
      await closed;
      assert.equal(socket.connected, false);
      assert.equal(admin.connected, false);
    },
  },
  {
    title: "a dropped client reconnects with a new id",
    async body({ clients }) {
      const socket = await clients.settled();
      const before = socket.id;
      const [reason, attempt] = [once(socket, "disconnect"), once(socket.io, "reconnect")];
      const greeted = once(socket, "hello");
      socket.emit("drop");
      assert.equal((await reason)[0], "transport close");
      assert.deepEqual(await attempt, [1]);
      await greeted;
      assert.notEqual(socket.id, before);
      assert.deepEqual(await call(socket, "echo", 1), [1]);
    },
  },
  {
    title: "all namespaces of a dropped connection come back",
    async body({ clients }) {
      const socket = await clients.connected();
      const admin = clients.share(socket, "/admin");
      await once(admin, "hello");
      const reasons = Promise.all([once(socket, "disconnect"), once(admin, "disconnect")]);
      const greeted = Promise.all([once(socket, "hello"), once(admin, "hello")]);
      admin.emit("drop");
      assert.deepEqual((await reasons).map(([reason]) => reason), ["transport close", "transport close"]);
      await greeted;
      assert.deepEqual(await call(admin, "echo", 2), [2]);
    },
  },
  {
    title: "a killed server: the client notices, buffers, and goes on with the next one",
    async body() {
      const server = await startServer();
      const clients = new Clients(server);
      let next;
      try {
        const socket = await clients.settled();
        const reason = once(socket, "disconnect");
        const attempt = once(socket.io, "reconnect_attempt");
        const failed = once(socket.io, "reconnect_error");
        await server.end("SIGKILL");
        assert.ok(lost.includes((await reason)[0]), `reason: ${await reason}`);
        assert.deepEqual(await attempt, [1]);
        await failed;

        const back = once(socket, "echo");
        socket.emit("echo", "while offline", Buffer.from([1]));
        const greeted = once(socket, "hello");
        const reconnected = once(socket.io, "reconnect");
        next = await startServer({ port: server.port });
        await greeted;
        assert.ok((await reconnected)[0] >= 1);
        assert.deepEqual(await back, ["while offline", Buffer.from([1])]);
        await upgraded(socket);
        assert.deepEqual(await call(socket, "echo", "after"), ["after"]);
      } finally {
        clients.close();
        if (next) await next.end("SIGKILL");
      }
    },
  },
  {
    title: "a server that ends by itself: the client goes on with the next one",
    async body() {
      const server = await startServer();
      const clients = new Clients(server);
      let next;
      try {
        const socket = await clients.settled();
        const reason = once(socket, "disconnect");
        await server.end("SIGTERM");
        assert.ok(lost.includes((await reason)[0]), `reason: ${await reason}`);
        const greeted = once(socket, "hello");
        next = await startServer({ port: server.port });
        await greeted;
      } finally {
        clients.close();
        if (next) await next.end("SIGKILL");
      }
    },
  },
  {
    title: "a frozen server: ping timeout, and reconnection when it wakes",
    async body() {
      // Not so quick that a busy machine misses a heartbeat by itself.
      await withServer({ pingInterval: 500, pingTimeout: 8000 }, async (server, clients) => {
        const socket = await clients.settled();
        const reason = once(socket, "disconnect");
        server.signal("SIGSTOP");
        assert.equal((await reason)[0], "ping timeout");
        const greeted = once(socket, "hello");
        server.signal("SIGCONT");
        await greeted;
        assert.deepEqual(await call(socket, "echo", 1), [1]);
      });
    },
  },
  {
    title: "a session outlives many heartbeats",
    async body() {
      await withServer({ pingInterval: 50, pingTimeout: 20000 }, async (_, clients) => {
        const socket = await clients.settled();
        let pings = 0;
        await new Promise((resolve, reject) => {
          const asks = config.client === 2 ? "pong" : "ping"; // what comes of it
          socket.io.engine.on("packet", ({ type }) => type === asks && ++pings === 20 && resolve());
          socket.once("disconnect", (reason) => reject(new Error(reason)));
        });
        assert.deepEqual(await call(socket, "echo", 1), [1]);
      });
    },
  },
  {
    title: "nobody listens: connect_error, and reconnect_failed after the last attempt",
    async body({ clients }) {
      const reserve = createServer().listen(0, "127.0.0.1");
      await once(reserve, "listening");
      const { port } = reserve.address();
      reserve.close();
      await once(reserve, "close");
      const own = new Clients({ url: `http://127.0.0.1:${port}` });
      try {
        const socket = own.open("/", { reconnectionAttempts: 2 });
        const attempts = [];
        socket.io.on("reconnect_attempt", (n) => attempts.push(n));
        await Promise.all([once(socket, "connect_error"), once(socket.io, "reconnect_failed")]);
        assert.deepEqual(attempts, [1, 2]);
      } finally {
        own.close();
      }
    },
  },
];
