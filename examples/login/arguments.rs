//! The command line.

use crate::password::password;

pub(crate) const EMBEDDED_USER: &str = "LAB\\carol";
pub(crate) const EMBEDDED_PASSWORD: &str = "carol-pw";

pub(crate) const HELP: &str = "\
Logs in over HTTP and draws the conversation.

    login [OPTION]... [URL]

Without a URL the server is one inside the program, which knows LAB\\carol.

    --user NAME        user, DOMAIN\\user or user@domain; the password is in the environment
                       variable LEGWORK_PASSWORD, or is asked for, or is the first line of stdin
    --scheme NAME      negotiate, scram, ntlm, digest or basic; otherwise the strongest that the server offers
    --upload FILE      a POST of this file, streamed, in place of a GET
    -n REQUESTS        how many requests (1)
    --concurrency N    how many of them at a time (1)
    --proxy URL        go through this proxy, as the user that the URL may name
                       (http://DOMAIN%5Cuser:password@host:port); `env` is what http_proxy and its like say
    --ca FILE.pem      trust these certificate authorities, and not those of the system
    --insecure-basic   send Basic's password over plain http too
    --help             this text
";

/// What the command line says.
#[derive(Debug)]
pub(crate) struct Arguments {
    pub(crate) url: Option<String>,
    name: Option<String>,
    pub(crate) scheme: Option<SchemeName>,
    pub(crate) upload: Option<String>,
    pub(crate) requests: usize,
    pub(crate) concurrency: usize,
    pub(crate) proxy: Option<String>,
    pub(crate) ca: Option<String>,
    pub(crate) insecure_basic: bool,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum SchemeName {
    Negotiate,
    Ntlm,
    Digest,
    Scram,
    Basic,
}

impl Arguments {
    /// `None` is a call for help; an error says which argument is not understood.
    pub(crate) fn parse(mut words: impl Iterator<Item = String>) -> Result<Option<Self>, String> {
        let mut arguments = Self {
            url: None,
            name: None,
            scheme: None,
            upload: None,
            requests: 1,
            concurrency: 1,
            proxy: None,
            ca: None,
            insecure_basic: false,
        };
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or_else(|| format!("{word} wants a value"));
            match word.as_str() {
                "--help" | "-h" => return Ok(None),
                "--user" => arguments.name = Some(value()?),
                "--scheme" => arguments.scheme = Some(SchemeName::parse(&value()?)?),
                "--upload" => arguments.upload = Some(value()?),
                "-n" => arguments.requests = number(&value()?)?,
                "--concurrency" => arguments.concurrency = number(&value()?)?,
                "--proxy" => arguments.proxy = Some(value()?),
                "--ca" => arguments.ca = Some(value()?),
                "--insecure-basic" => arguments.insecure_basic = true,
                option if option.starts_with('-') => return Err(format!("{option} is not known")),
                _ if arguments.url.is_some() => return Err("there is more than one URL".to_owned()),
                _ => arguments.url = Some(word),
            }
        }
        Ok(Some(arguments))
    }

    pub(crate) fn user_name(&self) -> &str {
        match (&self.name, &self.url) {
            (Some(name), _) => name,
            (None, None) => EMBEDDED_USER,
            (None, Some(_)) => "nobody",
        }
    }

    /// Name and password, if there is a user.
    ///
    /// # Errors
    ///
    /// If there is no password.
    pub(crate) fn user(&self) -> Result<Option<(String, String)>, String> {
        match (&self.name, &self.url) {
            (Some(name), _) => Ok(Some((name.clone(), password(name, "LEGWORK_PASSWORD")?))),
            (None, None) => Ok(Some((EMBEDDED_USER.to_owned(), EMBEDDED_PASSWORD.to_owned()))),
            (None, Some(_)) => Ok(None),
        }
    }
}

impl SchemeName {
    fn parse(name: &str) -> Result<Self, String> {
        match name.to_ascii_lowercase().as_str() {
            "negotiate" => Ok(Self::Negotiate),
            "ntlm" => Ok(Self::Ntlm),
            "basic" => Ok(Self::Basic),
            "digest" => Ok(Self::Digest),
            "scram" => Ok(Self::Scram),
            _ => Err(format!("{name} is none of negotiate, scram, ntlm, digest and basic")),
        }
    }
}

fn number(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(number) if number > 0 => Ok(number),
        _ => Err(format!("{text} is not a number from 1 on")),
    }
}
