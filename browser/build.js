// Makes the files of dist/ from src/. `node build.js` writes them; the tests compare them with `bundle()`.
import { mkdir, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));

const OUTPUTS = [
  { name: "socket.io.js", entry: "src/classic.js", format: "iife", minify: false },
  { name: "socket.io.min.js", entry: "src/classic.js", format: "iife", minify: true },
  { name: "socket.io.esm.js", entry: "src/index.js", format: "esm", minify: false },
  { name: "socket.io.esm.min.js", entry: "src/index.js", format: "esm", minify: true },
];

async function bundleOne({ name, entry, format, minify }) {
  const options = {
    entryPoints: [here(entry)],
    absWorkingDir: here("."),
    bundle: true,
    write: false,
    outfile: here("dist/" + name),
    format,
    minify,
    target: "es2020",
    platform: "neutral",
    charset: "utf8",
    legalComments: "none",
    banner: { js: "/*! Socket.IO client, MIT License */" },
    // classic.js looks for `module` on purpose.
    logOverride: { "commonjs-variable-in-esm": "silent" },
  };
  if (minify) {
    options.mangleProps = /^_[a-z]/;
    // A word of the protocol.
    options.reserveProps = /^_placeholder$/;
    // Short names keep their underscore, so that none is a property that a page might add to a socket.
    const { mangleCache } = await build({ ...options, mangleCache: {} });
    options.mangleCache = Object.fromEntries(
      Object.entries(mangleCache).map(([long, short]) => [long, "_" + short]),
    );
  }
  return (await build(options)).outputFiles[0].text;
}

/**
 * Bundles the client.
 * @returns {Promise<Map<string, string>>} contents by file name
 */
export async function bundle() {
  const files = new Map();
  for (const output of OUTPUTS) files.set(output.name, await bundleOne(output));
  return files;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await mkdir(here("dist"), { recursive: true });
  for (const [name, text] of await bundle()) await writeFile(here("dist/" + name), text);
}
