#!/usr/bin/python3
"""What comes to a proxy that says too little about it: recorder.py LOG PORT:PROXY_PORT...

A line for each request: port=, method, target, the answer's status, and login=, what it logged in with (Basic, Digest,
NTLM-1, NTLM-3, Negotiate), or -. Octets pass as they are.
"""

import asyncio
import base64
import re
import sys


def login(head):
    """The scheme, with the type of the message where it is NTLM's."""
    field = re.search(rb"^proxy-authorization: *(\S+) *(\S*)", head, re.I | re.M)
    if not field:
        return "-"
    scheme, token = field.groups()
    if token.startswith(b"TlRMTVNTUAA"):
        return f"{scheme.decode()}-{base64.b64decode(token[:12])[8]}"
    return scheme.decode()


class Conversation:
    def __init__(self, log, port):
        self.log, self.port = log, port
        self.unread = b""
        self.body = 0  # octets of a request's content that are still to come
        self.asked = None  # the request that waits for its answer
        self.done = False  # a tunnel, or what nobody here can follow

    def sent(self, octets):
        self.unread += octets
        while not self.done:
            content, self.unread = self.unread[: self.body], self.unread[self.body :]
            self.body -= len(content)
            head, end, rest = self.unread.partition(b"\r\n\r\n")
            if self.body or not end:
                return
            self.unread = rest
            method, target = head.split(b" ", 2)[:2]
            self.asked = method.decode(), target.decode(), login(head)
            length = re.search(rb"^content-length: *(\d+)", head, re.I | re.M)
            self.body = int(length[1]) if length else 0
            self.done = re.search(rb"^transfer-encoding:", head, re.I | re.M) is not None

    def answered(self, octets):
        status = octets[9:12].decode("latin-1")
        if not self.asked or status.startswith("1"):
            return
        method, target, by = self.asked
        self.log.write(f"port={self.port} {method} {target} {status} login={by}\n")
        self.asked = None
        self.done = self.done or (method == "CONNECT" and status.startswith("2"))


async def pass_on(reader, writer, look):
    try:
        while octets := await reader.read(65536):
            look(octets)
            writer.write(octets)
            await writer.drain()
        writer.write_eof()
    except OSError:
        writer.close()


async def serve(log, pair):
    port, proxy_port = pair.split(":")
    running = set()  # asyncio itself would forget them

    async def accept(reader, writer):
        running.add(asyncio.current_task())
        talk = Conversation(log, writer.get_extra_info("peername")[1])
        from_proxy, to_proxy = await asyncio.open_connection("127.0.0.1", int(proxy_port))
        await asyncio.gather(pass_on(reader, to_proxy, talk.sent), pass_on(from_proxy, writer, talk.answered))
        to_proxy.close()
        writer.close()
        running.discard(asyncio.current_task())

    return await asyncio.start_server(accept, "127.0.0.1", int(port), backlog=256)


async def main():
    with open(sys.argv[1], "a", buffering=1) as log:
        servers = [await serve(log, pair) for pair in sys.argv[2:]]
        await asyncio.gather(*(server.serve_forever() for server in servers))


asyncio.run(main())
