import { Emitter, subscribe } from "./emitter.js";
import { PacketType, RESERVED } from "./parser.js";

/**
 * @typedef {object} SocketOptions
 * @property {object | ((send: (auth: object) => void) => void)} [auth] sent at each connection
 * @property {number} [retries] send events again, up to this many times, until they are acknowledged; default 0
 * @property {number} [ackTimeout] for acknowledgements, in milliseconds; default none
 */

// Longer strings at the end of an event are the application's, and would make each CONNECT large.
const MAX_OFFSET = 1024;

// One event that cannot be sent, or whose listener throws, must not hold up those behind it.
function attempt(task) {
  try {
    task();
  } catch (err) {
    queueMicrotask(() => {
      throw err;
    });
  }
}

function remove(listeners, listener) {
  const i = listeners.indexOf(listener);
  if (!listener) listeners.length = 0;
  else if (i >= 0) listeners.splice(i, 1);
}

/**
 * Socket is the page's end of one namespace: what it emits reaches the server's listeners, and the other
 * way round. Its own events are `connect`, `connect_error(err)` and `disconnect(reason, details)`.
 *
 * Events emitted while it is not connected are kept and sent when it is, unless they are volatile.
 */
export class Socket extends Emitter {
  /**
   * Use `io()` or `manager.socket()`.
   * @param {import("./manager.js").Manager} manager
   * @param {string} nsp
   * @param {SocketOptions} [opts]
   */
  constructor(manager, nsp, opts) {
    super();
    this.io = manager;
    this.nsp = nsp;
    /** @type {string | undefined} set while connected; a new one for each session */
    this.id = undefined;
    this.connected = false;
    /** Whether the last connection took up the session before it, with the packets missed since. */
    this.recovered = false;
    this._opts = { ...opts };
    /** @type {SocketOptions["auth"]} may be replaced between connections */
    this.auth = this._opts.auth;
    /** @type {any[][]} events that came before the server's confirmation */
    this.receiveBuffer = [];
    /** @type {import("./parser.js").Packet[]} */
    this.sendBuffer = [];

    this._ids = 0;
    this._acks = new Map();
    this._flags = {};
    this._queue = [];
    this._anyIn = [];
    this._anyOut = [];
    /** @type {(() => void)[] | undefined} */
    this.subs = undefined;
    if (manager._autoConnect) this.connect();
  }

  /** Whether there is no connection to the namespace. */
  get disconnected() {
    return !this.connected;
  }

  /** Whether the socket is connected or will be without being told to. */
  get active() {
    return !!this.subs;
  }

  /** The next event is dropped when it cannot be sent at once. */
  get volatile() {
    this._flags.volatile = true;
    return this;
  }

  /** Whether the next event may be compressed. @param {boolean} value */
  compress(value) {
    this._flags.compress = value;
    return this;
  }

  /**
   * The callback of the next event gets an error first, and is called with one after `ms` milliseconds.
   * @param {number} ms
   */
  timeout(ms) {
    this._flags.timeout = ms;
    return this;
  }

  /** Connects, unless that is done or under way. */
  connect() {
    if (this.connected) return this;
    const { io } = this;
    this.subs ||= [
      subscribe(io, "open", () => this._onOpen()),
      subscribe(io, "packet", (packet) => this._onPacket(packet)),
      subscribe(io, "error", (err) => this.connected || super.emit("connect_error", err)),
      subscribe(io, "close", (reason, details) => this._onClose(reason, details)),
    ];
    if (!io._reconnecting) io.open();
    if (io._readyState === "open") this._onOpen();
    return this;
  }

  /** Connects, unless that is done or under way. */
  open() {
    return this.connect();
  }

  /** Leaves the namespace; the connection is closed with the last socket. There is no reconnection. */
  disconnect() {
    if (this.connected) this._send({ type: PacketType.DISCONNECT });
    this._destroy();
    if (this.connected) this._onClose("io client disconnect");
    return this;
  }

  /** Leaves the namespace. */
  close() {
    return this.disconnect();
  }

  /** Emits `message`. @param {...any} args */
  send(...args) {
    return this.emit("message", ...args);
  }

