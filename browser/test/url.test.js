import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { address, decodeQuery, encodeQuery, parse } from "../src/url.js";

const page = { protocol: "https:", host: "page.example:8443" };
const plain = { protocol: "http:", host: "page.example" };

describe("parse", () => {
  for (const [uri, loc, source, path = "/"] of [
    [undefined, page, "https://page.example:8443/"],
    [null, page, "https://page.example:8443/"],
    ["", page, "https://page.example:8443/"],
    ["/", page, "https://page.example:8443/"],
    ["/chat", page, "https://page.example:8443/chat", "/chat"],
    ["/chat", plain, "http://page.example:80/chat", "/chat"],
    ["?token=1", page, "https://page.example:8443/?token=1"],
    ["//other.example/a", page, "https://other.example:443/a", "/a"],
    ["other.example", plain, "http://other.example:80/"],
    ["other.example:3000/a/b", plain, "http://other.example:3000/a/b", "/a/b"],
    ["localhost:3000", page, "https://localhost:3000/"],
    ["http://h", page, "http://h:80/"],
    ["https://h", plain, "https://h:443/"],
    ["ws://h", page, "ws://h:80/"],
    ["wss://h/n?x=1#y", page, "wss://h:443/n?x=1", "/n"],
    ["HTTP://h:81", page, "http://h:81/"],
    ["http://h:", page, "http://h:80/"],
    ["http://user:secret@h/n", page, "http://h:80/n", "/n"],
    ["http://h/@/n", page, "http://h:80/@/n", "/@/n"],
    ["http://h?a=//b:1@c/d", page, "http://h:80/?a=//b:1@c/d"],
    ["http://[::1]:3000/n", page, "http://[::1]:3000/n", "/n"],
    ["http://[::1]", page, "http://[::1]:80/"],
    ["/n", { protocol: "http:", host: "[::1]:3000" }, "http://[::1]:3000/n", "/n"],
    ["http://h/ünï code", page, "http://h:80/ünï code", "/ünï code"],
    ["http://h/a%20b", page, "http://h:80/a%20b", "/a%20b"],
    ["/n", { protocol: "file:", host: "" }, "https://localhost:443/n", "/n"],
    ["h/n", { protocol: "capacitor:", host: "localhost" }, "https://h:443/n", "/n"],
    ["/n", undefined, "https://localhost:443/n", "/n"],
    ["h:1/n", undefined, "https://h:1/n", "/n"],
  ]) {
    it(`resolves ${uri} against ${loc && loc.protocol + loc.host}`, () => {
      const url = parse(uri, loc);
      assert.equal(url.source, source);
      assert.equal(url.path, path);
      assert.equal(url.source, url.origin + url.path + (url.query && "?" + url.query));
      assert.deepEqual(parse(url.source, {}), url, "resolved again");
    });
  }

  it("tells the parts", () => {
    assert.deepEqual(parse("wss://[fe80::1]:9/chat?a=1&b=%20", page), {
      source: "wss://[fe80::1]:9/chat?a=1&b=%20",
      origin: "wss://[fe80::1]:9",
      secure: true,
      host: "[fe80::1]",
      port: "9",
      path: "/chat",
      query: "a=1&b=%20",
    });
    assert.equal(parse("http://h").secure, false);
    assert.equal(parse("http://h").port, "80");
  });

  it("takes an address with and without its default port for one", () => {
    assert.equal(parse("http://h/a").origin, parse("http://h:80/b").origin);
    assert.equal(parse("https://h").origin, parse("https://h:443").origin);
    assert.notEqual(parse("http://h").origin, parse("https://h").origin);
  });
});

describe("address", () => {
  const page = { protocol: "https:", hostname: "page", port: "8443" };
  const plain = { protocol: "http:", hostname: "page", port: "" };
  for (const [opts, loc, want] of [
    [{}, page, undefined],
    [{ transports: [] }, page, undefined],
    [{ host: "h" }, {}, "http://h"],
    [{ host: "h:1/path", port: 3000 }, {}, "http://h:3000"],
    [{ hostname: "h", port: "3000" }, page, "https://h:3000"],
    [{ host: "a", hostname: "b" }, plain, "http://a"],
    [{ hostname: "h", secure: true }, plain, "https://h"],
    [{ hostname: "h", secure: false, port: 80 }, page, "http://h:80"],
    [{ host: "::1", port: 3000 }, {}, "http://[::1]:3000"],
    [{ hostname: "[::1]" }, {}, "http://[::1]"],
    [{ port: 3000 }, page, "https://page:3000"],
    [{ port: 3000 }, {}, "http://localhost:3000"],
    [{ secure: false }, page, "http://page:8443"],
    [{ secure: true }, plain, "https://page"],
    [{ secure: true }, {}, "https://localhost"],
  ]) {
    it(`makes ${want} of ${JSON.stringify(opts)} in ${loc.hostname ?? "no page"}`, () => {
      assert.equal(address(opts, loc), want);
    });
  }
});

describe("queries", () => {
  it("survive encoding", () => {
    const params = { a: "1", "k&=": "ü + / ? % ✓", empty: "" };
    assert.deepEqual(decodeQuery(encodeQuery(params).replace(/\+/g, "%20")), params);
  });

  it("are decoded leniently", () => {
    assert.deepEqual(decodeQuery("a=1&&b&c=%zz&d=x+y%2B"), { a: "1", b: "", c: "%zz", d: "x+y+" });
    assert.deepEqual(decodeQuery(""), {});
  });
});
