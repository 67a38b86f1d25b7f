// The npm package: made, installed in an empty folder without a network, and used.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { startServer } from "./server.js";

const run = promisify(execFile);
const here = fileURLToPath(new URL("..", import.meta.url));
/** npm and the compiler are slow to start. */
const patience = { timeout: 900_000 };
/** A name that somebody could give it. */
const NAME = "@example/socket-client";

/** The flag of Node with which it has a global WebSocket, if it has none without. The oldest have neither. */
const FLAG = "--experimental-websocket";
const flags = typeof WebSocket !== "function" && process.allowedNodeEnvironmentFlags.has(FLAG) ? [FLAG] : [];
const TRANSPORTS = typeof WebSocket === "function" || flags.length ? ["polling", "websocket"] : ["polling"];

describe("the npm package", patience, () => {
  let folder, files, server;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "package-"));
    const copy = join(folder, "copy");
    for (const name of ["package.json", "LICENSE", "README.md", "build.js", "src", "types"]) await cp(join(here, name), join(copy, name), { recursive: true });
    await symlink(join(here, "node_modules"), join(copy, "node_modules"));
    const npm = (cwd, ...args) => run("npm", [...args, "--offline", "--no-audit", "--no-fund", "--loglevel=error"], { cwd });
    await npm(copy, "pkg", "set", "name=" + NAME, "version=1.2.3");
    const { stdout } = await npm(copy, "pack", "--json", "--pack-destination", folder);
    const [{ filename, files: packed }] = JSON.parse(stdout.slice(stdout.indexOf("[\n")));
    files = packed.map(({ path }) => path);
    const user = join(folder, "user");
    await mkdir(user);
    await writeFile(join(user, "package.json"), "{}");
    await npm(user, "install", join(folder, filename));
    server = await startServer();
  }, patience);

  after(async () => {
    if (server) await server.stop();
    await rm(folder, { recursive: true });
  });

  /** Runs a program of somebody who has installed the package. */
  async function program(name, source) {
    const path = join(folder, "user", name);
    await writeFile(path, source);
    return (await run(process.execPath, [...flags, path], { env: { ...process.env, URL_: server.url } })).stdout.trim();
  }

  it("has what its users need, and nothing else", async () => {
    const installed = join(folder, "user/node_modules", NAME);
    const { exports, version, private: closed } = JSON.parse(await readFile(join(installed, "package.json"), "utf8"));
    assert.deepEqual([version, closed], ["1.2.3", undefined]);
    const targets = [exports["."], exports["./msgpack"]].flatMap((way) => [way.import, way.require]).flatMap(Object.values);
    assert.equal(targets.length, 8);
    for (const target of targets) assert.ok(files.includes(target.slice(2)), target);
    for (const name of ["socket.io.min.js", "socket.io.esm.min.js", "socket.io.msgpack.min.js"]) {
      for (const path of ["dist/" + name, "dist/" + name + ".map"]) assert.ok(files.includes(path), path);
    }
    assert.deepEqual(files.filter((path) => !/^(LICENSE|README.md|package.json|src\/\w+\.js|types\/\w+\.d\.c?ts|dist\/[\w.]+\.(js|map|cjs))$/.test(path)), []);
    const lock = JSON.parse(await readFile(join(folder, "user/package-lock.json"), "utf8"));
    assert.deepEqual(Object.keys(lock.packages), ["", "node_modules/" + NAME], "no dependencies");
  });

  const talk = `
    const seen = [];
    for (const transport of ${JSON.stringify(TRANSPORTS)}) {
      const socket = io(process.env.URL_, { transports: [transport], forceNew: true, auth: { from: "package" } });
      const { auth } = await socket.emitWithAck("handshake");
      const { name } = await socket.emitWithAck("transport");
      const bytes = new Uint8Array(await socket.emitWithAck("echo", Uint8Array.of(1, 2)));
      seen.push(name, auth.from, bytes.join());
      socket.disconnect();
    }
    console.log(JSON.stringify([seen, typeof Manager, typeof Socket, protocol, typeof parser.Encoder]));`;
  const said = [TRANSPORTS.flatMap((name) => [name, "package", "1,2"]), "function", "function", 5, "function"];

  it("is an ES module", patience, async () => {
    const source = `import io, { Manager, Socket, protocol } from "${NAME}"; import * as parser from "${NAME}/msgpack"; ${talk}`;
    assert.deepEqual(JSON.parse(await program("module.mjs", source)), said);
  });

  it("can be required", patience, async () => {
    const source = `const io = require("${NAME}"); const { Manager, Socket, protocol } = io; const parser = require("${NAME}/msgpack");
      (async () => { ${talk} })();`;
    assert.deepEqual(JSON.parse(await program("script.cjs", source)), said);
    const require = createRequire(join(folder, "user/x.cjs"));
    const all = require(NAME);
    const module = await import(pathToFileURL(join(folder, "user/node_modules", NAME, "src/index.js")));
    for (const name of Object.keys(module)) assert.equal(typeof all[name], typeof module[name], name);
  });

  it("has types for both", patience, async () => {
    const source = `import { io, type Socket } from "${NAME}";
      import * as parser from "${NAME}/msgpack";
      const socket = io<{ a: (x: number) => void }, { b: (y: string) => void }>({ parser });
      socket.on("a", (x) => x.toFixed()).emit("b", "text");
      // @ts-expect-error: a string
      socket.emit("b", 1);
      export const other: Socket = io();`;
    const names = ["module.mts", "script.cts"];
    for (const name of names) await writeFile(join(folder, "user", name), source);
    const tsc = join(here, "node_modules/typescript/bin/tsc");
    const args = ["--strict", "--noEmit", "--skipDefaultLibCheck", "--target", "es2022", "--module", "node16"];
    const { stdout } = await run(process.execPath, [tsc, ...args, ...names], { cwd: join(folder, "user") }).catch((err) => err);
    assert.equal(stdout, "");
  });
});
