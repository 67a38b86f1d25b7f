import { Emitter } from "./emitter.js";
import { payloadSize } from "./packet.js";
import { TransportError } from "./transport.js";
import { PollingTransport } from "./transport_polling.js";
import { WebSocketTransport } from "./transport_websocket.js";
import { WebTransportTransport } from "./transport_webtransport.js";
import { address, decodeQuery, parse } from "./url.js";

/**
 * @typedef {object} EngineOptions
 * @property {string} [host] the server, where there is no address; default that of the page
 * @property {string} [hostname] the same
 * @property {string | number} [port] the server's, where there is no address
 * @property {boolean} [secure] whether to use TLS, where there is no address; default as the page
 * @property {string} [path] default `/engine.io`
 * @property {boolean} [addTrailingSlash] default true
 * @property {Record<string, any> | string} [query] parameters of every request
 * @property {(string | Function)[]} [transports] names or transport classes, in the order they are tried;
 *   default `["polling", "websocket", "webtransport"]`, names unknown here are left out
 * @property {Function[]} [transportImplementations] transport classes, instead of `transports`
 * @property {Record<string, object>} [transportOptions] options by transport name
 * @property {boolean} [tryAllTransports] when the first transport fails to open, try the next; default false
 * @property {boolean} [upgrade] default true
 * @property {boolean} [rememberUpgrade] start with WebSocket if the last one worked; default false
 * @property {boolean} [timestampRequests] default: for polling only
 * @property {string} [timestampParam] default `t`
 * @property {boolean} [forceBase64] receive and send bytes as base64; default false
 * @property {boolean} [withCredentials] send cookies to other origins; default false
 * @property {Record<string, string>} [extraHeaders] of polling requests
 * @property {number} [requestTimeout] of one polling request, in milliseconds; default none
 * @property {string | string[]} [protocols] WebSocket subprotocols
 * @property {Function} [WebSocket] the WebSocket class; default the global one
 * @property {boolean} [closeOnBeforeunload] close quietly when the page is left; default false
 * @property {boolean} [useNativeTimers] the timers that were there when this script was loaded, whatever has
 *   taken their place since; default false
 */

const TRANSPORTS = { polling: PollingTransport, websocket: WebSocketTransport, webtransport: WebTransportTransport };

// How long other transports wait for WebTransport, if the server has it, in milliseconds.
const HEAD_START = 200;

const page = typeof addEventListener === "function";

/**
 * Calls `listener` for events of the page. To be used once for all objects, while the script is first evaluated: later
 * a service worker may not.
 * @param {string[]} events
 * @param {() => void} listener
 */
export function onPage(events, listener) {
  // Events of the document, such as "resume", are seen on the way to it.
  if (page) events.forEach((event) => addEventListener(event, listener, true));
}

/** What tells that a page runs again: it comes back from the cache for going back and forward, or was frozen. */
export const WAKING = ["pageshow", "resume"];

/** @type {Set<Engine>} those that are not closed */
const engines = new Set();
onPage(["offline"], () => [...engines].forEach((engine) => engine._onOffline()));
onPage(WAKING, () => [...engines].forEach((engine) => engine._hasPingExpired()));

const { setTimeout: set, clearTimeout: clear } = globalThis;
const native = { setTimeout: (task, delay) => set(task, delay), clearTimeout: (timer) => clear(timer) };

/**
 * The timers to use.
 * @param {EngineOptions} opts
 */
export function timers(opts) {
  return opts.useNativeTimers ? native : globalThis;
}

/**
 * Engine is one Engine.IO session: it opens a transport, moves to a better one, watches the heartbeat and
 * queues packets while a transport is busy. It emits `open`, `handshake`, `packet`, `packetCreate`,
 * `data` (and `message`), `drain`, `flush`, `heartbeat`, `ping`, `pong`, `upgrading`, `upgrade`,
 * `upgradeError`, `error` and, once, `close` with a reason and details. A closed engine stays closed.
 */
export class Engine extends Emitter {
  /**
   * @param {string | undefined} uri
   * @param {EngineOptions} opts
   */
  constructor(uri, opts) {
    super();
    const url = parse(uri || address(opts));
    /** @type {string | null | undefined} the session id, which is not the id of a Socket */
    this.id = undefined;
    this.secure = url.secure;
    this.hostname = url.host;
    this.port = url.port;
    /** @type {"arraybuffer" | "blob"} what received bytes become */
    this.binaryType = "arraybuffer";

    this.opts = {
      path: "/engine.io",
      upgrade: true,
      addTrailingSlash: true,
      timestampParam: "t",
      transportOptions: {},
      ...opts,
    };
    const { addTrailingSlash, path, query, transports, transportImplementations } = this.opts;
    if (transports && transportImplementations) throw new Error("transports and transportImplementations exclude each other");
    this._timers = timers(this.opts);
    this.opts.path = path.replace(/\/$/, "") + (addTrailingSlash ? "/" : "");
    const params = url.query || query;
    this.opts.query = typeof params === "string" ? decodeQuery(params) : params;

    /** @type {Record<string, any>} */
    this._classes = {};
    for (const entry of transportImplementations || transports || Object.keys(TRANSPORTS)) {
      const type = typeof entry === "string" ? TRANSPORTS[entry] : entry;
      if (type) this._classes[type.prototype.name] = type;
    }
    /** Names of the transports that may be used. */
    this.transports = Object.keys(this._classes);

    /** @type {"opening" | "open" | "closing" | "closed"} */
    this.readyState = "opening";
    /** @type {import("./packet.js").Packet[]} packets not yet handed over, those in flight first */
    this.writeBuffer = [];
    this._inFlight = 0;
    this.upgrading = false;
    this._upgrades = [];
    /** When the next ping is overdue, in milliseconds of the epoch; 0 once that was noticed. */
    this._pingTimeoutTime = Infinity;
    this._maxPayload = 0;

    this._watchPage();
    this._open();
  }

