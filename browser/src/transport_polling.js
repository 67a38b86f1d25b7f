import { decodePayload, encodePackets, joinPayload } from "./packet.js";
import { Transport } from "./transport.js";

const CLOSE = "1";

/**
 * PollingTransport receives by a GET request that the server answers when it has packets, and sends by
 * POST requests, one at a time. Bytes travel as base64.
 */
export class PollingTransport extends Transport {
  get name() {
    return "polling";
  }

  doOpen() {
    this._poll();
  }

  doClose() {
    // The poll is let go after the server knows, since a broken poll is an error to it.
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
      (encoded) =>
        this._request(joinPayload(encoded)).then(
          () => {
            this.onDrain();
            this._idle();
          },
          this._failure("post"),
        ),
      this._failure("post"),
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
    const post = body !== undefined;
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
        signal: controller.signal,
      });
      const text = await response.text();
      if (response.ok) return text;
      throw Object.assign(response, { responseText: text });
    } finally {
      clearTimeout(timer);
    }
  }
}
