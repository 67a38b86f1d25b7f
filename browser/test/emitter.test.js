import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Emitter, subscribe } from "../src/emitter.js";

describe("Emitter", () => {
  it("calls listeners in order, with the arguments and itself as this", () => {
    const emitter = new Emitter();
    const calls = [];
    emitter.on("a", function (...args) {
      calls.push([1, this === emitter, ...args]);
    });
    emitter.on("a", (...args) => calls.push([2, ...args]));
    assert.equal(emitter.emit("a", "x", undefined), emitter);
    assert.deepEqual(calls, [
      [1, true, "x", undefined],
      [2, "x", undefined],
    ]);
  });

  it("calls a listener added twice twice, and removes it once at a time", () => {
    const emitter = new Emitter();
    let calls = 0;
    const listener = () => calls++;
    emitter.on("a", listener).on("a", listener);
    emitter.emit("a");
    assert.equal(calls, 2);
    emitter.off("a", listener).emit("a");
    assert.equal(calls, 3);
  });

  it("calls a once listener one time, even when it emits the event itself", () => {
    const emitter = new Emitter();
    let calls = 0;
    emitter.once("a", () => {
      calls++;
      emitter.emit("a");
    });
    emitter.emit("a").emit("a");
    assert.equal(calls, 1);
  });

  it("removes a once listener by the function that was given", () => {
    const emitter = new Emitter();
    const listener = () => assert.fail("called");
    emitter.once("a", listener).off("a", listener).emit("a");
    assert.equal(emitter.hasListeners("a"), false);
  });

  it("removes all listeners of an event, or all", () => {
    const emitter = new Emitter();
    const calls = [];
    for (const name of ["a", "b", "c"]) emitter.on(name, () => calls.push(name));
    emitter.off("a").emit("a").emit("b");
    assert.deepEqual(calls, ["b"]);
    emitter.off().emit("b").emit("c");
    assert.deepEqual(calls, ["b"]);
  });

  it("keeps the other listeners when asked to remove undefined", () => {
    const emitter = new Emitter();
    emitter.on("a", () => {});
    emitter.off("a", undefined);
    assert.equal(emitter.listeners("a").length, 1);
  });

  it("lets listeners come and go during delivery, from the next event on", () => {
    const emitter = new Emitter();
    const calls = [];
    const second = () => calls.push("second");
    emitter.on("a", () => {
      calls.push("first");
      emitter.off("a", second).on("a", () => calls.push("third"));
    });
    emitter.on("a", second);
    emitter.emit("a");
    assert.deepEqual(calls, ["first", "second"]);
    calls.length = 0;
    emitter.emit("a");
    assert.deepEqual(calls, ["first", "third"]);
  });

  it("has no events of its own", () => {
    const emitter = new Emitter();
    for (const name of ["constructor", "__proto__", "toString", 5]) {
      assert.deepEqual(emitter.listeners(name), []);
      let got;
      emitter.on(name, (value) => (got = value)).emit(name, "x");
      assert.equal(got, "x", String(name));
    }
  });

  it("takes the number and the text of an event name for one", () => {
    const emitter = new Emitter();
    let got;
    emitter.on("5", (value) => (got = value)).emit(5, "x");
    assert.equal(got, "x");
  });

  it("knows the other names of its methods", () => {
    const emitter = new Emitter();
    const listener = () => {};
    emitter.addEventListener("a", listener);
    assert.deepEqual(emitter.listeners("a"), [listener]);
    emitter.removeListener("a", listener);
    emitter.on("a", listener).removeEventListener("a", listener);
    emitter.on("a", listener).removeAllListeners("a");
    assert.equal(emitter.hasListeners("a"), false);
  });
});

describe("subscribe", () => {
  it("returns what removes the listener", () => {
    const emitter = new Emitter();
    const undo = subscribe(emitter, "a", () => {});
    assert.equal(emitter.hasListeners("a"), true);
    undo();
    assert.equal(emitter.hasListeners("a"), false);
  });
});
