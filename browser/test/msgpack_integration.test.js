// The msgpack parser and the bundle of it, against the official server with npm's parser.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, before, describe, test } from "node:test";
import msgpack from "socket.io-msgpack-parser";
import { WebSocket } from "ws";
import { io as fromSources } from "../src/index.js";
import * as parser from "../src/msgpack.js";
import { next } from "./fake.js";
import { startServer } from "./server.js";

globalThis.WebSocket = WebSocket;

/** The `io` of the bundle. */
async function bundle() {
  const script = await readFile(new URL("../dist/socket.io.msgpack.min.js", import.meta.url), "utf8");
  const module = { exports: {} };
  new Function("module", script)(module);
  return module.exports;
}

const CLIENTS = { sources: (url, opts) => fromSources(url, { ...opts, parser }), bundle: await bundle() };
const MODES = { polling: ["polling"], websocket: ["websocket"], upgrade: ["polling", "websocket"] };

for (const [name, io] of Object.entries(CLIENTS)) {
  for (const [mode, transports] of Object.entries(MODES)) {
    describe(`msgpack: ${name}, ${mode}`, () => {
      let server;
      before(async () => (server = await startServer({ parser: msgpack })));
      after(() => server.stop());

      /** A socket that is connected by its last transport. */
      const connect = async (nsp = "/", opts = {}) => {
        const socket = io(server.url + nsp, { forceNew: true, transports, ...opts });
        await new Promise((resolve, reject) => socket.once("connect", resolve).once("connect_error", reject));
        const { engine } = socket.io;
        if (mode === "upgrade" && engine.transport.name === "polling") await next(engine, "upgrade");
        return socket;
      };

      test("events and acknowledgements, both ways", async () => {
        const socket = await connect("/admin", { auth: { token: "t" } });
        const bytes = Uint8Array.of(1, 2, 3);
        const values = [null, true, -5, 1.5, 2 ** 40, "é😀", [], { a: { b: [undefined] } }, new Date(1700000000123), undefined];
        assert.deepEqual(await new Promise((resolve) => socket.emit("echo", ...values, (...got) => resolve(got))), values);
        const echoed = next(socket, "echo");
        socket.emit("echo", bytes, { deep: [bytes.buffer] });
        assert.deepEqual(await echoed, [bytes.buffer, { deep: [bytes.buffer] }]);
        socket.once("please-ack", (...args) => args.pop()(...args));
        const acked = next(socket, "acked");
        socket.emit("ask-ack", bytes, new Date(5));
        assert.deepEqual(await acked, [bytes.buffer, new Date(5)]);
        assert.deepEqual((await socket.emitWithAck("handshake")).auth, { token: "t" });
        const large = new Uint8Array(300_000).fill(5);
        assert.deepEqual(new Uint8Array(await socket.emitWithAck("echo", large)), large);
        socket.disconnect();
      });

      test("refusals, and the end", async () => {
        const denied = io(server.url + "/denied", { forceNew: true, transports });
        const [err] = await next(denied, "connect_error");
        assert.deepEqual([err.message, err.data], ["not allowed", { code: "E_DENIED" }]);
        const socket = await connect();
        const gone = next(socket, "disconnect");
        socket.emit("kick");
        assert.equal((await gone)[0], "io server disconnect");
      });

      test("bytes that are no packet end the connection", async () => {
        const socket = await connect();
        const gone = next(socket, "disconnect");
        socket.io.engine.emit("data", Uint8Array.of(0xdd, 255, 255, 255, 255).buffer);
        assert.equal((await gone)[0], "parse error");
        socket.disconnect();
      });
    });
  }
}
