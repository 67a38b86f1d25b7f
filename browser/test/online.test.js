import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { fakeTransport } from "./fake.js";

// A page, as far as the client asks for one; it has to be there before the client is loaded.
const page = new EventTarget();
globalThis.addEventListener = page.addEventListener.bind(page);
globalThis.removeEventListener = page.removeEventListener.bind(page);
const { Manager } = await import("../src/index.js");

const setup = (t, opts) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const Fake = fakeTransport();
  const manager = new Manager("http://h", { transports: [Fake], randomizationFactor: 0, ...opts });
  t.after(() => manager.disconnect());
  return { manager, opened: Fake.opened, last: () => Fake.opened.at(-1) };
};
const online = () => page.dispatchEvent(new Event("online"));

describe("in a page that was offline", () => {
  it("reconnects at once when the network is back, and goes on as before if that was too early", (t) => {
    const { opened, last } = setup(t);
    last().handshake();
    page.dispatchEvent(new Event("offline"));
    for (const delay of [1000, 2000, 4000]) {
      t.mock.timers.tick(delay);
      last().onError("no");
    }
    assert.equal(opened.length, 4);
    t.mock.timers.tick(1);
    online();
    assert.equal(opened.length, 5);
    online();
    t.mock.timers.tick(10_000);
    assert.equal(opened.length, 5, "one attempt, which is under way");
    last().onError("no");
    t.mock.timers.tick(4999);
    assert.equal(opened.length, 5);
    t.mock.timers.tick(1);
    assert.equal(opened.length, 6);
    last().handshake();
    online();
    t.mock.timers.tick(10_000);
    assert.equal(opened.length, 6);
  });

  for (const event of ["pageshow", "resume"]) {
    it(`reconnects at once when the page runs again: ${event}`, (t) => {
      const { opened, last } = setup(t);
      last().onError("no");
      page.dispatchEvent(new Event(event));
      assert.equal(opened.length, 2);
      last().handshake();
      page.dispatchEvent(new Event(event));
      assert.equal(opened.length, 2);
    });
  }

  it("does not when nobody wants it", (t) => {
    for (const stop of [(m) => m.disconnect(), (m) => m.reconnection(false), (m) => m.once("reconnect_attempt", () => m.disconnect())]) {
      const { manager, opened, last } = setup(t);
      last().onError("no");
      stop(manager);
      online();
      t.mock.timers.tick(10_000);
      assert.equal(opened.length, 1);
      t.mock.timers.reset();
    }
  });

  it("opens once, by hand or by itself", (t) => {
    const { manager, opened, last } = setup(t);
    last().onError("no");
    manager.open();
    online();
    assert.equal(opened.length, 2);
    last().handshake();
  });
});
