"use strict";
// Decodes what comes on stdin, a case a line, with the official packages, and prints what came out, a line each.
//
//   {"frames": [{"text": "..."}, {"binary": "base64"}]}   for socket.io-parser
//   {"payload": "..."}                                    for engine.io-parser
//   {"payload3": "base64", "form": "text" or "binary"}    for engine.io's parser of revision 3
//   {"payload3": "base64", "form": "jsonp"}               for its JSONP: what a form holds, and what a script does
//   {"msgpack": "base64"}                                 for socket.io-msgpack-parser
//   {"stream": ["base64", ...], "max": 1000}              for its decoder of WebTransport, chunk by chunk
//
// Run in the folder that holds node_modules.

const { createRequire } = require("node:module");
const load = createRequire(process.cwd() + "/");
const { Decoder, Encoder } = load("socket.io-parser");
const { createPacketDecoderStream, decodePayload, encodePayload } = load("engine.io-parser");
const parser3 = load(process.cwd() + "/node_modules/engine.io/build/parser-v3/index.js");
const { JSONP } = load(process.cwd() + "/node_modules/engine.io/build/transports/polling-jsonp.js");
const msgpack = load("socket.io-msgpack-parser");

let invalidDate = false; // value has seen one

// value puts a value into a form that JSON keeps whole: [kind, ...].
function value(v) {
  if (v === null) return ["null"];
  if (Buffer.isBuffer(v)) return ["bytes", v.toString("base64")];
  if (v instanceof ArrayBuffer) return ["bytes", Buffer.from(v).toString("base64")];
  if (v instanceof Date) {
    if (!isNaN(v)) return ["date", v.toISOString()];
    invalidDate = true;
    return ["undefined"];
  }
  if (Array.isArray(v)) return ["array", v.map(value)];
  switch (typeof v) {
    case "undefined":
      return ["undefined"];
    case "number": {
      const bits = Buffer.alloc(8);
      bits.writeDoubleBE(v);
      return ["number", bits.toString("hex")];
    }
    case "object":
      return ["object", Object.keys(v).map((k) => [k, value(v[k])])];
  }
  return [typeof v, v];
}

function frame(f) {
  return typeof f === "string" ? { text: f } : { binary: f.toString("base64") };
}

// parse stops after the first error, as a connection would.
function parse(frames) {
  const out = { packets: [] };
  const decoder = new Decoder();
  decoder.on("decoded", (p) => {
    const data = p.data;
    out.packets.push({ type: p.type, nsp: p.nsp, id: value(p.id), data: value(data) });
    try {
      out.packets.at(-1).again = new Encoder().encode(p).map(frame);
    } catch (e) {
      out.packets.at(-1).again = [];
    }
  });
  try {
    for (const f of frames) decoder.add("text" in f ? f.text : Buffer.from(f.binary, "base64"));
  } catch (e) {
    out.error = String(e.message);
  }
  return out;
}

// parseMsgpack decodes the only frame of a packet. A Date that is none is sent on as 1970, so it is not.
function parseMsgpack(data) {
  const out = { packets: [] };
  invalidDate = false;
  const decoder = new msgpack.Decoder();
  decoder.on("decoded", (p) => {
    out.packets.push({ type: p.type, nsp: p.nsp, id: value(p.id), data: value(p.data) });
    if (invalidDate) return;
    try {
      out.packets[0].again = new msgpack.Encoder().encode(p).map(frame);
    } catch (e) {
      out.packets[0].again = [];
    }
  });
  try {
    decoder.add(Buffer.from(data, "base64"));
  } catch (e) {
    out.error = String(e.message);
  }
  return out;
}

function payload(text) {
  const out = { packets: [] };
  const packets = decodePayload(text);
  for (const p of packets) {
    if (p.type === "error") out.error = p.data;
    else out.packets.push({ type: p.type, data: value(p.data) });
  }
  encodePayload(packets.filter((p) => p.type !== "error"), (encoded) => (out.again = encoded));
  return out;
}

// payload3 stops after the first error, as a session would.
function payload3(data, form) {
  if (form === "jsonp") return jsonp(data);
  const out = { packets: [], again: "" };
  const packets = [];
  parser3.decodePayload(form === "binary" ? data : data.toString(), (p) => {
    if (out.error) return;
    if (p.type === "error") return void (out.error = p.data);
    packets.push(p);
    out.packets.push({ type: String(p.type), data: value(p.data) });
  });
  parser3.encodePayload(packets, form === "binary", (encoded) => {
    if (packets.length > 0) out.again = Buffer.from(encoded).toString("base64");
  });
  return out;
}

function jsonp(data) {
  const out = { packets: [], again: "" };
  const transport = Object.assign(Object.create(JSONP.prototype), {
    protocol: 4,
    parser: { decodePayload: (text) => [{ type: "form", data: text }] },
    onPacket: (p) => out.packets.push({ type: p.type, data: value(p.data) }),
    head: "___eio[0](",
    foot: ");",
    headers: () => ({}),
    res: { writeHead() {}, end: (script) => (out.again = Buffer.from(script).toString("base64")) },
  });
  transport.onData(data.toString());
  transport.doWrite(data.toString(), {}, () => {});
  return out;
}

// stream prints no packet after an error, since the connection is over then.
async function stream(chunks, max) {
  const out = { packets: [] };
  const { readable, writable } = createPacketDecoderStream(max, "nodebuffer");
  const reader = readable.getReader();
  const writer = writable.getWriter();
  const reading = (async () => {
    for (;;) {
      const { done, value: p } = await reader.read();
      if (done) return;
      if (p.type === "error") out.error ??= p.data;
      else if (!out.error) out.packets.push({ type: p.type, data: value(p.data) });
    }
  })();
  for (const c of chunks) await writer.write(Buffer.from(c, "base64"));
  await writer.close();
  await reading;
  return out;
}

async function answer(c) {
  if (c.frames) return parse(c.frames);
  if ("msgpack" in c) return parseMsgpack(c.msgpack);
  if (c.form) return payload3(Buffer.from(c.payload3, "base64"), c.form);
  return c.stream ? stream(c.stream, c.max) : payload(c.payload);
}

async function main() {
  const lines = require("node:fs").readFileSync(0, "utf8").split("\n");
  const answers = [];
  for (const line of lines) {
    if (line) answers.push(JSON.stringify(await answer(JSON.parse(line))) + "\n");
  }
  process.stdout.write(answers.join(""));
}

main();
