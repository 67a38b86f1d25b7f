import { Manager } from "./manager.js";
import { protocol } from "./parser.js";
import { Socket } from "./socket.js";
import { PollingTransport } from "./transport_polling.js";
import { WebSocketTransport } from "./transport_websocket.js";
import { WebTransportTransport } from "./transport_webtransport.js";
import { decodeQuery, parse } from "./url.js";

/** @typedef {import("./manager.js").ManagerOptions & import("./socket.js").SocketOptions} Options */

/** @type {Record<string, Manager>} connections to share, by address and path */
const cache = {};

/**
 * Connects to a namespace. Sockets of one server and path share a connection, unless `forceNew` is set,
 * `multiplex` is false, or the namespace is in use on it already.
 *
 * @param {string | Options} [uri] the server and, as its path, the namespace; default `/` of the page's own
 * @param {Options} [opts]
 * @returns {Socket}
 */
export function io(uri, opts) {
  if (uri && typeof uri === "object") {
    opts = uri;
    uri = undefined;
  }
  const { source, origin, path, query } = parse(uri);
  opts = { ...opts };
  if (query && !opts.query) opts.query = decodeQuery(query);
  const key = origin + (opts.path || "/socket.io");
  const shared = cache[key];
  const alone = opts.forceNew || opts.multiplex === false || (shared && path in shared.nsps);
  const manager = alone ? new Manager(source, opts) : (cache[key] ||= new Manager(source, opts));
  return manager.socket(path, opts);
}

Object.assign(io, { io, connect: io, Manager, Socket, protocol });

export {
  io as default,
  io as connect,
  Manager,
  Socket,
  protocol,
  // The classes that may stand in `transports` and `transportImplementations`. Polling is done by fetch under both names.
  PollingTransport as Fetch,
  PollingTransport as XHR,
  WebSocketTransport as WebSocket,
  WebTransportTransport as WebTransport,
};
