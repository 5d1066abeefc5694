//! From octets to entries.

use std::iter::Peekable;
use std::mem;
use std::str::{self, Chars};

use zeroize::Zeroizing;

use crate::credentials::Credentials;
use crate::credentials::netrc::{Netrc, NetrcError, NetrcErrorKind};
use crate::protection_space::Origin;

/// One entry. Without a login or a password it serves nobody, and still decides for its host.
#[derive(Clone)]
pub(super) struct Entry {
    host: Host,
    port: Option<Port>,
    protocol: Option<Protocol>,
    username: Option<String>,
    credentials: Option<Credentials>,
}

#[derive(Clone)]
enum Host {
    Machine(String),
    Default,
}

#[derive(Clone, Copy)]
enum Port {
    Number(u16),
    DefaultOf(Protocol),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Protocol {
    Http,
    Https,
    Other,
}

impl Entry {
    /// Whether it is for this origin.
    pub(super) fn names(&self, origin: &Origin) -> bool {
        self.names_host(origin) && self.allows(origin)
    }

    /// Whether it is for this origin's host, be it for another port.
    pub(super) fn names_host(&self, origin: &Origin) -> bool {
        let Host::Machine(name) = &self.host else { return false };
        bare(name).eq_ignore_ascii_case(bare(origin.host()))
    }

    /// Whether it is for whoever has no entry.
    pub(super) fn is_default_for(&self, origin: &Origin) -> bool {
        matches!(self.host, Host::Default) && self.allows(origin)
    }

    pub(super) fn username(&self) -> Option<&str> {
        self.username.as_deref()
    }

    pub(super) fn credentials(&self) -> Option<Credentials> {
        self.credentials.clone()
    }

    fn allows(&self, origin: &Origin) -> bool {
        let protocol = if origin.is_secure() { Protocol::Https } else { Protocol::Http };
        let port = match self.port {
            None => true,
            Some(Port::Number(number)) => number == origin.port(),
            Some(Port::DefaultOf(of)) => of == protocol && origin.has_default_port(),
        };
        port && self.protocol.is_none_or(|own| own == protocol)
    }
}

/// An IPv6 literal without its brackets, which files have not.
fn bare(host: &str) -> &str {
    host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host)
}

impl Protocol {
    fn named(name: &str) -> Self {
        match name {
            "http" => Self::Http,
            "https" => Self::Https,
            _ => Self::Other,
        }
    }
}

/// Reads a whole file.
pub(super) fn parse(octets: &[u8]) -> Result<Vec<Entry>, NetrcError> {
    if octets.len() > Netrc::MAX_OCTETS {
        return Err(NetrcError::too_large());
    }
    let text = str::from_utf8(octets).map_err(|error| {
        let line = octets[..error.valid_up_to()].split(|&octet| octet == b'\n').count();
        NetrcError::at(NetrcErrorKind::NotUtf8, line)
    })?;
    let mut parser = Parser {
        rest: text.trim_start_matches('\u{feff}').chars().peekable(),
        line: 1,
        entries: Vec::new(),
        open: None,
    };
    while parser.keyword()? {}
    parser.close();
    Ok(parser.entries)
}

struct Parser<'a> {
    rest: Peekable<Chars<'a>>,
    line: usize,
    entries: Vec<Entry>,
    open: Option<Open>,
}

/// The entry that keywords belong to.
struct Open {
    host: Host,
    port: Option<Port>,
    protocol: Option<Protocol>,
    login: Option<Zeroizing<String>>,
    password: Option<Zeroizing<String>>,
    account: Option<()>,
}

/// A piece of text that may be a password.
type Word = Zeroizing<String>;

