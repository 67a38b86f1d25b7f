import { encodeFrames, frameDecoder } from "./frames.js";
import { encodePacket } from "./packet.js";
import { Transport } from "./transport.js";

// How long what was written last may take to leave when the session is closed, in milliseconds.
const LINGER = 1000;

/** WebTransportTransport sends packets over one stream of a WebTransport session (HTTP/3). */
export class WebTransportTransport extends Transport {
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
      // No parameters, as officially: the session's id is in the first packet.
      this._session = new WebTransport(this.address("https"), this.opts.transportOptions.webtransport);
    } catch (err) {
      // Not part of this browser, or of a page without TLS; or the options are wrong. Nobody listens yet.
      queueMicrotask(() => fail(err));
      return;
    }
    const { _session: session } = this;
    session.closed.then(() => this._ended(), fail);
    // What goes wrong ends the session, and the session says why, unless it was we who ended it.
    this._run(session).catch(() => session.close());
  }

  async _run(session) {
    await session.ready;
    const { readable, writable } = await session.createBidirectionalStream();
    const writer = (this._writer = writable.getWriter());
    const { sid } = this.query;
    await writer.write(encodeFrames([sid ? "0" + JSON.stringify({ sid }) : "0"]));
    if (this.readyState === "opening") this.onOpen();

    const reader = readable.getReader();
    const decode = frameDecoder();
    while (this.readyState !== "closed") {
      const { done, value } = await reader.read();
      if (done) return this.doClose();
      // Later, so that what a listener throws does not end the session.
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
    // Closing the session drops what the stream still holds, such as the last words to the server.
    writer.close().then(close, close);
    setTimeout(close, LINGER);
  }

  write(packets) {
    // A Blob has to be read before its length is known.
    const encoded = packets.map((packet) => encodePacket(packet, true)).map((data) => data.arrayBuffer?.() ?? data);
    Promise.all(encoded).then(
      (parts) =>
        this._writer.write(encodeFrames(parts)).then(
          () => this.onDrain(),
          () => this._session.close(),
        ),
      (err) => this.onError("webtransport error", err),
    );
  }
}
