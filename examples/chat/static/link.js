// Link is the page's connection. It works with any client that has the interface of the official one.

const refusals = new Set(["io server disconnect"]);

export class Link {
  // hooks: one function for each event of the contract, and status(status, detail), connected(), disconnected().
  constructor(key, hooks) {
    this.hooks = hooks;
    this.generation = 0; // counts connections: an answer to an older one is worth nothing
    this.ready = false; // in a room, with its state applied
    this.held = [];
    this.attempt = 0;
    this.available = typeof window.io === "function";
    if (!this.available) return;
    this.socket = window.io("/chat", {
      autoConnect: false,
      auth: { key },
      reconnectionDelay: 500,
      reconnectionDelayMax: 4000,
      transportOptions: { webtransport: trusting(document.documentElement.dataset.certificate) },
    });
    this.socket.on("connect", () => {
      const engine = this.socket.io.engine;
      this.transport = engine.transport.name;
      engine.on("upgrade", (transport) => {
        this.transport = transport.name;
        hooks.status("online");
      });
      this.generation++;
      this.attempt = 0;
      this.held = [];
      hooks.status("online");
      hooks.connected();
    });
    this.socket.on("disconnect", (reason) => {
      this.generation++;
      this.ready = false;
      hooks.disconnected();
      hooks.status("offline", { attempt: 0 });
      // The client does not come back by itself when the server ended the conversation.
      if (refusals.has(reason)) setTimeout(() => this.socket.connect(), 1000);
    });
    this.socket.on("connect_error", (err) => {
      this.attempt++;
      if (err.data?.code) hooks.status("refused", { reason: err.message });
      else hooks.status("offline", { attempt: this.attempt });
    });
    // News of a room may be quicker than the answer to entering it: they wait for it.
    for (const name of ["message", "came", "went", "renamed", "seen"]) {
      this.socket.on(name, (v) => (this.ready ? hooks[name](v) : this.held.push([name, v])));
    }
    this.socket.on("room", hooks.room);
    this.socket.on("typing", (v) => this.ready && hooks.typing(v));
  }

  get online() {
    return this.socket.connected;
  }

  open() {
    this.hooks.status("connecting");
    this.socket.connect();
  }

  // retry does not wait for the end of the pause between two attempts.
  retry() {
    this.socket.disconnect();
    this.socket.connect();
  }

  // release hands over what was held back.
  release() {
    const held = this.held;
    this.held = [];
    for (const [name, v] of held) this.hooks[name](v);
  }

  // ask sends an event and waits for its acknowledgement. It throws an error with lost set if none came, and one with
  // the server's words if it refused.
  async ask(event, data, timeout = 10_000) {
    if (!this.online) throw lost("You are offline.");
    let re;
    try {
      re = await this.socket.timeout(timeout).emitWithAck(event, data);
    } catch {
      throw lost("The server did not answer.");
    }
    if (re?.error) throw new Error(re.error);
    return re;
  }

  // tell sends an event that needs no answer.
  tell(event, data) {
    if (this.online) this.socket.emit(event, data);
  }

  // hint sends an event that may be lost.
  hint(event, data) {
    if (this.online) this.socket.volatile.emit(event, data);
  }
}

// trusting are the options of WebTransport for a certificate that nobody has signed, if there is one.
function trusting(hash) {
  if (!hash) return {};
  const value = Uint8Array.from(atob(hash), (c) => c.charCodeAt(0));
  return { serverCertificateHashes: [{ algorithm: "sha-256", value }] };
}

function lost(message) {
  return Object.assign(new Error(message), { lost: true });
}
