// The benchmark's server on the official socket.io: node --expose-gc server.js PORT
"use strict";

const { createServer } = require("node:http");
const { Server } = require("socket.io");

const server = createServer();
const options = { pingInterval: 25000, perMessageDeflate: Boolean(process.env.BENCH_DEFLATE) };
if (process.env.BENCH_PARSER === "msgpack") options.parser = require("socket.io-msgpack-parser");
const io = new Server(server, options);

io.on("connection", (socket) => {
  socket.on("echo", (...args) => {
    const ack = args.at(-1);
    if (typeof ack === "function") {
      ack(...args.slice(0, -1));
    } else {
      socket.emit("echo", ...args);
    }
  });
  socket.on("bcast", (payload) => io.emit("bcast", payload));
  socket.on("join", (room, ack) => {
    socket.join(room);
    ack?.();
  });
  socket.on("room", (room, payload) => io.to(room).emit("room", payload));
});

process.on("SIGUSR2", () => globalThis.gc?.());
process.on("SIGTERM", () => process.exit(0));
server.listen(Number(process.argv[2]), "127.0.0.1", () => console.log("ready"));
