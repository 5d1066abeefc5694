//! From octets to challenges: the list, its elements, and the grammar of each.

use std::iter;
use std::mem;
use std::ops::ControlFlow;
use std::str;

use http::HeaderMap;
use http::header::{AsHeaderName, HeaderValue};

use super::challenges::{Body, Challenge, Challenges};
use super::error::{ChallengeError, ChallengeErrorKind};
use super::limits::{MAX_CHALLENGES, MAX_OCTETS};
use super::params::{Param, Params};

impl Challenges {
    /// Reads every line of `field`, `WWW-Authenticate` or `Proxy-Authenticate`, in order.
    ///
    /// Never fails: see [`errors`](Self::errors).
    pub fn parse(headers: &HeaderMap, field: impl AsHeaderName) -> Self {
        Self::from_lines(headers.get_all(field).iter().map(HeaderValue::as_bytes))
    }

    /// Reads a single field value; errors call it line 0.
    pub fn from_value(value: &[u8]) -> Self {
        Self::from_lines([value])
    }

    pub(super) fn from_lines<'a>(lines: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut parser = ChallengeParser::default();
        for (line, value) in lines.into_iter().enumerate() {
            if parser.line(line, value).is_break() {
                break;
            }
        }
        parser.finish()
    }
}

/// Reads field lines one after another.
#[derive(Default)]
struct ChallengeParser {
    read: Challenges,
    octets: usize,
    line: usize,
    open: OpenChallenge,
}

/// The challenge that a parameter would belong to.
#[derive(Default)]
enum OpenChallenge {
    #[default]
    Nothing,
    Challenge(Challenge),
    /// Its error is recorded; it is read on for what is legible.
    Malformed(Challenge),
    /// Its error is recorded; it has no scheme or may have swallowed others, and is passed over.
    Illegible,
}

/// What is wrong, and at which octet of the line.
pub(super) type Fault = (ChallengeErrorKind, usize);

impl ChallengeParser {
    /// Reads one line; breaks when a limit is reached.
    fn line(&mut self, line: usize, value: &[u8]) -> ControlFlow<()> {
        self.line = line;
        let room = MAX_OCTETS - self.octets;
        if value.len() > room {
            self.error(None, (ChallengeErrorKind::TooManyOctets, room));
            return ControlFlow::Break(());
        }
        self.octets += value.len();
        for element in elements(value) {
            self.element(element)?;
        }
        self.close();
        ControlFlow::Continue(())
    }

    /// What was read.
    fn finish(self) -> Challenges {
        self.read
    }

    /// The rule that tells a parameter from a challenge.
    fn element(&mut self, element: Cursor<'_>) -> ControlFlow<()> {
        if element.begins_param() && !matches!(self.open, OpenChallenge::Nothing) {
            self.param(element);
            return ControlFlow::Continue(());
        }
        self.close();
        if self.read.challenges.len() + self.read.errors.len() == MAX_CHALLENGES {
            self.error(None, (ChallengeErrorKind::TooManyChallenges, element.at));
            return ControlFlow::Break(());
        }
        self.open = self.challenge(element);
        ControlFlow::Continue(())
    }

    /// `auth-scheme [ 1*SP ( token68 / auth-param ) ]`
    fn challenge(&mut self, mut element: Cursor<'_>) -> OpenChallenge {
        let start = element.at;
        if element.begins_param() {
            self.error(None, (ChallengeErrorKind::MissingScheme, start));
            return OpenChallenge::Illegible;
        }
        let scheme = element.token();
        if scheme.is_empty() {
            self.error(None, (ChallengeErrorKind::InvalidScheme, start));
            return OpenChallenge::Illegible;
        }
        // Only what is separated belongs to a scheme: `Basic"x"` and `Basic/1` name another one, or none.
        if element.whitespace() == 0 && !element.is_empty() {
            self.error(None, element.unexpected());
            return OpenChallenge::Illegible;
        }
        let challenge = Challenge {
            scheme: scheme.to_owned(),
            line: self.line,
            body: Body::Params(Params::default()),
            order: 0,
        };
        match body(element) {
            Ok(body) => OpenChallenge::Challenge(Challenge { body, ..challenge }),
            Err(fault) => self.malformed(challenge, element, fault),
        }
    }

