//! From octets to entries.

use std::iter::Peekable;
use std::mem;
use std::str::{self, Chars};

use zeroize::Zeroizing;

use crate::credentials::Credentials;
use crate::credentials::netrc::error::{NetrcError, NetrcErrorKind};
use crate::credentials::netrc::file::MAX_OCTETS;
use crate::protection_space::Origin;

/// What is in a file.
#[derive(Clone)]
pub(super) struct NetrcEntries {
    pub(super) all: Vec<NetrcEntry>,
    /// Why some of them serve nobody.
    pub(super) unusable: Vec<NetrcError>,
}

/// One entry. One without credentials serves nobody, and still decides for its host.
#[derive(Clone)]
pub(super) struct NetrcEntry {
    host: NetrcHost,
    port: Option<Port>,
    protocol: Option<NetrcProtocol>,
    username: Option<String>,
    credentials: Option<Credentials>,
}

#[derive(Clone)]
enum NetrcHost {
    Machine(String),
    Default,
}

#[derive(Clone, Copy)]
enum Port {
    Number(u16),
    DefaultOf(NetrcProtocol),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum NetrcProtocol {
    Http,
    Https,
    Other,
}

impl NetrcEntry {
    /// Whether it is for this origin.
    pub(super) fn names(&self, origin: &Origin) -> bool {
        self.names_host(origin) && self.allows(origin)
    }

    /// Whether it is for this origin's host, even if it is for another port.
    pub(super) fn names_host(&self, origin: &Origin) -> bool {
        let NetrcHost::Machine(name) = &self.host else { return false };
        bare(name).eq_ignore_ascii_case(bare(origin.host()))
    }

    /// Whether it is for whoever has no entry.
    pub(super) fn is_default_for(&self, origin: &Origin) -> bool {
        matches!(self.host, NetrcHost::Default) && self.allows(origin)
    }

    pub(super) fn username(&self) -> Option<&str> {
        self.username.as_deref()
    }

    pub(super) fn is_usable(&self) -> bool {
        self.credentials.is_some()
    }

    pub(super) fn credentials(&self) -> Option<Credentials> {
        self.credentials.clone()
    }

    fn allows(&self, origin: &Origin) -> bool {
        let protocol = if origin.is_secure() { NetrcProtocol::Https } else { NetrcProtocol::Http };
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

impl NetrcProtocol {
    fn named(name: &str) -> Self {
        match name.to_ascii_lowercase().as_str() {
            "http" => Self::Http,
            "https" => Self::Https,
            _ => Self::Other,
        }
    }
}

/// Reads a whole file.
pub(super) fn parse(octets: &[u8]) -> Result<NetrcEntries, NetrcError> {
    if octets.len() > MAX_OCTETS {
        return Err(NetrcError::too_large());
    }
    let text = str::from_utf8(octets).map_err(|error| {
        let line = octets[..error.valid_up_to()].split(|&octet| octet == b'\n').count();
        NetrcError::at(NetrcErrorKind::NotUtf8, line)
    })?;
    let mut parser = NetrcParser {
        rest: text.trim_start_matches('\u{feff}').chars().peekable(),
        line: 1,
        last_word: 0,
        entries: NetrcEntries { all: Vec::new(), unusable: Vec::new() },
        open: None,
    };
    loop {
        match parser.keyword() {
            Ok(true) => {}
            Ok(false) => break,
            Err(error) => parser.give_up_entry(error)?,
        }
    }
    parser.close();
    Ok(parser.entries)
}

struct NetrcParser<'a> {
    rest: Peekable<Chars<'a>>,
    line: usize,
    /// The line of the word that was read last.
    last_word: usize,
    entries: NetrcEntries,
    open: Option<OpenEntry>,
}

/// The entry that keywords belong to.
struct OpenEntry {
    host: NetrcHost,
    line: usize,
    /// Whether nothing stands before it on its line.
    begins_line: bool,
    /// Why it cannot be used.
    error: Option<NetrcError>,
    port: Option<Port>,
    protocol: Option<NetrcProtocol>,
    login: Option<Zeroizing<String>>,
    password: Option<Zeroizing<String>>,
    account: Option<()>,
}

/// A piece of text that may be a password.
type Word = Zeroizing<String>;

impl NetrcParser<'_> {
    /// Reads a keyword and what belongs to it; says whether there was one.
    fn keyword(&mut self) -> Result<bool, NetrcError> {
        self.white_space();
        if self.rest.peek() == Some(&'#') {
            self.skip_line();
            return Ok(true);
        }
        let line = self.line;
        let begins_line = self.last_word < line;
        let Some(word) = self.bare_word()? else { return Ok(false) };
        match word.to_ascii_lowercase().as_str() {
            "machine" => {
                self.close();
                let name = self.value(line)?;
                self.begin(NetrcHost::Machine(name.to_string()), line, begins_line);
            }
            "default" => {
                self.close();
                self.begin(NetrcHost::Default, line, begins_line);
            }
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
                let named = || Port::DefaultOf(NetrcProtocol::named(&value));
                let port = value.parse().map_or_else(|_| named(), Port::Number);
                self.set(line, |open| &mut open.port, port)?;
            }
            "protocol" => {
                let value = self.value(line)?;
                self.set(line, |open| &mut open.protocol, NetrcProtocol::named(&value))?;
            }
            _ => return Err(NetrcError::at(NetrcErrorKind::UnknownKeyword, line)),
        }
        Ok(true)
    }

