// What a page does with a client, ours or the official one. Each scenario resolves, or rejects with what is wrong.
"use strict";

const transports = { polling: ["polling"], websocket: ["websocket"], upgrade: ["polling", "websocket"] };

function once(emitter, event) {
  return new Promise((resolve) => emitter.once(event, (...args) => resolve(args)));
}

function ask(socket, ...args) {
  return new Promise((resolve) => socket.emit(...args, (...held) => resolve(held)));
}

/** A connected socket on the last of its transports. */
async function open(transport, namespace = "/", opts = {}) {
  const socket = io(namespace, {
    forceNew: true,
    transports: transports[transport],
    reconnectionDelay: 50,
    reconnectionDelayMax: 200,
    ...opts,
  });
  await once(socket, "connect");
  const { engine } = socket.io;
  if (transport === "upgrade" && engine.transport.name !== "websocket") await once(engine, "upgrade");
  return socket;
}

/** Text that tells values apart, bytes too. */
async function show(value) {
  if (value instanceof Blob) value = await value.arrayBuffer();
  if (value instanceof ArrayBuffer) value = new Uint8Array(value);
  if (ArrayBuffer.isView(value)) return `bytes(${[...new Uint8Array(value.buffer, value.byteOffset, value.byteLength)]})`;
  if (Array.isArray(value)) return `[${(await Promise.all(value.map(show))).join()}]`;
  if (value && typeof value === "object") {
    const parts = await Promise.all(Object.keys(value).sort().map(async (k) => `${JSON.stringify(k)}:${await show(value[k])}`));
    return `{${parts.join()}}`;
  }
  return JSON.stringify(value) ?? "null";
}

async function same(got, wanted, what) {
  const [a, b] = [await show(got), await show(wanted)];
  if (a !== b) throw new Error(`${what}: ${a.slice(0, 500)} instead of ${b.slice(0, 500)}`);
}

const values = [
  [],
  [null, true, false, 0, -1, 1.5, 1e21, "", "text"],
  ["Grüße, Привет, 👩‍👩‍👧‍👦 \u0000\u001e\u2028", [], {}, [[{ deep: [null] }]]],
  [new Uint8Array([1, 2, 3])],
  [new Uint8Array([4, 5]).buffer, "between", new Uint8Array(0)],
  [{ a: [{ b: new Uint8Array([0, 255]) }], c: "text", d: new Uint8Array([7]) }],
  [new Blob([new Uint8Array([8, 9])])],
  ["x".repeat(100000), new Uint8Array(100000).fill(3)],
];

const scenarios = {
  async events(transport) {
    const socket = await open(transport);
    for (const args of values) {
      const back = once(socket, "echo");
      socket.emit("echo", ...args);
      await same(await back, args, "event");
    }
    socket.disconnect();
  },

  async acknowledgements(transport) {
    const socket = await open(transport);
    for (const args of values) await same(await ask(socket, "echo", ...args), args, "acknowledgement");
    for (const args of values) {
      socket.once("please-ack", (...asked) => asked.pop()(...asked));
      const held = once(socket, "acked");
      socket.emit("ask-ack", ...args);
      await same(await held, args, "acknowledgement of the page");
    }
    await same(await socket.timeout(200000).emitWithAck("echo", 1), 1, "emitWithAck");
    const late = await socket.timeout(50).emitWithAck("no such event").catch((err) => err.message);
    await same(late, "operation has timed out", "timeout");
    socket.disconnect();
  },

  async order(transport) {
    const socket = io("/", { forceNew: true, transports: transports[transport] });
    const seen = [];
    socket.on("echo", (n) => seen.push(n));
    await once(socket, "connect");
    for (let n = 0; n < 3000; n++) {
      socket.emit("echo", n);
      if (n % 50 === 49) await ask(socket, "echo");
    }
    await ask(socket, "echo");
    await same(seen, Array.from({ length: 3000 }, (_, n) => n), "order");
    socket.disconnect();
  },

  async namespaces(transport) {
    const main = await open(transport);
    const other = main.io.socket("/gated", { auth: { token: "wrong" } });
    const [err] = await once(other, "connect_error");
    await same([err.message, err.data], ["not allowed", { code: "E_DENIED" }], "refusal");
    other.auth = { token: "letmein" };
    other.connect();
    await once(other, "connect");
    await same(await ask(other, "echo", 1), [1], "namespace");
    await same(await ask(main, "echo", 2), [2], "main namespace");
    main.disconnect();
    other.disconnect();
  },

  async kicked(transport) {
    const socket = await open(transport);
    const reason = once(socket, "disconnect");
    socket.emit("kick-all");
    await same((await reason)[0], "io server disconnect", "reason");
    socket.connect();
    await once(socket, "connect");
    await same(await ask(socket, "echo", 1), [1], "after coming back");
    socket.disconnect();
  },

  /** Begins a session that outlives the server. */
  async connect(transport) {
    const socket = await open(transport);
    const lost = once(socket, "disconnect");
    const refused = once(socket.io, "reconnect_error");
    survivor = { socket, lost, refused, id: socket.id };
  },

  /** Waits until the page has noticed that the server is gone and has tried to come back; then emits something. */
  async lost() {
    const { socket, lost, refused } = survivor;
    const [reason] = await lost;
    if (!["transport close", "transport error"].includes(reason)) throw new Error(`reason: ${reason}`);
    await refused;
    survivor.back = once(socket, "echo");
    socket.emit("echo", "while away", new Uint8Array([1]));
  },

  async reconnected() {
    const { socket, back, id } = survivor;
    await same(await back, ["while away", new Uint8Array([1])], "what was emitted offline");
    if (!socket.connected || socket.id === id) throw new Error("the session is the old one");
    await same(await ask(socket, "echo", 2), [2], "after the reconnection");
    socket.disconnect();
  },
};

let survivor;
