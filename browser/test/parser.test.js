import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Decoder, Encoder, PacketType, protocol } from "../src/parser.js";

const { CONNECT, DISCONNECT, EVENT, ACK, CONNECT_ERROR } = PacketType;
const bytes = (...values) => new Uint8Array(values).buffer;

function decode(messages, opts) {
  const packets = [];
  const decoder = new Decoder(opts);
  decoder.on("decoded", (packet) => packets.push(packet));
  for (const message of messages) decoder.add(message);
  return packets;
}

describe("Socket.IO packets", () => {
  it("are of protocol version 5", () => assert.equal(protocol, 5));

  for (const [packet, wire] of [
    [{ type: CONNECT, nsp: "/" }, "0"],
    [{ type: CONNECT, nsp: "/admin", data: { token: "x" } }, '0/admin,{"token":"x"}'],
    [{ type: CONNECT, nsp: "/", data: { sid: "x" } }, '0{"sid":"x"}'],
    [{ type: DISCONNECT, nsp: "/" }, "1"],
    [{ type: DISCONNECT, nsp: "/admin" }, "1/admin,"],
    [{ type: EVENT, nsp: "/", data: ["m", 1, null] }, '2["m",1,null]'],
    [{ type: EVENT, nsp: "/chat", id: 7, data: ["m"] }, '2/chat,7["m"]'],
    [{ type: EVENT, nsp: "/", id: 0, data: ["m"] }, '20["m"]'],
    [{ type: EVENT, nsp: "/", data: [5, "x"] }, '2[5,"x"]'],
    [{ type: EVENT, nsp: "/a?b=/c", data: ["é€😀\n,"] }, '2/a?b=/c,["é€😀\\n,"]'],
    [{ type: EVENT, nsp: "/", data: ["m", { _placeholder: true, num: 0 }] }, '2["m",{"_placeholder":true,"num":0}]'],
    [{ type: ACK, nsp: "/", id: 12, data: [] }, "312[]"],
    [{ type: ACK, nsp: "/x", id: 1, data: [[], {}] }, "3/x,1[[],{}]"],
    [{ type: CONNECT_ERROR, nsp: "/", data: { message: "no", data: { c: 1 } } }, '4{"message":"no","data":{"c":1}}'],
    [{ type: CONNECT_ERROR, nsp: "/", data: "no" }, '4"no"'],
  ]) {
    it(`are ${wire} on the wire`, () => {
      assert.deepEqual(new Encoder().encode(packet), [wire]);
      assert.deepEqual(decode([wire]), [packet]);
    });
  }

  it("are encoded as JSON does it", () => {
    const date = new Date(0);
    const data = ["m", undefined, NaN, -0, date, new Map([[1, 2]]), { toJSON: () => "j", x: bytes(1) }, { u: undefined }];
    assert.deepEqual(new Encoder().encode({ type: EVENT, nsp: "/", data }), [
      '2["m",null,null,0,"1970-01-01T00:00:00.000Z",{},"j",{}]',
    ]);
  });

  it("cannot hold cycles and large integers", () => {
    const cycle = {};
    cycle.self = cycle;
    for (const value of [cycle, 1n]) {
      assert.throws(() => new Encoder().encode({ type: EVENT, nsp: "/", data: ["m", value] }), TypeError);
    }
  });

  it("use the replacer and the reviver", () => {
    const encoder = new Encoder((key, value) => (value === 1 ? "one" : value));
    const messages = encoder.encode({ type: EVENT, nsp: "/", data: ["m", 1, { b: bytes(2) }] });
    const reviver = (key, value) => (value === "one" ? 1 : value);
    assert.deepEqual(decode(messages, { reviver })[0].data, ["m", 1, { b: bytes(2) }]);
    assert.deepEqual(decode(['2["m","one"]'], { reviver })[0].data, ["m", 1]);
  });
});

