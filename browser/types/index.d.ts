// Types of the client, with the names of the official package's.

/** Events by name, each with the type of its listener. */
export interface EventsMap {
  [event: string]: any;
}

/** The events of a socket that is not told of any: all names, with any arguments. */
export interface DefaultEventsMap {
  [event: string]: (...args: any[]) => void;
}

export type EventNames<Events extends EventsMap> = keyof Events & (string | symbol);

export type EventParams<Events extends EventsMap, Name extends EventNames<Events>> = Parameters<Events[Name]>;

type Names<Own extends EventsMap, Events extends EventsMap> = EventNames<Own> | EventNames<Events>;

type ListenerOf<Own extends EventsMap, Events extends EventsMap, Name> = Name extends EventNames<Own>
  ? Own[Name]
  : Name extends EventNames<Events>
    ? Events[Name]
    : never;

// For a name that is generic itself, which nothing is known of.
type Listener<Own extends EventsMap, Events extends EventsMap, Name> = [ListenerOf<Own, Events, Name>] extends [never]
  ? (...args: any[]) => void | Promise<void>
  : ListenerOf<Own, Events, Name>;

/** What has listeners: those of `Listened`, and of its `Own` events. */
declare class Emitter<Listened extends EventsMap, Emitted extends EventsMap, Own extends EventsMap = {}> {
  /** Calls `listener` for each `event`. */
  on<Name extends Names<Own, Listened>>(event: Name, listener: Listener<Own, Listened, Name>): this;
  /** Calls `listener` for the next `event` only. */
  once<Name extends Names<Own, Listened>>(event: Name, listener: Listener<Own, Listened, Name>): this;
  /** Removes one listener, with one argument all listeners of an event, without arguments all of them. */
  off<Name extends Names<Own, Listened>>(event?: Name, listener?: Listener<Own, Listened, Name>): this;
  addEventListener<Name extends Names<Own, Listened>>(event: Name, listener: Listener<Own, Listened, Name>): this;
  removeListener<Name extends Names<Own, Listened>>(event?: Name, listener?: Listener<Own, Listened, Name>): this;
  removeEventListener<Name extends Names<Own, Listened>>(event?: Name, listener?: Listener<Own, Listened, Name>): this;
  removeAllListeners<Name extends Names<Own, Listened>>(event?: Name): this;
  emit<Name extends EventNames<Emitted>>(event: Name, ...args: EventParams<Emitted, Name>): this;
  listeners<Name extends Names<Own, Listened>>(event: Name): Listener<Own, Listened, Name>[];
  hasListeners<Name extends Names<Own, Listened>>(event: Name): boolean;
}

export type Last<Values extends any[]> = Values extends [...infer _, infer Value] ? Value : any;
export type AllButLast<Values extends any[]> = Values extends [...infer Rest, infer _] ? Rest : any[];
// Not the error that `timeout()` puts in front.
export type FirstArg<Callback> = Callback extends (...args: infer Args) => any
  ? Args extends [infer First, ...infer Rest]
    ? IfAny<First, any, First extends Error ? (Rest extends [infer Second, ...any[]] ? Second : any) : First>
    : any
  : any;

type IfAny<Value, Then, Else> = 0 extends 1 & Value ? Then : Else;

type WithError<Values extends any[]> = {
  [Index in keyof Values]: Values[Index] extends (...args: infer Args) => infer Result
    ? (err: Error, ...args: Args) => Result
    : Values[Index];
};

/** The same events, but their callbacks get an error first: what `timeout()` leads to. */
export type DecorateAcknowledgements<Events> = {
  [Name in keyof Events]: Events[Name] extends (...args: infer Args) => infer Result
    ? (...args: WithError<Args>) => Result
    : Events[Name];
};

/** Data for the server, sent whenever a socket connects; or a function that makes it. */
export type Auth = { [key: string]: any } | ((send: (auth: object) => void) => void);

export interface SocketOptions {
  auth?: Auth;
  /** Send events again, up to this many times, until the server acknowledges them; default 0. */
  retries?: number;
  /** How long an acknowledgement may take, in milliseconds; default any time. */
  ackTimeout?: number;
}

export type DisconnectDescription = Error | { description: string; context?: unknown };

