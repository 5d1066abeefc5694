// npm's http-auth before a page: node http_auth_server.mjs MODULES PORT USERS REALM LOG

import fs from 'node:fs';
import http from 'node:http';
import { createRequire } from 'node:module';

const [modules, port, file, realm, log] = process.argv.slice(2);
const auth = createRequire(`${modules}/`)('http-auth');

const page = auth.digest({ realm, file }).check((request, response) => {
  response.setHeader('X-Remote-User', request.user);
  response.end(`hello from ${request.url}\n`);
});
const server = http.createServer((request, response) => {
  const scheme = request.headers.authorization?.split(' ', 1)[0] ?? '-';
  response.setHeader('X-Peer-Port', String(request.socket.remotePort));
  response.on('finish', () => {
    const { method, url, socket } = request;
    fs.appendFileSync(log, `port=${socket.remotePort} ${method} ${url} ${response.statusCode} login=${scheme}\n`);
  });
  page(request, response);
});
server.listen(port, '127.0.0.1');
server.keepAliveTimeout = 30_000;
