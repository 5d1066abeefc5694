#!/usr/bin/env python3
"""squid's helper for NTLM and Negotiate, on GSS-API with gss-ntlmssp: squid_helper.py ntlm|negotiate

A line of squid's is YR (begin) or KK (go on), and a token. The answer is TT and a token to go on, AF and the user,
NA and a reason, or BH where the question makes no sense; with Negotiate a token stands before user and reason.
"""
import base64
import sys

import gssapi

NTLMSSP = gssapi.OID.from_int_seq("1.3.6.1.4.1.311.2.2.10")


def main(negotiate):
    # SPNEGO picks the mechanism by itself.
    credentials = gssapi.Credentials(usage="accept", mechs=None if negotiate else [NTLMSSP])
    context = None
    for line in sys.stdin:
        command, _, rest = line.strip().partition(" ")
        token = rest.split(" ")[0]
        if command == "YR":
            context = gssapi.SecurityContext(creds=credentials, usage="accept")
        if command not in ("YR", "KK") or context is None:
            print("BH out of turn", flush=True)
            continue
        try:
            token = base64.b64encode(context.step(base64.b64decode(token)) or b"").decode()
            if context.complete:
                user = str(context.initiator_name).rstrip("\0")
                answer = f"AF {token or '='} {user}" if negotiate else f"AF {user}"
                context = None
            else:
                answer = f"TT {token}"
        except (ValueError, gssapi.exceptions.GSSError) as error:
            reason = " ".join(str(error).split())[:200]
            answer = f"NA = {reason}" if negotiate else f"NA {reason}"
            context = None
        print(answer, flush=True)


main(sys.argv[1] == "negotiate")