impl Parser<'_> {
    /// Reads a keyword and what belongs to it; says whether there was one.
    fn keyword(&mut self) -> Result<bool, NetrcError> {
        self.white_space();
        if self.rest.peek() == Some(&'#') {
            self.skip_line();
            return Ok(true);
        }
        let line = self.line;
        let Some(word) = self.bare_word()? else { return Ok(false) };
        match word.to_ascii_lowercase().as_str() {
            "machine" => {
                let name = self.value(line)?;
                self.begin(Host::Machine(name.to_string()));
            }
            "default" => self.begin(Host::Default),
            "macdef" => {
                self.value(line)?;
                self.skip_macro();
            }
            "login" => {
                let value = self.value(line)?;
                self.set(line, |open| &mut open.login, value)?;
            }
            "password" => {
                let value = self.value(line)?;
                self.set(line, |open| &mut open.password, value)?;
            }
            "account" => {
                self.value(line)?;
                self.set(line, |open| &mut open.account, ())?;
            }
            "port" => {
                let value = self.value(line)?;
                let named = || Port::DefaultOf(Protocol::named(&value));
                let port = value.parse().map_or_else(|_| named(), Port::Number);
                self.set(line, |open| &mut open.port, port)?;
            }
            "protocol" => {
                let value = self.value(line)?;
                self.set(line, |open| &mut open.protocol, Protocol::named(&value))?;
            }
            _ => return Err(NetrcError::at(NetrcErrorKind::UnknownKeyword, line)),
        }
        Ok(true)
    }

    fn begin(&mut self, host: Host) {
        self.close();
        self.open =
            Some(Open { host, port: None, protocol: None, login: None, password: None, account: None });
    }

    fn close(&mut self) {
        let Some(open) = self.open.take() else { return };
        let Open { host, port, protocol, login, password, account: _ } = open;
        let username = login.map(|login| login.to_string());
        let credentials = match (&username, password) {
            (Some(username), Some(mut password)) => {
                Some(Credentials::password(username.clone(), mem::take(&mut *password)))
            }
            _ => None,
        };
        self.entries.push(Entry { host, port, protocol, username, credentials });
    }

    fn set<T>(
        &mut self,
        line: usize,
        field: impl Fn(&mut Open) -> &mut Option<T>,
        value: T,
    ) -> Result<(), NetrcError> {
        let open = self.open.as_mut().ok_or(NetrcError::at(NetrcErrorKind::NoEntry, line))?;
        match field(open).replace(value) {
            None => Ok(()),
            Some(_) => Err(NetrcError::at(NetrcErrorKind::Twice, line)),
        }
    }

    /// What stands behind a keyword of this line, there or on a later one.
    fn value(&mut self, line: usize) -> Result<Word, NetrcError> {
        self.white_space();
        let value = match self.rest.peek() {
            Some('"') => self.quoted_word().map(Some)?,
            Some(_) | None => self.bare_word()?,
        };
        value.ok_or(NetrcError::at(NetrcErrorKind::MissingValue, line))
    }

    fn bare_word(&mut self) -> Result<Option<Word>, NetrcError> {
        let mut word = room();
        while let Some(character) = self.rest.next_if(|character| !is_white_space(*character)) {
            self.push(&mut word, character)?;
        }
        Ok((!word.is_empty()).then_some(word))
    }

    fn quoted_word(&mut self) -> Result<Word, NetrcError> {
        let unfinished = NetrcError::at(NetrcErrorKind::Quote, self.line);
        let mut word = room();
        self.rest.next();
        loop {
            let character = match self.rest.next_if(|character| *character != '\n') {
                None => return Err(unfinished),
                Some('"') => break,
                Some('\\') => match self.rest.next_if(|character| *character != '\n') {
                    None => return Err(unfinished),
                    Some('n') => '\n',
                    Some('r') => '\r',
                    Some('t') => '\t',
                    Some(other) => other,
                },
                Some(other) => other,
            };
            // Those that were asked for are the user's business.
            push(&mut word, character);
        }
        match self.rest.peek() {
            Some(character) if !is_white_space(*character) => Err(unfinished),
            Some(_) | None => Ok(word),
        }
    }

    fn push(&self, word: &mut Word, character: char) -> Result<(), NetrcError> {
        if character.is_control() {
            return Err(NetrcError::at(NetrcErrorKind::ControlCharacter, self.line));
        }
        push(word, character);
        Ok(())
    }

    fn white_space(&mut self) {
        while let Some(character) = self.rest.next_if(|character| is_white_space(*character)) {
            self.line += usize::from(character == '\n');
        }
    }

    /// To the end of the line.
    fn skip_line(&mut self) {
        while self.rest.next_if(|character| *character != '\n').is_some() {}
    }

    /// To the next empty line.
    fn skip_macro(&mut self) {
        self.skip_line();
        while self.rest.next().is_some() {
            self.line += 1;
            let _ = self.rest.next_if_eq(&'\r');
            if self.rest.peek() == Some(&'\n') {
                return;
            }
            self.skip_line();
        }
    }
}

/// Room for most passwords, so that few grow and leave a copy behind.
fn room() -> Word {
    Zeroizing::new(String::with_capacity(256))
}

/// Grows by a copy that is wiped as well.
fn push(word: &mut Word, character: char) {
    if word.len() + character.len_utf8() > word.capacity() {
        let mut larger = String::with_capacity(word.capacity() * 2);
        larger.push_str(word);
        *word = Zeroizing::new(larger);
    }
    word.push(character);
}

