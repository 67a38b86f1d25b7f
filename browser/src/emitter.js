/**
 * A small event emitter with the methods pages know from the official client.
 *
 * Listeners are called in the order they were added, with the emitter as `this`. A listener added or
 * removed while an event is being delivered takes effect with the next event.
 */
export class Emitter {
  constructor() {
    /** @type {Record<string, Function[]>} */
    this._listeners = Object.create(null);
  }

  /**
   * Calls `listener` for each `event`.
   * @param {string} event
   * @param {Function} listener
   * @returns {this}
   */
  on(event, listener) {
    (this._listeners[event] ||= []).push(listener);
    return this;
  }

  /**
   * Calls `listener` for the next `event` only.
   * @param {string} event
   * @param {Function} listener
   * @returns {this}
   */
  once(event, listener) {
    const wrapper = (...args) => {
      this.off(event, wrapper);
      listener.apply(this, args);
    };
    wrapper.fn = listener;
    return this.on(event, wrapper);
  }

  /**
   * Removes one listener, with one argument all listeners of an event, without arguments all of them.
   * @param {string} [event]
   * @param {Function} [listener]
   * @returns {this}
   */
  off(event, listener) {
    if (!arguments.length) {
      this._listeners = Object.create(null);
    } else if (arguments.length < 2) {
      delete this._listeners[event];
    } else {
      const listeners = this.listeners(event);
      const i = listeners.findIndex((l) => l === listener || (l.fn && l.fn === listener));
      if (i >= 0) listeners.splice(i, 1);
    }
    return this;
  }

  /**
   * Calls the listeners of `event`.
   * @param {string} event
   * @param {...any} args
   * @returns {this}
   */
  emit(event, ...args) {
    for (const listener of this.listeners(event).slice()) listener.apply(this, args);
    return this;
  }

  /**
   * The listeners of `event`.
   * @param {string} event
   * @returns {Function[]}
   */
  listeners(event) {
    return this._listeners[event] || [];
  }

  /**
   * Whether `event` has a listener.
   * @param {string} event
   * @returns {boolean}
   */
  hasListeners(event) {
    return this.listeners(event).length > 0;
  }
}

const proto = Emitter.prototype;
proto.emitReserved = proto.emit;
proto.addEventListener = proto.on;
proto.removeListener = proto.removeAllListeners = proto.removeEventListener = proto.off;

/**
 * Adds a listener and returns the function that removes it.
 * @param {{on: Function, off: Function}} emitter
 * @param {string} event
 * @param {Function} listener
 * @returns {() => void}
 */
export function subscribe(emitter, event, listener) {
  emitter.on(event, listener);
  return () => emitter.off(event, listener);
}
