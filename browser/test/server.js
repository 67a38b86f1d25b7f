// The servers that the integration tests run against. All of them have the same application: namespaces /,
// /admin, /dyn-<digits> and /denied with a few events (see `handlers`).
//
// By default it is the official server in this process. SIO_TEST_SERVER is a command that starts another:
// it gets PORT, HOST and SIO_OPTIONS (JSON) in its environment, prints {"ready":true,"port":N}, and ends on
// SIGTERM. SIO_TEST_URL is the address of one that runs already; tests that need to start their own, or
// one with other options, are then skipped.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:http";
import { createInterface } from "node:readline";
import { Server } from "socket.io";

const { SIO_TEST_SERVER, SIO_TEST_URL } = process.env;

/** Why a test that starts a server of its own has to be skipped, or false. */
export const fixed = SIO_TEST_URL && !SIO_TEST_SERVER ? "the server is not ours to start" : false;

/**
 * @typedef {object} Running
 * @property {string} url
 * @property {number} [port]
 * @property {() => Promise<void>} stop ends it as a crash would: connections break
 */

/**
 * Starts a server.
 * @param {object} [options] of the server, by their official names
 * @param {number} [port]
 * @returns {Promise<Running>}
 */
export function startServer(options = {}, port = 0) {
  if (SIO_TEST_SERVER) return startCommand(options, port);
  if (SIO_TEST_URL) return Promise.resolve({ url: SIO_TEST_URL, stop: async () => {} });
  return startOfficial(options, port);
}

async function startCommand(options, port) {
  const child = spawn("exec " + SIO_TEST_SERVER, {
    shell: true,
    stdio: ["pipe", "pipe", "inherit"],
    env: { ...process.env, PORT: port, HOST: "127.0.0.1", SIO_OPTIONS: JSON.stringify(options), STDIN_GUARD: "1" },
  });
  const ended = once(child, "exit");
  const lines = createInterface({ input: child.stdout });
  const [line] = await Promise.race([
    once(lines, "line"),
    ended.then(([code]) => Promise.reject(new Error("the server ended with " + code))),
  ]);
  const ready = JSON.parse(line);
  return {
    url: "http://127.0.0.1:" + ready.port,
    port: ready.port,
    async stop() {
      child.kill("SIGKILL");
      await ended;
    },
  };
}

async function startOfficial(options, port) {
  const http = createServer();
  const io = new Server(http, options);
  for (const nsp of [io.of("/"), io.of("/admin"), io.of(/^\/dyn-\d+$/)]) nsp.on("connection", handlers);
  io.of("/denied")
    .use((socket, next) => {
      if (socket.handshake.auth.token === "letmein") return next();
      next(Object.assign(new Error("not allowed"), { data: { code: "E_DENIED" } }));
    })
    .on("connection", handlers);
  http.listen(port, "127.0.0.1");
  await once(http, "listening");
  ({ port } = http.address());
  return {
    url: "http://127.0.0.1:" + port,
    port,
    async stop() {
      const closed = once(http, "close");
      // The engine first, or it would answer with a close packet.
      http.closeAllConnections();
      await Promise.all([io.close(), closed]);
    },
  };
}

function handlers(socket) {
  const { handshake } = socket;
  const events = {
    echo(...args) {
      const ack = typeof args.at(-1) === "function" ? args.pop() : undefined;
      if (ack) ack(...args);
      else socket.emit("echo", ...args);
    },
    "ask-ack": (...args) => socket.emit("please-ack", ...args, (...answer) => socket.emit("acked", ...answer)),
    whoami: (ack) => ack({ id: socket.id, rooms: [...socket.rooms].sort(), recovered: socket.recovered }),
    handshake: (ack) => ack({ query: handshake.query, auth: handshake.auth }),
    transport: (ack) => ack({ name: socket.conn.transport.name, protocol: socket.conn.protocol }),
    join(rooms, ack) {
      socket.join(rooms);
      ack();
    },
    leave(room, ack) {
      socket.leave(room);
      ack();
    },
    "to-room": (room, ...args) => socket.to(room).emit("room-msg", room, ...args),
    broadcast: (...args) => socket.broadcast.emit("broadcast", ...args),
    drop: () => socket.conn.close(),
    kick: () => socket.disconnect(),
    "kick-all": () => socket.disconnect(true),
    count: (ack) => ack(socket.nsp.server.engine.clientsCount),
  };
  for (const [name, handler] of Object.entries(events)) socket.on(name, handler);
  socket.emit("hello", { nsp: socket.nsp.name, auth: handshake.auth });
}
