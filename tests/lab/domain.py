#!/usr/bin/python3
"""The administrator of the lab's Samba domain: domain.py SMB_CONF COMMAND ARGUMENT...

user-add NAME PASSWORD            makes the user afresh: not locked, no former passwords
set-password NAME PASSWORD...     sets these, one after the other
unlock NAME                       forgets the wrong passwords
show NAME                         badPwdCount=, lockoutTime=, ... as the directory has them; 0 where it has none
attempts NAME                     a line for each login that has come: when, status, service, and who asked
provision                         makes the domain
"""

import json
import logging
import pathlib
import sys

import ldb
from samba.auth import system_session
from samba.dsdb import DS_DOMAIN_FUNCTION_2008_R2
from samba.param import LoadParm
from samba.provision import provision
from samba.samdb import SamDB

MINUTE = 60 * 10**7  # in the directory's units, and negative there
POLICY = {
    "lockoutThreshold": 3,
    "lockoutDuration": -30 * MINUTE,
    "lockOutObservationWindow": -30 * MINUTE,
    "minPwdAge": 0,
    "maxPwdAge": -(2**63),  # never
    "minPwdLength": 0,
    "pwdHistoryLength": 0,
    "pwdProperties": 0,  # any password, however simple
}
SHOWN = ["badPwdCount", "badPasswordTime", "lockoutTime", "lastLogon", "logonCount", "pwdLastSet"]


class Domain:
    def __init__(self, smb_conf):
        self.smb_conf = smb_conf
        self.lp = LoadParm()
        self.lp.load(smb_conf)

    def samdb(self):
        return SamDB(url=self.lp.private_path("sam.ldb"), session_info=system_session(), lp=self.lp)

    def provision(self):
        made = provision(
            logging.getLogger(),
            system_session(),
            smbconf=self.smb_conf,
            lp=self.lp,
            realm=self.lp.get("realm"),
            domain=self.lp.get("workgroup"),
            serverrole=self.lp.get("server role"),
            hostname=self.lp.get("netbios name"),
            hostip="127.0.0.1",
            dns_backend="NONE",
            dom_for_fun_level=DS_DOMAIN_FUNCTION_2008_R2,
        )
        policy = ldb.Message(made.samdb.get_default_basedn())
        for name, value in POLICY.items():
            policy[name] = ldb.MessageElement(str(value), ldb.FLAG_MOD_REPLACE, name)
        made.samdb.modify(policy)

    def user_add(self, name, password):
        samdb = self.samdb()
        samdb.transaction_start()
        for found in samdb.search(samdb.get_default_basedn(), ldb.SCOPE_SUBTREE, named(name), []):
            samdb.delete(found.dn)
        samdb.newuser(name, password)
        samdb.transaction_commit()

    def set_password(self, name, *passwords):
        samdb = self.samdb()
        for password in passwords:
            samdb.setpassword(named(name), password)

    def unlock(self, name):
        self.samdb().unlock_account(named(name))

    def show(self, name):
        samdb = self.samdb()
        (found,) = samdb.search(samdb.get_default_basedn(), ldb.SCOPE_SUBTREE, named(name), SHOWN)
        for attribute in SHOWN:
            print(f"{attribute}={found.get(attribute, [b'0'])[0].decode()}")

    def attempts(self, name):
        log = pathlib.Path(self.smb_conf).with_name("audit.log")
        for line in log.read_text(errors="replace").splitlines():
            entry = json.loads(line)
            login = entry.get("Authentication")
            # winbindd writes three lines about one login: this part of it asked another one, PASSDB.
            if not login or login["authDescription"].startswith("PASSDB"):
                continue
            if (login["clientAccount"] or "").lower() == name.lower():
                print(entry["timestamp"], login["status"], login["serviceDescription"], login["authDescription"])


def named(name):
    return f"(sAMAccountName={ldb.binary_encode(name)})"


def main():
    smb_conf, command, *arguments = sys.argv[1:]
    getattr(Domain(smb_conf), command.replace("-", "_"))(*arguments)


main()
