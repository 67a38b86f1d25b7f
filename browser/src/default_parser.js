// What a client speaks if it is not told otherwise. The msgpack bundle is built with msgpack.js in the place of this.
export { Decoder, Encoder } from "./parser.js";
