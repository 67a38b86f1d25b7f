import { Emitter } from "./emitter.js";
import { isBinary } from "./packet.js";

/** Version of the Socket.IO protocol. */
export const protocol = 5;

/**
 * Packet types. The binary ones exist on the wire only.
 * @enum {number}
 */
export const PacketType = {
  CONNECT: 0,
  DISCONNECT: 1,
  EVENT: 2,
  ACK: 3,
  CONNECT_ERROR: 4,
  BINARY_EVENT: 5,
  BINARY_ACK: 6,
};

/** How far a binary packet's type is from its plain one. */
const BINARY = 3;

/** Event names that neither side may send. */
export const RESERVED = [
  "connect",
  "connect_error",
  "disconnect",
  "disconnecting",
  "newListener",
  "removeListener",
];

/**
 * A Socket.IO packet.
 * @typedef {{type: number, nsp: string, id?: number, data?: any, options?: object}} Packet
 */

/** Encoder turns packets into Engine.IO messages: one text and the bytes it refers to. */
export class Encoder {
  /** @param {(this: any, key: string, value: any) => any} [replacer] as for JSON.stringify */
  constructor(replacer) {
    this._replacer = replacer;
  }

  /**
   * Encodes a packet. Bytes at any depth become placeholders, numbered in the order of the text.
   * @param {Packet} packet
   * @returns {any[]}
   * @throws {TypeError} when the data has no JSON form (a cycle, a BigInt)
   */
  encode({ type, nsp, id, data }) {
    const replacer = this._replacer;
    const attachments = [];
    const json = JSON.stringify(data, function (key, value) {
      // The holder is asked, because a Buffer has been through its toJSON already.
      const raw = this[key];
      if (isBinary(raw)) return { "_placeholder": true, num: attachments.push(raw) - 1 };
      return replacer ? replacer.call(this, key, value) : value;
    });
    const head = attachments.length ? type + BINARY + (attachments.length + "-") : type;
    const text = head + (nsp === "/" ? "" : nsp + ",") + (id ?? "") + (json ?? "");
    return [text, ...attachments];
  }
}

// type, attachments, namespace, id; what follows is the payload
const HEADER = /^([0-6])(?:(\d+)-)?(?:(\/[^,]*),?)?(\d+)?/;

const isObject = (value) => Object.prototype.toString.call(value) === "[object Object]";

const VALID = [
  (data) => data === undefined || isObject(data),
  (data) => data === undefined,
  (data) =>
    Array.isArray(data) &&
    (typeof data[0] === "number" || (typeof data[0] === "string" && !RESERVED.includes(data[0]))),
  Array.isArray,
  (data) => typeof data === "string" || isObject(data),
];

/**
 * Throws if a packet of another format is none.
 * @param {any} packet
 */
export function checkPacket(packet) {
  const { type, nsp, id, data } = isObject(packet) ? packet : {};
  if (!VALID[type] || typeof type !== "number") throw new Error("unknown packet type");
  if (typeof nsp !== "string") throw new Error("invalid namespace");
  if (id !== undefined && !Number.isInteger(id)) throw new Error("invalid id");
  if (!VALID[type](data)) throw new Error("invalid payload");
}

/** Decoder turns Engine.IO messages back into packets and emits each as `decoded`. */
export class Decoder extends Emitter {
  /** @param {{maxAttachments?: number, reviver?: (this: any, key: string, value: any) => any}} [opts] */
  constructor(opts) {
    super();
    this._opts = { maxAttachments: 10, ...opts };
    this.destroy();
  }

  /**
   * Takes one message. Throws when it is not a packet, or not the attachment that is due.
   * @param {string | ArrayBuffer} message
   */
  add(message) {
    if (typeof message === "string") {
      if (this._packet) throw new Error("text instead of an attachment");
      this._addText(message);
    } else {
      if (!this._packet) throw new Error("attachment without a packet");
      this._buffers.push(message);
    }
    if (this._packet && this._buffers.length === this._awaited) this._finish();
  }

  /** Forgets a packet whose attachments have not all come. */
  destroy() {
    /** @type {Packet | undefined} */
    this._packet = undefined;
    this._awaited = 0;
    this._buffers = [];
    /** @type {{holder: any, key: string, num: number}[]} */
    this._slots = [];
  }

  _addText(text) {
    const header = HEADER.exec(text);
    if (!header) throw new Error("unknown packet type " + text[0]);
    let type = +header[1];
    const binary = type > PacketType.CONNECT_ERROR;
    const count = +header[2];
    if (binary ? !count : header[2]) throw new Error("illegal attachments");
    if (count > this._opts.maxAttachments) throw new Error("too many attachments");
    if (binary) type -= BINARY;

    const packet = { type, nsp: header[3] || "/" };
    if (header[4]) packet.id = +header[4];
    const payload = text.slice(header[0].length);
    const slots = [];
    if (payload) packet.data = JSON.parse(payload, binary ? this._reviver(slots, count) : this._opts.reviver);
    if (!VALID[type](packet.data)) throw new Error("invalid payload");

    this._awaited = binary ? count : 0;
    this._slots = slots;
    this._packet = packet;
  }

  // Notes where the placeholders are, so that the payload needs no second walk when the bytes are here.
  _reviver(slots, count) {
    const { reviver } = this._opts;
    return function (key, value) {
      if (value && value["_placeholder"] === true) {
        const { num } = value;
        if (!(Number.isInteger(num) && num >= 0 && num < count)) throw new Error("illegal attachments");
        slots.push({ holder: this, key, num });
        return value;
      }
      return reviver ? reviver.call(this, key, value) : value;
    };
  }

  _finish() {
    const packet = this._packet;
    for (const { holder, key, num } of this._slots) holder[key] = this._buffers[num];
    this.destroy();
    this.emit("decoded", packet);
  }
}