    /// A parameter after a comma.
    fn param(&mut self, element: Cursor<'_>) {
        self.open = match mem::take(&mut self.open) {
            OpenChallenge::Challenge(mut challenge) => match challenge.add(element) {
                Ok(()) => OpenChallenge::Challenge(challenge),
                Err(fault) => self.malformed(challenge, element, fault),
            },
            OpenChallenge::Malformed(_) if element.swallows() => OpenChallenge::Illegible,
            OpenChallenge::Malformed(mut challenge) => {
                challenge.add_legible(element);
                OpenChallenge::Malformed(challenge)
            }
            open @ (OpenChallenge::Nothing | OpenChallenge::Illegible) => open,
        };
    }

    /// The open challenge, which this element shows to be malformed.
    fn malformed(&mut self, mut challenge: Challenge, element: Cursor<'_>, fault: Fault) -> OpenChallenge {
        self.error(Some(&challenge.scheme), fault);
        if element.swallows() {
            return OpenChallenge::Illegible;
        }
        challenge.add_legible(element);
        OpenChallenge::Malformed(challenge)
    }

    /// Nothing more belongs to the open challenge.
    fn close(&mut self) {
        match mem::take(&mut self.open) {
            OpenChallenge::Challenge(challenge) => self.read.challenges.push(challenge),
            OpenChallenge::Malformed(challenge) => self.read.malformed.push(challenge),
            OpenChallenge::Nothing | OpenChallenge::Illegible => {}
        }
    }

    fn error(&mut self, scheme: Option<&str>, (kind, offset): Fault) {
        self.read.errors.push(ChallengeError::new(kind, scheme, self.line, offset));
    }
}

impl Challenge {
    /// Adds a well-formed parameter.
    fn add(&mut self, element: Cursor<'_>) -> Result<(), Fault> {
        let start = element.at;
        match &mut self.body {
            Body::Token68 { .. } => Err((ChallengeErrorKind::TokenAndParams, start)),
            Body::Params(params) => params.push(param(element)?).map_err(|kind| (kind, start)),
        }
    }

    /// Adds the parameters that are legible in an element. They take the place of a token68.
    fn add_legible(&mut self, element: Cursor<'_>) {
        if let Body::Token68 { .. } = self.body {
            self.body = Body::Params(Params::default());
        }
        if let Body::Params(params) = &mut self.body {
            legible_params(params, element);
        }
    }
}

/// A line of parameters that belong to no challenge.
pub(super) fn params(params: &mut Params, value: &[u8]) -> Result<(), Fault> {
    for element in elements(value) {
        let start = element.at;
        params.push(param(element)?).map_err(|kind| (kind, start))?;
    }
    Ok(())
}

/// What follows the scheme and white space.
fn body(rest: Cursor<'_>) -> Result<Body, Fault> {
    if rest.is_empty() {
        return Ok(Body::Params(Params::default()));
    }
    if let Some(text) = rest.as_token68() {
        return Ok(Body::Token68 { text: text.to_owned(), offset: rest.at });
    }
    let mut params = Params::default();
    let start = rest.at;
    params.push(param(rest)?).map_err(|kind| (kind, start))?;
    Ok(Body::Params(params))
}

/// `token BWS "=" BWS ( token / quoted-string )`, and nothing after it.
fn param(mut element: Cursor<'_>) -> Result<Param, Fault> {
    let name = element.token();
    if name.is_empty() {
        return Err(element.unexpected());
    }
    element.whitespace();
    if !element.eat(b'=') {
        return Err(element.missing_value());
    }
    element.whitespace();
    let value = if element.peek() == Some(b'"') {
        element.quoted_string()?
    } else {
        let token = element.token();
        if token.is_empty() {
            return Err(element.missing_value());
        }
        token.as_bytes().to_vec()
    };
    element.whitespace();
    if element.is_empty() { Ok(Param { name: name.to_owned(), value }) } else { Err(element.unexpected()) }
}

