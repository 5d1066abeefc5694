#!/usr/bin/python3
"""Records NTLM conversations of gss-ntlmssp with itself: ./record-gss-ntlmssp.py > gss-ntlmssp.txt

Debian: apt-get install --no-install-recommends gss-ntlmssp python3-gssapi
A raw context of gss-ntlmssp sends no MIC, one inside SPNEGO does; so the cases with a MIC are
recorded inside SPNEGO and unwrapped, with the mechListMIC of both sides beside them.
"""
import os, tempfile, textwrap
import gssapi

NTLMSSP = gssapi.OID.from_int_seq("1.3.6.1.4.1.311.2.2.10")
SPNEGO = gssapi.OID.from_int_seq("1.3.6.1.5.5.2")
BINDINGS = b"tls-server-end-point:" + bytes(range(32))
CASES = [  # name, domain, user, password, mechanism, channel bindings
    ("raw", "LAB", "carol", "carol-pw", NTLMSSP, None),
    ("raw-bindings", "LAB", "carol", "carol-pw", NTLMSSP, BINDINGS),
    ("mic", "LAB", "carol", "carol-pw", SPNEGO, None),
    ("mic-bindings", "LAB", "carol", "carol-pw", SPNEGO, BINDINGS),
    ("mic-password", "LAB", "dave", "Pässwörd ☃ 𝄞", SPNEGO, BINDINGS),
    ("mic-user", "LAB", "jürgen", "jürgen-pw", SPNEGO, BINDINGS),
]

users = tempfile.NamedTemporaryFile("w")
users.writelines(sorted({f"{domain}:{user}:{password}\n" for _, domain, user, password, _, _ in CASES}))
users.flush()
os.environ.update(NTLM_USER_FILE=users.name, NETBIOS_COMPUTER_NAME="LABSRV", NETBIOS_DOMAIN_NAME="LAB")


def field(name, value):
    if isinstance(value, str):
        print(f'{name} = "{value}"')
    else:
        print("\n    ".join([f"{name} ="] + textwrap.wrap(value.hex(), 96)))


def ntlm(token):
    """The NTLM message in a token: the octet string that ends it, or that the MIC follows."""
    start = token.find(b"NTLMSSP\0")
    if start <= 0:
        return token
    end = len(token) - 20 if token[-20:-16] == b"\xa3\x12\x04\x10" else None
    return token[start:end]


print("# NTLM conversations of gss-ntlmssp 1.2.0-1 (Debian 12) as initiator and acceptor, made by")
print("# record-gss-ntlmssp.py beside this file. The signatures are of the ASCII texts `one`, `two`.")
for case, domain, user, password, mechanism, bindings in CASES:
    channel = gssapi.raw.ChannelBindings(application_data=bindings) if bindings else None
    name = gssapi.Name(f"{domain}\\{user}", gssapi.NameType.user).canonicalize(NTLMSSP)
    acquired = gssapi.raw.acquire_cred_with_password(name, password.encode(), mechs=[mechanism], usage="initiate")
    initiator = gssapi.SecurityContext(
        name=gssapi.Name("HTTP@mail.example", gssapi.NameType.hostbased_service),
        creds=gssapi.Credentials(base=acquired.creds), mech=mechanism, usage="initiate",
        flags=[gssapi.RequirementFlag.integrity], channel_bindings=channel)
    acceptor = gssapi.SecurityContext(usage="accept", channel_bindings=channel)
    negotiate = initiator.step()
    challenge = acceptor.step(negotiate)
    authenticate = initiator.step(challenge)
    final = acceptor.step(authenticate)
    if final:
        initiator.step(final)
    assert initiator.complete and acceptor.complete

    print(f"\n[{case}]")
    for key, value in [("domain", domain), ("user", user), ("password", password), ("spn", "HTTP/mail.example")]:
        field(key, value)
    if bindings:
        field("bindings", bindings)
    for key, value in [("negotiate", negotiate), ("challenge", challenge), ("authenticate", authenticate)]:
        field(key, ntlm(value))
    if mechanism == SPNEGO:
        field("mech-list", bytes.fromhex("300c060a2b06010401823702020a"))
        field("initiator-mech-list-mic", authenticate[-16:])
        field("acceptor-mech-list-mic", final[-16:])
    else:  # SPNEGO resets the RC4 state after its own signatures, a raw context does not
        for side, context in [("initiator", initiator), ("acceptor", acceptor)]:
            field(f"{side}-signs-one", context.get_signature(b"one"))
            field(f"{side}-signs-two", context.get_signature(b"two"))
