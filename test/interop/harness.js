// What the scenarios share: servers as real processes, official clients of the version and the transports under test,
// and waiting for events. Nothing here waits for time to pass.
"use strict";

const assert = require("node:assert/strict");
const { spawn } = require("node:child_process");
const net = require("node:net");
const { createInterface } = require("node:readline");

// {server: [program, ...arguments], ours: whether that is ours, package: that of the client, client: its major version
// or "browser", bundle: of that, groups: only these, deflate: whether messages are compressed, parser: "msgpack", or
// nothing for the default, transport: "polling", "base64" or "jsonp", which are ways of polling, "websocket" or
// "upgrade"}
const config = JSON.parse(process.env.SIO_INTEROP);
config.parser ||= undefined;
const forced = { base64: { forceBase64: true }, jsonp: { forceJSONP: true } }[config.transport] || {};
if (config.transport === "jsonp") require("./jsonp");
if (config.transport in { base64: 1, jsonp: 1 }) config.transport = "polling";
const client = config.bundle ? browserClient() : require(config.package);
const io = client.io || client;

/** Our bundle for browsers, as a script. */
function browserClient() {
  globalThis.WebSocket = require("ws").WebSocket; // older versions of Node have none of their own
  require("node:vm").runInThisContext(require("node:fs").readFileSync(config.bundle, "utf8"));
  return globalThis;
}

// The bundle brings its own.
const parser = config.parser === "msgpack" && !config.bundle ? { parser: require("socket.io-msgpack-parser") } : {};

// Generous: a test machine may be slow, and a passing scenario never waits for it.
const limit = 300000;

// The options of compression, of the server and of the clients.
const compression = config.deflate
  ? { perMessageDeflate: { threshold: 100 }, httpCompression: { threshold: 100 } }
  : {};
const offer = config.deflate ? { perMessageDeflate: { threshold: 100 } } : {};

/** Starts a server; it ends with this process at the latest. */
async function startServer({ port = 0, options = {} } = {}) {
  const child = spawn(config.server[0], config.server.slice(1), {
    env: {
      ...process.env,
      PORT: String(port),
      HOST: "127.0.0.1",
      NODE_ID: "n1",
      SIO_OPTIONS: JSON.stringify({
        allowEIO3: config.client === 2,
        ...compression,
        ...options,
        parser: config.parser,
      }),
      STDIN_GUARD: "1",
    },
    stdio: ["pipe", "pipe", "inherit"],
  });
  const exited = new Promise((resolve) => child.once("exit", resolve));
  const line = await Promise.race([
    new Promise((resolve) => createInterface({ input: child.stdout }).once("line", resolve)),
    exited.then((code) => {
      throw new Error(`the server ended with ${code}`);
    }),
  ]);
  const ready = JSON.parse(line);
  assert.equal(ready.ready, true);
  return {
    port: ready.port,
    url: `http://127.0.0.1:${ready.port}`,
    signal: (name) => child.kill(name),
    end: async (name = "SIGTERM") => {
      child.kill(name);
      await exited;
    },
  };
}

const transports = config.transport === "upgrade" ? ["polling", "websocket"] : [config.transport];

/** The clients of one scenario, closed when it is over. */
class Clients {
  constructor(server) {
    this.server = server;
    this.sockets = [];
  }

  /** A socket with a connection of its own, unless forceNew is false. */
  open(namespace = "/", opts = {}, url = this.server.url) {
    const socket = io(url + namespace, {
      forceNew: true,
      transports,
      ...forced,
      ...parser,
      reconnectionDelay: 20,
      reconnectionDelayMax: 100,
      ...offer,
      ...opts,
    });
    this.sockets.push(socket);
    return socket;
  }

  /** Another namespace on the connection of socket; it connects by itself. */
  share(socket, namespace, opts = {}) {
    const other = socket.io.socket(namespace, opts);
    this.sockets.push(other);
    return other;
  }

  /** A connected socket that has had its hello. */
  async connected(namespace = "/", opts = {}) {
    const socket = this.open(namespace, opts);
    await once(socket, "hello");
    return socket;
  }

