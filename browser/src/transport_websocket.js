import { encodePackets } from "./packet.js";
import { Transport } from "./transport.js";

/** WebSocketTransport sends each packet as one message of a WebSocket. */
export class WebSocketTransport extends Transport {
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
      // No WebSocket here, or not allowed from this page; nobody listens yet.
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
      // Not null: some implementations insist on a function.
      ws.onopen = ws.onmessage = ws.onerror = ws.onclose = () => {};
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
          // Closed already; the close event is on its way.
        }
        // The caller first has to note what it sent.
        queueMicrotask(() => this.onDrain());
      },
      (err) => this.onError("websocket error", err),
    );
  }
}
