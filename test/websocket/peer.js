// The ws package as a peer. Usage: node peer.js server | node peer.js dialed | node peer.js client <url>
// Both speak JSON, one value per line, on standard output; the client takes commands on standard input.
'use strict';

const WebSocket = require('ws');

// What DEFLATE says is the option perMessageDeflate.
const deflate = JSON.parse(process.env.DEFLATE || 'false');
const say = (value) => process.stdout.write(JSON.stringify(value) + '\n');

if (process.argv[2] === 'server') {
  const server = new WebSocket.Server({ host: '127.0.0.1', port: 0, maxPayload: deflate ? 300000 : 3000, perMessageDeflate: deflate });
  server.on('connection', (socket) => {
    socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }));
    socket.on('error', () => {}); // the close frame tells
  });
  server.on('listening', () => say({ port: server.address().port }));
  process.stdin.on('end', () => process.exit(0)).resume();
} else if (process.argv[2] === 'dialed') {
  // Speaks the subprotocol "two", echoes in three fragments, and obeys the texts listed at the type dialed.
  const server = new WebSocket.Server({ host: '127.0.0.1', port: 0, handleProtocols: () => 'two' });
  server.on('connection', (socket) => {
    socket.on('message', (data, isBinary) => {
      const [name, n, reason] = isBinary || data.length > 100 ? [] : data.toString().split(' ');
      const third = Math.floor(data.length / 3);
      switch (name) {
        case 'close':
          return socket.close(Number(n), reason);
        case 'abort':
          return socket.terminate();
        case 'ping':
          return socket.ping('payload');
        case 'big':
          return socket.send(Buffer.alloc(Number(n)));
      }
      socket.send(data.subarray(0, third), { binary: isBinary, fin: false });
      socket.send(data.subarray(third, 2 * third), { binary: isBinary, fin: false });
      socket.send(data.subarray(2 * third), { binary: isBinary, fin: true });
    });
    socket.on('pong', (data) => socket.send(data.toString() === 'payload' ? 'pong' : 'wrong'));
    socket.on('error', () => {}); // the close frame tells
    socket.on('close', (code, reason) => say({ event: 'close', code, data: reason.toString('base64') }));
  });
  server.on('listening', () => say({ port: server.address().port }));
  process.stdin.on('end', () => process.exit(0)).resume();
} else {
  const socket = new WebSocket(process.argv[3], { perMessageDeflate: deflate });
  socket.on('open', () => say({ event: 'open' }));
  socket.on('error', (err) => say({ event: 'error', text: String(err) }));
  socket.on('message', (data, isBinary) => say({ event: 'message', binary: isBinary, data: data.toString('base64') }));
  socket.on('pong', (data) => say({ event: 'pong', data: data.toString('base64') }));
  socket.on('close', (code, reason) => {
    say({ event: 'close', code, data: reason.toString('base64') });
    process.exitCode = 0;
    process.stdin.pause();
  });
  require('readline').createInterface({ input: process.stdin }).on('line', (line) => {
    const command = JSON.parse(line);
    switch (command.op) {
      case 'send':
        command.parts.forEach((part, i) => {
          const fin = i === command.parts.length - 1;
          socket.send(Buffer.from(part, 'base64'), { binary: command.binary, fin });
        });
        break;
      case 'ping':
        socket.ping(Buffer.from(command.data, 'base64'));
        break;
      case 'close':
        socket.close(command.code, command.reason);
        break;
    }
  });
}
