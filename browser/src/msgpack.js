/**
 * A parser that packs each packet into one message of MessagePack, as npm's socket.io-msgpack-parser does: a map of
 * type, nsp, data and id. Dates and undefined, for which MessagePack has no type, are extensions of type 0 there.
 */
import { Emitter } from "./emitter.js";
import { checkPacket } from "./parser.js";

// Deeper than any data is meant to be, and shallow enough for the stack of any browser.
const MAX_DEPTH = 500;

/** The extension type of the specification for times. */
const TIMESTAMP = -1;

const encoder = new TextEncoder();
// A byte order mark is part of a text.
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

class Writer {
  constructor() {
    this._at = 0;
    this._resize(256);
  }

  _resize(length) {
    const old = this._bytes;
    this._bytes = new Uint8Array(length);
    this._view = new DataView(this._bytes.buffer);
    if (old) this._bytes.set(old);
  }

  /** Makes room, and returns where it begins. */
  _room(length) {
    const at = this._at;
    this._at += length;
    if (this._at > this._bytes.length) this._resize(Math.max(this._at, 2 * this._bytes.length));
    return at;
  }

  _byte(value) {
    const at = this._room(1);
    this._bytes[at] = value;
  }

  // A format byte, and a number behind it.
  _number(format, method, size, value) {
    const at = this._room(1 + size);
    this._bytes[at] = format;
    this._view[method](at + 1, value);
  }

  // The smallest of the forms of a length: one byte (if there is such a form), two, four.
  _length(length, [fixed, max], one, two) {
    if (length < max) this._byte(fixed | length);
    else if (one && length < 0x100) this._number(one, "setUint8", 1, length);
    else if (length < 0x10000) this._number(two, "setUint16", 2, length);
    else this._number(two + 1, "setUint32", 4, length);
  }

  _integer(value) {
    if (value >= 0) {
      if (value < 0x80) this._byte(value);
      else if (value < 0x100) this._number(0xcc, "setUint8", 1, value);
      else if (value < 0x10000) this._number(0xcd, "setUint16", 2, value);
      else if (value < 0x100000000) this._number(0xce, "setUint32", 4, value);
      else this._number(0xcf, "setBigUint64", 8, BigInt(value));
    } else if (value >= -0x20) this._byte(value);
    else if (value >= -0x80) this._number(0xd0, "setInt8", 1, value);
    else if (value >= -0x8000) this._number(0xd1, "setInt16", 2, value);
    else if (value >= -0x80000000) this._number(0xd2, "setInt32", 4, value);
    else this._number(0xd3, "setBigInt64", 8, BigInt(value));
  }

  _big(value) {
    if (BigInt.asUintN(64, value) === value) this._number(0xcf, "setBigUint64", 8, value);
    else if (BigInt.asIntN(64, value) === value) this._number(0xd3, "setBigInt64", 8, value);
    else throw new TypeError("a BigInt of more than 64 bits can't be sent");
  }

  _put(bytes) {
    const at = this._room(bytes.length);
    this._bytes.set(bytes, at);
  }

  _string(value) {
    const bytes = encoder.encode(value);
    this._length(bytes.length, [0xa0, 0x20], 0xd9, 0xda);
    this._put(bytes);
  }

  /** @param {any} value */
  _any(value, depth) {
    if (depth > MAX_DEPTH) throw new TypeError("too deep, or a cycle");
    switch (typeof value) {
      case "string":
        return this._string(value);
      case "number":
        if (Number.isSafeInteger(value)) return this._integer(value);
        return this._number(0xcb, "setFloat64", 8, value);
      case "bigint":
        return this._big(value);
      case "boolean":
        return this._byte(value ? 0xc3 : 0xc2);
      case "undefined":
        return this._put([0xd4, 0, 0]);
      case "object":
        return value ? this._object(value, depth) : this._byte(0xc0);
    }
    throw new TypeError("a " + typeof value + " can't be sent");
  }

  _object(value, depth) {
    if (Array.isArray(value)) {
      this._length(value.length, [0x90, 0x10], 0, 0xdc);
      // Holes, too.
      for (let i = 0; i < value.length; i++) this._any(value[i], depth + 1);
    } else if (value instanceof Date) {
      const time = value.getTime();
      if (Number.isNaN(time)) return this._byte(0xc0);
      this._byte(0xd7);
      this._number(0, "setBigInt64", 8, BigInt(time));
    } else if (value instanceof ArrayBuffer || ArrayBuffer.isView(value)) {
      this._length(value.byteLength, [0, 0], 0xc4, 0xc5);
      this._put(new Uint8Array(value.buffer || value, value.byteOffset || 0, value.byteLength));
    } else if (typeof Blob === "function" && value instanceof Blob) {
      throw new TypeError("a Blob can't be packed; send its arrayBuffer()");
    } else if (typeof value.toJSON === "function") {
      this._any(value.toJSON(), depth + 1);
    } else {
      const keys = Object.keys(value).filter((key) => typeof value[key] !== "function");
      this._length(keys.length, [0x80, 0x10], 0, 0xde);
      for (const key of keys) {
        this._string(key);
        this._any(value[key], depth + 1);
      }
    }
  }
}

