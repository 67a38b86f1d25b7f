// Makes the files of dist/ from src/. `node build.js` writes them; the tests compare them with `bundle()`.
import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";
import { build } from "esbuild";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));

// With `mangle`, private properties get short names. What `served` is not, is in the npm package only.
const OUTPUTS = [
  { name: "socket.io.js", entry: "src/classic.js", format: "iife", served: true },
  { name: "socket.io.min.js", entry: "src/classic.js", format: "iife", minify: true, served: true },
  { name: "socket.io.msgpack.min.js", entry: "src/classic.js", format: "iife", minify: true, served: true, msgpack: true },
  { name: "socket.io.esm.js", entry: "src/index.js", format: "esm", served: true },
  { name: "socket.io.esm.min.js", entry: "src/index.js", format: "esm", minify: true, served: true },
  { name: "index.cjs", entry: "src/commonjs.js", format: "cjs" },
  { name: "msgpack.cjs", entry: "src/msgpack.js", format: "cjs" },
];

/** Puts the msgpack parser in the place of the JSON one, which is then left out. */
const msgpackByDefault = {
  name: "msgpack by default",
  setup(build) {
    build.onResolve({ filter: /\/default_parser\.js$/ }, () => ({ path: here("src/msgpack.js") }));
  },
};

async function bundleOne({ name, entry, format, minify, served, msgpack }) {
  const options = {
    entryPoints: [here(entry)],
    absWorkingDir: here("."),
    bundle: true,
    write: false,
    outfile: here("dist/" + name),
    format,
    minify: !!minify,
    target: "es2020",
    platform: "neutral",
    charset: "utf8",
    legalComments: "none",
    banner: { js: "/*! Socket.IO client, MIT License */" },
    sourcemap: served && "linked",
    // A place of their own in developer tools, whatever the page's address.
    sourceRoot: "socket.io:///dist/",
    plugins: msgpack ? [msgpackByDefault] : [],
    // classic.js looks for `module` on purpose.
    logOverride: { "commonjs-variable-in-esm": "silent" },
  };
  if (minify) {
    options.mangleProps = /^_[a-z]/;
    // A word of the protocol, and names that pages may know from the official client.
    options.reserveProps = /^(_placeholder|_readyState|_reconnecting|_autoConnect)$/;
    // Short names keep their underscore, so that none is a property that a page might add to a socket.
    const { mangleCache } = await build({ ...options, mangleCache: {} });
    options.mangleCache = Object.fromEntries(
      Object.entries(mangleCache).map(([long, short]) => [long, short && "_" + short]),
    );
  }
  const { outputFiles } = await build(options);
  return outputFiles.map(({ path, contents }) => [path.slice(here("dist/").length), Buffer.from(contents)]);
}

/** As small as brotli makes it. */
export function brotli(content) {
  const params = { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: content.length };
  return brotliCompressSync(content, { params });
}

/**
 * Bundles the client.
 * @returns {Promise<{files: Map<string, Buffer>, served: string[]}>} contents by file name, and the names of those that
 *   servers hand out
 */
export async function bundle() {
  const files = new Map();
  const served = [];
  for (const output of OUTPUTS) {
    for (const [name, content] of await bundleOne(output)) {
      files.set(name, content);
      if (output.served) served.push(name);
    }
  }
  return { files, served };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await mkdir(here("dist"), { recursive: true });
  const { files, served } = await bundle();
  for (const [name, content] of [...files]) {
    // Scripts are embedded as they are and with brotli; maps, which are long and seldom asked for, with gzip.
    if (served.includes(name)) {
      if (name.endsWith(".map")) files.set(name + ".gz", gzipSync(content, { level: 9 }));
      else files.set(name + ".br", brotli(content));
    }
  }
  for (const [name, content] of files) await writeFile(here("dist/" + name), content);
  // For require(), types are to say that they are of such a module.
  for (const name of ["index", "msgpack"]) {
    const types = await readFile(here(`types/${name}.d.ts`), "utf8");
    await writeFile(here(`types/${name}.d.cts`), types.replaceAll('"./index.js"', '"./index.cjs"'));
  }
  for (const name of await readdir(here("dist"))) if (!files.has(name)) await rm(here("dist/" + name));
}
