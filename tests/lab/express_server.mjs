// express-ntlm before Samba's LDAP: node express_server.mjs MODULES PORT LDAP_PORT LDAP_SOCKET LOG
//
// It knows a directory by TCP only, and Samba has a socket of the file system: the LDAP port leads there.

import fs from 'node:fs';
import { createRequire } from 'node:module';
import net from 'node:net';

const [modules, port, ldapPort, ldapSocket, log] = process.argv.slice(2);
const require = createRequire(`${modules}/`);
const express = require('express');
const ntlm = require('express-ntlm');

// A crowd fills Samba's short queue.
const lead = (client) => {
  const samba = net.connect(ldapSocket, () => client.pipe(samba).pipe(client));
  samba.on('error', (error) => (error.code === 'EAGAIN' ? setTimeout(lead, 5, client) : client.destroy()));
  client.on('error', () => samba.destroy());
};
net.createServer(lead).listen(ldapPort, '127.0.0.1');

const app = express();
app.disable('x-powered-by');
app.use((request, response, next) => {
  const message = /^NTLM TlRMTVNTUAA([ABCD])/.exec(request.headers.authorization ?? '');
  const type = message ? message[1].charCodeAt(0) - 65 : 0;
  response.set('X-Peer-Port', String(request.socket.remotePort));
  response.on('finish', () => {
    const user = request.ntlm?.UserName ?? '-';
    fs.appendFileSync(
      log,
      `port=${request.socket.remotePort} ${request.method} ${request.originalUrl} ${response.statusCode} type=${type} user=${user}\n`,
    );
  });
  next();
});
app.use(ntlm({ domain: 'AD', domaincontroller: `ldap://127.0.0.1:${ldapPort}/DC=ad,DC=test` }));
app.use((request, response) => {
  response.set('X-Remote-User', `${request.ntlm.DomainName}\\${request.ntlm.UserName}`);
  response.send(`hello from ${request.path}\n`);
});
const server = app.listen(port, '127.0.0.1');
server.keepAliveTimeout = 30_000;