  /**
   * Sends an event. A function as the last argument is called with the server's acknowledgement.
   * @param {string} event
   * @param {...any} args JSON values; binary (ArrayBuffer, views, Blob, File) at any depth
   * @returns {this}
   */
  emit(event, ...args) {
    if (RESERVED.includes(event)) throw new Error('"' + event + '" is a reserved event name');
    const flags = this._flags;
    this._flags = {};
    args.unshift(event);
    if (this._opts.retries && !flags.volatile) this._enqueue(args, flags);
    else this._emit(args, flags);
    return this;
  }

  /**
   * Sends an event and resolves with the server's acknowledgement. Rejects when `timeout` is over or the
   * connection is lost.
   * @param {string} event
   * @param {...any} args
   * @returns {Promise<any>}
   */
  emitWithAck(event, ...args) {
    return new Promise((resolve, reject) => {
      const ack = (err, value) => (err ? reject(err) : resolve(value));
      ack.withError = true;
      this.emit(event, ...args, ack);
    });
  }

  /** Calls `listener` with the name and arguments of each event received. */
  onAny(listener) {
    this._anyIn.push(listener);
    return this;
  }

  /** As `onAny`, before the others. */
  prependAny(listener) {
    this._anyIn.unshift(listener);
    return this;
  }

  /** Removes a listener of `onAny`, or all. */
  offAny(listener) {
    remove(this._anyIn, listener);
    return this;
  }

  listenersAny() {
    return this._anyIn;
  }

  /** Calls `listener` with the name and arguments of each event sent. */
  onAnyOutgoing(listener) {
    this._anyOut.push(listener);
    return this;
  }

  /** As `onAnyOutgoing`, before the others. */
  prependAnyOutgoing(listener) {
    this._anyOut.unshift(listener);
    return this;
  }

  /** Removes a listener of `onAnyOutgoing`, or all. */
  offAnyOutgoing(listener) {
    remove(this._anyOut, listener);
    return this;
  }

  listenersAnyOutgoing() {
    return this._anyOut;
  }

  _emit(args, flags) {
    const packet = { type: PacketType.EVENT, data: args, options: { compress: flags.compress !== false } };
    if (typeof args[args.length - 1] === "function") {
      packet.data = args.slice();
      packet.id = this._ids++;
      this._register(packet.id, packet.data.pop(), flags.timeout ?? this._opts.ackTimeout);
    }
    const { engine } = this.io;
    const connected = this.connected && !engine._hasPingExpired();
    if (flags.volatile && !(connected && engine.transport.writable)) return;
    if (connected) this._sendEvent(packet);
    else this.sendBuffer.push(packet);
  }

  _register(id, ack, timeout) {
    if (timeout === undefined) {
      this._acks.set(id, ack);
      return;
    }
    const { _timers: timers } = this.io;
    const timer = timers.setTimeout(() => {
      this._acks.delete(id);
      this.sendBuffer = this.sendBuffer.filter((packet) => packet.id !== id);
      ack.call(this, new Error("operation has timed out"));
    }, timeout);
    const wrapper = (...args) => {
      timers.clearTimeout(timer);
      ack.apply(this, args);
    };
    wrapper.withError = true;
    this._acks.set(id, wrapper);
  }

  // Events with retries: one at a time, so that they arrive in order and are not lost with the connection.
  _enqueue(args, flags) {
    const ack = typeof args[args.length - 1] === "function" ? args.pop() : () => {};
    const entry = { args, flags, tries: 0, pending: false };
    const settle = (err, ...response) => {
      // An earlier try, answered late.
      if (entry !== this._queue[0]) return;
      entry.pending = false;
      if (!err || entry.tries > this._opts.retries) {
        this._queue.shift();
        ack(err, ...response);
      }
      this._drainQueue();
    };
    settle.withError = true;
    args.push(settle);
    this._queue.push(entry);
    this._drainQueue();
  }

  _drainQueue(force) {
    const entry = this._queue[0];
    if (!this.connected || !entry || (entry.pending && !force)) return;
    entry.pending = true;
    entry.tries++;
    this._emit(entry.args, entry.flags);
  }

