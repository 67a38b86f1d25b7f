// The entry for `require()`: the function `io`, with everything that the module exports.
import * as all from "./index.js";

const { io } = all;
module.exports = Object.assign(io, all);
