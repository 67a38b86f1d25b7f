// Values that must survive the way there and back.
"use strict";

/** One value, or more, of every JSON type. */
const json = [
  null,
  true,
  false,
  0,
  -1,
  1.5,
  -0.000001,
  1e21,
  5e-324,
  1.7976931348623157e308,
  Number.MAX_SAFE_INTEGER,
  Number.MIN_SAFE_INTEGER,
  "",
  "text",
  'quotes " and \\ backslashes / slashes',
  "\u0000\u0001\u001e\u001f\u007f\n\r\t\b\f",
  "Grüße, Привет, こんにちは, 👩‍👩‍👧‍👦, \u2028\u2029, \ufeff",
  "</script><!-- & -->",
  "x".repeat(70000),
  [],
  {},
  [[]],
  [null, [1, [2, [3, [4]]]]],
  { a: { b: { c: { d: [{ e: null }] } } } },
  { "": 0, " ": 1, "key with \"quotes\"": 2, ключ: 3, "\n": 4, 1: 5 },
  { _placeholder: false, num: 0 },
  Array.from({ length: 1000 }, (_, i) => i),
];

/** Values with bytes at some depth. */
const binary = [
  Buffer.from([1, 2, 3]),
  Buffer.alloc(0),
  Buffer.from(Array.from({ length: 256 }, (_, i) => i)),
  Buffer.alloc(70000, 7),
  [Buffer.from("a")],
  { data: Buffer.from("b") },
  { a: [{ b: { c: [Buffer.from("deep")] } }] },
  [Buffer.from("1"), "text between", Buffer.from("2"), { n: 3, bytes: Buffer.from("3") }],
  Array.from({ length: 10 }, (_, i) => Buffer.from([i])),
  { text: "ü", none: null, bytes: Buffer.from("ü") },
];

// socket.io-msgpack-parser writes the low 64 bits of an integer beyond them.
const { parser } = JSON.parse(process.env.SIO_INTEROP);
const whole = (v) => parser !== "msgpack" || !Number.isInteger(v) || Math.abs(v) < 2 ** 63;

module.exports = { json: json.filter(whole), binary };