    fn begin(&mut self, host: NetrcHost, line: usize, begins_line: bool) {
        self.open = Some(OpenEntry {
            host,
            line,
            begins_line,
            error: None,
            port: None,
            protocol: None,
            login: None,
            password: None,
            account: None,
        });
    }

    fn close(&mut self) {
        let Some(open) = self.open.take() else { return };
        let OpenEntry { host, line, begins_line, error, port, protocol, login, password, account: _ } = open;
        let username = login.map(|login| login.to_string());
        let missing = |kind| NetrcError::at(kind, line);
        let credentials = match (&username, password, error) {
            (_, _, Some(error)) => Err(error),
            (None, _, None) => Err(missing(NetrcErrorKind::NoLogin)),
            (Some(_), None, None) => Err(missing(NetrcErrorKind::NoPassword)),
            (Some(username), Some(mut password), None) => {
                Ok(Credentials::password(username.clone(), mem::take(&mut *password)))
            }
        };
        let credentials = credentials.map_err(|error| {
            // In the middle of a line it may be a part of an unquoted password.
            let name = match &host {
                NetrcHost::Machine(name) if begins_line => Some(name.clone()),
                NetrcHost::Machine(_) | NetrcHost::Default => None,
            };
            self.entries.unusable.push(error.in_entry(name));
        });
        let credentials = credentials.ok();
        self.entries.all.push(NetrcEntry { host, port, protocol, username, credentials });
    }

    /// The entry that is open cannot be used, and the next one begins a line.
    ///
    /// # Errors
    ///
    /// If there is none, so that this is no file of entries.
    fn give_up_entry(&mut self, error: NetrcError) -> Result<(), NetrcError> {
        let Some(open) = &mut self.open else { return Err(error) };
        open.error.get_or_insert(error);
        while self.rest.peek().is_some() {
            self.skip_line();
            self.white_space();
            if ["machine", "default", "macdef"].iter().any(|keyword| self.is_next(keyword)) {
                break;
            }
        }
        Ok(())
    }

    fn is_next(&self, keyword: &str) -> bool {
        let mut rest = self.rest.clone();
        let mut expected = keyword.chars();
        expected.all(|expected| rest.next().is_some_and(|found| found.eq_ignore_ascii_case(&expected)))
            && rest.next().is_none_or(is_white_space)
    }

    fn set<T>(
        &mut self,
        line: usize,
        field: impl Fn(&mut OpenEntry) -> &mut Option<T>,
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
        self.last_word = self.line;
        while let Some(character) = self.rest.next_if(|character| !is_white_space(*character)) {
            self.push(&mut word, character)?;
        }
        Ok((!word.is_empty()).then_some(word))
    }