  /**
   * @param {string | ArrayBuffer | ArrayBufferView | Blob} data one message
   * @param {object} [options]
   * @param {() => void} [fn] called at the next `flush`
   */
  write(data, options, fn) {
    this._send("message", data, options, fn);
    return this;
  }

  /**
   * As `write`.
   * @param {string | ArrayBuffer | ArrayBufferView | Blob} data
   * @param {object} [options]
   * @param {() => void} [fn]
   */
  send(data, options, fn) {
    return this.write(data, options, fn);
  }

  /** Closes after what is queued was sent and an upgrade under way has ended. */
  close() {
    if (this.readyState !== "opening" && this.readyState !== "open") return this;
    this.readyState = "closing";
    const close = () => this._onClose("forced close");
    const afterUpgrade = () => {
      if (!this.upgrading) return close();
      this.once("upgrade", close);
      this.once("upgradeError", close);
    };
    if (this.writeBuffer.length) this.once("drain", afterUpgrade);
    else afterUpgrade();
    return this;
  }

  /**
   * Whether the server has been silent for too long. The timer alone does not tell, since timers are
   * suspended in a page in the background and while the machine sleeps.
   * @returns {boolean}
   */
  _hasPingExpired() {
    if (this._pingTimeoutTime && Date.now() > this._pingTimeoutTime) {
      this._pingTimeoutTime = 0;
      queueMicrotask(() => this._onClose("ping timeout"));
    }
    return !this._pingTimeoutTime;
  }

  _watchPage() {
    if (page) engines.add(this);
    if (page && this.opts.closeOnBeforeunload) {
      // No disconnect event in a page that is going away, as in the browsers that close by themselves.
      this._onUnload = () => {
        this.transport.off();
        this.transport.close();
      };
      addEventListener("beforeunload", this._onUnload);
    }
  }

  _onOffline() {
    if (this.hostname !== "localhost") this._onClose("transport close", { description: "network connection lost" });
  }

  _open() {
    const { transports } = this;
    if (!transports.length) {
      queueMicrotask(() => this._onError("No transports available"));
      return;
    }
    const remembered = this.opts.rememberUpgrade && Engine.priorWebsocketSuccess && transports.includes("websocket");
    const transport = this._createTransport(remembered ? "websocket" : transports[0]);
    this._setTransport(transport);
    transport.open();
  }

  _createTransport(name) {
    const { opts, id, hostname, secure, port } = this;
    const query = { ...opts.query, EIO: 4, transport: name };
    if (id) query.sid = id;
    return new this._classes[name]({
      ...opts,
      query,
      hostname,
      secure,
      port,
      socket: this,
      ...opts.transportOptions[name],
    });
  }

  _setTransport(transport) {
    if (this.transport) this.transport.off();
    this.transport = transport;
    transport.on("drain", () => this._onDrain());
    transport.on("packet", (packet) => this._onPacket(packet));
    transport.on("error", (err) => this._onError(err));
    transport.on("close", (details) => this._onClose("transport close", details));
  }

  _onPacket(packet) {
    const { type, data } = packet;
    this.emit("packet", packet);
    this.emit("heartbeat");
    if (type === "open") {
      this._onHandshake(data);
    } else if (type === "ping") {
      this._send("pong");
      this.emit("ping");
      this.emit("pong");
      this._expectPing();
    } else if (type === "message") {
      this.emit("data", data);
      this.emit("message", data);
    } else if (type === "error") {
      this._onError(Object.assign(new Error("server error"), { code: data }));
    }
  }

  _onHandshake(json) {
    let data;
    try {
      data = JSON.parse(json);
      this._upgrades = data.upgrades.filter((name) => this.transports.includes(name) && this._classes[name].usable !== false);
    } catch (err) {
      return this._onError(new TransportError("server error", err));
    }
    this.emit("handshake", data);
    this.id = this.transport.query.sid = data.sid;
    this._silence = data.pingInterval + data.pingTimeout;
    this._maxPayload = data.maxPayload;

    this.readyState = "open";
    Engine.priorWebsocketSuccess = this.transport.name === "websocket";
    // Before listeners run: if one throws, the heartbeat still ends the session.
    this._expectPing();
    this.emit("open");
    this._flush();
    // A listener may have closed it.
    if (this.readyState === "open" && this.opts.upgrade) this._upgrades.forEach((name) => this._probe(name));
  }

