/**
 * Backoff computes the delay before each reconnection attempt: it doubles from `min` and is then moved up
 * or down by a random share of at most `jitter`, so that the clients of a restarted server do not all come
 * back at once. One random number decides both size and direction, as in the official client.
 */
export class Backoff {
  /** @param {{min: number, max: number, jitter: number}} opts delays in milliseconds, jitter in [0, 1] */
  constructor({ min, max, jitter }) {
    this.min = min;
    this.max = max;
    this.jitter = jitter;
    this.attempts = 0;
  }

  /**
   * The next delay in milliseconds; counts one attempt.
   * @returns {number}
   */
  duration() {
    // The exponent is bounded because 2 ** 1024 is Infinity, and Infinity - Infinity no delay at all.
    let delay = this.min * 2 ** Math.min(this.attempts++, 60);
    if (this.jitter > 0 && this.jitter <= 1) {
      const random = Math.random();
      const deviation = Math.floor(random * this.jitter * delay);
      delay += Math.floor(random * 10) % 2 ? deviation : -deviation;
    }
    return Math.trunc(Math.min(delay, this.max));
  }

  /** Starts over, after a success. */
  reset() {
    this.attempts = 0;
  }
}