  _send(packet) {
    packet.nsp = this.nsp;
    this.io._packet(packet);
  }

  _sendEvent(packet) {
    for (const listener of this._anyOut.slice()) listener.apply(this, packet.data);
    this._send(packet);
  }

  _onOpen() {
    const { engine } = this.io;
    // A second CONNECT would be a violation of the protocol.
    if (this._session && this._session.engine === engine) return;
    /** @type {{engine: object, asked?: boolean} | undefined} from the first thought of CONNECT to the end */
    const session = (this._session = { engine });
    const send = (auth) => {
      if (this._session !== session || session.asked) return;
      session.asked = true;
      // Left over from a connection that was lost before it was confirmed.
      this.receiveBuffer = [];
      const data = this._pid ? { pid: this._pid, offset: this._offset, ...auth } : auth;
      this._send({ type: PacketType.CONNECT, data });
    };
    if (typeof this.auth === "function") this.auth(send);
    else send(this.auth);
  }

  _onPacket(packet) {
    if (packet.nsp !== this.nsp) return;
    const { data } = packet;
    switch (packet.type) {
      case PacketType.CONNECT:
        this._onConnect(data || {});
        break;
      case PacketType.EVENT:
        if (packet.id != null) data.push(this._acknowledge(packet.id));
        if (this.connected) this._deliver(data);
        else this.receiveBuffer.push(data);
        break;
      case PacketType.ACK:
        this._onAck(packet);
        break;
      case PacketType.DISCONNECT:
        this._destroy();
        this._onClose("io server disconnect");
        break;
      case PacketType.CONNECT_ERROR:
        this._destroy();
        super.emit("connect_error", Object.assign(new Error(data.message ?? data), { data: data.data }));
    }
  }

  _onConnect({ sid, pid, offset }) {
    if (!sid) {
      super.emit("connect_error", new Error("this is a server of Socket.IO v2"));
      return;
    }
    this.id = sid;
    this.recovered = !!pid && pid === this._pid;
    // What came last in another session is of no use in this one.
    if (!this.recovered) this._offset = undefined;
    this._pid = pid;
    // A server that says where its session begins puts an offset behind each string that ends an event.
    this._hidden = typeof offset === "string";
    if (this._hidden && !this.recovered) this._offset = offset;
    this.connected = true;

    const { receiveBuffer, sendBuffer } = this;
    this.receiveBuffer = [];
    this.sendBuffer = [];
    receiveBuffer.forEach((args) => attempt(() => this._deliver(args)));
    sendBuffer.forEach((packet) => attempt(() => this._sendEvent(packet)));
    this._drainQueue(true);
    super.emit("connect");
  }

  _deliver(args) {
    const last = args[args.length - 1];
    // With recovery on, the server ends each broadcast with its offset.
    if (this._pid && args.length > 1 && typeof last === "string" && last.length <= MAX_OFFSET) {
      this._offset = last;
      if (this._hidden) args.pop();
    }
    for (const listener of this._anyIn.slice()) listener.apply(this, args);
    super.emit(...args);
  }

  _acknowledge(id) {
    let session = this._session;
    return (...data) => {
      // Once, and not in another session, where the id may mean another event.
      if (!session || this._session !== session) return;
      session = undefined;
      this._send({ type: PacketType.ACK, id, data });
    };
  }

  _onAck({ id, data }) {
    const ack = this._acks.get(id);
    if (!ack) return;
    this._acks.delete(id);
    if (ack.withError) data.unshift(null);
    ack.apply(this, data);
  }

  _onClose(reason, details) {
    this.connected = false;
    this.id = this._session = undefined;
    super.emit("disconnect", reason, details);
    const buffered = new Set(this.sendBuffer.map((packet) => packet.id));
    for (const [id, ack] of [...this._acks]) {
      // What has not been sent can still be answered.
      if (buffered.has(id)) continue;
      this._acks.delete(id);
      if (ack.withError) ack.call(this, new Error("socket has been disconnected"));
    }
  }

  // Ends the subscriptions, and with them reconnection.
  _destroy() {
    if (this.subs) this.subs.forEach((undo) => undo());
    this.subs = this._session = undefined;
    this.io._release();
  }
}
