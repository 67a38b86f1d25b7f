// The official client as a peer of the scenarios. One process holds as many as are asked for.
"use strict";

const { Manager } = require("socket.io-client");
const { Record, revive, serve } = require("./control");

class Peer {
  constructor(url, { dropOffset, ...options }) {
    this.records = new Map();
    this.dropOffset = dropOffset;
    this.manager = new Manager(url, { autoConnect: false, ...options });
    this.sockets = new Map();
    const manager = this.record("manager");
    this.manager.on("open", () => {
      manager.add("open");
      const engine = this.record("engine");
      const socket = this.manager.engine;
      socket.on("upgrade", (transport) => engine.add("upgrade", transport.name));
      socket.on("upgradeError", () => engine.add("upgrade failed"));
    });
    this.manager.on("close", (reason) => manager.add("close", reason));
    this.manager.on("error", (err) => {
      // The error of an open session comes with its close in Go; here it comes a moment before.
      if (this.manager._readyState !== "open") {
        manager.add("error", err.message);
      }
    });
    this.manager.on("reconnect_attempt", (attempt) => manager.add("reconnect_attempt", attempt));
    this.manager.on("reconnect", (attempt) => manager.add("reconnect", attempt));
    this.manager.on("reconnect_error", (err) => manager.add("reconnect_error", err.message));
    this.manager.on("reconnect_failed", () => manager.add("reconnect_failed"));
  }

  record(source) {
    if (!this.records.has(source)) {
      this.records.set(source, new Record());
    }
    return this.records.get(source);
  }

  open(nsp, { auth, auths, ackTimeout, retries }) {
    let calls = 0;
    const socket = this.manager.socket(nsp, {
      auth: auths ? (done) => setImmediate(done, auths[Math.min(calls++, auths.length - 1)]) : auth,
      ackTimeout: ackTimeout || 60000,
      retries,
    });
    this.sockets.set(nsp, socket);
    const record = this.record(nsp);
    socket.on("connect", () => record.add("connect"));
    socket.on("disconnect", (reason) => record.add("disconnect", reason));
    socket.on("connect_error", (err) => {
      record.add("connect_error", err.message, ...(err.data === undefined ? [] : [err.data]));
    });
    socket.onAny((name, ...args) => {
      args = args.filter((arg) => typeof arg !== "function");
      if (this.dropOffset && typeof args[args.length - 1] === "string") {
        args.pop();
      }
      record.add(name, ...args);
    });
    socket.on("question", (...args) => args[args.length - 1](...args.slice(0, -1)));
  }

  ask(nsp, tag, event, args) {
    const record = this.record(`${nsp} acks`);
    this.sockets.get(nsp).emit(event, ...revive(args), (err, ...values) => {
      record.add(tag, ...(err ? [failures[err.message] || err.message] : [values]));
    });
  }
}

const failures = {
  "operation has timed out": "timeout",
  "socket has been disconnected": "disconnected",
};

const peers = new Map();
let last = 0;

serve({
  peer: ({ url, options }) => {
    peers.set(++last, new Peer(url, options));
    return last;
  },
  open: ({ id, nsp, options }) => peers.get(id).open(nsp, options),
  connect: ({ id, nsp }) => {
    peers.get(id).sockets.get(nsp).connect();
  },
  disconnect: ({ id, nsp }) => {
    peers.get(id).sockets.get(nsp).disconnect();
  },
  auth: ({ id, nsp, auth }) => {
    peers.get(id).sockets.get(nsp).auth = auth;
  },
  emit: ({ id, nsp, event, args }) => {
    peers.get(id).sockets.get(nsp).emit(event, ...revive(args));
  },
  count: ({ id, nsp, event, from, to }) => {
    for (let i = from; i <= to; i++) {
      peers.get(id).sockets.get(nsp).emit(event, i);
    }
  },
  volatile: ({ id, nsp, event, args }) => {
    peers.get(id).sockets.get(nsp).volatile.emit(event, ...revive(args));
  },
  ask: ({ id, nsp, tag, event, args }) => peers.get(id).ask(nsp, tag, event, args),
  state: ({ id, nsp }) => {
    const socket = peers.get(id).sockets.get(nsp);
    const engine = socket.io.engine;
    return {
      id: socket.id || "",
      connected: socket.connected,
      active: socket.active,
      recovered: !!socket.recovered,
      transport: engine && engine.readyState === "open" ? engine.transport.name : "",
    };
  },
  record: ({ id, source, from, count, ms }) => peers.get(id).record(source).wait(from, count, ms),
  close: ({ id }) => peers.get(id).manager._close(),
  end: ({ id }) => {
    peers.get(id).manager._close();
    peers.delete(id);
  },
});
