"""Trac's Digest before a page: trac_server.py PORT USERS REALM LOG

The authentication, at /login, and the HTTP server are tracd's own. There is no project behind them.
"""

import sys

from trac.web.auth import DigestAuthentication
from trac.web.standalone import AuthenticationMiddleware, TracHTTP11RequestHandler, TracHTTPServer

port, users, realm, path = sys.argv[1:]
log = open(path, "a", buffering=1)


class Handler(TracHTTP11RequestHandler):
    disable_nagle_algorithm = True

    def log_request(self, code="-", size="-"):
        scheme = self.headers.get("Authorization", "-").split(" ")[0]
        log.write(f"port={self.client_address[1]} {self.command} {self.path} {code} login={scheme}\n")


class Server(TracHTTPServer):
    request_queue_size = 128  # a crowd connects at once


def page(environ, start_response):
    text = f"hello from {environ['PATH_INFO']}\n".encode()
    fields = [("Content-Length", str(len(text))), ("X-Remote-User", environ["REMOTE_USER"])]
    start_response("200 OK", fields)
    return [text]


application = AuthenticationMiddleware(page, {"lab": DigestAuthentication(users, realm)}, "lab")
server = Server(("127.0.0.1", int(port)), application, None, [], use_http_11=True)
server.RequestHandlerClass = Handler
server.serve_forever()
