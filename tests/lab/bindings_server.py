#!/usr/bin/python3
"""HTTPS servers that look at channel bindings (Extended Protection), with GSS-API as the acceptor.

bindings_server.py FOLDER PORT NAME:HASH...: one port for each certificate FOLDER/NAME.pem, from PORT upwards, all with
the key FOLDER/server.key. The bindings are tls-server-end-point (RFC 5929) by HASH. Kerberos tickets are for
KRB5_KTNAME, NTLM users in NTLM_USER_FILE.

  /gss-require   bindings must come, and match
  /gss-accept    bindings may be absent; where they come, they must match
  /gss-ignore    the server has none to compare with

A login holds for its path on its connection. Any Authorization header there begins another one.
"""

import base64
import hashlib
import http.server
import socketserver
import ssl
import sys
import threading
import urllib.parse

import gssapi
import gssapi.raw

SCHEMES = ("Negotiate", "NTLM")
POLICIES = ("require", "accept", "ignore")
NTLMSSP = gssapi.OID.from_int_seq("1.3.6.1.4.1.311.2.2.10")
CHANNEL_BOUND = 2048  # GSS_C_CHANNEL_BOUND_FLAG, which python-gssapi has no name for


def tls_server_end_point(pem, algorithm):
    certificate = ssl.PEM_cert_to_DER_cert(pem)
    data = b"tls-server-end-point:" + hashlib.new(algorithm, certificate).digest()
    return gssapi.raw.ChannelBindings(application_data=data)


class Refused(Exception):
    """A login that GSS-API let in, and the path's policy does not."""


class Login:
    """One login: in progress while `context.complete` is false."""

    def __init__(self, scheme, policy, bindings):
        self.scheme, self.policy = scheme, policy
        bindings = None if policy == "ignore" else bindings
        mechanisms = [NTLMSSP] if scheme == "NTLM" else None
        credentials = gssapi.Credentials(usage="accept", mechs=mechanisms)
        self.context = gssapi.SecurityContext(creds=credentials, usage="accept", channel_bindings=bindings)

    def step(self, token):
        answer = self.context.step(token)
        if self.context.complete and self.policy == "require" and self.bindings() != "bound":
            raise Refused("no channel bindings")
        return answer

    def bindings(self):
        if self.policy == "ignore":
            return "n/a"
        return "bound" if int(self.context.actual_flags) & CHANNEL_BOUND else "absent"

    def user(self):
        return str(self.context.initiator_name).rstrip("\0")

    def mechanism(self):
        return "NTLM" if self.context.mech == NTLMSSP else "krb5"


class Connection(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    login = None

    def answer(self):
        self.read_body()
        policy = urllib.parse.urlsplit(self.path).path.removeprefix("/gss-")
        if policy not in POLICIES:
            return self.respond(404)
        scheme, _, token = self.headers.get("Authorization", "").partition(" ")
        if scheme:
            return self.step(scheme, policy, token)
        if self.login and self.login.context.complete and self.login.policy == policy:
            return self.let_in()
        return self.challenge()

    do_GET = do_HEAD = do_POST = do_PUT = answer

    def step(self, scheme, policy, token):
        known = {name.lower(): name for name in SCHEMES}
        scheme = known.get(scheme.lower())
        if scheme is None:
            return self.challenge()
        login, self.login = self.login, None
        try:
            if login is None or login.context.complete or (login.scheme, login.policy) != (scheme, policy):
                login = Login(scheme, policy, self.server.bindings)
            answer = login.step(base64.b64decode(token, validate=True))
        except (gssapi.exceptions.GSSError, Refused, ValueError) as error:
            return self.challenge(why=" ".join(str(error).split()))
        self.login = login
        fields = [("WWW-Authenticate", f"{scheme} {base64.b64encode(answer).decode()}")] if answer else []
        if not login.context.complete:
            return self.respond(401, fields)
        return self.let_in(fields)

    def challenge(self, why=None):
        fields = [("WWW-Authenticate", scheme) for scheme in SCHEMES]
        self.respond(401, fields + ([("X-Why", why)] if why else []))

    def let_in(self, fields=()):
        login = self.login
        self.respond(200, [
            *fields,
            ("Persistent-Auth", "true"),
            ("X-Remote-User", login.user()),
            ("X-User", login.user()),
            ("X-Mech", login.mechanism()),
            ("X-Channel-Bindings", login.bindings()),
        ])

    def respond(self, status, fields=()):
        text = b"hello\n" if status == 200 else b"no\n"
        self.send_response(status)
        for name, value in [*fields, ("X-Peer-Port", self.client_address[1]), ("Content-Length", len(text))]:
            self.send_header(name, str(value))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(text)

    def read_body(self):
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            return
        while length := int(self.rfile.readline().split(b";")[0], 16):
            self.rfile.read(length + 2)
        while self.rfile.readline().strip():
            pass

    def log_message(self, format, *arguments):
        print(self.server.server_port, self.client_address[1], format % arguments, flush=True)


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port, folder, name, algorithm):
        with open(f"{folder}/{name}.pem") as pem:
            self.bindings = tls_server_end_point(pem.read(), algorithm)
        self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.tls.set_ciphers("DEFAULT@SECLEVEL=0")  # for a certificate signed by SHA-1
        self.tls.load_cert_chain(f"{folder}/{name}.pem", f"{folder}/server.key")
        super().__init__(("127.0.0.1", port), Connection)

    def finish_request(self, request, client_address):
        """In a thread of its own, so that a slow handshake keeps nobody waiting."""
        try:
            connection = self.tls.wrap_socket(request, server_side=True)
        except OSError:
            return
        with connection:
            try:
                super().finish_request(connection, client_address)
            except OSError:
                pass


def main():
    folder, port, names = sys.argv[1], int(sys.argv[2]), sys.argv[3:]
    servers = [Server(port + i, folder, *name.split(":")) for i, name in enumerate(names)]
    for server in servers:
        threading.Thread(target=server.serve_forever).start()


main()
