//! The command line, and how it says to log in.

use std::collections::BTreeMap;

use legwork::Credentials;
use legwork::mechanism::kerberos::Kerberos;
use legwork::scheme::Negotiate;

use crate::password::password;

pub(crate) const HELP: &str = "\
Logs in by Kerberos and draws the conversation.

    kerberos [OPTION]... [URL]

Without a URL it talks to a server and a KDC inside the program, and nothing else has to be there.

    --user NAME        user or user@REALM; the password is in the environment variable
                       LEGWORK_PASSWORD, or is asked for, or is the first line of stdin
    --target NAME      the service principal name, such as HTTP/web01.corp.example
    --delegate         let the server act as you
    --mutual           refuse servers that do not prove who they are
    --or-ntlm          NTLM where Kerberos cannot start, or where the server picks it
    --ca FILE.pem      trust these certificate authorities, and not those of the system

By Kerberos of our own, which takes --user:

    --kdc REALM=HOST[:PORT]
                       ask this KDC; given again, another one
    --iakerb           have the server ask a KDC where none can be asked here

Else by the system's GSS-API, on unix. Without --user or --keytab it is whoever has run kinit
(klist shows it).

    --keytab NAME      log in by a keytab, such as FILE:/etc/service.keytab
    --principal NAME   as this principal, of those in the ticket caches or the keytab
    --library PATH     this GSS-API library
";

/// What the command line says.
#[derive(Default)]
pub(crate) struct Arguments {
    pub(crate) url: Option<String>,
    pub(crate) target: Option<String>,
    pub(crate) ca: Option<String>,
    pub(crate) delegate: bool,
    pub(crate) mutual: bool,
    user: Option<String>,
    keytab: Option<String>,
    principal: Option<String>,
    library: Option<String>,
    kdcs: Vec<(String, String)>,
    iakerb: bool,
    or_ntlm: bool,
}

impl Arguments {
    /// `None` is a call for help; an error says which argument is not understood.
    pub(crate) fn parse(mut words: impl Iterator<Item = String>) -> Result<Option<Self>, String> {
        let mut arguments = Self::default();
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or_else(|| format!("{word} wants a value"));
            match word.as_str() {
                "--help" | "-h" => return Ok(None),
                "--delegate" => arguments.delegate = true,
                "--mutual" => arguments.mutual = true,
                "--or-ntlm" => arguments.or_ntlm = true,
                "--iakerb" => arguments.iakerb = true,
                "--kdc" => arguments.kdcs.push(kdc(&value()?)?),
                "--user" => arguments.user = Some(value()?),
                "--keytab" => arguments.keytab = Some(value()?),
                "--principal" => arguments.principal = Some(value()?),
                "--target" => arguments.target = Some(value()?),
                "--library" => arguments.library = Some(value()?),
                "--ca" => arguments.ca = Some(value()?),
                url if !url.starts_with('-') && arguments.url.is_none() => arguments.url = Some(word),
                url if !url.starts_with('-') => return Err("there is more than one URL".to_owned()),
                _ => return Err(format!("{word} is not known")),
            }
        }
        arguments.check()?;
        Ok(Some(arguments))
    }

    fn check(&self) -> Result<(), String> {
        let of_gssapi =
            [("--keytab", &self.keytab), ("--principal", &self.principal), ("--library", &self.library)];
        let given = of_gssapi.iter().find(|(_, value)| value.is_some());
        match given {
            Some((option, _)) if self.is_ours() => {
                Err(format!("{option} is for GSS-API, not for --kdc or --iakerb"))
            }
            None if self.is_ours() && self.user.is_none() => Err("--kdc and --iakerb want --user".to_owned()),
            _ => Ok(()),
        }
    }

    /// Whether Kerberos of our own logs in, and not the system's.
    fn is_ours(&self) -> bool {
        self.iakerb || !self.kdcs.is_empty()
    }

    pub(crate) fn credentials(&self) -> Result<Credentials, String> {
        match &self.user {
            Some(user) => Ok(Credentials::password(user, password(user, "LEGWORK_PASSWORD")?)),
            None => self.ambient(),
        }
    }

    pub(crate) fn negotiate(&self) -> Result<Negotiate, String> {
        if !self.is_ours() {
            return self.by_gssapi();
        }
        let kerberos = self.kerberos();
        Ok(match (self.iakerb, self.or_ntlm) {
            (false, false) => Negotiate::kerberos(kerberos),
            (false, true) => Negotiate::kerberos_or_ntlm(kerberos),
            (true, false) => Negotiate::kerberos_or_iakerb(kerberos),
            (true, true) => Negotiate::kerberos_or_iakerb_or_ntlm(kerberos),
        })
    }

    /// The realm that is named first is that of users without one.
    fn kerberos(&self) -> Kerberos {
        let mut realms: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (realm, address) in &self.kdcs {
            realms.entry(realm).or_default().push(address);
        }
        let kerberos = match self.kdcs.first() {
            Some((realm, _)) => Kerberos::new().default_realm(realm),
            None => Kerberos::new(),
        };
        realms.into_iter().fold(kerberos, |kerberos, (realm, addresses)| kerberos.kdc(realm, addresses))
    }
}

#[cfg(all(unix, feature = "gssapi"))]
impl Arguments {
    /// Whoever the system has tickets or a keytab for.
    fn ambient(&self) -> Result<Credentials, String> {
        let mut ambient = legwork::credentials::Ambient::new().stable();
        if let Some(keytab) = &self.keytab {
            ambient = ambient.client_keytab(keytab);
        }
        if let Some(principal) = &self.principal {
            ambient = ambient.principal(principal);
        }
        Ok(Credentials::ambient(ambient))
    }

    fn by_gssapi(&self) -> Result<Negotiate, String> {
        use legwork::mechanism::gssapi::Gssapi;

        let kerberos = match &self.library {
            Some(path) => Gssapi::kerberos().with_library(path),
            None => Gssapi::kerberos(),
        };
        Ok(match self.or_ntlm {
            true => Negotiate::kerberos_or_ntlm(kerberos),
            false => Negotiate::kerberos(kerberos),
        })
    }
}

#[cfg(not(all(unix, feature = "gssapi")))]
impl Arguments {
    fn ambient(&self) -> Result<Credentials, String> {
        Err(NO_GSSAPI.to_owned())
    }

    fn by_gssapi(&self) -> Result<Negotiate, String> {
        Err(NO_GSSAPI.to_owned())
    }
}

#[cfg(not(all(unix, feature = "gssapi")))]
const NO_GSSAPI: &str = "GSS-API takes a unix system and the feature gssapi: give --user, and --kdc or --iakerb. \
                         On Windows, the example login has Kerberos by SSPI.";

/// `REALM=HOST[:PORT]`.
fn kdc(value: &str) -> Result<(String, String), String> {
    match value.split_once('=') {
        Some((realm, address)) if !realm.is_empty() && !address.is_empty() => {
            Ok((realm.to_owned(), address.to_owned()))
        }
        _ => Err(format!("--kdc wants REALM=HOST[:PORT], not {value}")),
    }
}
