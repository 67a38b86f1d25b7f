// Types of the parser that speaks MessagePack: `io({ parser })`, with `import * as parser`.
import type { Packet } from "./index.js";

export declare class Encoder {
  /** Throws a TypeError when the data can't be packed: a cycle, a Blob, a symbol. */
  encode(packet: Packet): [Uint8Array];
}

export declare class Decoder {
  /** Takes one message. Throws when it is not a packet. */
  add(message: ArrayBuffer | ArrayBufferView): void;
  destroy(): void;
  on(event: "decoded", listener: (packet: Packet) => void): this;
}