    fn quoted_word(&mut self) -> Result<Word, NetrcError> {
        let unfinished = NetrcError::at(NetrcErrorKind::Quote, self.line);
        let mut word = room();
        self.last_word = self.line;
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
        let shown = |entry: NetrcEntry| {
            let host = match entry.host {
                NetrcHost::Machine(name) => name,
                NetrcHost::Default => "(default)".to_owned(),
            };
            let password = entry.credentials.as_ref().and_then(Credentials::as_password);
            let password = password.map(|(_, password)| password.expose().to_owned());
            (host, entry.username, password)
        };
        entries.all.into_iter().map(shown).collect()
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
        is(r#"machine h login a password "b\nc\rd""#, "h", "a", "b\nc\rd");
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
    fn an_entry_that_cannot_be_used_is_named_and_the_others_serve() {
        use NetrcErrorKind::{
            ControlCharacter, MissingValue, NoLogin, NoPassword, Quote, Twice, UnknownKeyword,
        };
        for (text, host, line, kind) in [
            ("machine h\n  login x\n  password secret-pw\n  method interactive", "h", 4, UnknownKeyword),
            ("machine h method interactive\nlogin x\npassword secret-pw\n", "h", 1, UnknownKeyword),
            ("machine h\nlogin x\nsecret-pw", "h", 3, UnknownKeyword),
            ("machine h password secret-pw secret-pw login x", "h", 1, UnknownKeyword),
            ("machine h password secret-pw machine secret-pw login x", "h", 1, NoLogin),
            ("machine h password a\npassword secret-pw", "h", 2, Twice),
            ("machine h password \"secret-pw\nlogin x", "h", 1, Quote),
            ("machine h password \"secret-pw\\\n\"", "h", 1, Quote),
            ("machine h password \"secret-pw\"x", "h", 1, Quote),
            ("machine h\npassword secret-pw\0 login x", "h", 2, ControlCharacter),
            ("machine h\n\npassword secret-pw", "h", 1, NoLogin),
            ("machine h\nlogin secret-pw", "h", 1, NoPassword),
            ("machine \"h\"", "h", 1, NoLogin),
        ] {
            let after = "\n MACHINE b login c password d\n";
            for whole in [format!("{text}{after}"), format!("{after}{text}")] {
                let entries = parse(whole.as_bytes()).unwrap_or_else(|error| panic!("{whole}: {error}"));
                let line = if whole.starts_with(after) { line + 2 } else { line };
                let first = &entries.unusable[0];
                assert_eq!(
                    (first.host(), first.line(), first.kind()),
                    (Some(host), Some(line), kind),
                    "{whole}"
                );
                assert!(!format!("{:?}", entries.unusable).contains("secret-pw"), "{:?}", entries.unusable);
                let shown: String = entries.unusable.iter().map(ToString::to_string).collect();
                assert!(!shown.contains("secret-pw") && shown.contains("\"h\""), "{shown}");
                let usable: Vec<_> =
                    read(&whole).into_iter().filter(|(_, _, password)| password.is_some()).collect();
                assert_eq!(usable, [("b".to_owned(), Some("c".to_owned()), Some("d".to_owned()))], "{whole}");
            }
        }
        let entries = parse(b"machine h login\n").unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(entries.unusable[0].kind(), MissingValue);
    }

    #[test]
    fn what_an_unusable_entry_goes_on_with_is_part_of_it() {
        let b = ("b".to_owned(), Some("c".to_owned()), Some("d".to_owned()));
        for text in [
            // One password with blanks in it.
            "machine h login a password x y machine z login q password r\nmachine b login c password d",
            "machine h method x\nmacdef init\nmachine z login q password r\n\nlogin a password s\nmachine b login c password d",
            "machine h method x\n# machine z login q password r\nmachine b login c password d",
            "machine h method x\nmachines z login q password r\nmachine b login c password d",
        ] {
            let [h, other] = &read(text)[..] else { panic!("{text}: {:?}", read(text)) };
            assert_eq!((h.0.as_str(), &h.2, other), ("h", &None, &b), "{text}");
        }
        let entries =
            parse(b"default method x\nDefault login a password b").unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(entries.unusable[0].to_string(), "an entry has an unknown keyword, in line 1");
    }

    #[test]
    fn what_is_outside_of_entries_is_an_error_that_says_the_line() {
        for (text, line, kind) in [
            ("secret-pw\nmachine h", 1, NetrcErrorKind::UnknownKeyword),
            ("machine", 1, NetrcErrorKind::MissingValue),
            ("machine h login a password b\nmachine", 2, NetrcErrorKind::MissingValue),
            ("machine h\nmachine \"secret-pw", 2, NetrcErrorKind::Quote),
            ("\n\nlogin secret-pw machine h", 3, NetrcErrorKind::NoEntry),
        ] {
            let error = parse(text.as_bytes()).err().expect(text);
            assert_eq!((error.line(), error.kind()), (Some(line), kind), "{text}");
            assert!(!format!("{error} {error:?}").contains("secret-pw"), "{error}");
        }
        let error = parse(b"machine h\nlogin \xff").err().expect("not UTF-8");
        assert_eq!(error.to_string(), "not UTF-8, in line 2");
        assert!(parse(&vec![b' '; MAX_OCTETS]).is_ok());
        assert!(parse(&vec![b' '; MAX_OCTETS + 1]).is_err());
    }

    #[test]
    fn a_long_password_is_whole() {
        let password = "é".repeat(1000);
        is(&format!("machine h login a password {password}"), "h", "a", &password);
    }
}
