/*! Socket.IO client, MIT License */
(() => {
  // src/backoff.js
  var Backoff = class {
    /** @param {{min: number, max: number, jitter: number}} opts delays in milliseconds, jitter in [0, 1] */
    constructor({ min, max, jitter }) {
      this.min = min;
      this.max = max;
      this.jitter = jitter;
      this.attempts = 0;
    }
    /**
     * The next delay in milliseconds; counts one attempt.
     * @returns {number}
     */
    duration() {
      let delay = this.min * 2 ** Math.min(this.attempts++, 60);
      if (this.jitter > 0 && this.jitter <= 1) {
        const random = Math.random();
        const deviation = Math.floor(random * this.jitter * delay);
        delay += Math.floor(random * 10) % 2 ? deviation : -deviation;
      }
      return Math.trunc(Math.min(delay, this.max));
    }
    /** Starts over, after a success. */
    reset() {
      this.attempts = 0;
    }
  };

  // src/emitter.js
  var Emitter = class {
    constructor() {
      this._listeners = /* @__PURE__ */ Object.create(null);
    }
    /**
     * Calls `listener` for each `event`.
     * @param {string} event
     * @param {Function} listener
     * @returns {this}
     */
    on(event, listener) {
      var _a;
      ((_a = this._listeners)[event] || (_a[event] = [])).push(listener);
      return this;
    }
    /**
     * Calls `listener` for the next `event` only.
     * @param {string} event
     * @param {Function} listener
     * @returns {this}
     */
    once(event, listener) {
      const wrapper = (...args) => {
        this.off(event, wrapper);
        listener.apply(this, args);
      };
      wrapper.fn = listener;
      return this.on(event, wrapper);
    }
    /**
     * Removes one listener, with one argument all listeners of an event, without arguments all of them.
     * @param {string} [event]
     * @param {Function} [listener]
     * @returns {this}
     */
    off(event, listener) {
      if (!arguments.length) {
        this._listeners = /* @__PURE__ */ Object.create(null);
      } else if (arguments.length < 2) {
        delete this._listeners[event];
      } else {
        const listeners = this.listeners(event);
        const i = listeners.findIndex((l) => l === listener || l.fn && l.fn === listener);
        if (i >= 0) listeners.splice(i, 1);
      }
      return this;
    }
    /**
     * Calls the listeners of `event`.
     * @param {string} event
     * @param {...any} args
     * @returns {this}
     */
    emit(event, ...args) {
      for (const listener of this.listeners(event).slice()) listener.apply(this, args);
      return this;
    }
    /**
     * The listeners of `event`.
     * @param {string} event
     * @returns {Function[]}
     */
    listeners(event) {
      return this._listeners[event] || [];
    }
    /**
     * Whether `event` has a listener.
     * @param {string} event
     * @returns {boolean}
     */
    hasListeners(event) {
      return this.listeners(event).length > 0;
    }
  };
  var proto = Emitter.prototype;
  proto.emitReserved = proto.emit;
  proto.addEventListener = proto.on;
  proto.removeListener = proto.removeAllListeners = proto.removeEventListener = proto.off;
  function subscribe(emitter, event, listener) {
    emitter.on(event, listener);
    return () => emitter.off(event, listener);
  }

  // src/packet.js
  var TYPES = ["open", "close", "ping", "pong", "message", "upgrade", "noop"];
  var SEPARATOR = String.fromCharCode(30);
  var CHUNK = 32768;
  function isBinary(value) {
    return value instanceof ArrayBuffer || ArrayBuffer.isView(value) || typeof Blob === "function" && value instanceof Blob;
  }
  function toBase64(buffer) {
    const bytes = ArrayBuffer.isView(buffer) ? new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength) : new Uint8Array(buffer);
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
  function encodePacket({ type, data }, supportsBinary) {
    if (!isBinary(data)) return TYPES.indexOf(type) + (data || "");
    if (supportsBinary) return data;
    return data.arrayBuffer ? data.arrayBuffer().then(toBase64) : toBase64(data);
  }
  function encodePackets(packets, supportsBinary, then, fail) {
    const encoded = packets.map((packet) => encodePacket(packet, supportsBinary));
    if (encoded.some((value) => value instanceof Promise)) Promise.all(encoded).then(then, fail);
    else then(encoded);
  }
  function joinPayload(encoded) {
    return encoded.join(SEPARATOR);
  }
  var ERROR = { type: "error", data: "parser error" };
  function decodePacket(data, binaryType) {
    if (typeof data !== "string") return { type: "message", data: binaryType === "blob" ? new Blob([data]) : data };
    try {
      if (data[0] === "b") return decodePacket(fromBase64(data.slice(1)), binaryType);
      const type = TYPES[data[0]];
      if (type) return data.length > 1 ? { type, data: data.slice(1) } : { type };
    } catch {
    }
    return ERROR;
  }
  function decodePayload(payload, binaryType) {
    const packets = [];
    for (const part of payload.split(SEPARATOR)) {
      const packet = decodePacket(part, binaryType);
      packets.push(packet);
      if (packet.type === "error") break;
    }
    return packets;
  }
  function payloadSize(data) {
    if (isBinary(data)) return Math.ceil((data.byteLength ?? data.size) * 1.33);
    return data ? new TextEncoder().encode(data).length : 0;
  }

  // src/parser.js
  var protocol = 5;
  var PacketType = {
    CONNECT: 0,
    DISCONNECT: 1,
    EVENT: 2,
    ACK: 3,
    CONNECT_ERROR: 4,
    BINARY_EVENT: 5,
    BINARY_ACK: 6
  };
  var BINARY = 3;
  var RESERVED = [
    "connect",
    "connect_error",
    "disconnect",
    "disconnecting",
    "newListener",
    "removeListener"
  ];
  var Encoder = class {
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
      const json = JSON.stringify(data, function(key, value) {
        const raw = this[key];
        if (isBinary(raw)) return { "_placeholder": true, num: attachments.push(raw) - 1 };
        return replacer ? replacer.call(this, key, value) : value;
      });
      const head = attachments.length ? type + BINARY + (attachments.length + "-") : type;
      const text = head + (nsp === "/" ? "" : nsp + ",") + (id ?? "") + (json ?? "");
      return [text, ...attachments];
    }
  };
  var HEADER = /^([0-6])(?:(\d+)-)?(?:(\/[^,]*),?)?(\d+)?/;
  var isObject = (value) => Object.prototype.toString.call(value) === "[object Object]";
  var VALID = [
    (data) => data === void 0 || isObject(data),
    (data) => data === void 0,
    (data) => Array.isArray(data) && (typeof data[0] === "number" || typeof data[0] === "string" && !RESERVED.includes(data[0])),
    Array.isArray,
    (data) => typeof data === "string" || isObject(data)
  ];
  var Decoder = class extends Emitter {
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
      this._packet = void 0;
      this._awaited = 0;
      this._buffers = [];
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
      return function(key, value) {
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
  };

  // src/url.js
  var PATTERN = /^(?:(?:(https?|wss?):)?\/\/)?(?:[^@/?#]*@)?(\[[^\]]*\]|[^:/?#]*)(?::(\d*))?(\/[^?#]*)?(?:\?([^#]*))?/i;
  function parse(uri, loc = globalThis.location || {}) {
    let [, scheme, host, port, path = "/", query = ""] = PATTERN.exec(uri ?? "");
    if (!host) [, , host, port] = PATTERN.exec(loc.host || "localhost");
    if (!scheme) [, scheme = "https"] = PATTERN.exec(loc.protocol + "//");
    const secure = /[ps]s$/i.test(scheme);
    port || (port = secure ? "443" : "80");
    const origin = scheme.toLowerCase() + "://" + host + ":" + port;
    return { source: origin + path + (query && "?" + query), origin, secure, host, port, path, query };
  }
  function address({ host, hostname, port, secure }, loc = globalThis.location || {}) {
    if (!(host || hostname || port || secure != null)) return void 0;
    secure ?? (secure = loc.protocol === "https:");
    const name = host || hostname;
    const own = loc.hostname ? loc.hostname + (loc.port && ":" + loc.port) : "localhost";
    const server = name ? parse(name.replace(/^[\da-f.]*:[\da-f.:]*:[\da-f.:]*$/i, "[$&]")).host : port ? loc.hostname || "localhost" : own;
    return "http" + (secure ? "s" : "") + "://" + server + (port ? ":" + port : "");
  }
  function encodeQuery(params) {
    return new URLSearchParams(params).toString();
  }
  function decodeQuery(query) {
    return Object.fromEntries(new URLSearchParams(query.replace(/\+/g, "%2B")));
  }

  // src/transport.js
  var TransportError = class extends Error {
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
  };
  function stamp() {
    return Date.now().toString(36).slice(3) + Math.random().toString(36).slice(2, 5);
  }
  var Transport = class extends Emitter {
    /** @param {object} opts the engine's options, and `query`, `hostname`, `port` and `secure` */
    constructor(opts) {
      super();
      this.opts = opts;
      this.query = opts.query;
      this.supportsBinary = !opts.forceBase64;
      this.writable = false;
      this.readyState = void 0;
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
  };

  // src/transport_polling.js
  var CLOSE = "1";
  var PollingTransport = class extends Transport {
    get name() {
      return "polling";
    }
    doOpen() {
      this._poll();
    }
    doClose() {
      const abort = () => this._controller.abort();
      if (this.readyState === "opening") abort();
      else this._request(CLOSE).then(abort, abort);
    }
    /**
     * Stops polling and calls `then` once the requests under way have ended.
     * @param {() => void} then
     */
    pause(then) {
      this.readyState = "pausing";
      this._onIdle = () => {
        if (this._polling || !this.writable || this.readyState !== "pausing") return;
        this.readyState = "paused";
        then();
      };
      this._onIdle();
    }
    /** Takes polling up again, after an upgrade that failed half way. */
    resume() {
      this.readyState = "open";
      if (!this._polling) this._poll();
    }
    write(packets) {
      encodePackets(
        packets,
        false,
        (encoded) => this._request(joinPayload(encoded)).then(
          () => {
            this.onDrain();
            this._idle();
          },
          this._failure("post")
        ),
        this._failure("post")
      );
    }
    // Named as the official client names them, since pages compare the text.
    _failure(what) {
      return (err) => this.onError("xhr " + what + " error", err.status ?? err, err.status && err);
    }
    _idle() {
      if (this._onIdle) this._onIdle();
    }
    _poll() {
      this._polling = true;
      this._request().then((text) => this._onPayload(text), this._failure("poll"));
    }
    _onPayload(text) {
      for (const packet of decodePayload(text, this.binaryType)) {
        if (this.readyState === "closed") return;
        if (this.readyState === "opening" && packet.type === "open") this.onOpen();
        this.onPacket(packet);
      }
      this._polling = false;
      if (this.readyState === "open") this._poll();
      else this._idle();
    }
    /**
     * Makes one request: a POST with a body, a GET without. Rejects with the response (its body is its
     * `responseText`), or with the error when there was none.
     * @param {string} [body]
     * @returns {Promise<string>}
     */
    async _request(body) {
      const { opts } = this;
      const uri = this.uri("http", opts.timestampRequests !== false, !this.supportsBinary && !this.query.sid);
      const headers = new Headers(opts.extraHeaders);
      const post = body !== void 0;
      if (post) headers.set("content-type", "text/plain;charset=UTF-8");
      const controller = new AbortController();
      if (!post) this._controller = controller;
      const timer = opts.requestTimeout && setTimeout(() => controller.abort(), opts.requestTimeout);
      try {
        const response = await fetch(uri, {
          method: post ? "POST" : "GET",
          body,
          headers,
          credentials: opts.withCredentials ? "include" : "same-origin",
          // The last words of a page that is being left.
          keepalive: body === CLOSE,
          signal: controller.signal
        });
        const text = await response.text();
        if (response.ok) return text;
        throw Object.assign(response, { responseText: text });
      } finally {
        clearTimeout(timer);
      }
    }
  };

  // src/transport_websocket.js
  var WebSocketTransport = class extends Transport {
    get name() {
      return "websocket";
    }
    doOpen() {
      const { opts } = this;
      const uri = this.uri("ws", opts.timestampRequests, !this.supportsBinary);
      try {
        const WebSocket = opts.WebSocket || globalThis.WebSocket;
        this.ws = opts.protocols ? new WebSocket(uri, opts.protocols) : new WebSocket(uri);
      } catch (err) {
        queueMicrotask(() => this.onError("websocket error", err));
        return;
      }
      const { ws } = this;
      ws.binaryType = "arraybuffer";
      ws.onopen = () => this.onOpen();
      ws.onmessage = (event) => this.onData(event.data);
      ws.onerror = (event) => this.onError("websocket error", event);
      ws.onclose = (event) => this.onClose({ description: "websocket connection closed", context: event });
    }
    onPacket(packet) {
      if (packet.type === "close") this.doClose();
      super.onPacket(packet);
    }
    doClose() {
      const { ws } = this;
      if (ws) {
        ws.onopen = ws.onmessage = ws.onerror = ws.onclose = () => {
        };
        ws.close();
      }
    }
    write(packets) {
      encodePackets(
        packets,
        this.supportsBinary,
        (encoded) => {
          try {
            for (const data of encoded) this.ws.send(data);
          } catch {
          }
          queueMicrotask(() => this.onDrain());
        },
        (err) => this.onError("websocket error", err)
      );
    }
  };

  // src/frames.js
  var BINARY2 = 128;
  var EXTENDED = 126;
  function encodeFrames(encoded) {
    const parts = [];
    let total = 0;
    for (let data of encoded) {
      if (data.byteLength === 0) data = "b";
      const text = typeof data === "string";
      const bytes = text ? new TextEncoder().encode(data) : new Uint8Array(data.buffer || data, data.byteOffset || 0, data.byteLength);
      const { length } = bytes;
      const header = new DataView(new ArrayBuffer(length < EXTENDED ? 1 : length < 65536 ? 3 : 9));
      if (length < EXTENDED) {
        header.setUint8(0, length);
      } else if (length < 65536) {
        header.setUint8(0, EXTENDED);
        header.setUint16(1, length);
      } else {
        header.setUint8(0, EXTENDED + 1);
        header.setBigUint64(1, BigInt(length));
      }
      if (!text) header.setUint8(0, header.getUint8(0) | BINARY2);
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
  function frameDecoder() {
    let chunks = [];
    let size = 0;
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
      if (length > Number.MAX_SAFE_INTEGER || length === 0 && !binary) {
        step = void 0;
        return ERROR;
      }
      want = length;
      step = readPayload;
    }
    function readHeader(bytes) {
      binary = bytes[0] >= BINARY2;
      const length = bytes[0] & ~BINARY2;
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

  // src/transport_webtransport.js
  var LINGER = 1e3;
  var WebTransportTransport = class extends Transport {
    /** Whether this browser, or page, has it: otherwise nothing waits for it. */
    static get usable() {
      return typeof WebTransport === "function";
    }
    get name() {
      return "webtransport";
    }
    doOpen() {
      const fail = (err) => this.onError("webtransport error", err);
      try {
        this._session = new WebTransport(this.address("https"), this.opts.transportOptions.webtransport);
      } catch (err) {
        queueMicrotask(() => fail(err));
        return;
      }
      const { _session: session } = this;
      session.closed.then(() => this._ended(), fail);
      this._run(session).catch(() => session.close());
    }
    async _run(session) {
      await session.ready;
      const { readable, writable } = await session.createBidirectionalStream();
      const writer = this._writer = writable.getWriter();
      const { sid } = this.query;
      await writer.write(encodeFrames([sid ? "0" + JSON.stringify({ sid }) : "0"]));
      if (this.readyState === "opening") this.onOpen();
      const reader = readable.getReader();
      const decode = frameDecoder();
      while (this.readyState !== "closed") {
        const { done, value } = await reader.read();
        if (done) return this.doClose();
        for (const packet of decode(value, this.binaryType)) queueMicrotask(() => this.onPacket(packet));
      }
    }
    _ended() {
      if (this.readyState !== "closed") this.onClose({ description: "webtransport connection closed" });
    }
    onPacket(packet) {
      if (this.readyState === "closed") return;
      if (packet.type === "close") this.doClose();
      super.onPacket(packet);
    }
    doClose() {
      const { _session: session, _writer: writer } = this;
      if (!session) return;
      const close = () => session.close();
      if (!writer) return close();
      writer.close().then(close, close);
      setTimeout(close, LINGER);
    }
    write(packets) {
      const encoded = packets.map((packet) => encodePacket(packet, true)).map((data) => data.arrayBuffer?.() ?? data);
      Promise.all(encoded).then(
        (parts) => this._writer.write(encodeFrames(parts)).then(
          () => this.onDrain(),
          () => this._session.close()
        ),
        (err) => this.onError("webtransport error", err)
      );
    }
  };

  // src/engine.js
  var TRANSPORTS = { polling: PollingTransport, websocket: WebSocketTransport, webtransport: WebTransportTransport };
  var HEAD_START = 200;
  var page = typeof addEventListener === "function";
  function onPage(events, listener) {
    if (page) events.forEach((event) => addEventListener(event, listener, true));
  }
  var WAKING = ["pageshow", "resume"];
  var engines = /* @__PURE__ */ new Set();
  onPage(["offline"], () => [...engines].forEach((engine) => engine._onOffline()));
  onPage(WAKING, () => [...engines].forEach((engine) => engine._hasPingExpired()));
  var { setTimeout: set, clearTimeout: clear } = globalThis;
  var native = { setTimeout: (task, delay) => set(task, delay), clearTimeout: (timer) => clear(timer) };
  function timers(opts) {
    return opts.useNativeTimers ? native : globalThis;
  }
  var Engine = class _Engine extends Emitter {
    /**
     * @param {string | undefined} uri
     * @param {EngineOptions} opts
     */
    constructor(uri, opts) {
      super();
      const url = parse(uri || address(opts));
      this.id = void 0;
      this.secure = url.secure;
      this.hostname = url.host;
      this.port = url.port;
      this.binaryType = "arraybuffer";
      this.opts = {
        path: "/engine.io",
        upgrade: true,
        addTrailingSlash: true,
        timestampParam: "t",
        transportOptions: {},
        ...opts
      };
      const { addTrailingSlash, path, query, transports, transportImplementations } = this.opts;
      if (transports && transportImplementations) throw new Error("transports and transportImplementations exclude each other");
      this._timers = timers(this.opts);
      this.opts.path = path.replace(/\/$/, "") + (addTrailingSlash ? "/" : "");
      const params = url.query || query;
      this.opts.query = typeof params === "string" ? decodeQuery(params) : params;
      this._classes = {};
      for (const entry of transportImplementations || transports || Object.keys(TRANSPORTS)) {
        const type = typeof entry === "string" ? TRANSPORTS[entry] : entry;
        if (type) this._classes[type.prototype.name] = type;
      }
      this.transports = Object.keys(this._classes);
      this.readyState = "opening";
      this.writeBuffer = [];
      this._inFlight = 0;
      this.upgrading = false;
      this._upgrades = [];
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
      const remembered = this.opts.rememberUpgrade && _Engine.priorWebsocketSuccess && transports.includes("websocket");
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
        ...opts.transportOptions[name]
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
      _Engine.priorWebsocketSuccess = this.transport.name === "websocket";
      this._expectPing();
      this.emit("open");
      this._flush();
      if (this.readyState === "open" && this.opts.upgrade) this._upgrades.forEach((name) => this._probe(name));
    }
    _expectPing() {
      this._timers.clearTimeout(this._timer);
      this._pingTimeoutTime = Date.now() + this._silence;
      this._timer = this._timers.setTimeout(() => this._onClose("ping timeout"), this._silence);
    }
    _send(type, data, options, fn) {
      if (this.readyState === "closing" || this.readyState === "closed") return;
      if (typeof options === "function") [options, fn] = [void 0, options];
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
      _Engine.priorWebsocketSuccess = false;
      transport.on("open", () => transport.send([{ type: "ping", data: "probe" }]));
      transport.once("packet", ({ type, data }) => {
        if (type !== "pong" || data !== "probe") return fail("unexpected packet");
        this.upgrading = true;
        this.emit("upgrading", transport);
        _Engine.priorWebsocketSuccess = transport.name === "websocket";
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
      _Engine.priorWebsocketSuccess = false;
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
      this.writeBuffer = [];
      this._inFlight = 0;
    }
  };
  Engine.protocol = 4;
  Engine.priorWebsocketSuccess = false;

  // src/socket.js
  var MAX_OFFSET = 1024;
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
  var Socket = class extends Emitter {
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
      this.id = void 0;
      this.connected = false;
      this.recovered = false;
      this._opts = { ...opts };
      this.auth = this._opts.auth;
      this.receiveBuffer = [];
      this.sendBuffer = [];
      this._ids = 0;
      this._acks = /* @__PURE__ */ new Map();
      this._flags = {};
      this._queue = [];
      this._anyIn = [];
      this._anyOut = [];
      this.subs = void 0;
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
      const { io: io2 } = this;
      this.subs || (this.subs = [
        subscribe(io2, "open", () => this._onOpen()),
        subscribe(io2, "packet", (packet) => this._onPacket(packet)),
        subscribe(io2, "error", (err) => this.connected || super.emit("connect_error", err)),
        subscribe(io2, "close", (reason, details) => this._onClose(reason, details))
      ]);
      if (!io2._reconnecting) io2.open();
      if (io2._readyState === "open") this._onOpen();
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
        const ack = (err, value) => err ? reject(err) : resolve(value);
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
      if (timeout === void 0) {
        this._acks.set(id, ack);
        return;
      }
      const { _timers: timers2 } = this.io;
      const timer = timers2.setTimeout(() => {
        this._acks.delete(id);
        this.sendBuffer = this.sendBuffer.filter((packet) => packet.id !== id);
        ack.call(this, new Error("operation has timed out"));
      }, timeout);
      const wrapper = (...args) => {
        timers2.clearTimeout(timer);
        ack.apply(this, args);
      };
      wrapper.withError = true;
      this._acks.set(id, wrapper);
    }
    // Events with retries: one at a time, so that they arrive in order and are not lost with the connection.
    _enqueue(args, flags) {
      const ack = typeof args[args.length - 1] === "function" ? args.pop() : () => {
      };
      const entry = { args, flags, tries: 0, pending: false };
      const settle = (err, ...response) => {
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
      if (!this.connected || !entry || entry.pending && !force) return;
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
      if (this._session && this._session.engine === engine) return;
      const session = this._session = { engine };
      const send = (auth) => {
        if (this._session !== session || session.asked) return;
        session.asked = true;
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
      if (!this.recovered) this._offset = void 0;
      this._pid = pid;
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
        if (!session || this._session !== session) return;
        session = void 0;
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
      this.id = this._session = void 0;
      super.emit("disconnect", reason, details);
      const buffered = new Set(this.sendBuffer.map((packet) => packet.id));
      for (const [id, ack] of [...this._acks]) {
        if (buffered.has(id)) continue;
        this._acks.delete(id);
        if (ack.withError) ack.call(this, new Error("socket has been disconnected"));
      }
    }
    // Ends the subscriptions, and with them reconnection.
    _destroy() {
      if (this.subs) this.subs.forEach((undo) => undo());
      this.subs = this._session = void 0;
      this.io._release();
    }
  };

  // src/manager.js
  var waiting = /* @__PURE__ */ new Set();
  onPage(["online", ...WAKING], () => [...waiting].forEach((attempt2) => attempt2()));
  var Manager = class extends Emitter {
    /**
     * @param {string | ManagerOptions} [uri] default the page's own server
     * @param {ManagerOptions} [opts]
     */
    constructor(uri, opts) {
      super();
      if (uri && typeof uri === "object") {
        opts = uri;
        uri = void 0;
      }
      opts = { ...opts };
      opts.path = opts.path || "/socket.io";
      this.opts = opts;
      this.uri = uri;
      this.nsps = {};
      this.subs = [];
      this._backoff = new Backoff({
        min: opts.reconnectionDelay || 1e3,
        max: opts.reconnectionDelayMax || 5e3,
        jitter: opts.randomizationFactor ?? 0.5
      });
      this._timers = timers(opts);
      this._limits = { attempts: opts.reconnectionAttempts || Infinity, timeout: opts.timeout ?? 2e4 };
      this.reconnection(opts.reconnection !== false);
      const parser = opts.parser || { Encoder, Decoder };
      this.encoder = new parser.Encoder();
      this.decoder = new parser.Decoder();
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
      if (value === void 0) return holder[name];
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
      this._cleanup();
      this._reconnecting = false;
      const engine = this.engine = new Engine(this.uri, this.opts);
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
        subscribe(engine, "close", (reason, details) => fail(Object.assign(new Error(reason), details)))
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
        subscribe(this.decoder, "decoded", (packet) => queueMicrotask(() => this.emit("packet", packet)))
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
      const attempt2 = () => {
        stop();
        if (this._skipReconnect) return;
        this.emit("reconnect_attempt", backoff.attempts);
        if (this._skipReconnect || this._readyState !== "closed") return;
        this.open((err) => this._onAttempt(err));
        this._reconnecting = true;
      };
      const timer = this._timers.setTimeout(attempt2, delay);
      const stop = () => {
        this._timers.clearTimeout(timer);
        waiting.delete(attempt2);
      };
      waiting.add(attempt2);
      this.subs.push(stop);
    }
    _onAttempt(err) {
      this._reconnecting = false;
      if (err) {
        this._reconnect();
        this.emit("reconnect_error", err);
      } else {
        const attempt2 = this._backoff.attempts;
        this._backoff.reset();
        this.emit("reconnect", attempt2);
      }
    }
  };

  // src/index.js
  var cache = {};
  function io(uri, opts) {
    if (uri && typeof uri === "object") {
      opts = uri;
      uri = void 0;
    }
    const { source, origin, path, query } = parse(uri);
    opts = { ...opts };
    if (query && !opts.query) opts.query = decodeQuery(query);
    const key = origin + (opts.path || "/socket.io");
    const shared = cache[key];
    const alone = opts.forceNew || opts.multiplex === false || shared && path in shared.nsps;
    const manager = alone ? new Manager(source, opts) : cache[key] || (cache[key] = new Manager(source, opts));
    return manager.socket(path, opts);
  }
  Object.assign(io, { io, connect: io, Manager, Socket, protocol });

  // src/classic.js
  if (typeof module === "object" && module.exports) module.exports = io;
  else if (typeof define === "function" && define.amd) define(() => io);
  else globalThis.io = io;
})();
//# sourceMappingURL=socket.io.js.map
