import { Backoff } from "./backoff.js";
import { Emitter, subscribe } from "./emitter.js";
import { Decoder, Encoder } from "./default_parser.js";
import { Engine, onPage, timers, WAKING } from "./engine.js";
import { Socket } from "./socket.js";

// The attempts that wait for their time: they need not when the network is back, or the page.
/** @type {Set<() => void>} */
const waiting = new Set();
onPage(["online", ...WAKING], () => [...waiting].forEach((attempt) => attempt()));

/**
 * @typedef {object} ReconnectOptions
 * @property {boolean} [forceNew] `io()` makes a connection of its own; default false
 * @property {boolean} [multiplex] `io()` shares connections; default true
 * @property {boolean} [autoConnect] default true
 * @property {boolean} [reconnection] default true
 * @property {number} [reconnectionAttempts] default Infinity
 * @property {number} [reconnectionDelay] the first delay, in milliseconds; default 1000
 * @property {number} [reconnectionDelayMax] in milliseconds; default 5000
 * @property {number} [randomizationFactor] share by which a delay varies, 0 to 1; default 0.5
 * @property {number | false} [timeout] of opening a connection, in milliseconds; default 20000
 * @property {{Encoder: any, Decoder: any}} [parser] default the JSON one
 *
 * @typedef {import("./engine.js").EngineOptions & ReconnectOptions} ManagerOptions
 */

/**
 * Manager keeps one connection for any number of sockets, each in a namespace of its own, and brings it
 * back when it is lost. It emits `open`, `error(err)`, `ping`, `packet(packet)`, `close(reason, details)`,
 * `reconnect_attempt(n)`, `reconnect(n)`, `reconnect_error(err)` and `reconnect_failed`.
 */
export class Manager extends Emitter {
  /**
   * @param {string | ManagerOptions} [uri] default the page's own server
   * @param {ManagerOptions} [opts]
   */
  constructor(uri, opts) {
    super();
    if (uri && typeof uri === "object") {
      opts = uri;
      uri = undefined;
    }
    opts = { ...opts };
    opts.path = opts.path || "/socket.io";
    /** @type {ManagerOptions} what is changed here counts from the next connection on */
    this.opts = opts;
    this.uri = uri;
    /** @type {Record<string, Socket>} */
    this.nsps = {};
    /** @type {(() => void)[]} what to undo when the connection ends */
    this.subs = [];

    this._backoff = new Backoff({
      min: opts.reconnectionDelay || 1000,
      max: opts.reconnectionDelayMax || 5000,
      jitter: opts.randomizationFactor ?? 0.5,
    });
    // Not named by strings below if private: the minified bundle has other names for those.
    this._timers = timers(opts);
    this._limits = { attempts: opts.reconnectionAttempts || Infinity, timeout: opts.timeout ?? 20000 };
    this.reconnection(opts.reconnection !== false);

    const parser = opts.parser || { Encoder, Decoder };
    this.encoder = new parser.Encoder();
    this.decoder = new parser.Decoder();
    /** @type {"closed" | "opening" | "open"} */
    this._readyState = "closed";
    this._reconnecting = false;
    this._autoConnect = opts.autoConnect !== false;
    if (this._autoConnect) this.open();
  }

  /**
   * Reads or sets whether a lost connection is brought back.
   * @param {boolean} [value]
   */
  reconnection(value) {
    if (!arguments.length) return this._reconnection;
    this._reconnection = !!value;
    if (!value) this._skipReconnect = true;
    return this;
  }

  /** Reads or sets the number of attempts. @param {number} [value] */
  reconnectionAttempts(value) {
    return this._option(this._limits, "attempts", value);
  }

  /** Reads or sets the first delay, in milliseconds. @param {number} [value] */
  reconnectionDelay(value) {
    return this._option(this._backoff, "min", value);
  }

  /** Reads or sets the longest delay, in milliseconds. @param {number} [value] */
  reconnectionDelayMax(value) {
    return this._option(this._backoff, "max", value);
  }

  /** Reads or sets the share by which delays vary. @param {number} [value] */
  randomizationFactor(value) {
    return this._option(this._backoff, "jitter", value);
  }

  /** Reads or sets the time a connection may take to open. @param {number | false} [value] */
  timeout(value) {
    return this._option(this._limits, "timeout", value);
  }

  _option(holder, name, value) {
    if (value === undefined) return holder[name];
    holder[name] = value;
    return this;
  }