/// The parameters that can be read in an element of a malformed challenge, by the rules of
/// [`challenge`](super). Of those that occur twice the first counts.
fn legible_params(params: &mut Params, mut element: Cursor<'_>) {
    while !element.is_empty() {
        if !element.begins_param() {
            element.word();
            element.whitespace();
            continue;
        }
        let name = element.token();
        element.whitespace();
        element.eat(b'=');
        if let Some(value) = element.legible_value() {
            // What is too much, or there already, is left out.
            let _ = params.push(Param { name: name.to_owned(), value });
        }
    }
}

/// The list's elements without the white space around them; empty ones are passed over
/// (RFC 9110, section 5.6.1.2).
fn elements(value: &[u8]) -> impl Iterator<Item = Cursor<'_>> {
    let mut next = Some(0);
    iter::from_fn(move || {
        let start = next?;
        let end = element_end(value, start);
        next = (end < value.len()).then_some(end + 1);
        Some(Cursor::trimmed(value, start, end))
    })
    .filter(|element| !element.is_empty())
}

/// The next comma outside quotes, or the end.
fn element_end(value: &[u8], start: usize) -> usize {
    // Many a line is one challenge with a long token: this looks at several octets at a time.
    if !value[start..].contains(&b',') {
        return value.len();
    }
    find_outside_quotes(value, start, |octet| octet == b',')
}

/// Where such an octet is, if it is outside quotes as `start` is; else the end.
fn find_outside_quotes(octets: &[u8], start: usize, wanted: impl Fn(u8) -> bool) -> usize {
    let mut at = start;
    let mut quoted = false;
    while at < octets.len() {
        match octets[at] {
            octet if !quoted && wanted(octet) => return at,
            b'\\' if quoted => at += 1,
            b'"' => quoted = !quoted,
            _ => {}
        }
        at += 1;
    }
    octets.len()
}

/// The text of a quoted string, after its first quote, up to its last one or the end.
fn unquoted(text: &[u8]) -> Vec<u8> {
    let mut octets = text.iter().copied();
    let mut value = Vec::new();
    while let Some(octet) = octets.next() {
        match octet {
            b'"' => break,
            b'\\' => value.extend(octets.next()),
            _ => value.push(octet),
        }
    }
    value
}

