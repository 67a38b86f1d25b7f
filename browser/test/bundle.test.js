import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import { describe, it } from "node:test";
import { createContext, runInContext } from "node:vm";
import { brotliDecompressSync, gunzipSync, gzipSync } from "node:zlib";
import { bundle } from "../build.js";

const dist = new URL("../dist/", import.meta.url);
const read = (name) => readFile(new URL(name, dist), "utf8");

/** What the msgpack parser needs of a page. */
const web = { TextEncoder, TextDecoder };

/** In KiB, with gzip. */
const LIMITS = { "socket.io.min.js": 9.5, "socket.io.esm.min.js": 9.5, "socket.io.msgpack.min.js": 11 };

describe("dist", async () => {
  const { files, served } = await bundle();
  const scripts = served.filter((name) => !name.endsWith(".map"));

  it("holds what a build makes, and nothing else", async () => {
    const wanted = served.map((name) => (name.endsWith(".map") ? name + ".gz" : name));
    wanted.push(...scripts.map((name) => name + ".br"));
    // What is for the npm package is made with it.
    const there = (await readdir(dist)).filter((name) => !/\.(map|cjs)$/.test(name));
    assert.deepEqual(there.sort(), wanted.sort());
    for (const name of served) {
      const content = name.endsWith(".map") ? gunzipSync(await readFile(new URL(name + ".gz", dist))) : await readFile(new URL(name, dist));
      assert.ok(content.equals(files.get(name)), `${name} is out of date: run "npm run build"`);
    }
    for (const name of scripts) {
      const content = brotliDecompressSync(await readFile(new URL(name + ".br", dist)));
      assert.ok(content.equals(files.get(name)), `${name}.br is out of date: run "npm run build"`);
    }
  });

  it("is small", async () => {
    for (const [name, limit] of Object.entries(LIMITS)) {
      assert.ok(gzipSync(await read(name)).length <= limit * 1024, name);
      assert.ok(files.has(name));
    }
  });

  it("is as small as the README says, and smaller than the official bundles", async () => {
    const readme = await readFile(new URL("../README.md", import.meta.url), "utf8");
    // | `socket.io.min.js` | what it is | 25,326 | 9,151 | 47,295 | 14,763 |
    const rows = [...readme.matchAll(/^\| `(socket\.io\.\S+\.js)` \|[^|]*\| ([\d,]+) \| ([\d,]+) \| ([\d,]+) \| ([\d,]+) \|$/gm)];
    assert.deepEqual(rows.map(([, name]) => name).sort(), Object.keys(LIMITS).sort());
    const official = new URL("../node_modules/socket.io/client-dist/", import.meta.url);
    for (const [, name, ...said] of rows) {
      const sizes = [];
      for (const folder of [dist, official]) {
        const content = await readFile(new URL(name, folder));
        sizes.push(content.length, gzipSync(content, { level: 9 }).length);
      }
      const numbers = said.map((text) => +text.replaceAll(",", ""));
      // Not every zlib packs the same, and not every change is worth a new number.
      sizes.forEach((size, i) => assert.ok(Math.abs(size - numbers[i]) <= numbers[i] / 100, `${name}: ${sizes}`));
      assert.ok(sizes[0] < sizes[2] && sizes[1] < sizes[3], name);
    }
  });

  it("names no private property by a string, since those are not shortened", () => {
    for (const name of scripts) assert.deepEqual(String(files.get(name)).match(/(["'`])_(?!placeholder\1)[a-z]\w*\1/gi), null);
  });

  for (const name of ["socket.io.js", "socket.io.min.js", "socket.io.msgpack.min.js"]) {
    it(`gives a global or a module: ${name}`, async () => {
      const script = await read(name);
      const page = createContext({ ...web });
      runInContext(script, page);
      check(page.io);
      const module = { exports: {} };
      const node = createContext({ ...web, module });
      runInContext(script, node);
      check(module.exports);
      assert.equal("io" in node, false);
      let defined;
      const define = Object.assign((factory) => (defined = factory()), { amd: {} });
      const amd = createContext({ ...web, define });
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
  assert.deepEqual([manager._readyState, manager._reconnecting, manager._autoConnect], ["closed", false, false]);
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
