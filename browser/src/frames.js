/**
 * Engine.IO packets on a stream of bytes, as WebTransport has them: each one behind its length. The length is one byte
 * below 126, or 126 and two bytes, or 127 and eight, as in a WebSocket frame; the first bit says that bytes follow,
 * the data of a message, and not text.
 */
import { decodePacket, ERROR } from "./packet.js";

const BINARY = 0x80;
const EXTENDED = 126;

/**
 * Frames encoded packets.
 * @param {(string | BufferSource)[]} encoded
 * @returns {Uint8Array} all of them
 */
export function encodeFrames(encoded) {
  const parts = [];
  let total = 0;
  for (let data of encoded) {
    // An empty frame is an error to the official decoder. Base64 of no bytes says the same.
    if (data.byteLength === 0) data = "b";
    const text = typeof data === "string";
    const bytes = text ? new TextEncoder().encode(data) : new Uint8Array(data.buffer || data, data.byteOffset || 0, data.byteLength);
    const { length } = bytes;
    const header = new DataView(new ArrayBuffer(length < EXTENDED ? 1 : length < 0x10000 ? 3 : 9));
    if (length < EXTENDED) {
      header.setUint8(0, length);
    } else if (length < 0x10000) {
      header.setUint8(0, EXTENDED);
      header.setUint16(1, length);
    } else {
      header.setUint8(0, EXTENDED + 1);
      header.setBigUint64(1, BigInt(length));
    }
    if (!text) header.setUint8(0, header.getUint8(0) | BINARY);
    parts.push(new Uint8Array(header.buffer), bytes);
    total += header.byteLength + length;
  }
  return join(parts, total);
}

function join(parts, total) {
  const all = new Uint8Array(total);
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/**
 * Makes a function that takes the bytes as they come and returns the packets that are complete with them. After a frame
 * that is none, which becomes a packet of type `error`, it returns nothing any more.
 * @returns {(chunk: Uint8Array, binaryType?: "arraybuffer" | "blob") => import("./packet.js").Packet[]}
 */
export function frameDecoder() {
  /** @type {Uint8Array[]} what has come and was not used, and how much it is */
  let chunks = [];
  let size = 0;
  /** How much of it the next step needs, and the step. */
  let want = 1;
  let step = readHeader;
  let binary = false;

  const take = () => {
    const all = chunks.length > 1 ? join(chunks, size) : chunks[0];
    chunks = [all.subarray(want)];
    size -= want;
    return all.subarray(0, want);
  };

  function payload(length) {
    // Frames of no text are refused, as officially; those of no bytes are what they say.
    if (length > Number.MAX_SAFE_INTEGER || (length === 0 && !binary)) {
      step = undefined;
      return ERROR;
    }
    want = length;
    step = readPayload;
  }

  function readHeader(bytes) {
    binary = bytes[0] >= BINARY;
    const length = bytes[0] & ~BINARY;
    if (length < EXTENDED) return payload(length);
    want = length === EXTENDED ? 2 : 8;
    step = readLength;
  }

  function readLength(bytes) {
    return payload(bytes.reduce((length, byte) => length * 256 + byte, 0));
  }

  function readPayload(bytes, binaryType) {
    want = 1;
    step = readHeader;
    return decodePacket(binary ? bytes.slice().buffer : new TextDecoder().decode(bytes), binaryType);
  }

  return (chunk, binaryType) => {
    const packets = [];
    chunks.push(chunk);
    size += chunk.length;
    while (step && size >= want) {
      const packet = step(take(), binaryType);
      if (packet) packets.push(packet);
    }
    return packets;
  };
}
