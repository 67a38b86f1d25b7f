// What compiles, and with which types. Nothing here runs.
import io, { connect, Fetch, Manager, protocol, Socket, WebSocket, WebTransport, XHR, io as named } from "sio-browser";
import type {
  DefaultEventsMap,
  DisconnectDescription,
  Engine,
  ExtendedError,
  ManagerOptions,
  ManagerReservedEvents,
  SocketOptions,
  SocketReservedEvents,
  Transport,
} from "sio-browser";
import * as parser from "sio-browser/msgpack";

/** Only for values of exactly this type. */
declare function is<Wanted>(): <Got>(value: Got & Same<Wanted, Got>) => void;
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? unknown : never;

interface ServerToClient {
  news: (title: string, at: number, bytes: ArrayBuffer) => void;
  ask: (question: string, answer: (yes: boolean) => void) => void;
}

interface ClientToServer {
  say: (text: string) => void;
  add: (a: number, b: number, sum: (result: number) => void) => void;
  login: (name: string, done: (id: string, admin: boolean) => void) => void;
  poke: (done: () => void) => void;
}

// Connecting.
is<Socket<DefaultEventsMap, DefaultEventsMap>>()(io());
is<Socket<DefaultEventsMap, DefaultEventsMap>>()(io("https://example.com"));
io({ forceNew: true });
io("/chat", { auth: { token: "t" }, retries: 3, ackTimeout: 1000 });
io(undefined as string | undefined);
io({ auth: (send) => send({ token: "t" }) });
connect("https://example.com");
named("https://example.com", { parser });
is<number>()(protocol);

const typed: Socket<ServerToClient, ClientToServer> = io();
const socket = io<ServerToClient, ClientToServer>("/chat", {
  transports: ["polling", "websocket", "webtransport"],
  transportOptions: { webtransport: { serverCertificateHashes: [] } },
  useNativeTimers: true,
  perMessageDeflate: { threshold: 1024 },
  timeout: false,
});
is<Socket<ServerToClient, ClientToServer>>()(socket);
is<Socket<ServerToClient, ServerToClient>>()(io<ServerToClient>());

// Its own events.
typed.on("connect", () => {});
typed.once("connect_error", (err) => {
  is<ExtendedError>()(err);
  console.log(err.message, err.data.code);
});
typed.on("disconnect", (reason, details) => {
  is<Socket.DisconnectReason>()(reason);
  is<DisconnectDescription | undefined>()(details);
  if (reason === "ping timeout") console.log(details instanceof Error ? details.message : details?.description);
});

// Events that come.
socket.on("news", (title, at, bytes) => {
  is<string>()(title);
  is<number>()(at);
  is<ArrayBuffer>()(bytes);
});
socket.once("ask", (question, answer) => answer(question === "?"));
const listener = (title: string) => console.log(title);
socket.off("news", listener).off("news").off();
socket.removeListener("ask").removeAllListeners("news");
is<((title: string, at: number, bytes: ArrayBuffer) => void)[]>()(socket.listeners("news"));
is<boolean>()(socket.hasListeners("ask"));
socket.onAny((event, ...args) => console.log(event.toUpperCase(), args.length)).offAny();
socket.prependAnyOutgoing((event) => console.log(event)).listenersAnyOutgoing();

// Events that go.
socket.emit("say", "hello").send("message");
socket.emit("add", 1, 2, (result) => is<number>()(result));
socket.timeout(1000).emit("login", "Ada", (err, id, admin) => {
  is<Error>()(err);
  is<string>()(id);
  is<boolean>()(admin);
});
socket.timeout(1000).emit("poke", (err) => is<Error>()(err));
socket.volatile.emit("say", "maybe");
socket.compress(false).emit("say", "as it is");
async function answers() {
  is<number>()(await socket.emitWithAck("add", 1, 2));
  is<string>()(await socket.emitWithAck("login", "Ada"));
  is<number>()(await socket.timeout(1000).emitWithAck("add", 1, 2));
  is<any>()(await io().emitWithAck("anything", 1, [2]));
}
io().emit("anything", 1, "2", (value: boolean) => is<boolean>()(value));
io().on("anything", (value, more) => is<any>()(value ?? more));

// What it says of itself.
is<string | undefined>()(socket.id);
is<boolean>()(socket.connected && socket.disconnected && socket.active && socket.recovered);
socket.auth = { token: "new" };
socket.connect().disconnect();

// The connection below.
const manager = new Manager("https://example.com", { reconnectionDelayMax: 10_000, autoConnect: false });
new Manager({ host: "example.com", port: 3000, secure: true, transportImplementations: [Fetch, WebSocket, WebTransport] });
manager.on("reconnect_attempt", (attempt) => is<number>()(attempt));
manager.on("close", (reason) => is<string>()(reason));
is<number>()(manager.reconnectionDelay());
is<Manager>()(manager.reconnectionDelay(500).timeout(false));
is<Socket<ServerToClient, ClientToServer>>()(manager.socket<ServerToClient, ClientToServer>("/"));
is<"opening" | "open" | "closed">()(manager._readyState);
const { engine } = socket.io;
is<Engine>()(engine);
engine.binaryType = "blob";
engine.on("upgrade", (transport) => is<Transport>()(transport));
engine.write("raw", { compress: false }, () => {});
const classes: (new (opts: any) => Transport)[] = [Fetch, XHR, WebSocket, WebTransport];

// Options and events of others' functions.
const options: Partial<ManagerOptions & SocketOptions> = { query: { a: 1 }, extraHeaders: { "x-a": "b" } };
const own: (keyof SocketReservedEvents | keyof ManagerReservedEvents)[] = ["connect", "disconnect", "reconnect_failed"];
const packed: [Uint8Array] = new parser.Encoder().encode({ type: 2, nsp: "/", data: ["e"] });
new parser.Decoder().add(packed[0]);

export { answers, classes, options, own };
