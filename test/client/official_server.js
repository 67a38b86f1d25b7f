// The application of the scenarios on the official server. One process holds as many servers as are asked for.
// application_test.go is the same on ours.
"use strict";

const http = require("node:http");
const { Server } = require("socket.io");
const { Record, revive, serve } = require("./control");

class Application {
  constructor(options) {
    this.options = options;
    this.records = new Map();
    this.acks = { skip: 0, hold: false };
    this.held = [];
  }

  /** What a namespace has received, or with " gone" why its sockets have left. */
  record(source) {
    if (!this.records.has(source)) {
      this.records.set(source, new Record());
    }
    return this.records.get(source);
  }

  async listen(port) {
    this.http = http.createServer();
    this.sockets = new Set();
    this.http.on("connection", (socket) => {
      this.sockets.add(socket);
      socket.once("close", () => this.sockets.delete(socket));
    });
    const { recovery, keepAlive, ...options } = this.options;
    if (keepAlive) {
      this.http.keepAliveTimeout = keepAlive;
      this.http.keepAliveTimeoutBuffer = 0;
    }
    if (recovery) {
      options.connectionStateRecovery = {};
    }
    this.io = new Server(this.http, { serveClient: false, ...options });
    this.io.of("/gate").use((socket, next) => {
      if (socket.handshake.auth.token === "letmein") {
        return next();
      }
      const err = new Error("not allowed");
      err.data = { code: 7, why: ["token"] };
      next(err);
    });
    for (const name of ["/", "/chat", "/gate"]) {
      this.io.of(name).on("connection", (socket) => this.connected(name, socket));
    }
    await new Promise((resolve, reject) => {
      this.http.once("error", reject).listen(port, "127.0.0.1", resolve);
    });
    return this.http.address().port;
  }

  connected(nsp, socket) {
    const { pid, offset, ...auth } = socket.handshake.auth;
    const record = this.record(nsp);
    record.add("connect", auth, socket.recovered);
    socket.on("disconnect", (reason) => this.record(`${nsp} gone`).add(reason));
    socket.onAny((name, ...args) => {
      record.add(name, ...args.filter((arg) => typeof arg !== "function"));
    });
    socket.on("echo", (...args) => {
      const ack = args[args.length - 1];
      if (typeof ack === "function") {
        ack(...args.slice(0, -1));
      } else {
        socket.emit("echo", ...args);
      }
    });
    socket.on("note", (...args) => this.acknowledge(args));
    socket.on("push", (count, ack) => {
      for (let i = 1; i <= count; i++) {
        socket.emit("tick", i);
      }
      if (ack) {
        ack(); // with retries
      }
    });
    socket.on("ask", (...args) => {
      socket.emit("question", ...args, (...values) => socket.emit("answered", ...values));
    });
    socket.on("kick", () => socket.disconnect(false));
    socket.on("kick-all", () => socket.disconnect(true));
    socket.on("drop", () => socket.conn.close());
    socket.on("garbage", () => socket.conn.write("9garbage"));
    socket.on("transport", (ack) => ack(socket.conn.transport.name));
  }

  /** Answers a note: not at all, later, or now. */
  acknowledge(args) {
    const ack = args[args.length - 1];
    if (typeof ack !== "function") {
      return;
    }
    if (this.acks.skip > 0) {
      this.acks.skip--;
    } else if (this.acks.hold) {
      this.held.push(() => ack("noted", args[0]));
    } else {
      ack("noted", args[0]);
    }
  }

  /** Ends the server politely, or as if its process had died: no packet, no answer. */
  async stop(how) {
    const closed = new Promise((resolve) => this.http.once("close", resolve));
    if (how === "close") {
      // A session that is not polling at this moment would not be told.
      while (!Object.values(this.io.engine.clients).every((session) => session.transport.writable)) {
        await new Promise((resolve) => setImmediate(resolve));
      }
      this.io.close();
      await Promise.race([closed, new Promise((resolve) => setTimeout(resolve, 500))]);
    } else {
      this.http.close();
    }
    for (const socket of this.sockets) {
      socket.resetAndDestroy();
    }
    await closed;
    this.io.engine.close();
  }
}

const applications = new Map();
let last = 0;

serve({
  async start({ options, port }) {
    const app = new Application(options);
    const bound = await app.listen(port || 0);
    applications.set(++last, app);
    return { id: last, port: bound };
  },
  stop: ({ id, how }) => applications.get(id).stop(how),
  record: ({ id, source, from, count, ms }) => applications.get(id).record(source).wait(from, count, ms),
  acks: ({ id, skip, hold }) => {
    applications.get(id).acks = { skip, hold };
  },
  release: ({ id }) => {
    for (const ack of applications.get(id).held.splice(0)) {
      ack();
    }
  },
  emit: ({ id, nsp, event, args }) => {
    applications.get(id).io.of(nsp).emit(event, ...revive(args));
  },
  sessions: ({ id }) => applications.get(id).io.engine.clientsCount,
});
