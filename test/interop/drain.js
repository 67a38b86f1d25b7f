// Official clients of a server that is drained: each emits events with acknowledgements and retries until it is told to
// end, and prints what became of them.
//
// {url, clients, events}: a third of the clients on polling, on WebSocket, and on the upgrade.
"use strict";

const config = JSON.parse(process.env.SIO_INTEROP);
const { io } = require("socket.io-client");

const kinds = [["polling"], ["websocket"], ["polling", "websocket"]];

async function client(i) {
  const socket = io(config.url, {
    forceNew: true, transports: kinds[i % 3], reconnectionDelay: 50, reconnectionDelayMax: 100, retries: 1000, ackTimeout: 20000,
  });
  const reasons = [];
  let connected = 0;
  socket.on("connect", () => connected++);
  socket.on("disconnect", (reason) => reasons.push(reason));
  let acked = 0;
  for (let k = 0; k < config.events; k++) {
    await new Promise((resolve, reject) => {
      socket.emit("event", `${i}/${k}`, (err) => (err ? reject(err) : resolve(acked++)));
    });
    if (k === 0) console.log(JSON.stringify({ ready: i }));
    if (k === config.events - 2) await moved(socket, () => connected >= 2);
  }
  socket.disconnect();
  console.log(JSON.stringify({ client: i, acked, connected, reasons }));
}

// moved waits until the client has come back.
function moved(socket, done) {
  return new Promise((resolve) => {
    if (done()) return resolve();
    socket.on("connect", () => done() && resolve());
  });
}

Promise.all(Array.from({ length: config.clients }, (_, i) => client(i))).then(
  () => process.exit(0),
  (err) => {
    console.error(err);
    process.exit(1);
  },
);
