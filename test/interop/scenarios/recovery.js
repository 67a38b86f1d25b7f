// Connection state recovery: a client that comes back has its id and rooms, and what it missed, once and in order.
"use strict";

const net = require("node:net");
const { assert, call, once, startServer, upgraded, Clients } = require("../harness");

/** A way to the server that can be cut, frozen and refused. */
async function road(server) {
  const open = new Set();
  let refuses = false;
  const proxy = net.createServer((client) => {
    if (refuses) return client.destroy();
    const upstream = net.connect(server.port, "127.0.0.1");
    const pair = { client, upstream };
    open.add(pair);
    for (const [from, to] of [[client, upstream], [upstream, client]]) {
      from.on("data", (data) => pair.frozen || to.write(data));
      from.on("error", () => {});
      from.on("close", () => {
        open.delete(pair);
        if (!pair.frozen) to.destroy();
      });
    }
  });
  await new Promise((resolve) => proxy.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${proxy.address().port}`,
    refuse: (on) => (refuses = on),
    cut: () => {
      for (const { client, upstream } of open) {
        client.resetAndDestroy();
        upstream.destroy();
      }
    },
    freeze: () => {
      for (const pair of open) pair.frozen = true;
    },
    close: () => {
      proxy.close();
      for (const { client, upstream } of open) {
        client.destroy();
        upstream.destroy();
      }
    },
  };
}

const ends = {
  cut: (way) => way.cut(),
  freeze: (way) => way.freeze(),
  "server that closes the transport": (_, socket) => socket.emit("drop"),
};

/** Loses the connection three times. */
async function threeTimes(lose, traffic) {
  const options = { connectionStateRecovery: {}, pingInterval: 1000, pingTimeout: 2000 };
  const server = await startServer({ options });
  const way = await road(server);
  const clients = new Clients(server);
  try {
    const sender = await clients.connected();
    const socket = clients.open("/", {}, way.url);
    await Promise.all([once(socket, "hello"), upgraded(socket)]);
    await call(socket, "join", "room");
    const { id } = socket;
    const seen = [];
    const wanted = [];
    socket.on("room-msg", (room, text) => seen.push(`${room} ${text}`));
    const send = async (text) => {
      sender.emit("to-room", "room", text);
      await call(sender, "whoami"); // it has been handled
      wanted.push(`room ${text}`);
    };
    for (let i = 0; i < 3; i++) {
      if (traffic) {
        await send(`before ${i}`);
        await call(socket, "whoami"); // it has come, too
      }
      const lost = once(socket, "disconnect");
      way.refuse(true);
      lose(way, socket);
      if (traffic) await send(`unnoticed ${i}`);
      await lost;
      if (traffic) await send(`missed ${i}`);
      const back = once(socket, "connect");
      way.refuse(false);
      await back;
      assert.equal(socket.recovered, true, `time ${i}`);
      assert.equal(socket.id, id);
      if (traffic) await send(`after ${i}`);
      const [me] = await call(socket, "whoami");
      assert.equal(me.recovered, true);
      assert.deepEqual(me.rooms, [id, "room"].sort());
      assert.deepEqual(seen, wanted);
    }
  } finally {
    clients.close();
    way.close();
    await server.end("SIGKILL");
  }
}

module.exports = [];
for (const [name, lose] of Object.entries(ends)) {
  for (const traffic of [true, false]) {
    module.exports.push({
      title: `three times in a row after a ${name}, ${traffic ? "with" : "without"} traffic`,
      clients: [4, "browser"], // those of 3 do not know of it
      ours: true, // the official server has lost and doubled events, and knows no session without traffic
      body: () => threeTimes(lose, traffic),
    });
  }
}

module.exports.push({
  title: "a session that was left, that expired, or that nobody knows is not recovered",
  clients: [4],
  async body() {
    const server = await startServer({ options: { connectionStateRecovery: { maxDisconnectionDuration: 60000 } } });
    const clients = new Clients(server);
    try {
      const socket = await clients.connected();
      const { id } = socket;
      socket.disconnect();
      const back = once(socket, "connect");
      socket.connect();
      await back;
      assert.equal(Boolean(socket.recovered), false);
      assert.notEqual(socket.id, id);
      const stranger = clients.open("/", { auth: { pid: "abcdefghijklmnopqrst", offset: "AAAAAAA" } });
      await once(stranger, "connect");
      assert.equal(Boolean(stranger.recovered), false);
    } finally {
      clients.close();
      await server.end("SIGKILL");
    }
  },
});