  _expectPing() {
    this._timers.clearTimeout(this._timer);
    this._pingTimeoutTime = Date.now() + this._silence;
    this._timer = this._timers.setTimeout(() => this._onClose("ping timeout"), this._silence);
  }

  _send(type, data, options, fn) {
    if (this.readyState === "closing" || this.readyState === "closed") return;
    if (typeof options === "function") [options, fn] = [undefined, options];
    const packet = { type, data, options };
    this.emit("packetCreate", packet);
    this.writeBuffer.push(packet);
    if (fn) this.once("flush", fn);
    this._flush();
  }

  _flush() {
    if (this.readyState !== "closed" && this.transport.writable && !this.upgrading && this.writeBuffer.length) {
      const packets = this._nextBatch();
      this._inFlight = packets.length;
      this.transport.send(packets);
      this.emit("flush");
    }
  }

  _nextBatch() {
    const { writeBuffer, _maxPayload: max } = this;
    let end = writeBuffer.length;
    if (max && this.transport.name === "polling") {
      let size = 0;
      // One packet that is too large goes alone; the server is the one to refuse it.
      end = writeBuffer.findIndex(({ data }, i) => (size += payloadSize(data) + (i ? 2 : 1)) > max && i);
      if (end < 0) end = writeBuffer.length;
    }
    return writeBuffer.slice(0, end);
  }

  _onDrain() {
    this.writeBuffer.splice(0, this._inFlight);
    this._inFlight = 0;
    if (this.writeBuffer.length) this._flush();
    else this.emit("drain");
  }

  /**
   * Tries another transport beside the present one, and moves over when it answers (EIO v4 §upgrade).
   * @param {string} name
   */
  _probe(name) {
    const transport = this._createTransport(name);
    let settled = false;
    let timer;
    const settle = () => {
      settled = true;
      this._timers.clearTimeout(timer);
      transport.off();
      this.off("close", onClose);
      this.off("upgrading", onOther);
    };
    const fail = (cause) => {
      if (settled) return;
      settle();
      transport.close();
      if (this.upgrading) {
        this.upgrading = false;
        // The official client stays without a transport here until its heartbeat fails.
        if (this.readyState !== "closed") {
          this.transport.resume();
          this._flush();
        }
      }
      this.emit("upgradeError", Object.assign(new Error("probe error: " + cause), { transport: name }));
    };
    const onClose = () => fail("socket closed");
    const onOther = (other) => {
      if (other === transport) return;
      settle();
      transport.close();
    };
    const upgrade = () => {
      if (settled || this.readyState === "closed") return;
      settle();
      this._setTransport(transport);
      transport.send([{ type: "upgrade" }]);
      this.upgrading = false;
      this.emit("upgrade", transport);
      this._flush();
    };

    Engine.priorWebsocketSuccess = false;
    transport.on("open", () => transport.send([{ type: "ping", data: "probe" }]));
    transport.once("packet", ({ type, data }) => {
      if (type !== "pong" || data !== "probe") return fail("unexpected packet");
      this.upgrading = true;
      this.emit("upgrading", transport);
      Engine.priorWebsocketSuccess = transport.name === "websocket";
      this.transport.pause(upgrade);
    });
    transport.on("error", fail);
    transport.on("close", () => fail("transport closed"));
    this.on("close", onClose);
    this.on("upgrading", onOther);
    if (name !== "webtransport" && this._upgrades.includes("webtransport")) {
      timer = this._timers.setTimeout(() => transport.open(), HEAD_START);
    } else {
      transport.open();
    }
  }

  _onError(err) {
    Engine.priorWebsocketSuccess = false;
    if (this.opts.tryAllTransports && this.transports.length > 1 && this.readyState === "opening") {
      this.transports.shift();
      return this._open();
    }
    this.emit("error", err);
    this._onClose("transport error", err);
  }

  _onClose(reason, details) {
    if (this.readyState === "closed") return;
    this._timers.clearTimeout(this._timer);
    const { transport } = this;
    if (transport) {
      transport.off();
      transport.close();
    }
    engines.delete(this);
    if (this._onUnload) removeEventListener("beforeunload", this._onUnload);
    this.readyState = "closed";
    this.id = null;
    this.emit("close", reason, details);
    // Afterwards, so that a listener can see what was not sent.
    this.writeBuffer = [];
    this._inFlight = 0;
  }
}

/** Version of the Engine.IO protocol. */
Engine.protocol = 4;

/** Whether the last WebSocket worked, for `rememberUpgrade`. */
Engine.priorWebsocketSuccess = false;
