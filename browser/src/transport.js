import { Emitter } from "./emitter.js";
import { decodePacket } from "./packet.js";
import { encodeQuery } from "./url.js";

/** TransportError says which transport failed and, in `description` and `context`, why. */
export class TransportError extends Error {
  /**
   * @param {string} message
   * @param {any} [description] an HTTP status, an error or an event
   * @param {any} [context] the response, with its body as `responseText`
   */
  constructor(message, description, context) {
    super(message);
    this.type = "TransportError";
    this.description = description;
    this.context = context;
  }
}

/** @returns {string} a value that makes an address unique, so that no cache answers */
function stamp() {
  return Date.now().toString(36).slice(3) + Math.random().toString(36).slice(2, 5);
}

/**
 * Transport is one way to carry packets of a session. It emits `open`, `packet`, `drain` (all that was
 * sent has been handed over), `error` and `close`; after `error` or `close` it is of no more use.
 *
 * A subclass has a `name` and the methods `doOpen`, `doClose` and `write`.
 */
export class Transport extends Emitter {
  /** @param {object} opts the engine's options, and `query`, `hostname`, `port` and `secure` */
  constructor(opts) {
    super();
    this.opts = opts;
    /** @type {Record<string, any>} */
    this.query = opts.query;
    this.supportsBinary = !opts.forceBase64;
    /** Whether `send` may be called now. */
    this.writable = false;
    /** @type {"opening" | "open" | "pausing" | "paused" | "closed" | undefined} */
    this.readyState = undefined;
  }

  open() {
    this.readyState = "opening";
    this.doOpen();
  }

  close() {
    if (this.readyState && this.readyState !== "closed") {
      this.doClose();
      this.onClose();
    }
  }

  /** @param {import("./packet.js").Packet[]} packets */
  send(packets) {
    // A transport that was closed with the page throws packets away.
    if (this.readyState === "open") {
      this.writable = false;
      this.write(packets);
    }
  }

  onOpen() {
    this.readyState = "open";
    this.writable = true;
    this.emit("open");
  }

  /** @param {string | ArrayBuffer} data */
  onData(data) {
    this.onPacket(decodePacket(data, this.binaryType));
  }

  /** What received bytes become: `arraybuffer` or `blob`. */
  get binaryType() {
    return this.opts.socket.binaryType;
  }

  /** @param {import("./packet.js").Packet} packet */
  onPacket(packet) {
    if (packet.type !== "close") {
      this.emit("packet", packet);
      return;
    }
    this.readyState = "closed";
    // After the packets that came with it: those reach the sockets in microtasks of their own.
    queueMicrotask(() => this.onClose({ description: "transport closed by the server" }));
  }

  onDrain() {
    this.writable = true;
    this.emit("drain");
  }

  /**
   * @param {string} message
   * @param {any} [description]
   * @param {any} [context]
   */
  onError(message, description, context) {
    this.emit("error", new TransportError(message, description, context));
  }

  /** @param {{description: string, context?: any}} [details] */
  onClose(details) {
    this.readyState = "closed";
    this.emit("close", details);
  }

  /**
   * The address of a request.
   * @param {string} scheme `http` or `ws`
   * @param {boolean} timestamp whether to make it unique
   * @param {boolean} base64 whether to tell the server that bytes cannot be received
   * @returns {string}
   */
  uri(scheme, timestamp, base64) {
    const query = { ...this.query };
    if (timestamp) query[this.opts.timestampParam] = stamp();
    if (base64) query.b64 = 1;
    return this.address(scheme + (this.opts.secure ? "s" : "")) + "?" + encodeQuery(query);
  }

  /**
   * The address of the server, without parameters.
   * @param {string} scheme
   * @returns {string}
   */
  address(scheme) {
    const { hostname, port, secure, path } = this.opts;
    const suffix = +port === (secure ? 443 : 80) ? "" : ":" + port;
    return scheme + "://" + hostname + suffix + path;
  }
}