describe("binary packets", () => {
  const placeholder = (num) => `{"_placeholder":true,"num":${num}}`;

  for (const [packet, wire, ...attachments] of [
    [{ type: EVENT, nsp: "/", data: ["m", bytes(1, 2)] }, `51-["m",${placeholder(0)}]`, bytes(1, 2)],
    [
      { type: EVENT, nsp: "/a", id: 0, data: ["m", { a: [bytes(1)], b: bytes(2) }] },
      `52-/a,0["m",{"a":[${placeholder(0)}],"b":${placeholder(1)}}]`,
      bytes(1),
      bytes(2),
    ],
    [{ type: ACK, nsp: "/", id: 12, data: [bytes(255)] }, `61-12[${placeholder(0)}]`, bytes(255)],
    [{ type: EVENT, nsp: "/", data: ["m", bytes()] }, `51-["m",${placeholder(0)}]`, bytes()],
  ]) {
    it(`are ${wire} and ${attachments.length} more on the wire`, () => {
      assert.deepEqual(new Encoder().encode(packet), [wire, ...attachments]);
      assert.deepEqual(decode([wire, ...attachments]), [packet]);
    });
  }

  it("hold every kind of bytes, as they were given", () => {
    const view = new Uint8Array([1, 2, 3, 4]).subarray(1, 3);
    const values = [bytes(1), view, new DataView(bytes(1)), new Float64Array(1), new Blob(["a"]), new File(["b"], "b"), Buffer.from("c")];
    const [text, ...attachments] = new Encoder().encode({ type: EVENT, nsp: "/", data: ["m", ...values] });
    assert.match(text, /^57-\["m",/);
    attachments.forEach((attachment, i) => assert.equal(attachment, values[i]));
  });

  it("honour toJSON above bytes", () => {
    const data = ["m", { toJSON: () => ({ in: bytes(1) }), out: bytes(2) }];
    assert.deepEqual(new Encoder().encode({ type: EVENT, nsp: "/", data }), [
      `51-["m",{"in":${placeholder(0)}}]`,
      bytes(1),
    ]);
  });

  it("take their attachments by number", () => {
    const [packet] = decode([`52-["m",${placeholder(1)},${placeholder(0)},${placeholder(1)}]`, bytes(1), bytes(2)]);
    assert.deepEqual(packet.data, ["m", bytes(2), bytes(1), bytes(2)]);
  });

  it("leave prototypes alone", () => {
    const [packet] = decode([`51-["m",{"__proto__":{"x":1},"b":${placeholder(0)}}]`, bytes(1)]);
    assert.equal(packet.data[1].x, undefined);
    assert.equal({}.x, undefined);
    assert.deepEqual(packet.data[1].b, bytes(1));
  });

  it("are forgotten by destroy", () => {
    const decoder = new Decoder();
    let got;
    decoder.on("decoded", (packet) => (got = packet));
    decoder.add(`52-["a",${placeholder(0)}]`);
    decoder.add(bytes(1));
    decoder.destroy();
    decoder.add('2["b"]');
    assert.deepEqual(got.data, ["b"]);
  });

  it("may have ten attachments, or as many as is said", () => {
    const messages = (n) => [`5${n}-["m"]`, ...Array.from({ length: n }, () => bytes(1))];
    assert.equal(decode(messages(10)).length, 1);
    assert.throws(() => decode(messages(11)), /too many attachments/);
    assert.equal(decode(messages(11), { maxAttachments: 11 }).length, 1);
  });
});

describe("what is not a packet", () => {
  for (const wire of [
    "", "7", "9[]", "abc", " 2[\"x\"]",
    "2", "20", "2[]", "2{}", "2[null]", "2[true]", "2[[]]", '2["x"]trailing', '2["x"', '2/n', "2/n,",
    '2["connect"]', '2["connect_error"]', '2["disconnect"]', '2["disconnecting"]', '2["newListener"]', '2["removeListener"]',
    "0[]", '0"x"', "0null", "1{}", "1[]", "3", "31", "3{}", '31"x"', "4", "41", "4[]", "4null",
    '5["x"]', '5-["x"]', '50-["x"]', '51["x"]', '51.0-["x"]', '51e0-["x"]', '5 1-["x"]', '5-1-["x"]',
    '511-["x"]', '21-["x"]', '31-1[]', '51-["connect"]', '51-{}', "61-1{}",
    '51-["x",{"_placeholder":true,"num":1}]', '51-["x",{"_placeholder":true,"num":-1}]',
    '51-["x",{"_placeholder":true,"num":"0"}]', '51-["x",{"_placeholder":true,"num":0.5}]',
    '51-["x",{"_placeholder":true}]',
  ]) {
    it(`is refused: ${JSON.stringify(wire)}`, () => {
      assert.throws(() => decode([wire]));
    });
  }

  it("is text while attachments are due, and bytes when none are", () => {
    assert.throws(() => decode(['51-["m"]', '2["m"]']), /text instead of an attachment/);
    assert.throws(() => decode([bytes(1)]), /attachment without a packet/);
    assert.throws(() => decode(['51-["m"]', bytes(1), bytes(2)]), /attachment without a packet/);
  });
});
