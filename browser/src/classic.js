// The entry of the classic script: a global `io`, or `require()`.
import { io } from "./index.js";

if (typeof module === "object" && module.exports) module.exports = io;
else globalThis.io = io;
