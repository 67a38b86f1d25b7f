import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createPacketDecoderStream, createPacketEncoderStream } from "engine.io-parser";
import { encodeFrames, frameDecoder } from "../src/frames.js";
import { ERROR } from "../src/packet.js";

const bytes = (length, start = 0) => Uint8Array.from({ length }, (_, i) => i + start);

/** What the official encoder or decoder makes of its input. */
async function through(stream, ...input) {
  const writer = stream.writable.getWriter();
  for (const chunk of input) writer.write(chunk);
  writer.close();
  const out = [];
  for await (const chunk of stream.readable) out.push(chunk);
  return out;
}

const flat = (chunks) => Uint8Array.from(chunks.flatMap((chunk) => [...chunk]));
const plain = ({ type, data }) => ({ type, data: data && typeof data !== "string" ? new Uint8Array(data.buffer ?? data, data.byteOffset, data.byteLength) : data });

// Lengths where the form of the header changes. The text has its type in front.
const LENGTHS = [1, 2, 124, 125, 126, 127, 65534, 65535, 65536, 70000];

describe("frames of packets", () => {
  for (const length of LENGTHS) {
    it(`are those of the official encoder and decoder: ${length}`, async () => {
      const data = bytes(length);
      const text = "é".repeat(length >> 1) + "x".repeat(length & 1);
      const ours = encodeFrames(["4" + text, data]);
      const packets = [{ type: "message", data: text }, { type: "message", data }];
      assert.deepEqual(flat(await through(createPacketEncoderStream(), ...packets)), ours);
      const official = await through(createPacketDecoderStream(1e6, "arraybuffer"), ours);
      assert.deepEqual(official.map(plain), packets);
      assert.deepEqual(frameDecoder()(ours).map(plain), packets);
    });
  }

  it("hold every kind of bytes", () => {
    const view = bytes(5).subarray(1, 4);
    for (const data of [view, view.slice().buffer, new DataView(view.slice().buffer), new Uint8Array(view)]) {
      assert.deepEqual(encodeFrames([data]), Uint8Array.of(0x83, 1, 2, 3));
    }
    assert.deepEqual(encodeFrames([new Uint16Array([0x0201])]), Uint8Array.of(0x82, 1, 2));
    const [{ data }] = frameDecoder()(Uint8Array.of(0x83, 1, 2, 3, 9));
    assert.ok(data instanceof ArrayBuffer);
    assert.deepEqual(new Uint8Array(data), Uint8Array.of(1, 2, 3));
  });

  it("say no bytes in a way that the official decoder takes", async () => {
    const frames = encodeFrames([new Uint8Array(0), "2"]);
    const [empty, ping] = await through(createPacketDecoderStream(1e6, "arraybuffer"), frames);
    assert.deepEqual([plain(empty), ping.type], [{ type: "message", data: new Uint8Array(0) }, "ping"]);
    for (const wire of [frames, Uint8Array.of(0x80, 1, 0x32)]) {
      const got = frameDecoder()(wire);
      assert.deepEqual(got, [{ type: "message", data: new ArrayBuffer(0) }, { type: "ping" }]);
    }
  });

  it("can come in any pieces", () => {
    const packets = ["0{}", bytes(3), "4" + "x".repeat(200), bytes(300), bytes(66000), "4é€😀", "1"];
    const wire = encodeFrames(packets);
    const whole = frameDecoder()(wire).map(plain);
    assert.equal(whole.length, packets.length);
    for (const size of [1, 2, 3, 7, 1000, 65536, wire.length]) {
      const decode = frameDecoder();
      const got = [];
      for (let i = 0; i < wire.length; i += size) got.push(...decode(wire.slice(i, i + size)));
      assert.deepEqual(got.map(plain), whole, `${size} at a time`);
    }
    const decode = frameDecoder();
    assert.deepEqual(decode(new Uint8Array(0)), []);
  });

  it("become Blobs when asked", async () => {
    const [{ type, data }] = frameDecoder()(Uint8Array.of(0x83, 97, 98, 99), "blob");
    assert.equal(type, "message");
    assert.ok(data instanceof Blob);
    assert.equal(await data.text(), "abc");
  });

  for (const [name, wire] of [
    ["no text", [0]],
    ["no packet", [1, 0x39]],
    ["a length above what a number can hold", [127, 0, 0x20, 0, 0, 0, 0, 0, 0]],
    ["the largest length", [127, 255, 255, 255, 255, 255, 255, 255, 255]],
  ]) {
    it(`are an error, as officially, for ${name}`, async () => {
      const decode = frameDecoder();
      assert.deepEqual(decode(Uint8Array.from(wire)), [ERROR]);
      const [official] = await through(createPacketDecoderStream(Number.MAX_SAFE_INTEGER, "arraybuffer"), Uint8Array.from(wire));
      assert.deepEqual(official, ERROR);
      if (wire.length !== 2) assert.deepEqual(decode(Uint8Array.of(1, 0x32)), []);
    });
  }

  it("reserve no memory for what has not come", () => {
    const decode = frameDecoder();
    assert.deepEqual(decode(Uint8Array.of(0xff, 0, 0x1f, 255, 255, 255, 255, 255, 255)), []);
    assert.deepEqual(decode(bytes(1000)), []);
  });
});
