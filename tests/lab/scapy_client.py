#!/usr/bin/env python3
"""IAKERB by scapy: scapy_client.py URL USER@REALM SERVICE [finished], with the password in LOGIN_PASSWORD.

scapy names the realm, sends header-flags as Windows does, goes on with an AP-REQ of Kerberos, and leaves KRB-FINISHED out; with
`finished` it is made here. Prints the status of the last answer, and "mutual" where the server's proof is right.
"""

import base64
import http.client
import os
import sys
import urllib.parse

from scapy.layers import kerberos
from scapy.layers.gssapi import GSS_C_FLAGS, GSS_S_COMPLETE, GSSAPI_BLOB

GSS_EXTS_FINISHED = 2
KEY_USAGE_FINISHED = 41


class Client(kerberos.KerberosSSP):
    """What is carried is kept: the last message covers it."""

    def __init__(self, **arguments):
        super().__init__(IAKERB=True, **arguments)
        self.tokens = b""
        self.context = None

    def GSS_Init_sec_context(self, Context, input_token=None, req_flags=None, **arguments):
        if input_token is not None:
            self.tokens += input_token.original
        # scapy calls this once more, in a thread that has the context already.
        self.context = Context or self.context
        made = super().GSS_Init_sec_context(
            Context, input_token=input_token, req_flags=GSS_C_FLAGS.GSS_C_MUTUAL_FLAG, **arguments
        )
        context, token, _ = made
        if token is not None and context.state == self.STATE.INIT:
            self.tokens += bytes(token)
        return made

    def finished(self, **fields):
        """The checksum of the Authenticator with KRB-FINISHED in it (draft-ietf-kitten-iakerb-03, section 4)."""
        key = self.context.KrbSessionKey
        checksum = key.make_checksum(keyusage=KEY_USAGE_FINISHED, text=self.tokens)
        mic = kerberos.Checksum(cksumtype=key.cksumtype, checksum=kerberos.ASN1_STRING(checksum))
        extension = kerberos.KRB_GSS_EXT(type=GSS_EXTS_FINISHED, data=kerberos.KRB_FINISHED(gssMic=mic))
        return plain_checksum(Exts=[extension], **fields)


plain_checksum = kerberos.KRB_AuthenticatorChecksum


def main():
    url, user, service, *finished = sys.argv[1:]
    client = Client(UPN=user, PASSWORD=os.environ["LOGIN_PASSWORD"], SPN=service)
    if finished:
        kerberos.KRB_AuthenticatorChecksum = client.finished
    url = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(url.hostname, url.port, timeout=20)
    context, token, status = client.GSS_Init_sec_context(None)
    while token is not None:
        field = "Negotiate " + base64.b64encode(bytes(token)).decode()
        connection.request("GET", url.path, headers={"Authorization": field})
        answer = connection.getresponse()
        answer.read()
        challenges = answer.headers.get_all("WWW-Authenticate", [])
        told = [challenge[10:] for challenge in challenges if challenge.startswith("Negotiate ")]
        if not told:
            break
        told = GSSAPI_BLOB(base64.b64decode(told[0]))
        context, token, status = client.GSS_Init_sec_context(context, input_token=told)
    print(answer.status, *["mutual"] if status == GSS_S_COMPLETE else [])


main()