fn is_white_space(character: char) -> bool {
    matches!(character, ' ' | '\t' | '\r' | '\n')
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Machine, login and password of each entry.
    fn read(text: &str) -> Vec<(String, Option<String>, Option<String>)> {
        let entries = parse(text.as_bytes()).unwrap_or_else(|error| panic!("{text}: {error}"));
        let shown = |entry: Entry| {
            let host = match entry.host {
                Host::Machine(name) => name,
                Host::Default => "(default)".to_owned(),
            };
            let password = entry.credentials.as_ref().and_then(Credentials::as_password);
            let password = password.map(|(_, password)| password.expose().to_owned());
            (host, entry.username, password)
        };
        entries.into_iter().map(shown).collect()
    }

    #[track_caller]
    fn is(text: &str, machine: &str, login: &str, password: &str) {
        let expected = (machine.to_owned(), Some(login.to_owned()), Some(password.to_owned()));
        assert_eq!(read(text), [expected], "{text}");
    }

    #[test]
    fn layout_and_order_do_not_matter() {
        is("machine h login a password b", "h", "a", "b");
        is("machine h\n\tpassword b\r\n\tlogin a\r\n", "h", "a", "b");
        is("MACHINE h LOGIN a Password b", "h", "a", "b");
        is("machine\nh\nlogin\na\naccount x\npassword\nb", "h", "a", "b");
        is("\u{feff}machine h login a password b", "h", "a", "b");
        is("machine h login login password machine", "h", "login", "machine");
        assert!(read("").is_empty());
        assert_eq!(read("default"), [("(default)".to_owned(), None, None)]);
    }

    #[test]
    fn values_may_be_quoted() {
        is(r#"machine h login "a b" password "c\"d\\e\tf\x""#, "h", "a b", "c\"d\\e\tfx");
        is(r#"machine "h" login a password """#, "h", "a", "");
        is(r#"machine h login a password b"c\"#, "h", "a", r#"b"c\"#);
        is("machine h login ä password ☃", "h", "ä", "☃");
    }

    #[test]
    fn comments_stand_where_a_keyword_would() {
        is("# machine x login\nmachine h # comment\nlogin a #password c\npassword #b # end", "h", "a", "#b");
    }

    #[test]
    fn macros_are_passed_over_to_the_next_empty_line() {
        is("machine h login a macdef init\ncd /x\nlogin z\n\npassword b", "h", "a", "b");
        is("macdef init\r\npassword z\r\n\r\nmachine h login a password b", "h", "a", "b");
        is("machine h login a password b macdef init\nmachine z", "h", "a", "b");
    }

    #[test]
    fn errors_say_the_line_and_nothing_of_the_file() {
        for (text, line, kind) in [
            ("machine h\nlogin a\nsecret-pw", 3, NetrcErrorKind::UnknownKeyword),
            ("machine h password secret-pw secret-pw", 1, NetrcErrorKind::UnknownKeyword),
            ("machine h\npassword", 2, NetrcErrorKind::MissingValue),
            ("machine h\npassword\n\n", 2, NetrcErrorKind::MissingValue),
            ("machine", 1, NetrcErrorKind::MissingValue),
            ("\n\nlogin secret-pw machine h", 3, NetrcErrorKind::NoEntry),
            ("machine h password a\npassword secret-pw", 2, NetrcErrorKind::Twice),
            ("machine h password \"secret-pw\nlogin a", 1, NetrcErrorKind::Quote),
            ("machine h password \"secret-pw\\\n\"", 1, NetrcErrorKind::Quote),
            ("machine h password \"secret-pw\"x", 1, NetrcErrorKind::Quote),
            ("machine h\npassword secret-pw\0", 2, NetrcErrorKind::ControlCharacter),
        ] {
            let error = parse(text.as_bytes()).err().expect(text);
            assert_eq!((error.line(), error.kind()), (Some(line), kind), "{text}");
            assert!(!format!("{error} {error:?}").contains("secret-pw"), "{error}");
        }
        let error = parse(b"machine h\nlogin \xff").err().expect("not UTF-8");
        assert_eq!(error.to_string(), "not UTF-8, in line 2");
        assert!(parse(&vec![b' '; Netrc::MAX_OCTETS]).is_ok());
        assert!(parse(&vec![b' '; Netrc::MAX_OCTETS + 1]).is_err());
    }

    #[test]
    fn a_long_password_is_whole() {
        let password = "é".repeat(1000);
        is(&format!("machine h login a password {password}"), "h", "a", &password);
    }
}
