// What the two scripts share: commands that come as HTTP requests on a port of their own, records that can be waited for,
// and a notation for bytes, which JSON does not have.
"use strict";

const http = require("node:http");

/** A list of entries, each an array; whoever waits for a number of them is answered when there are that many. */
class Record {
  constructor() {
    this.entries = [];
    this.waiting = [];
  }

  add(...entry) {
    this.entries.push(notate(entry));
    this.waiting = this.waiting.filter(({ count, resolve }) => {
      if (this.entries.length < count) {
        return true;
      }
      resolve();
      return false;
    });
  }

  /** Resolves to the entries behind the first from, when there are count of them or after a time. */
  async wait(from, count, ms) {
    if (this.entries.length < from + count) {
      await new Promise((resolve) => {
        this.waiting.push({ count: from + count, resolve });
        setTimeout(resolve, ms);
      });
    }
    return this.entries.slice(from);
  }
}

/** Replaces bytes by {$bytes: hex}. */
function notate(value) {
  if (Buffer.isBuffer(value) || value instanceof Uint8Array || value instanceof ArrayBuffer) {
    return { $bytes: Buffer.from(value).toString("hex") };
  }
  if (Array.isArray(value)) {
    return value.map(notate);
  }
  if (value !== null && typeof value === "object") {
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, notate(item)]));
  }
  return value;
}

/** Undoes notate. */
function revive(value) {
  if (Array.isArray(value)) {
    return value.map(revive);
  }
  if (value !== null && typeof value === "object") {
    if (typeof value.$bytes === "string") {
      return Buffer.from(value.$bytes, "hex");
    }
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, revive(item)]));
  }
  return value;
}

/** Serves commands: the body of each request is {command, ...}, the answer what the function of that name resolves to. */
function serve(commands) {
  const server = http.createServer(async (req, res) => {
    try {
      const body = [];
      for await (const chunk of req) {
        body.push(chunk);
      }
      const request = JSON.parse(Buffer.concat(body).toString());
      const answer = await commands[request.command](request);
      res.end(JSON.stringify(answer === undefined ? null : answer));
    } catch (err) {
      res.statusCode = 500;
      res.end(String(err.stack));
    }
  });
  server.listen(Number(process.env.PORT || 0), process.env.HOST || "127.0.0.1", () => {
    console.log(JSON.stringify({ ready: true, port: server.address().port }));
  });
  process.on("SIGTERM", () => process.exit(0));
}

module.exports = { Record, notate, revive, serve };
