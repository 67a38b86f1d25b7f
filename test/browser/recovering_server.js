// The official server with connection state recovery, and a page with our client. The test says what to do by requests.
"use strict";

const fs = require("node:fs");
const http = require("node:http");
const path = require("node:path");
const { Server } = require("socket.io");

const files = {
  "/": ["text/html", path.join(__dirname, "static/lifecycle.html")],
  "/other": ["text/html", path.join(__dirname, "static/other.html")],
  "/client.js": ["text/javascript", path.join(__dirname, "../../browser/dist", process.env.CLIENT)],
};

let sent = 0;
let waiting = [];

const commands = {
  // Three events for everybody; how many there have been by then.
  "/emit": (answer) => {
    for (let i = 0; i < 3; i++) io.emit("n", sent++);
    answer(sent);
  },
  // Answers when nobody is connected.
  "/gone": (answer) => {
    waiting.push(answer);
    gone();
  },
  "/close": (answer) => {
    for (const socket of io.of("/").sockets.values()) socket.conn.close();
    answer("closed");
  },
};

const gone = () => {
  if (io.of("/").sockets.size) return;
  for (const answer of waiting) answer("gone");
  waiting = [];
};

const server = http.createServer((request, response) => {
  const { pathname } = new URL(request.url, "http://x");
  if (files[pathname]) {
    const [type, file] = files[pathname];
    response.setHeader("Content-Type", type);
    fs.createReadStream(file).pipe(response);
  } else if (commands[pathname]) {
    commands[pathname]((text) => response.end(String(text)));
  } else {
    response.writeHead(404).end();
  }
});

const io = new Server(server, {
  connectionStateRecovery: {},
  serveClient: false,
  pingInterval: +process.env.PING,
  pingTimeout: +process.env.PING,
  ...(process.env.PARSER && { parser: require(process.env.PARSER) }),
});
io.on("connection", (socket) => {
  socket.on("disconnect", () => setImmediate(gone));
  socket.on("echo", (...args) => args.pop()(...args));
});

server.listen(process.env.PORT, process.env.HOST, () => {
  console.log(JSON.stringify({ ready: true, port: server.address().port }));
});
