/**
 * Engine.IO packets, protocol revision 4: a digit and text, or bytes.
 *
 * @typedef {{type: string, data?: any, options?: object}} Packet
 */

const TYPES = ["open", "close", "ping", "pong", "message", "upgrade", "noop"];
const SEPARATOR = String.fromCharCode(0x1e);

// Larger argument lists overflow the stack in some browsers.
const CHUNK = 0x8000;

/**
 * Whether a value travels as bytes: ArrayBuffer, any view of one, Blob or File.
 * @param {any} value
 * @returns {boolean}
 */
export function isBinary(value) {
  return (
    value instanceof ArrayBuffer ||
    ArrayBuffer.isView(value) ||
    (typeof Blob === "function" && value instanceof Blob)
  );
}

function toBase64(buffer) {
  const bytes = ArrayBuffer.isView(buffer)
    ? new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength)
    : new Uint8Array(buffer);
  let text = "";
  for (let i = 0; i < bytes.length; i += CHUNK) {
    text += String.fromCharCode.apply(null, bytes.subarray(i, i + CHUNK));
  }
  return "b" + btoa(text);
}

function fromBase64(text) {
  const bytes = atob(text);
  const out = new Uint8Array(bytes.length);
  for (let i = 0; i < bytes.length; i++) out[i] = bytes.charCodeAt(i);
  return out.buffer;
}

/**
 * Encodes one packet. Only a Blob that has to become base64 makes it a promise.
 * @param {Packet} packet
 * @param {boolean} supportsBinary whether the transport carries bytes as they are
 * @returns {string | BufferSource | Blob | Promise<string>}
 */
export function encodePacket({ type, data }, supportsBinary) {
  if (!isBinary(data)) return TYPES.indexOf(type) + (data || "");
  if (supportsBinary) return data;
  return data.arrayBuffer ? data.arrayBuffer().then(toBase64) : toBase64(data);
}

/**
 * Encodes packets one by one and hands them on together; at once unless a Blob has to be read first.
 * @param {Packet[]} packets
 * @param {boolean} supportsBinary
 * @param {(encoded: any[]) => void} then
 * @param {(err: Error) => void} fail called when a Blob cannot be read
 */
export function encodePackets(packets, supportsBinary, then, fail) {
  const encoded = packets.map((packet) => encodePacket(packet, supportsBinary));
  if (encoded.some((value) => value instanceof Promise)) Promise.all(encoded).then(then, fail);
  else then(encoded);
}

/**
 * Joins encoded packets to the body of a polling request.
 * @param {string[]} encoded
 * @returns {string}
 */
export function joinPayload(encoded) {
  return encoded.join(SEPARATOR);
}

/** What stands for data that is no packet. */
export const ERROR = { type: "error", data: "parser error" };

/**
 * Decodes one packet. What is not one becomes a packet of type `error`.
 * @param {string | ArrayBuffer} data
 * @param {"arraybuffer" | "blob"} [binaryType] what bytes become; default `arraybuffer`
 * @returns {Packet}
 */
export function decodePacket(data, binaryType) {
  if (typeof data !== "string") return { type: "message", data: binaryType === "blob" ? new Blob([data]) : data };
  try {
    if (data[0] === "b") return decodePacket(fromBase64(data.slice(1)), binaryType);
    const type = TYPES[data[0]];
    if (type) return data.length > 1 ? { type, data: data.slice(1) } : { type };
  } catch {
    // not base64
  }
  return ERROR;
}

/**
 * Decodes the body of a polling response, up to the first packet that cannot be.
 * @param {string} payload
 * @param {"arraybuffer" | "blob"} [binaryType]
 * @returns {Packet[]}
 */
export function decodePayload(payload, binaryType) {
  const packets = [];
  for (const part of payload.split(SEPARATOR)) {
    const packet = decodePacket(part, binaryType);
    packets.push(packet);
    if (packet.type === "error") break;
  }
  return packets;
}

/**
 * The size of a packet's data in a polling body, in bytes; binary is a third larger as base64.
 * @param {any} data
 * @returns {number}
 */
export function payloadSize(data) {
  if (isBinary(data)) return Math.ceil((data.byteLength ?? data.size) * 1.33);
  return data ? new TextEncoder().encode(data).length : 0;
}
