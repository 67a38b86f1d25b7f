// Stands in for the network: a server end that the test plays itself.
import { Transport } from "../src/transport.js";

/**
 * Makes a transport class. Every transport that was opened is in `opened`; what it sent is in its `sent`.
 * @param {string} [name]
 */
export function fakeTransport(name = "fake") {
  class FakeTransport extends Transport {
    static opened = [];

    constructor(opts) {
      super(opts);
      /** Packets, with the text or bytes they hold. */
      this.sent = [];
      this.closed = false;
      /** When false, what is sent stays under way until `drain()`. */
      this.fast = true;
    }

    get name() {
      return name;
    }

    doOpen() {
      FakeTransport.opened.push(this);
    }

    doClose() {
      this.closed = true;
    }

    write(packets) {
      this.sent.push(...packets);
      if (this.fast) queueMicrotask(() => this.onDrain());
    }

    pause(then) {
      this.readyState = "pausing";
      this.idle = () => {
        this.readyState = "paused";
        then();
      };
    }

    resume() {
      this.resumed = true;
      this.readyState = "open";
    }

    /** The server accepts the session. */
    handshake(fields) {
      this.onOpen();
      const data = { sid: "engine", upgrades: [], pingInterval: 25000, pingTimeout: 20000, maxPayload: 1e6, ...fields };
      this.onPacket({ type: "open", data: JSON.stringify(data) });
    }

    /** The server sends a message, text or bytes. */
    receive(...messages) {
      for (const data of messages) this.onPacket({ type: "message", data });
    }

    /** The messages sent since the last call. */
    messages() {
      return this.sent.splice(0).filter(({ type }) => type === "message").map(({ data }) => data);
    }
  }
  return FakeTransport;
}

/** Resolves when the microtasks that are due have run. */
export function settled() {
  return new Promise((resolve) => setImmediate(resolve));
}

/**
 * Resolves with the arguments of the next `event`.
 * @param {{once: Function}} emitter
 * @param {string} event
 * @returns {Promise<any[]>}
 */
export function next(emitter, event) {
  return new Promise((resolve) => emitter.once(event, (...args) => resolve(args)));
}
