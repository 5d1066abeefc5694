//! Names and passwords of a `.netrc` file.

mod error;
mod file;
mod parser;

use std::fmt;
use std::path::Path;

use crate::credentials::{Credentials, CredentialsFuture, CredentialsProvider, CredentialsQuery};
use crate::protection_space::{Challenger, Origin};

pub use self::error::NetrcError;
use self::parser::{NetrcEntries, NetrcEntry};

/// The names and passwords of a `.netrc` file, by host.
///
/// ```text
/// # a comment
/// machine wiki.example login carol password "carol's \"pw\""
/// machine mail.example
///     login carol@corp.example
///     password another-pw
/// ```
///
/// # The file
///
/// `machine NAME` or `default` begins an entry, which has `login` and `password`, and perhaps
/// `account`, which is passed over; `port` (a number, or `http`, `https`) and `protocol` (`http`, `https`) as
/// git's helper has them limit it to those. `macdef` is passed over up to the next empty line, or the
/// end. Keywords count in any case, and `#` in place of one begins a comment. A value in
/// double quotes has no end but the second quote of its line; in it `\n`, `\r` and `\t` mean what they
/// mean in C, and a backslash before any other character means that character, as with curl. Outside
/// quotes a backslash is one, and a value may begin with `#` (for curl that must be quoted).
///
/// An entry with anything else in it, such as Heroku's `method interactive` or an unquoted password with
/// a blank, serves nobody, like one without `login` or `password`. It ends where a line begins with
/// `machine` or `default`. The other entries serve, and [`unusable`](Self::unusable) has what to log.
/// What stands before the first entry, and a `machine` without a name, is an error. Neither quotes
/// more of the file than a host.
///
/// # Whose password goes where
///
/// A file says hosts, while credentials belong to origins:
///
/// - The host must be the entry's, in any case of letters; there are no patterns.
/// - Only origins with `https` get one, at any port of the host: who has the host's certificate is the
///   host. [`dangerous_plain_http`](Self::dangerous_plain_http) says otherwise. (Basic is not sent
///   over plain http even then.)
/// - **The first entry for the host decides**, as with curl and git (Python takes the last), or the
///   first with a [chosen](Self::login) user name. If it [cannot be used](Self::unusable), there are no
///   credentials: none are ever taken from another entry.
/// - The entry `default` is for whichever host asks, and so it is passed over, unless
///   [`dangerous_default_entry`](Self::dangerous_default_entry) asks for it. It stands behind all
///   others, wherever it is in the file.
/// - Proxies get none, and neither does Bearer, which wants a token.
///
/// ```
/// use legwork::credentials::Netrc;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let netrc = Netrc::parse(b"machine wiki.example login carol password carol-pw")?;
/// let carol = netrc.find(&"https://wiki.example:8443".parse()?).expect("an entry");
/// assert_eq!(carol.username(), Some("carol"));
/// assert!(netrc.find(&"http://wiki.example".parse()?).is_none());
/// assert!(netrc.find(&"https://www.wiki.example".parse()?).is_none());
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Netrc {
    entries: NetrcEntries,
    login: Option<String>,
    plain_http: PlainHttp,
    default_entry: DefaultEntry,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PlainHttp {
    Never,
    AsWell,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum DefaultEntry {
    PassedOver,
    ForWhoeverAsks,
}

impl Netrc {
    /// How many octets a file may have.
    pub const MAX_OCTETS: usize = file::MAX_OCTETS;

    /// Reads the text of a file.
    ///
    /// # Errors
    ///
    /// [`NetrcError`] with the line, if it is no file of entries.
    pub fn parse(text: &[u8]) -> Result<Self, NetrcError> {
        Ok(Self {
            entries: parser::parse(text)?,
            login: None,
            plain_http: PlainHttp::Never,
            default_entry: DefaultEntry::PassedOver,
        })
    }

    /// Reads the user's file: the one that `NETRC` names, or else `.netrc` in the user's home
    /// (`HOME`), or `_netrc` there on Windows (`HOME`, or else `USERPROFILE`). No such file in the home is
    /// an empty one.
    ///
    /// The file is read now, and not again when it changes.
    ///
    /// # Errors
    ///
    /// [`NetrcError`] if it cannot be read or is no file of entries, or if `NETRC` names no file.
    pub fn read_default() -> Result<Self, NetrcError> {
        match file::find(|name| std::env::var_os(name)) {
            file::NetrcLocation::Named(path) => Self::read(path),
            file::NetrcLocation::AtHome(paths) => {
                let read = paths.iter().map(Self::read);
                let mut there = read.filter(|read| !matches!(read, Err(error) if error.is_no_file()));
                there.next().unwrap_or_else(|| Self::parse(b""))
            }
        }
    }

    /// Reads this file.
    ///
    /// # Errors
    ///
    /// [`NetrcError`] if it cannot be read or is no file of entries.
    pub fn read(path: impl AsRef<Path>) -> Result<Self, NetrcError> {
        let path = path.as_ref();
        let text = file::read(path).map_err(|error| error.in_file(path))?;
        let mut netrc = Self::parse(&text).map_err(|error| error.in_file(path))?;
        netrc.entries.unusable =
            netrc.entries.unusable.into_iter().map(|error| error.in_file(path)).collect();
        Ok(netrc)
    }

    /// Uses only entries with this user name, where a host has several.
    #[must_use]
    pub fn login(mut self, username: impl Into<String>) -> Self {
        self.login = Some(username.into());
        self
    }

    /// Gives passwords to origins with plain http as well. Whoever can change the traffic can then ask for
    /// them in the host's name.
    #[must_use]
    pub fn dangerous_plain_http(mut self) -> Self {
        self.plain_http = PlainHttp::AsWell;
        self
    }

    /// Gives hosts without an entry what stands under `default`: any server on the net that asks. Nobody does in
    /// a file with entries that [cannot be used](Self::unusable), since a host's own may be hidden there.
    #[must_use]
    pub fn dangerous_default_entry(mut self) -> Self {
        self.default_entry = DefaultEntry::ForWhoeverAsks;
        self
    }

    /// Returns the entries that serve nobody, and why: each names the line, and the host where that cannot be a
    /// part of a password. To be shown to the user, who may wonder where the credentials are.
    ///
    /// ```
    /// use legwork::credentials::Netrc;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let netrc = Netrc::parse(
    ///     b"machine api.heroku.com\n  login carol\n  method interactive\nmachine wiki.example login carol password pw",
    /// )?;
    /// assert!(netrc.find(&"https://wiki.example".parse()?).is_some());
    /// let [heroku] = netrc.unusable() else { panic!("one entry") };
    /// assert_eq!(heroku.to_string(), "the entry for \"api.heroku.com\" has an unknown keyword, in line 3");
    /// # Ok(())
    /// # }
    /// ```
    pub fn unusable(&self) -> &[NetrcError] {
        &self.entries.unusable
    }

    /// Returns the credentials for this origin server.
    pub fn find(&self, origin: &Origin) -> Option<Credentials> {
        if !origin.is_secure() && self.plain_http == PlainHttp::Never {
            return None;
        }
        let of_login = |entry: &&NetrcEntry| match &self.login {
            Some(login) => entry.username().map_or(!entry.is_usable(), |username| username == login),
            None => true,
        };
        let named = self.entries.all.iter().filter(|entry| entry.names(origin)).find(of_login);
        let entry = match (named, self.default_entry) {
            (Some(entry), _) => Some(entry),
            (None, DefaultEntry::PassedOver) => None,
            (None, DefaultEntry::ForWhoeverAsks) => {
                let known = self.entries.all.iter().any(|entry| entry.names_host(origin));
                let default =
                    self.entries.all.iter().filter(|entry| entry.is_default_for(origin)).find(of_login);
                // An entry that cannot be used may have swallowed the host's own.
                default.filter(|_| !known && self.entries.unusable.is_empty())
            }
        };
        entry?.credentials()
    }
}

impl CredentialsProvider for Netrc {
    fn credentials(&self, query: CredentialsQuery<'_>) -> CredentialsFuture {
        let found = match query.challenger {
            Challenger::Origin => self.find(query.origin),
            Challenger::Proxy => None,
        };
        Box::pin(std::future::ready(Ok(query.password(found))))
    }
}

impl fmt::Debug for Netrc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Netrc")
            .field("entries", &self.entries.all.len())
            .field("unusable", &self.entries.unusable)
            .field("login", &self.login)
            .field("plain_http", &self.plain_http)
            .field("default_entry", &self.default_entry)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use std::task::{Context, Poll, Waker};

    use super::*;
    use crate::credentials::netrc::error::NetrcErrorKind;

    fn origin(text: &str) -> Origin {
        text.parse().expect("an origin")
    }

    fn netrc(text: &str) -> Netrc {
        Netrc::parse(text.as_bytes()).expect("well-formed")
    }

    #[track_caller]
    fn finds(netrc: &Netrc, uri: &str, expected: Option<(&str, &str)>) {
        let found = netrc.find(&origin(uri));
        let found = found.as_ref().and_then(Credentials::as_password);
        assert_eq!(found.map(|(username, password)| (username, password.expose())), expected, "{uri}");
    }

    #[test]
    fn hosts_are_matched_exactly_and_only_over_https() {
        let file = netrc("machine Wiki.example login carol password pw machine ::1 login six password pw6");
        finds(&file, "https://wiki.EXAMPLE", Some(("carol", "pw")));
        finds(&file, "https://wiki.example:8443", Some(("carol", "pw")));
        finds(&file, "https://[::1]", Some(("six", "pw6")));
        for other in ["https://x.wiki.example", "https://example", "https://wiki.example.evil.test"] {
            finds(&file, other, None);
        }
        finds(&file, "http://wiki.example", None);
        finds(&file.dangerous_plain_http(), "http://wiki.example", Some(("carol", "pw")));
    }

    #[test]
    fn the_first_entry_for_a_host_decides_and_a_login_can_be_chosen() {
        let file =
            netrc("machine h login a password 1 machine h login b password 2 machine h login a password 3");
        finds(&file, "https://h", Some(("a", "1")));
        finds(&file.clone().login("b"), "https://h", Some(("b", "2")));
        finds(&file.login("c"), "https://h", None);
    }

    /// curl's CVE-2024-11053 and CVE-2025-0167.
    #[test]
    fn an_incomplete_entry_takes_nothing_from_another() {
        for text in [
            "machine a login alice\nmachine b login bob password bobs",
            "machine b login bob password bobs\nmachine a login alice",
            "machine a\nmachine b login bob password bobs",
            "machine a password alices\nmachine b login bob password bobs",
            "machine a login alice\nmachine a login alice password alices\nmachine b login bob password bobs",
            "machine a login alice\ndefault login bob password bobs\nmachine b login bob password bobs",
            "machine a\ndefault\nmachine b login bob password bobs",
            "machine a login alice password alices method interactive\nmachine b login bob password bobs",
            "machine a method x\nmachine b login bob password bobs\nmachine a login alice password alices",
            "machine a method x\ndefault login bob password bobs\nmachine b login bob password bobs",
            "machine a method x machine b login bob password x\nmachine b login bob password bobs",
        ] {
            let file = netrc(text).dangerous_default_entry();
            finds(&file, "https://a", None);
            finds(&file, "https://b", Some(("bob", "bobs")));
        }
    }

    #[test]
    fn an_entry_that_cannot_be_used_hides_none_from_the_default_or_a_chosen_user() {
        for text in [
            "machine a method x machine b login bob password bobs\ndefault login any password one",
            "machine a login alice password\nmachine b login bob password bobs\ndefault login any password one",
        ] {
            finds(&netrc(text).dangerous_default_entry(), "https://b", None);
        }
        let file = netrc("machine h method x\nlogin a\npassword 1\nmachine h login a password 2");
        finds(&file.login("a"), "https://h", None);
    }

    #[test]
    fn the_default_entry_is_for_those_who_ask_for_it_and_stands_last() {
        let file = netrc("default login any password one\nmachine h login a password 1");
        finds(&file, "https://other", None);
        let file = file.dangerous_default_entry();
        finds(&file, "https://other", Some(("any", "one")));
        finds(&file, "https://h", Some(("a", "1")));
        finds(&file.clone().login("any"), "https://h", None);
        finds(&file, "http://other", None);
        finds(&netrc("default").dangerous_default_entry(), "https://other", None);
    }

    #[test]
    fn port_and_protocol_limit_an_entry() {
        let file = netrc(
            "machine h port 8443 login a password 1\nmachine h protocol http login b password 2\n\
             machine h port https login c password 3\nmachine h port imap login d password 4",
        )
        .dangerous_plain_http();
        finds(&file, "https://h:8443", Some(("a", "1")));
        finds(&file, "http://h", Some(("b", "2")));
        finds(&file, "https://h", Some(("c", "3")));
        finds(&file, "https://h:444", None);
        let other = netrc("machine h port 1 login a password 1 default login b password 2");
        finds(&other.dangerous_default_entry(), "https://h", None);
    }

    #[test]
    fn proxies_and_bearer_get_none_and_a_refused_password_is_not_given_again() {
        let (file, origin) = (netrc("machine h login a password 1"), origin("https://h"));
        let ask = |query| {
            let mut future = file.credentials(query);
            match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                Poll::Ready(answer) => answer.expect("nothing to go wrong"),
                Poll::Pending => panic!("nothing to wait for"),
            }
        };
        let query = |challenger, scheme| CredentialsQuery::new(challenger, &origin, scheme, None);
        let found = ask(query(Challenger::Origin, "Digest"));
        assert_eq!(found, Some(Credentials::password("a", "1")));
        assert_eq!(ask(query(Challenger::Proxy, "Digest")), None);
        assert_eq!(ask(query(Challenger::Origin, "Bearer")), None);
        assert_eq!(ask(query(Challenger::Origin, "Digest").with_refused(found.as_ref())), None);
    }

    #[test]
    fn a_file_is_read_once_and_errors_name_it() {
        let folder = std::env::temp_dir().join(format!("legwork-netrc-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let path = folder.join("netrc");
        std::fs::write(&path, "machine h login a password 1").expect("written");
        finds(&Netrc::read(&path).expect("well-formed"), "https://h", Some(("a", "1")));
        let text = "machine h login a password 1\nsecret-pw\nmachine b login c password d";
        std::fs::write(&path, text).expect("written");
        let file = Netrc::read(&path).expect("entries");
        finds(&file, "https://h", None);
        finds(&file, "https://b", Some(("c", "d")));
        std::fs::write(&path, "secret-pw").expect("written");
        for (error, line) in
            [(&file.unusable()[0], "line 2"), (&Netrc::read(&path).expect_err("no entries"), "line 1")]
        {
            assert_eq!(error.path(), Some(&*path));
            let error = error.to_string();
            assert!(error.contains("netrc") && error.contains(line) && !error.contains("secret"), "{error}");
        }
        std::fs::write(&path, vec![b'#'; Netrc::MAX_OCTETS + 1]).expect("written");
        let too_large = Netrc::read(&path).expect_err("too large");
        assert_eq!((too_large.kind(), too_large.is_no_file()), (NetrcErrorKind::TooLarge, false));
        assert!(too_large.to_string().contains("the file is too large"), "{too_large}");
        let missing = Netrc::read(folder.join("none")).expect_err("no file");
        assert_eq!(missing.kind(), NetrcErrorKind::Unreadable);
        assert!(missing.is_no_file());
        // A folder is there, and no file.
        assert!(!Netrc::read(&folder).expect_err("a folder").is_no_file());
        let source = std::error::Error::source(&missing).and_then(|source| source.downcast_ref());
        assert_eq!(source.map(std::io::Error::kind), Some(std::io::ErrorKind::NotFound));
        std::fs::remove_dir_all(&folder).expect("removed");
    }

    #[test]
    fn passwords_are_not_printed() {
        let text = format!("{:?}", netrc("machine h login a password secret-pw secret-pw"));
        assert!(!text.contains("secret-pw"), "{text}");
    }
}