// The numbers of the formats from 0xca on.
const METHODS = ["Float32", "Float64", "Uint8", "Uint16", "Uint32", "BigUint64", "Int8", "Int16", "Int32", "BigInt64"].map(
  (type) => "get" + type,
);
const SIZES = [4, 8, 1, 2, 4, 8, 1, 2, 4, 8];
const FLOAT32 = 0xca;
const UINT8 = 0xcc;
const INT8 = 0xd0;

class Reader {
  /** @param {Uint8Array} bytes */
  constructor(bytes) {
    this._bytes = bytes;
    this._view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    this._at = 0;
  }

  // Nothing is reserved for a length before that much is there.
  _skip(length) {
    const at = this._at;
    if (length > this._bytes.length - at) throw new Error("the message is too short");
    this._at += length;
    return at;
  }

  _take(length) {
    const at = this._skip(length);
    return this._bytes.subarray(at, at + length);
  }

  _number(format) {
    const i = format - FLOAT32;
    return Number(this._view[METHODS[i]](this._skip(SIZES[i])));
  }

  // A length of one, two or four bytes.
  _length(exponent) {
    return this._number(UINT8 + exponent);
  }

  _string(length) {
    return decoder.decode(this._take(length));
  }

  _binary(length) {
    return this._take(length).slice().buffer;
  }

  _extension(length) {
    const type = this._number(INT8);
    const bytes = this._take(length);
    const view = new DataView(bytes.buffer, bytes.byteOffset, length);
    if (type === 0 && length === 1) return undefined;
    if (type === 0 && length === 8) return new Date(Number(view.getBigInt64(0)));
    if (type === TIMESTAMP && length === 4) return new Date(view.getUint32(0) * 1000);
    if (type === TIMESTAMP && length === 8) {
      const value = view.getBigUint64(0);
      return new Date(Number(value & 0x3ffffffffn) * 1000 + Math.floor(Number(value >> 34n) / 1e6));
    }
    if (type === TIMESTAMP && length === 12) {
      return new Date(Number(view.getBigInt64(4)) * 1000 + Math.floor(view.getUint32(0) / 1e6));
    }
    return [type, bytes.slice().buffer];
  }

  _array(length, depth) {
    const array = [];
    // Each element has a byte at least.
    if (length > this._bytes.length - this._at) this._skip(length);
    while (array.length < length) array.push(this._any(depth + 1));
    return array;
  }

  _map(length, depth) {
    const map = {};
    if (2 * length > this._bytes.length - this._at) this._skip(2 * length);
    while (length-- > 0) {
      const key = this._any(depth + 1);
      if (typeof key !== "string" && typeof key !== "number") throw new Error("a key is no text");
      const value = this._any(depth + 1);
      // Not by assignment, which may change the prototype.
      if (key === "__proto__") Object.defineProperty(map, key, { value, configurable: true, enumerable: true, writable: true });
      else map[key] = value;
    }
    return map;
  }

  _any(depth) {
    if (depth > MAX_DEPTH) throw new Error("the message is too deep");
    const format = this._bytes[this._skip(1)];
    if (format < 0x80) return format;
    if (format < 0x90) return this._map(format & 15, depth);
    if (format < 0xa0) return this._array(format & 15, depth);
    if (format < 0xc0) return this._string(format & 31);
    if (format >= 0xe0) return format - 0x100;
    if (format === 0xc0) return null;
    if (format === 0xc2 || format === 0xc3) return format === 0xc3;
    if (format < 0xc4) throw new Error("the message has a byte that is not used");
    if (format < 0xc7) return this._binary(this._length(format - 0xc4));
    if (format < 0xca) return this._extension(this._length(format - 0xc7));
    if (format < 0xd4) return this._number(format);
    if (format < 0xd9) return this._extension(1 << (format - 0xd4));
    if (format < 0xdc) return this._string(this._length(format - 0xd9));
    if (format < 0xde) return this._array(this._length(format - 0xdb), depth);
    return this._map(this._length(format - 0xdd), depth);
  }
}

/** Encoder packs packets. */
export class Encoder {
  /**
   * @param {import("./parser.js").Packet} packet
   * @returns {[Uint8Array]}
   * @throws {TypeError} when the data can't be packed (a cycle, a Blob, a symbol)
   */
  encode({ type, nsp, id, data }) {
    const packet = { type };
    if (data !== undefined) packet.data = data;
    if (id !== undefined) packet.id = id;
    packet.nsp = nsp;
    const writer = new Writer();
    writer._any(packet, 0);
    return [writer._bytes.subarray(0, writer._at)];
  }
}

/** Decoder turns messages back into packets and emits each as `decoded`. */
export class Decoder extends Emitter {
  /**
   * Takes one message. Throws when it is not a packet.
   * @param {ArrayBuffer | ArrayBufferView} message
   */
  add(message) {
    if (!(message instanceof ArrayBuffer || ArrayBuffer.isView(message))) throw new Error("the message is not binary");
    const bytes = new Uint8Array(message.buffer || message, message.byteOffset || 0, message.byteLength);
    const reader = new Reader(bytes);
    const packet = reader._any(0);
    if (reader._at < bytes.length) throw new Error("the message is too long");
    checkPacket(packet);
    this.emit("decoded", packet);
  }

  /** There is nothing to forget. */
  destroy() {}
}
