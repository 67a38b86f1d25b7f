import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { describe, it } from "node:test";
import official from "socket.io-msgpack-parser";
import { Decoder, Encoder } from "../src/msgpack.js";

// Two forms of the official one: for Node with Buffers, for browsers with ArrayBuffers.
const require = createRequire(import.meta.url);
const encodeInBrowsers = require("notepack.io/browser/encode.js");
const decodeInBrowsers = require("notepack.io/browser/decode.js");

const encode = (packet) => new Encoder().encode(packet)[0];
const event = (...data) => ({ type: 2, nsp: "/", data });

function decode(bytes, With = Decoder) {
  const decoder = new With();
  let packet;
  decoder.on("decoded", (decoded) => (packet = decoded));
  decoder.add(bytes);
  return packet;
}

/** Bytes as an array, whatever class they have. */
function plain(value) {
  if (value instanceof ArrayBuffer) return { bytes: [...new Uint8Array(value)] };
  if (ArrayBuffer.isView(value)) return { bytes: [...new Uint8Array(value.buffer, value.byteOffset, value.byteLength)] };
  if (Array.isArray(value)) return value.map(plain);
  if (value instanceof Date) return { date: value.getTime() };
  if (value && typeof value === "object") {
    return Object.fromEntries(Object.entries(value).map(([key, held]) => [key, plain(held)]));
  }
  return value;
}

const integers = [0, 1, 31, 32, 127, 128, 255, 256, 65535, 65536, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 40 + 5, Number.MAX_SAFE_INTEGER];
const VALUES = [
  ...integers,
  ...integers.map((value) => -value - 1).filter(Number.isSafeInteger),
  Number.MIN_SAFE_INTEGER,
  0.5, -1.25, 5e-324, NaN, Infinity, -Infinity,
  null, true, false, undefined,
  "", "x", "x".repeat(31), "x".repeat(32), "x".repeat(255), "x".repeat(256), "x".repeat(65535), "x".repeat(65536),
  "é€😀\u0000\ufeff", "\ufeffafter a mark", "é".repeat(16), "é".repeat(128),
  new Date(0), new Date(1700000000123), new Date(-1), new Date(-62135596800000), new Date(8.64e15),
  new Uint8Array(0).buffer, Uint8Array.of(1, 2, 3).buffer, new Uint8Array(256).fill(7).buffer, new Uint8Array(70000).fill(9).buffer,
  [], [[]], Array.from({ length: 15 }, (_, i) => i), Array.from({ length: 16 }, (_, i) => i), Array(70000).fill(null), [undefined, null],
  {}, { a: 1, b: { c: [Uint8Array.of(4).buffer] } }, { u: undefined, n: null }, { "": 1, "ü": 2 },
  Object.fromEntries(Array.from({ length: 16 }, (_, i) => ["k" + i, i])),
  Object.fromEntries(Array.from({ length: 70000 }, (_, i) => [i, 0])),
  JSON.parse('{"__proto__":{"a":1}}'),
];
const name = (value) => `${typeof value} ${String(typeof value === "object" ? JSON.stringify(plain(value)) : value).slice(0, 30)}`;

