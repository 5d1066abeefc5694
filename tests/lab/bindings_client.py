#!/usr/bin/python3
"""A login with channel bindings, which Debian's curl does not send.

bindings_client.py URL HASH: the bindings are the certificate's hash by HASH (sha256, ...). Prints the last status and
what the server says of the bindings.
"""

import base64
import hashlib
import http.client
import ssl
import sys
import urllib.parse

import gssapi
import gssapi.raw

SPNEGO = gssapi.OID.from_int_seq("1.3.6.1.5.5.2")

url, algorithm = urllib.parse.urlsplit(sys.argv[1]), sys.argv[2]
tls = ssl._create_unverified_context()
tls.set_ciphers("DEFAULT@SECLEVEL=0")
connection = http.client.HTTPSConnection(url.hostname, url.port, context=tls, timeout=20)
connection.connect()
certificate = connection.sock.getpeercert(binary_form=True)
data = b"tls-server-end-point:" + hashlib.new(algorithm, certificate).digest()
context = gssapi.SecurityContext(
    name=gssapi.Name(f"HTTP@{url.hostname}", gssapi.NameType.hostbased_service),
    mech=SPNEGO,
    channel_bindings=gssapi.raw.ChannelBindings(application_data=data),
)
token = None
while not context.complete:
    answer = context.step(token)
    if answer is None:
        break
    connection.request("GET", url.path, headers={"Authorization": "Negotiate " + base64.b64encode(answer).decode()})
    response = connection.getresponse()
    response.read()
    _, _, token = response.getheader("WWW-Authenticate", "").partition("Negotiate ")
    token = base64.b64decode(token.partition(",")[0])
    if not token:
        break
print(response.status, response.getheader("X-Channel-Bindings") or response.getheader("X-Why"))