/// A place in a list element. Offsets are those of the field value.
#[derive(Clone, Copy)]
struct Cursor<'a> {
    /// The field value up to the element's end.
    octets: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    fn trimmed(value: &'a [u8], start: usize, end: usize) -> Self {
        let end =
            start + value[start..end].iter().rposition(|&octet| !is_space(octet)).map_or(0, |last| last + 1);
        let mut cursor = Self { octets: &value[..end], at: start };
        cursor.whitespace();
        cursor
    }

    /// Whether it ends inside quotes that have a comma in them: what the server said after it may be there.
    fn swallows(&self) -> bool {
        let (mut quoted, mut comma) = (false, false);
        let mut octets = self.rest().iter();
        while let Some(octet) = octets.next() {
            match octet {
                b'\\' if quoted => comma |= octets.next() == Some(&b','),
                b'"' => (quoted, comma) = (!quoted, false),
                b',' => comma = true,
                _ => {}
            }
        }
        quoted && comma
    }

    /// The octets matched, which the cursor has passed.
    fn take_while(&mut self, allowed: impl Fn(u8) -> bool) -> &'a [u8] {
        let rest = self.rest();
        let length = rest.iter().position(|&octet| !allowed(octet)).unwrap_or(rest.len());
        self.at += length;
        &rest[..length]
    }

    /// `token`, or nothing.
    fn token(&mut self) -> &'a str {
        str::from_utf8(self.take_while(is_tchar)).expect("tchar is ASCII")
    }

    /// How many octets of white space were passed.
    fn whitespace(&mut self) -> usize {
        self.take_while(is_space).len()
    }

    fn eat(&mut self, octet: u8) -> bool {
        let found = self.peek() == Some(octet);
        self.at += usize::from(found);
        found
    }

    /// `quoted-string`, without its quotes and backslashes; the cursor is at the opening quote.
    fn quoted_string(&mut self) -> Result<Vec<u8>, Fault> {
        let unterminated = (ChallengeErrorKind::UnterminatedQuote, self.at);
        self.eat(b'"');
        let mut value = Vec::new();
        loop {
            match self.peek() {
                None => return Err(unterminated),
                Some(b'"') => break,
                Some(b'\\') => {
                    self.at += 1;
                    let escaped = self.peek().ok_or(unterminated)?;
                    value.push(self.text(escaped)?);
                }
                Some(octet) => value.push(self.text(octet)?),
            }
            self.at += 1;
        }
        self.at += 1;
        Ok(value)
    }

    /// An octet of a quoted string.
    fn text(&self, octet: u8) -> Result<u8, Fault> {
        if is_text(octet) { Ok(octet) } else { Err(self.unexpected()) }
    }

    /// Passes over what is up to white space outside quotes.
    fn word(&mut self) {
        self.at = find_outside_quotes(self.octets, self.at, is_space);
    }

    /// The value of a malformed challenge's parameter; the cursor moves from the `=` to the next one.
    fn legible_value(&mut self) -> Option<Vec<u8>> {
        let mut is_separated = self.whitespace() > 0;
        let (start, mut end) = (self.at, self.at);
        while !(self.is_empty() || is_separated && self.begins_param()) {
            self.word();
            end = self.at;
            is_separated = self.whitespace() > 0;
        }
        let value = match &self.octets[start..end] {
            [] => return None,
            [b'"', text @ ..] => unquoted(text),
            text => text.to_vec(),
        };
        value.iter().copied().all(is_text).then_some(value)
    }

    fn begins_param(mut self) -> bool {
        let named = !self.token().is_empty();
        self.whitespace();
        named && self.eat(b'=')
    }

    /// All that is left, if it is a token68.
    fn as_token68(self) -> Option<&'a str> {
        let rest = self.rest();
        let length = rest.iter().rposition(|&octet| octet != b'=')? + 1;
        // All octets, which the compiler looks at several at a time.
        let is_token68 = rest[..length].iter().fold(true, |so_far, &octet| so_far & is_token68_octet(octet));
        is_token68.then(|| str::from_utf8(rest).expect("token68 is ASCII"))
    }

    fn rest(&self) -> &'a [u8] {
        &self.octets[self.at..]
    }

    fn peek(&self) -> Option<u8> {
        self.octets.get(self.at).copied()
    }

    fn is_empty(&self) -> bool {
        self.at == self.octets.len()
    }

    fn unexpected(&self) -> Fault {
        (ChallengeErrorKind::UnexpectedOctet, self.at)
    }

    fn missing_value(&self) -> Fault {
        if self.is_empty() { (ChallengeErrorKind::MissingValue, self.at) } else { self.unexpected() }
    }
}

/// What may stand in a quoted string: anything but control characters.
fn is_text(octet: u8) -> bool {
    octet == b'\t' || !octet.is_ascii_control()
}

/// `OWS` and `BWS` (RFC 9110, section 5.6.3).
fn is_space(octet: u8) -> bool {
    matches!(octet, b' ' | b'\t')
}

/// RFC 9110, section 5.6.2.
pub(crate) const fn is_tchar(octet: u8) -> bool {
    matches!(octet,
        b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+' | b'-'
            | b'.' | b'^' | b'_' | b'`' | b'|' | b'~')
}

/// RFC 9110, section 11.2, without the `=` at the end.
fn is_token68_octet(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() | matches!(octet, b'-' | b'.' | b'_' | b'~' | b'+' | b'/')
}
