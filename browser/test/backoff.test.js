import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Backoff } from "../src/backoff.js";

describe("Backoff", () => {
  it("doubles up to the maximum without jitter", () => {
    const backoff = new Backoff({ min: 100, max: 1000, jitter: 0 });
    assert.deepEqual(
      Array.from({ length: 6 }, () => backoff.duration()),
      [100, 200, 400, 800, 1000, 1000],
    );
    assert.equal(backoff.attempts, 6);
    backoff.reset();
    assert.equal(backoff.duration(), 100);
  });

  // The random number r gives floor(r * jitter * base), taken off when floor(10 r) is even.
  for (const [random, attempts, want] of [
    [0, 0, 1000],
    [0.05, 0, 975],
    [0.15, 0, 1075],
    [0.25, 0, 875],
    [0.999, 0, 1499],
    [0.899, 0, 551],
    [0.35, 1, 2350],
    [0.45, 1, 1550],
    [0.6, 2, 2800],
    [0.7, 2, 5000],
    [0.8, 3, 4800],
    [0.1234567, 1, 2123],
  ]) {
    it(`gives ${want} for attempt ${attempts} and the random number ${random}`, (t) => {
      t.mock.method(Math, "random", () => random);
      const backoff = new Backoff({ min: 1000, max: 5000, jitter: 0.5 });
      for (let i = 0; i < attempts; i++) backoff.duration();
      assert.equal(backoff.duration(), want);
    });
  }

  it("ignores a jitter outside 0 to 1", (t) => {
    t.mock.method(Math, "random", () => 0.9);
    for (const jitter of [-1, 1.5, NaN]) {
      assert.equal(new Backoff({ min: 100, max: 1000, jitter }).duration(), 100);
    }
  });

  it("still waits after thousands of attempts", (t) => {
    for (const random of [0, 0.1, 0.2, 0.9]) {
      t.mock.method(Math, "random", () => random);
      const backoff = new Backoff({ min: 1000, max: 5000, jitter: 0.5 });
      backoff.attempts = 5000;
      assert.equal(backoff.duration(), 5000);
    }
  });
});