describe("msgpack", () => {
  for (const value of VALUES) {
    it(`packs as the official parser: ${name(value)}`, () => {
      const packet = event("e", value);
      const bytes = encode(packet);
      assert.deepEqual(plain(decode(bytes)), plain(packet));
      // The official ones write it to the prototype.
      if (value && Object.hasOwn(value, "__proto__")) return;
      assert.deepEqual(plain(decodeInBrowsers(bytes.slice().buffer)), plain(packet));
      assert.deepEqual(plain(decode(Buffer.from(bytes), official.Decoder)), plain(packet));
      assert.deepEqual(plain(bytes), plain(encodeInBrowsers({ type: 2, data: ["e", value], nsp: "/" })));
      // The form for Node takes Buffers for bytes, and only those.
      if (!(value instanceof ArrayBuffer) && !name(value).includes('"bytes"')) {
        assert.deepEqual(plain(decode(new official.Encoder().encode(packet)[0])), plain(packet));
      }
    });
  }

  it("packs packets of each type", () => {
    for (const packet of [
      { type: 0, nsp: "/" },
      { type: 0, nsp: "/x", data: { token: "t" } },
      { type: 1, nsp: "/" },
      { type: 2, nsp: "/", data: ["e"], id: 0 },
      { type: 3, nsp: "/", data: [], id: 70000 },
      { type: 4, nsp: "/", data: { message: "no" } },
      { type: 4, nsp: "/", data: "no" },
    ]) {
      assert.deepEqual(decode(encode({ ...packet, options: { compress: true } })), packet);
      assert.deepEqual(decode(Buffer.from(encode(packet)), official.Decoder), packet);
      assert.deepEqual(decode(new official.Encoder().encode(packet)[0]), packet);
    }
    assert.deepEqual([...encode({ type: 0, nsp: "/" })], [0x82, 0xa4, ...Buffer.from("type"), 0, 0xa3, ...Buffer.from("nsp"), 0xa1, 0x2f]);
    // As the official client sends CONNECT: with its options, and data that is undefined.
    const connect = new official.Encoder().encode({ type: 0, data: undefined, options: { compress: true }, nsp: "/" })[0];
    assert.equal(decode(connect).data, undefined);
  });

  it("packs views and Buffers as bytes, and numbers that are too large as floats", () => {
    const view = Uint8Array.of(9, 1, 2, 9).subarray(1, 3);
    for (const value of [view, Buffer.from(view), new DataView(view.buffer, 1, 2), new Uint16Array([0x0201])]) {
      assert.deepEqual(plain(decode(encode(event("e", value))).data), ["e", { bytes: [1, 2] }]);
    }
    for (const value of [2 ** 53, 1e21, -1e19, 1e300]) assert.equal(decode(encode(event("e", value))).data[1], value);
  });

  it("packs a BigInt of up to 64 bits, and unpacks those as numbers", () => {
    for (const value of [0n, 1n, -1n, 2n ** 40n, -(2n ** 63n), 2n ** 63n, 2n ** 64n - 1n]) {
      const bytes = encode(event("e", value));
      assert.equal(decode(bytes).data[1], Number(value));
      assert.equal(decodeInBrowsers(bytes.slice().buffer).data[1], Number(value));
    }
    for (const value of [2n ** 64n, -(2n ** 63n) - 1n]) assert.throws(() => encode(event("e", value)), TypeError);
  });

  it("asks toJSON, leaves functions out, and makes a date that is none null", () => {
    const value = { at: { toJSON: () => "json" }, f() {}, when: new Date(NaN), map: new Map([[1, 2]]) };
    assert.deepEqual(decode(encode(event("e", value))).data[1], { at: "json", when: null, map: {} });
  });

  it("refuses what can't be packed", () => {
    const cycle = [];
    cycle.push(cycle);
    for (const value of [cycle, Symbol("s"), () => {}, [Symbol("s")], { deep: new Blob(["x"]) }]) {
      assert.throws(() => encode(event("e", value)), TypeError);
    }
  });

  const packet = (value) => Uint8Array.of(0x83, 0xa4, ...Buffer.from("type"), 2, 0xa3, ...Buffer.from("nsp"), 0xa1, 0x2f, 0xa4, ...Buffer.from("data"), 0x92, 0xa1, 0x65, ...value);

  for (const [what, wire, want] of [
    ["float 32", [0xca, 0x3f, 0xc0, 0, 0], 1.5],
    ["uint 64", [0xcf, 0, 0, 0, 1, 0, 0, 0, 0], 2 ** 32],
    ["int 64", [0xd3, 255, 255, 255, 255, 255, 255, 255, 254], -2],
    ["a time of 32 bits", [0xd6, 0xff, 0, 0, 0, 1], new Date(1000)],
    ["a time of 64 bits", [0xd7, 0xff, 0x77, 0x35, 0x94, 0, 0, 0, 0, 1], new Date(1500)],
    ["a time of 96 bits", [0xc7, 12, 0xff, 0, 0x1e, 0x84, 0x80, 255, 255, 255, 255, 255, 255, 255, 255], new Date(-998)],
    ["ext 8", [0xc7, 3, 5, 1, 2, 3], [5, Uint8Array.of(1, 2, 3).buffer]],
    ["ext 16", [0xc8, 0, 1, 5, 1], [5, Uint8Array.of(1).buffer]],
    ["ext 32", [0xc9, 0, 0, 0, 1, 0xfe, 1], [-2, Uint8Array.of(1).buffer]],
    ["fixext 1", [0xd4, 1, 7], [1, Uint8Array.of(7).buffer]],
    ["fixext 2", [0xd5, 0, 7, 8], [0, Uint8Array.of(7, 8).buffer]],
    ["fixext 4", [0xd6, 1, 1, 2, 3, 4], [1, Uint8Array.of(1, 2, 3, 4).buffer]],
    ["fixext 16", [0xd8, 1, ...Array(16).fill(3)], [1, new Uint8Array(16).fill(3).buffer]],
    ["str 8 where less would do", [0xd9, 1, 0x78], "x"],
    ["a map with numbers for keys", [0x81, 1, 2], { 1: 2 }],
  ]) {
    it(`unpacks ${what}`, () => assert.deepEqual(decode(packet(wire)).data, ["e", want]));
  }

  for (const [what, wire] of [
    ["nothing", new Uint8Array(0)],
    ["text", "x"],
    ["a Blob", new Blob([encode(event("e"))])],
    ["a byte that is not used", packet([0xc1])],
    ["bytes behind the packet", Uint8Array.of(...encode(event("e")), 0)],
    ["an array that claims four thousand million elements", packet([0xdd, 255, 255, 255, 255])],
    ["a map that claims as many", packet([0xdf, 255, 255, 255, 255])],
    ["text that claims as many bytes", packet([0xdb, 255, 255, 255, 255])],
    ["bytes that claim as many", packet([0xc6, 255, 255, 255, 255])],
    ["an extension that claims as many", packet([0xc9, 255, 255, 255, 255, 0])],
    ["arrays in arrays", packet(Array(100_000).fill(0x91))],
    ["maps in maps", packet(Array(50_000).fill([0x81, 0xa0]).flat())],
    ["a key that is an array", packet([0x81, 0x90, 0])],
  ]) {
    it(`refuses ${what}`, () => assert.throws(() => decode(wire), Error));
  }

  it("refuses every part of a packet", () => {
    const whole = encode({ type: 2, nsp: "/", id: 300, data: ["e", 1.5, "é", [new Date(1), { a: new Uint8Array(300) }]] });
    for (let length = 0; length < whole.length; length++) assert.throws(() => decode(whole.subarray(0, length)), Error);
  });

  for (const [what, bad] of [
    ["no map", [1]],
    ["no type", { nsp: "/", data: ["e"] }],
    ["a type that is none", { type: 5, nsp: "/", data: ["e"] }],
    ["a type that is text", { type: "2", nsp: "/", data: ["e"] }],
    ["no namespace", { type: 2, data: ["e"] }],
    ["an event that is no array", { type: 2, nsp: "/", data: "e" }],
    ["an event with a reserved name", { type: 2, nsp: "/", data: ["connect"] }],
    ["an id that is text", { type: 2, nsp: "/", data: ["e"], id: "1" }],
    ["an id that is no integer", { type: 2, nsp: "/", data: ["e"], id: 0.5 }],
    ["CONNECT with text", { type: 0, nsp: "/", data: "x" }],
    ["DISCONNECT with data", { type: 1, nsp: "/", data: {} }],
    ["CONNECT_ERROR without data", { type: 4, nsp: "/" }],
  ]) {
    it(`refuses a packet with ${what}`, () => assert.throws(() => decode(encodeInBrowsers(bad)), Error));
  }

  it("survives bytes that come from anywhere", () => {
    // As mulberry32 makes them: the same each time.
    let state = 42;
    const random = () => {
      state = (state + 0x6d2b79f5) | 0;
      let t = Math.imul(state ^ (state >>> 15), 1 | state);
      t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
      return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
    };
    const seeds = [encode(event("e", [1, "é", { a: [null, -5, 1.5] }, new Date(5), undefined])), encode({ type: 3, nsp: "/x", id: 9, data: [] })];
    let both = 0;
    for (let i = 0; i < 20_000; i++) {
      const bytes = seeds[i & 1].slice(0, i % 7 ? undefined : random() * 40);
      for (let n = random() * 4; n > 0; n--) bytes[Math.floor(random() * bytes.length)] = random() * 256;
      let ours;
      try {
        ours = decode(bytes);
      } catch (err) {
        assert.ok(err instanceof Error && !(err instanceof RangeError), `${err.stack} for ${bytes}`);
        continue;
      }
      // What is taken here, the official decoder takes, and sees the same: but for text that is not UTF-8.
      let theirs;
      try {
        theirs = decodeInBrowsers(bytes.slice().buffer);
      } catch {
        continue;
      }
      if (JSON.stringify(ours).includes("\ufffd")) continue;
      both++;
      if (!/\[-1,|prototype/.test(JSON.stringify(plain(theirs)))) assert.deepEqual(plain(ours), plain(theirs), String(bytes));
    }
    assert.ok(both > 1000, `${both} packets were compared`);
  });
});
