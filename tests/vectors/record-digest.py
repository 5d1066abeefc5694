#!/usr/bin/env python3
"""Computes the sections of digest.txt about names beyond ASCII, by Python's hashlib and urllib alone.

Holds RFC 7616, section 3.9.2 against erratum 4897 first: the RFC's own values are SHA-512 cut off at 256 bits, which
SHA-512/256 is not.
"""

import hashlib
import urllib.parse

HASHES = {"md5": "md5", "sha-256": "sha256", "sha-512-256": "sha512_256"}
RFC = {
    "username": "Jäsøn Doe",
    "password": "Secret, or not?",
    "realm": "api@example.org",
    "uri": "/doe.json",
    "nonce": "5TsQWLVdgBdmrQ0XsxbDODV+57QdFR34I9HAbC/RVvkK",
    "cnonce": "NTg6RKcb9boFIAS3KrFK9BGeh+iDa/sm6jUMp2wds69v",
    "opaque": "HRPCssKJSGjCrkzDg8OhwpzCiGPChXYjwrI2QmXDnsOS",
}
# Cyrillic, Chinese, a letter with a combining mark, beyond the first plane, and every octet that must be escaped.
NAMES = {
    "cyrillic": "Владимир Ильич",
    "chinese": "李 小龍",
    "combining": "Ja\u0308son",
    "emoji": "Jason 🙂",
    "marks": "é!\"#$%&'()*+,-./;<=>?@[\\]^_`{|}~x",
}


def digest(name, *parts):
    return hashlib.new(name, ":".join(parts).encode()).hexdigest()


def truncated(_, *parts):
    return hashlib.sha512(":".join(parts).encode()).hexdigest()[:64]


def answer(of, name, case):
    """The hashed user name, and the response (RFC 7616, sections 3.4.1 to 3.4.4)."""
    key = of(name, case["username"], case["realm"], case["password"])
    request = of(name, "GET", case["uri"])
    response = of(name, key, case["nonce"], "00000001", case["cnonce"], "auth", request)
    return of(name, case["username"], case["realm"]), response


assert answer(digest, "sha512_256", RFC) == (
    "793263caabb707a56211940d90411ea4a575adeccb7e360aeb624ed06ece9b0b",
    "3798d4131c277846293534c3edc11bd8a5e4cdcbff78b05db9d95eeb1cec68a5",
)
assert answer(truncated, "", RFC) == (
    "488869477bf257147b804c45308cd62ac4e25eb717b12b298c79e62dcea254ec",
    "ae66e67d6b427bd3f120414a82e4acff38e8ecd9101d6c861229025f607a79dd",
)
for section, username in NAMES.items():
    case = RFC | {"username": username, "password": f"{username}!"}
    print(f"\n[name-{section}]")
    for field in case:
        print(f'{field} = "{case[field]}"')
    # attr-char (RFC 8187, section 3.2.1); quote leaves letters, digits and "_.-~" as they are.
    extended = urllib.parse.quote(username, safe="!#$&+^`|")
    print(f"username-star = \"UTF-8''{extended}\"")
    for label, name in HASHES.items():
        hashed, response = answer(digest, name, case)
        print(f'{label}-userhash = "{hashed}"')
        print(f'{label}-response = "{response}"')
