// The ws package as a peer. Usage: node peer.js server | node peer.js client <url>
// Both speak JSON, one value per line, on standard output; the client takes commands on standard input.
'use strict';

const WebSocket = require('ws');

const say = (value) => process.stdout.write(JSON.stringify(value) + '\n');

if (process.argv[2] === 'server') {
  const server = new WebSocket.Server({ host: '127.0.0.1', port: 0, maxPayload: 3000, perMessageDeflate: false });
  server.on('connection', (socket) => {
    socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }));
    socket.on('error', () => {}); // the close frame tells
  });
  server.on('listening', () => say({ port: server.address().port }));
  process.stdin.on('end', () => process.exit(0)).resume();
} else {
  const socket = new WebSocket(process.argv[3], { perMessageDeflate: false });
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
