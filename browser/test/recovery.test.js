// Connection state recovery against the official server, three times in a row: each event arrives once, in order.
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer as createHTTP } from "node:http";
import { connect, createServer } from "node:net";
import { after, before, describe, it } from "node:test";
import { Server } from "socket.io";
import { WebSocket } from "ws";
import { io as connectTo } from "../src/index.js";
import { next } from "./fake.js";

globalThis.WebSocket = WebSocket;

const MODES = { polling: ["polling"], websocket: ["websocket"], upgrade: ["polling", "websocket"] };

/** What stands between client and server. */
async function network(port) {
  const pairs = new Set();
  const net = createServer((client) => {
    if (net.away) return client.destroy();
    const server = connect(port, "127.0.0.1");
    const pair = [client, server];
    pairs.add(pair);
    for (const [from, to] of [pair, [server, client]]) {
      from.pipe(to);
      from.on("error", () => {});
      from.on("close", () => {
        to.destroy();
        pairs.delete(pair);
      });
    }
  });
  net.listen(0, "127.0.0.1");
  await once(net, "listening");
  const each = (act) => [...pairs].flat().forEach(act);
  return Object.assign(net, {
    url: "http://127.0.0.1:" + net.address().port,
    cut: () => each((socket) => socket.destroy()),
    // Nothing comes through any more, and nobody is told.
    freeze: () => each((socket) => socket.unpipe().pause()),
  });
}

const ENDS = {
  cut: (net) => net.cut(),
  freeze: (net) => net.freeze(),
  "close of the transport": (net, socket) => socket.conn.close(),
};

for (const [mode, transports] of Object.entries(MODES)) {
  describe(`recovery: ${mode}`, () => {
    let http, io, net;

    before(async () => {
      http = createHTTP();
      io = new Server(http, { connectionStateRecovery: {}, pingInterval: 400, pingTimeout: 400 });
      http.listen(0, "127.0.0.1");
      await once(http, "listening");
      net = await network(http.address().port);
    });

    after(async () => {
      net.cut();
      net.close();
      http.closeAllConnections();
      await io.close();
    });

    for (const [end, act] of Object.entries(ENDS)) {
      for (const traffic of [true, false]) {
        it(`after a ${end}, ${traffic ? "with" : "without"} traffic between`, { timeout: 300_000 }, async () => {
          let sent = 0;
          const got = [];
          const emit = () => io.emit("n", sent++);
          const joined = next(io, "connection");
          const socket = connectTo(net.url, { forceNew: true, transports, reconnectionDelay: 50, reconnectionDelayMax: 100 });
          socket.on("n", (n) => got.push(n));
          let [server] = await joined;
          if (!socket.connected) await next(socket, "connect");
          const { id } = socket;
          assert.equal(socket.recovered, false);
          // Officially a session without any event can't be recovered.
          const first = next(socket, "n");
          emit();
          await first;
          for (let round = 1; round <= 3; round++) {
            const { engine } = socket.io;
            if (mode === "upgrade" && engine.transport.name === "polling") await next(engine, "upgrade");
            net.away = true;
            const lost = next(socket, "disconnect");
            const noticed = next(server, "disconnect");
            act(net, server);
            await lost;
            // Officially nobody comes back before the server has noticed.
            await noticed;
            // What is frozen is of no use to the next connection either.
            net.cut();
            if (traffic) for (let i = 0; i < 3; i++) emit();
            const back = next(io, "connection");
            const connected = next(socket, "connect");
            net.away = false;
            await connected;
            [server] = await back;
            assert.deepEqual([socket.recovered, server.recovered, socket.id], [true, true, id], `round ${round}`);
            if (traffic) {
              emit();
              const answer = await new Promise((resolve) => server.emit("ask", resolve) && socket.once("ask", (ack) => ack(round)));
              assert.equal(answer, round);
            }
            assert.deepEqual(got, Array.from({ length: sent }, (_, i) => i), `round ${round}`);
          }
          socket.disconnect();
        });
      }
    }
  });
}
