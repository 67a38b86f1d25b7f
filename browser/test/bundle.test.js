import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import { describe, it } from "node:test";
import { createContext, runInContext } from "node:vm";
import { gzipSync } from "node:zlib";
import { bundle } from "../build.js";

const dist = new URL("../dist/", import.meta.url);
const read = (name) => readFile(new URL(name, dist), "utf8");

describe("dist", async () => {
  const files = await bundle();

  it("holds what a build makes, and nothing else", async () => {
    assert.deepEqual((await readdir(dist)).sort(), [...files.keys()].sort());
    for (const [name, text] of files) {
      assert.ok((await read(name)) === text, `${name} is out of date: run "npm run build"`);
    }
  });

  it("is small", async () => {
    for (const name of files.keys()) {
      if (name.includes(".min.")) assert.ok(gzipSync(await read(name)).length <= 9.5 * 1024, name);
    }
  });

  it("names no private property by a string, since those are not shortened", () => {
    for (const text of files.values()) assert.deepEqual(text.match(/(["'`])_(?!placeholder\1)[a-z]\w*\1/gi), null);
  });

  for (const name of ["socket.io.js", "socket.io.min.js"]) {
    it(`gives a global or a module: ${name}`, async () => {
      const script = await read(name);
      const page = createContext({});
      runInContext(script, page);
      check(page.io);
      const module = { exports: {} };
      const node = createContext({ module });
      runInContext(script, node);
      check(module.exports);
      assert.equal("io" in node, false);
      let defined;
      const define = Object.assign((factory) => (defined = factory()), { amd: {} });
      const amd = createContext({ define });
      runInContext(script, amd);
      check(defined);
      assert.equal("io" in amd, false);
    });
  }

  for (const name of ["socket.io.esm.js", "socket.io.esm.min.js"]) {
    it(`gives an ES module: ${name}`, async () => {
      const module = await import(new URL(name, dist));
      const { default: io, ...names } = module;
      check(io);
      assert.equal(names.io, io);
      assert.deepEqual(Object.keys(names).sort(), ["Fetch", "Manager", "Socket", "WebSocket", "WebTransport", "XHR", "connect", "io", "protocol"]);
    });
  }
});

function check(io) {
  assert.equal(typeof io, "function");
  assert.equal(io.connect, io);
  assert.equal(io.protocol, 5);
  const manager = new io.Manager("http://h", { autoConnect: false });
  const settings = { reconnection: true, reconnectionAttempts: Infinity, reconnectionDelay: 1000, reconnectionDelayMax: 5000, randomizationFactor: 0.5, timeout: 20000 };
  for (const [name, value] of Object.entries(settings)) assert.equal(manager[name](), value, name);
  const socket = manager.socket("/");
  assert.ok(socket instanceof io.Socket);
  const listener = () => {};
  for (const way of ["", "Outgoing"]) {
    socket["onAny" + way](listener)["prependAny" + way](listener)["offAny" + way](listener);
    assert.equal(socket["listenersAny" + way]().length, 1);
    assert.equal(socket["offAny" + way]()["listenersAny" + way]().length, 0);
  }
}