/** What a middleware of the server refuses with, or why there is no connection. */
export interface ExtendedError extends Error {
  data?: any;
}

export interface SocketReservedEvents {
  connect: () => void;
  connect_error: (err: ExtendedError) => void;
  disconnect: (reason: Socket.DisconnectReason, description?: DisconnectDescription) => void;
}

/** A packet of Socket.IO. */
export interface Packet {
  /** 0 CONNECT, 1 DISCONNECT, 2 EVENT, 3 ACK, 4 CONNECT_ERROR */
  type: number;
  nsp: string;
  data?: any;
  id?: number;
  options?: { compress?: boolean };
}

/** One namespace, at the page's end: what it emits reaches listeners of the server, and the other way round. */
export declare class Socket<
  ListenEvents extends EventsMap = DefaultEventsMap,
  EmitEvents extends EventsMap = ListenEvents,
> extends Emitter<ListenEvents, EmitEvents, SocketReservedEvents> {
  constructor(io: Manager, nsp: string, opts?: Partial<SocketOptions>);
  readonly io: Manager<ListenEvents, EmitEvents>;
  readonly nsp: string;
  /** Set while connected; another one in each session. */
  id: string | undefined;
  connected: boolean;
  get disconnected(): boolean;
  /** Whether it is connected or will be without being told to. */
  get active(): boolean;
  /** Whether the last connection took up the session before it, with what was missed since. */
  recovered: boolean;
  /** May be replaced between connections. */
  auth: Auth;
  /** Events that came before the server's confirmation. */
  receiveBuffer: Array<ReadonlyArray<any>>;
  /** Events that wait for the connection. */
  sendBuffer: Array<Packet>;

  connect(): this;
  open(): this;
  disconnect(): this;
  close(): this;

  /** Emits `message`. */
  send(...args: any[]): this;
  emit<Name extends EventNames<EmitEvents>>(event: Name, ...args: EventParams<EmitEvents, Name>): this;
  /** Emits an event and resolves with the first argument of the acknowledgement. */
  emitWithAck<Name extends EventNames<EmitEvents>>(
    event: Name,
    ...args: AllButLast<EventParams<EmitEvents, Name>>
  ): Promise<FirstArg<Last<EventParams<EmitEvents, Name>>>>;

  /** Whether the next event may be compressed. */
  compress(compress: boolean): this;
  /** The next event is dropped when it can't be sent at once. */
  get volatile(): this;
  /** The callback of the next event gets an error first, and is called with one after so many milliseconds. */
  timeout(timeout: number): Socket<ListenEvents, DecorateAcknowledgements<EmitEvents>>;

  onAny(listener: (event: string, ...args: any[]) => void): this;
  prependAny(listener: (event: string, ...args: any[]) => void): this;
  offAny(listener?: (event: string, ...args: any[]) => void): this;
  listenersAny(): ((event: string, ...args: any[]) => void)[];
  onAnyOutgoing(listener: (event: string, ...args: any[]) => void): this;
  prependAnyOutgoing(listener: (event: string, ...args: any[]) => void): this;
  offAnyOutgoing(listener?: (event: string, ...args: any[]) => void): this;
  listenersAnyOutgoing(): ((event: string, ...args: any[]) => void)[];
}

export declare namespace Socket {
  type DisconnectReason =
    | "io server disconnect"
    | "io client disconnect"
    | "ping timeout"
    | "transport close"
    | "transport error"
    | "parse error"
    | "forced close";
}

export type TransportName = "polling" | "websocket" | "webtransport" | (string & {});

export type TransportCtor = { new (opts: any): Transport };

