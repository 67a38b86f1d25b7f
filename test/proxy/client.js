// Talks to a server behind a proxy as a page of that site would, and prints what came of it as one line of JSON.
"use strict";

const { io } = require("socket.io-client");

const config = JSON.parse(process.env.SIO_PROXY);
const result = { connected: false, transport: "", server: "", refused: 0, got: 0, wrong: "", binary: false, disconnects: 0 };
let finished = false;

function finish() {
  if (finished) return;
  finished = true;
  console.log(JSON.stringify(result));
  process.exit(0);
}

const socket = io(config.url, {
  transports: config.transports,
  extraHeaders: { Origin: config.origin },
  ca: config.ca,
  withCredentials: true, // keeps the cookies of a proxy
  reconnection: false,
  timeout: config.patience,
});

const upgraded = new Promise((resolve) => {
  if (!config.upgrade) resolve();
  socket.io.on("open", () => socket.io.engine.once(config.upgrade === "done" ? "upgrade" : "upgradeError", () => resolve()));
});
setTimeout(finish, config.patience); // only what hangs gets here

socket.on("connect_error", (err) => {
  const status = err.context?.statusCode ?? /Unexpected server response: (\d+)/.exec(String(err.description?.message))?.[1];
  result.refused = Number(status ?? -1);
  finish();
});
socket.on("disconnect", () => result.disconnects++);
socket.on("connect", async () => {
  result.connected = true;
  // While the transports change: events both ways, in order.
  const all = new Promise((resolve) => {
    socket.on("n", (n) => {
      if (n !== result.got) result.wrong ||= `${n} came instead of ${result.got}`;
      if (++result.got === config.events) resolve();
    });
  });
  for (let n = 0; n < config.events; n++) socket.emit("n", n);
  await Promise.all([upgraded, all]);
  const sent = Buffer.alloc(config.binary, 0).map((_, i) => (i * 7) & 255);
  const back = await socket.emitWithAck("binary", sent);
  result.binary = Buffer.isBuffer(back) && sent.equals(back);
  result.transport = socket.io.engine.transport.name;
  result.server = await socket.emitWithAck("transport");
  finish();
});
