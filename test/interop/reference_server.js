// The contract server, made of the official packages. The interop scenarios run against it too, which proves that they
// ask for what the official server does. Environment and ready line are those of test/contract/server.
"use strict";

const { createServer } = require("node:http");
const { Server } = require("socket.io");

const node = process.env.NODE_ID || "node";
const httpServer = createServer((req, res) => {
  res.writeHead(404);
  res.end();
});
const options = JSON.parse(process.env.SIO_OPTIONS || "{}");
if (options.parser === "msgpack") options.parser = require("socket.io-msgpack-parser");
const io = new Server(httpServer, {
  ...options,
  serveClient: false,
});

const namespaces = [io.of("/"), io.of("/admin"), io.of(/^\/dyn-[0-9]+$/)];
const denied = io.of("/denied").use((socket, next) => {
  if (socket.handshake.auth.token === "letmein") return next();
  next(Object.assign(new Error("not allowed"), { data: { code: "E_DENIED" } }));
});

for (const namespace of [...namespaces, denied]) {
  namespace.on("connection", (socket) => {
    socket.data.node = node;
    handlers(socket);
    socket.emit("hello", { nsp: socket.nsp.name, auth: socket.handshake.auth });
  });
}

function handlers(socket) {
  socket.on("echo", (...args) => {
    const ack = args.at(-1);
    if (typeof ack === "function") ack(...args.slice(0, -1));
    else socket.emit("echo", ...args);
  });
  socket.on("ask-ack", (...args) => {
    socket.emit("please-ack", ...args, (...held) => socket.emit("acked", ...held));
  });
  socket.on("whoami", (ack) => {
    ack({ id: socket.id, rooms: [...socket.rooms].sort(), node, recovered: socket.recovered });
  });
  socket.on("handshake", (ack) => {
    const { query, auth, xdomain } = socket.handshake;
    ack({ query, auth, xdomain });
  });
  socket.on("transport", (ack) => {
    ack({ name: socket.conn.transport.name, protocol: socket.conn.protocol });
  });
  socket.on("join", (rooms, ack) => {
    socket.join(rooms);
    ack();
  });
  socket.on("leave", (room, ack) => {
    socket.leave(room);
    ack();
  });
  socket.on("to-room", (room, ...args) => socket.to(room).emit("room-msg", room, ...args));
  socket.on("ask-room", (room, ...args) => {
    const ack = args.pop();
    socket.nsp.timeout(200000).to(room).emit("please-ack", ...args, (_, held) => ack(held));
  });
  socket.on("broadcast", (...args) => socket.broadcast.emit("broadcast", ...args));
  socket.on("drop", () => socket.conn.close());
  socket.on("kick", () => socket.disconnect(false));
  socket.on("kick-all", () => socket.disconnect(true));
  socket.on("count", (ack) => ack(io.engine.clientsCount));
}

if (process.env.STDIN_GUARD) {
  process.stdin.on("end", () => process.exit(0)).resume();
}
process.on("SIGTERM", () => process.exit(0));

httpServer.listen(Number(process.env.PORT || 3000), process.env.HOST || "127.0.0.1", () => {
  console.log(JSON.stringify({ ready: true, port: httpServer.address().port, impl: "reference" }));
});