/** Options of the connection itself. */
export interface EngineOptions {
  /** The server, where no address is given: by default that of the page. */
  host?: string;
  hostname?: string;
  port?: string | number;
  secure?: boolean;
  path?: string;
  /** Default true. */
  addTrailingSlash?: boolean;
  /** Parameters of each request. */
  query?: { [key: string]: any };
  /** In the order they are tried; default polling, WebSocket, WebTransport. */
  transports?: TransportName[] | TransportCtor[];
  /** Classes, in the place of `transports`. */
  transportImplementations?: TransportCtor[];
  /** Options by transport, such as `serverCertificateHashes` of `webtransport`. */
  transportOptions?: { [name: string]: any };
  /** When the first transport fails to open, try the next; default false. */
  tryAllTransports?: boolean;
  /** Default true. */
  upgrade?: boolean;
  /** Start with WebSocket if the last one worked; default false. */
  rememberUpgrade?: boolean;
  /** Default: for polling only. */
  timestampRequests?: boolean;
  /** Default `t`. */
  timestampParam?: string;
  /** Default false. */
  forceBase64?: boolean;
  /** Send cookies to other origins; default false. */
  withCredentials?: boolean;
  /** Of polling requests. */
  extraHeaders?: { [header: string]: string };
  /** Of one polling request, in milliseconds; default none. */
  requestTimeout?: number;
  /** WebSocket subprotocols. */
  protocols?: string | string[];
  /** Close quietly when the page is left; default false. */
  closeOnBeforeunload?: boolean;
  /** The timers that were there when the script was loaded, whatever has taken their place since; default false. */
  useNativeTimers?: boolean;
  /** The browser decides; accepted and not used. */
  perMessageDeflate?: { threshold: number } | boolean;
}

/** What turns packets into messages and back; `socket.io-msgpack-parser` and the like fit. */
export interface Parser {
  Encoder: new () => { encode(packet: any): any[] };
  Decoder: new () => {
    add(message: any): void;
    destroy(): void;
    on(event: "decoded", listener: (packet: any) => void): any;
  };
}

export interface ManagerOptions extends EngineOptions {
  /** `io()` makes a connection of its own; default false. */
  forceNew: boolean;
  /** `io()` shares connections; default true. */
  multiplex: boolean;
  /** Default `/socket.io`. */
  path: string;
  /** Default true. */
  reconnection: boolean;
  /** Default Infinity. */
  reconnectionAttempts: number;
  /** The first delay, in milliseconds; default 1000. */
  reconnectionDelay: number;
  /** The longest delay, in milliseconds; default 5000. */
  reconnectionDelayMax: number;
  /** The share by which delays vary, 0 to 1; default 0.5. */
  randomizationFactor: number;
  /** Of opening a connection, in milliseconds, or false; default 20000. */
  timeout: number | false;
  /** Default true. */
  autoConnect: boolean;
  /** Default the one that speaks JSON. */
  parser: Parser | any;
}

export interface ManagerReservedEvents {
  open: () => void;
  error: (err: Error) => void;
  ping: () => void;
  packet: (packet: Packet) => void;
  close: (reason: string, description?: DisconnectDescription) => void;
  reconnect_failed: () => void;
  reconnect_attempt: (attempt: number) => void;
  reconnect_error: (err: Error) => void;
  reconnect: (attempt: number) => void;
}

/** One connection for any number of sockets, brought back when it is lost. */
export declare class Manager<
  ListenEvents extends EventsMap = DefaultEventsMap,
  EmitEvents extends EventsMap = ListenEvents,
> extends Emitter<{}, {}, ManagerReservedEvents> {
  constructor(opts: Partial<ManagerOptions>);
  constructor(uri?: string, opts?: Partial<ManagerOptions>);
  constructor(uri?: string | Partial<ManagerOptions>, opts?: Partial<ManagerOptions>);
  /** The connection at present. */
  engine: Engine;
  /** What is changed here counts from the next connection on. */
  opts: Partial<ManagerOptions>;
  _autoConnect: boolean;
  _readyState: "opening" | "open" | "closed";
  _reconnecting: boolean;

  reconnection(): boolean;
  reconnection(value: boolean): this;
  reconnection(value?: boolean): this | boolean;
  reconnectionAttempts(): number;
  reconnectionAttempts(value: number): this;
  reconnectionAttempts(value?: number): this | number;
  reconnectionDelay(): number;
  reconnectionDelay(value: number): this;
  reconnectionDelay(value?: number): this | number;
  reconnectionDelayMax(): number;
  reconnectionDelayMax(value: number): this;
  reconnectionDelayMax(value?: number): this | number;
  randomizationFactor(): number;
  randomizationFactor(value: number): this;
  randomizationFactor(value?: number): this | number;
  timeout(): number | boolean;
  timeout(value: number | boolean): this;
  timeout(value?: number | boolean): this | number | boolean;

  /** Opens the connection. With a callback there is no reconnection after a failure. */
  open(callback?: (err?: Error) => void): this;
  connect(callback?: (err?: Error) => void): this;
  /** The socket of a namespace. */
  socket<Listen extends EventsMap = ListenEvents, Emit extends EventsMap = EmitEvents>(
    nsp: string,
    opts?: Partial<SocketOptions>,
  ): Socket<Listen, Emit>;
}

