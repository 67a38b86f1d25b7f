// Not the URL class: it percent-encodes the path, and the path is the namespace as it goes over the wire.
// Scheme, user, host, port, path and query; every part may be missing.
const PATTERN = /^(?:(?:(https?|wss?):)?\/\/)?(?:[^@/?#]*@)?(\[[^\]]*\]|[^:/?#]*)(?::(\d*))?(\/[^?#]*)?(?:\?([^#]*))?/i;

/**
 * @typedef {object} ParsedUrl
 * @property {string} source the address again, with nothing missing
 * @property {string} origin scheme, host and port: what connections are shared by
 * @property {boolean} secure whether the scheme is https or wss
 * @property {string} host host name; an IPv6 address keeps its brackets
 * @property {string} port never empty
 * @property {string} path the namespace
 * @property {string} query without its question mark, still encoded
 */

/**
 * Resolves the first argument of `io()` against the address of the page: nothing is the page's own server,
 * `/chat` a namespace of it, `host/chat` another server by the page's scheme. Outside a page (or in one
 * that was not loaded by http) the scheme is https and the host localhost.
 *
 * @param {string | null} [uri]
 * @param {{protocol?: string, host?: string}} [loc] the page's location
 * @returns {ParsedUrl}
 */
export function parse(uri, loc = globalThis.location || {}) {
  let [, scheme, host, port, path = "/", query = ""] = PATTERN.exec(uri ?? "");
  if (!host) [, , host, port] = PATTERN.exec(loc.host || "localhost");
  if (!scheme) [, scheme = "https"] = PATTERN.exec(loc.protocol + "//");
  const secure = /[ps]s$/i.test(scheme);
  port ||= secure ? "443" : "80";
  const origin = scheme.toLowerCase() + "://" + host + ":" + port;
  return { source: origin + path + (query && "?" + query), origin, secure, host, port, path, query };
}

/**
 * The address that the options of a connection name, for one that has no other. What they leave out is the page's.
 * @param {{host?: string, hostname?: string, port?: string | number, secure?: boolean}} opts
 * @param {{protocol?: string, hostname?: string, port?: string}} [loc] the page's location
 * @returns {string | undefined} nothing, if they name none
 */
export function address({ host, hostname, port, secure }, loc = globalThis.location || {}) {
  if (!(host || hostname || port || secure != null)) return undefined;
  secure ??= loc.protocol === "https:";
  const name = host || hostname;
  // The page's port belongs to its own host. An IPv6 address may have no brackets yet.
  const own = loc.hostname ? loc.hostname + (loc.port && ":" + loc.port) : "localhost";
  const server = name ? parse(name.replace(/^[\da-f.]*:[\da-f.:]*:[\da-f.:]*$/i, "[$&]")).host : port ? loc.hostname || "localhost" : own;
  return "http" + (secure ? "s" : "") + "://" + server + (port ? ":" + port : "");
}

/**
 * Encodes query parameters, without the question mark.
 * @param {Record<string, any>} params
 * @returns {string}
 */
export function encodeQuery(params) {
  return new URLSearchParams(params).toString();
}

/**
 * Decodes query parameters. A plus sign stays one: it is more often part of a token than a space.
 * @param {string} query
 * @returns {Record<string, string>}
 */
export function decodeQuery(query) {
  return Object.fromEntries(new URLSearchParams(query.replace(/\+/g, "%2B")));
}