  /**
   * Opens the connection. With a callback a failure is the caller's to handle: there is no reconnection.
   * @param {(err?: Error) => void} [callback]
   * @returns {this}
   */
  open(callback) {
    if (this._readyState !== "closed") return this;
    // By hand, it takes the place of an attempt that is waiting for its time.
    this._cleanup();
    this._reconnecting = false;
    const engine = (this.engine = new Engine(this.uri, this.opts));
    this._readyState = "opening";
    this._skipReconnect = false;

    const fail = (err) => {
      this._cleanup();
      this._readyState = "closed";
      this.emit("error", err);
      if (callback) callback(err);
      else if (this._reconnection) this._reconnect();
    };
    this.subs.push(
      subscribe(engine, "open", () => {
        this._onOpen();
        if (callback) callback();
      }),
      subscribe(engine, "error", fail),
      // A connection that ends before it was open, without an error.
      subscribe(engine, "close", (reason, details) => fail(Object.assign(new Error(reason), details))),
    );
    const { timeout } = this._limits;
    if (timeout !== false) {
      const timer = this._timers.setTimeout(() => {
        fail(new Error("timeout"));
        engine.close();
      }, timeout);
      this.subs.push(() => this._timers.clearTimeout(timer));
    }
    return this;
  }

  /** Opens the connection. @param {(err?: Error) => void} [callback] */
  connect(callback) {
    return this.open(callback);
  }

  /**
   * The socket of a namespace; made, or connected again, as needed.
   * @param {string} nsp
   * @param {import("./socket.js").SocketOptions} [opts]
   * @returns {Socket}
   */
  socket(nsp, opts) {
    let socket = this.nsps[nsp];
    if (!socket) {
      socket = this.nsps[nsp] = new Socket(this, nsp, opts);
    } else if (this._autoConnect && !socket.active) {
      socket.connect();
    }
    return socket;
  }

  /** Closes the connection, for all its sockets. */
  disconnect() {
    this._skipReconnect = true;
    this._reconnecting = false;
    this._onClose("forced close");
  }

  _close() {
    this.disconnect();
  }

  /** Closes the connection when no socket is left that wants it. */
  _release() {
    if (!Object.values(this.nsps).some((socket) => socket.active)) this.disconnect();
  }

  /** @param {import("./parser.js").Packet} packet */
  _packet(packet) {
    for (const message of this.encoder.encode(packet)) this.engine.write(message, packet.options);
  }

  _onOpen() {
    this._cleanup();
    this._readyState = "open";
    this.emit("open");
    const { engine } = this;
    this.subs.push(
      subscribe(engine, "ping", () => this.emit("ping")),
      subscribe(engine, "data", (data) => this._onData(data)),
      subscribe(engine, "error", (err) => this.emit("error", err)),
      subscribe(engine, "close", (reason, details) => this._onClose(reason, details)),
      // Later, so that what a listener throws is not taken for a bad packet.
      subscribe(this.decoder, "decoded", (packet) => queueMicrotask(() => this.emit("packet", packet))),
    );
  }

  _onData(data) {
    try {
      this.decoder.add(data);
    } catch (err) {
      this._onClose("parse error", err);
    }
  }

  _cleanup() {
    this.subs.forEach((undo) => undo());
    this.subs = [];
    this.decoder.destroy();
  }

  _onClose(reason, details) {
    this._cleanup();
    if (this.engine) this.engine.close();
    this._backoff.reset();
    this._readyState = "closed";
    this.emit("close", reason, details);
    if (this._reconnection) this._reconnect();
  }

  _reconnect() {
    if (this._reconnecting || this._skipReconnect) return;
    const backoff = this._backoff;
    if (backoff.attempts >= this._limits.attempts) {
      backoff.reset();
      this.emit("reconnect_failed");
      return;
    }
    const delay = backoff.duration();
    this._reconnecting = true;
    const attempt = () => {
      stop();
      if (this._skipReconnect) return;
      this.emit("reconnect_attempt", backoff.attempts);
      // A listener may have given up, or have opened it.
      if (this._skipReconnect || this._readyState !== "closed") return;
      this.open((err) => this._onAttempt(err));
      this._reconnecting = true;
    };
    const timer = this._timers.setTimeout(attempt, delay);
    const stop = () => {
      this._timers.clearTimeout(timer);
      waiting.delete(attempt);
    };
    waiting.add(attempt);
    this.subs.push(stop);
  }

  _onAttempt(err) {
    this._reconnecting = false;
    if (err) {
      this._reconnect();
      this.emit("reconnect_error", err);
    } else {
      const attempt = this._backoff.attempts;
      this._backoff.reset();
      this.emit("reconnect", attempt);
    }
  }
}