/** A packet of Engine.IO. */
export interface EnginePacket {
  type: "open" | "close" | "ping" | "pong" | "message" | "upgrade" | "noop" | "error";
  data?: any;
  options?: { compress?: boolean };
}

export interface HandshakeData {
  sid: string;
  upgrades: string[];
  pingInterval: number;
  pingTimeout: number;
  maxPayload: number;
}

export interface CloseDetails {
  description: string;
  context?: unknown;
}

export interface EngineReservedEvents {
  open: () => void;
  handshake: (data: HandshakeData) => void;
  packet: (packet: EnginePacket) => void;
  packetCreate: (packet: EnginePacket) => void;
  data: (data: any) => void;
  message: (data: any) => void;
  drain: () => void;
  flush: () => void;
  heartbeat: () => void;
  ping: () => void;
  pong: () => void;
  error: (err: string | Error) => void;
  upgrading: (transport: Transport) => void;
  upgrade: (transport: Transport) => void;
  upgradeError: (err: Error) => void;
  close: (reason: string, description?: CloseDetails | Error) => void;
}

/** One session of Engine.IO, below a Manager. */
declare class Engine extends Emitter<Record<never, never>, Record<never, never>, EngineReservedEvents> {
  static protocol: number;
  static priorWebsocketSuccess: boolean;
  constructor(uri: string | undefined, opts: EngineOptions);
  id: string;
  transport: Transport;
  /** What received bytes become. */
  binaryType: "arraybuffer" | "blob";
  readyState: "opening" | "open" | "closing" | "closed";
  writeBuffer: EnginePacket[];
  /** Sends one message; `fn` is called at the next flush. */
  write(data: any, options?: { compress?: boolean }, fn?: () => void): this;
  send(data: any, options?: { compress?: boolean }, fn?: () => void): this;
  close(): this;
}

declare class TransportError extends Error {
  readonly type: "TransportError";
  readonly description: any;
  readonly context: any;
}

export interface TransportReservedEvents {
  open: () => void;
  error: (err: TransportError) => void;
  packet: (packet: EnginePacket) => void;
  close: (details?: CloseDetails) => void;
  drain: () => void;
}

/** One way to carry packets. */
declare abstract class Transport extends Emitter<
  Record<never, never>,
  Record<never, never>,
  TransportReservedEvents
> {
  constructor(opts: any);
  abstract get name(): string;
  query: Record<string, any>;
  writable: boolean;
  open(): void;
  close(): void;
  send(packets: EnginePacket[]): void;
  pause(then: () => void): void;
}

/** Polling, by `fetch`. */
export declare class Fetch extends Transport {
  get name(): "polling";
}

/** The same as `Fetch`. */
export { Fetch as XHR };

export declare class WebSocket extends Transport {
  get name(): "websocket";
}

export declare class WebTransport extends Transport {
  get name(): "webtransport";
}

/** Version of the Socket.IO protocol. */
export declare const protocol: number;

/**
 * Connects to a namespace: nothing is the page's own server, `/chat` a namespace of it. Sockets of one server share a
 * connection.
 */
export declare function io<
  ListenEvents extends EventsMap = DefaultEventsMap,
  EmitEvents extends EventsMap = ListenEvents,
>(opts?: Partial<ManagerOptions & SocketOptions>): Socket<ListenEvents, EmitEvents>;
export declare function io<
  ListenEvents extends EventsMap = DefaultEventsMap,
  EmitEvents extends EventsMap = ListenEvents,
>(uri?: string, opts?: Partial<ManagerOptions & SocketOptions>): Socket<ListenEvents, EmitEvents>;

export { io as connect, io as default };

// Those that scripts can't name.
export type { Emitter, Engine, Transport, TransportError };
