import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { decodePacket, decodePayload, encodePacket, encodePackets, joinPayload, payloadSize } from "../src/packet.js";

const bytes = (...values) => new Uint8Array(values).buffer;

describe("Engine.IO packets", () => {
  for (const [packet, wire] of [
    [{ type: "open", data: '{"sid":"x"}' }, '0{"sid":"x"}'],
    [{ type: "close" }, "1"],
    [{ type: "ping" }, "2"],
    [{ type: "ping", data: "probe" }, "2probe"],
    [{ type: "pong", data: "probe" }, "3probe"],
    [{ type: "message", data: "hello €" }, "4hello €"],
    [{ type: "upgrade" }, "5"],
    [{ type: "noop" }, "6"],
  ]) {
    it(`are ${wire} on the wire`, () => {
      assert.equal(encodePacket(packet, true), wire);
      assert.equal(encodePacket(packet, false), wire);
      assert.deepEqual(decodePacket(wire), packet);
    });
  }

  for (const [name, data, wire] of [
    ["an ArrayBuffer", bytes(1, 2, 3), "bAQID"],
    ["a part of an ArrayBuffer", new Uint8Array([0, 1, 2, 3, 4]).subarray(1, 4), "bAQID"],
    ["a DataView", new DataView(bytes(0, 1, 2, 3, 4), 1, 3), "bAQID"],
    ["a Uint16Array", new Uint16Array([0x0201, 0x0403]), "bAQIDBA=="],
    ["nothing", bytes(), "b"],
  ]) {
    it(`are base64 for ${name} where bytes cannot be sent`, () => {
      assert.equal(encodePacket({ type: "message", data }, false), wire);
      assert.equal(encodePacket({ type: "message", data }, true), data);
    });
  }

  it("are base64 for a Blob and a File, later", async () => {
    assert.equal(await encodePacket({ type: "message", data: new Blob([bytes(1, 2, 3)]) }, false), "bAQID");
    const file = new File(["abc"], "a.txt");
    assert.equal(await encodePacket({ type: "message", data: file }, false), "bYWJj");
    assert.equal(encodePacket({ type: "message", data: file }, true), file);
  });

  it("survive base64 at every length and with every byte", () => {
    for (const length of [0, 1, 2, 3, 255, 256, 0x7fff, 0x8000, 0x8001, 200_000]) {
      const data = Uint8Array.from({ length }, (_, i) => i);
      const packet = decodePacket(encodePacket({ type: "message", data }, false));
      assert.equal(packet.type, "message");
      assert.deepEqual(new Uint8Array(packet.data), data);
    }
  });

  it("hold the bytes of a binary message", () => {
    const data = bytes(1);
    assert.deepEqual(decodePacket(data), { type: "message", data });
  });

  it("hold a Blob when asked", async () => {
    for (const wire of [bytes(97, 98), "bYWI="]) {
      const { type, data } = decodePacket(wire, "blob");
      assert.equal(type, "message");
      assert.ok(data instanceof Blob);
      assert.equal(await data.text(), "ab");
      assert.deepEqual(decodePacket(wire, "arraybuffer").data, bytes(97, 98));
    }
    assert.deepEqual(decodePacket("4text", "blob"), { type: "message", data: "text" });
    assert.equal(decodePacket("b!", "blob").type, "error");
    const [, { data }] = decodePayload("4a\x1ebYWI=", "blob");
    assert.equal(await data.text(), "ab");
  });

  for (const wire of ["", "7", "8x", "9", "x", "-1", "b!", "b*", "bA"]) {
    it(`are an error for ${JSON.stringify(wire)}`, () => {
      assert.deepEqual(decodePacket(wire), { type: "error", data: "parser error" });
    });
  }

  it("are handed on at once, or together when a Blob has to be read", async () => {
    let now;
    encodePackets([{ type: "ping" }, { type: "message", data: bytes(1) }], false, (list) => (now = list));
    assert.deepEqual(now, ["2", "bAQ=="]);
    const blob = { type: "message", data: new Blob(["a"]) };
    const later = await new Promise((resolve, reject) => encodePackets([{ type: "ping" }, blob], false, resolve, reject));
    assert.deepEqual(later, ["2", "bYQ=="]);
  });

  it("that cannot be read are reported", async () => {
    class Broken extends Blob {
      arrayBuffer() {
        return Promise.reject(new Error("gone"));
      }
    }
    const packet = { type: "message", data: new Broken([]) };
    const err = await new Promise((resolve, reject) => encodePackets([packet], false, reject, resolve));
    assert.equal(err.message, "gone");
  });
});

describe("polling payloads", () => {
  it("are joined by the record separator", () => {
    assert.equal(joinPayload(["4hello", "bAQID"]), "4hello\x1ebAQID");
    assert.deepEqual(decodePayload("4hello\x1ebAQID\x1e2"), [
      { type: "message", data: "hello" },
      { type: "message", data: bytes(1, 2, 3) },
      { type: "ping" },
    ]);
  });

  it("end at the first packet that is none", () => {
    assert.deepEqual(decodePayload("4a\x1e\x1e4b"), [
      { type: "message", data: "a" },
      { type: "error", data: "parser error" },
    ]);
  });

  it("are counted in bytes", () => {
    for (const [data, size] of [
      [undefined, 0],
      ["", 0],
      ["abc", 3],
      ["é€😀", 9],
      [bytes(1, 2, 3), 4],
      [new Uint8Array(100).subarray(0, 3), 4],
      [new Blob(["abcdef"]), 8],
    ]) {
      assert.equal(payloadSize(data), size);
    }
  });
});