  /** A connected socket on the transport of this run: upgraded, if that is what is tested. */
  async settled(namespace = "/", opts = {}) {
    const socket = this.open(namespace, opts);
    await Promise.all([once(socket, "hello"), upgraded(socket)]);
    return socket;
  }

  close() {
    for (const socket of this.sockets) {
      socket.disconnect();
      socket.io.reconnection(false);
      if (socket.io.engine) socket.io.engine.close();
    }
  }
}

/**
 * A way to the server on which upgrades to WebSocket wait until they are released; in runs that begin with WebSocket
 * nothing waits.
 */
async function holdUpgrades(server) {
  let release;
  const released = new Promise((resolve) => (release = resolve));
  const open = new Set();
  const proxy = net.createServer((client) => {
    open.add(client);
    client.on("error", () => {}).on("close", () => open.delete(client));
    client.once("data", async (head) => {
      client.pause();
      if (config.transport === "upgrade" && /^upgrade: websocket/im.test(head.toString("latin1"))) await released;
      const upstream = net.connect(server.port, "127.0.0.1");
      upstream.on("error", () => client.destroy());
      client.on("close", () => upstream.destroy());
      upstream.write(head);
      client.pipe(upstream).pipe(client);
    });
  });
  await new Promise((resolve) => proxy.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${proxy.address().port}`,
    release,
    close: () => {
      release();
      proxy.close();
      for (const socket of open) socket.destroy();
    },
  };
}

/** Waits for one event and gives its arguments. */
function once(emitter, event) {
  return new Promise((resolve) => emitter.once(event, (...args) => resolve(args)));
}

/** Waits for n events and gives the arguments of each. */
function many(emitter, event, n) {
  return new Promise((resolve) => {
    const all = [];
    emitter.on(event, function listener(...args) {
      all.push(args);
      if (all.length === n) {
        emitter.off(event, listener);
        resolve(all);
      }
    });
  });
}

/** Emits and waits for the acknowledgement's arguments. */
function call(socket, event, ...args) {
  return new Promise((resolve) => socket.emit(event, ...args, (...held) => resolve(held)));
}

/** Waits until the engine of socket has been upgraded, in the runs that upgrade. */
async function upgraded(socket) {
  if (config.transport !== "upgrade") return;
  await opened(socket);
  const { engine } = socket.io;
  if (engine.transport.name !== "websocket") await once(engine, "upgrade");
}

function opened(socket) {
  const { engine } = socket.io;
  if (engine && engine.readyState === "open") return Promise.resolve();
  return once(socket.io, "open");
}

/** Asks again until the answer is the one waited for. */
async function until(ask, wanted) {
  for (;;) {
    if (wanted(await ask())) return;
  }
}

/** Runs the scenarios against one shared server and prints a line of JSON for each. */
async function run(groups) {
  const server = await startServer();
  try {
    for (const [group, scenarios] of Object.entries(groups)) {
      for (const scenario of scenarios) {
        const { title, clients, only, ours, body } = scenario;
        if ("parser" in scenario && scenario.parser !== config.parser) continue;
        if (ours && !config.ours) continue;
        if (clients && !clients.includes(config.client)) continue;
        if (only && !only.includes(config.transport)) continue;
        const result = await attempt(server, body);
        console.log(JSON.stringify({ group, title, ok: !result, error: result }));
      }
    }
  } finally {
    await server.end("SIGKILL");
  }
}

async function attempt(server, body) {
  const clients = new Clients(server);
  let timer;
  const trace = [];
  try {
    await Promise.race([
      body({ server, clients, trace }),
      new Promise((_, reject) => {
        timer = setTimeout(() => reject(new Error(`not done after ${limit} ms`)), limit);
      }),
    ]);
  } catch (err) {
    const seen = trace.length ? `\ntrace: ${trace.join(", ")}` : "";
    return `${err.stack}${seen}`.slice(0, 4000);
  } finally {
    clearTimeout(timer);
    clients.close();
  }
}

module.exports = {
  assert, config, startServer, Clients, holdUpgrades, once, many, call, upgraded, opened, until, run,
};
