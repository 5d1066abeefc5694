//! What is looked for: the password in its spellings, and the keys that are made of it.

use std::collections::HashMap;

use base64::Engine;
use base64::prelude::BASE64_STANDARD_NO_PAD;

use crate::schemes::{Peer, utf16};

/// Octets of a piece. Needles are looked for piecewise, since a part of a password is enough to be a leak, and since the
/// allocator writes its own over the first sixteen octets of what is freed.
pub(super) const PIECE: usize = 8;

/// What Basic sends.
pub(super) const BASE64_PAIR: &str = "user and password in base64";

/// What NTLM keeps of a password, and what HMAC makes it of.
pub(super) const HMAC_OF_RESPONSE_KEY: &str = "response key, as HMAC keeps it";
pub(super) const MASKED_RESPONSE_KEY: [&str; 2] =
    ["response key, HMAC's inner key", "response key, HMAC's outer key"];

/// What is looked for, in pieces.
pub(super) struct Needles {
    names: Vec<String>,
    pieces: HashMap<[u8; PIECE], Place>,
    /// By the first two octets, which most memory has others than.
    begins: Vec<bool>,
    fields: Vec<Vec<u8>>,
}

/// Where a piece is.
#[derive(Clone, Copy)]
struct Place {
    needle: usize,
    /// The header field that it is part of and may be found in, and where in it.
    field: Option<(usize, usize)>,
}

impl Needles {
    /// What may not be left of this password, with which somebody has logged in here.
    pub(super) fn of(password: &str, peer: &Peer) -> Self {
        let mut needles = Self::new();
        for (name, key) in peer.keys(password) {
            needles.add_key(name, &key);
        }
        match peer.field(password) {
            // The token is the secret, and is in the field as it is.
            Some(field) if field.ends_with(password) => needles.except_in("token", &field),
            Some(field) => {
                needles.add_password(password);
                needles.except_in(BASE64_PAIR, &field);
            }
            None => needles.add_password(password),
        }
        needles
    }

    /// The password, where nobody logs in.
    pub(super) fn of_password(password: &str) -> Self {
        let mut needles = Self::new();
        needles.add_password(password);
        needles
    }

    fn new() -> Self {
        Self { names: Vec::new(), pieces: HashMap::new(), begins: vec![false; 1 << 16], fields: Vec::new() }
    }

    /// Looks for these octets too.
    fn add(&mut self, name: &str, octets: &[u8]) {
        self.names.push(name.to_owned());
        for piece in octets.chunks_exact(PIECE) {
            self.add_piece(piece, None);
        }
    }

    /// The octets as a key of HMAC too, which takes it in under two masks.
    fn add_key(&mut self, name: &str, key: &[u8]) {
        self.add(name, key);
        for (mask, what) in [(0x36, "inner"), (0x5c, "outer")] {
            let masked = key.iter().map(|octet| octet ^ mask).collect::<Vec<_>>();
            self.add(&format!("{name}, HMAC's {what} key"), &masked);
        }
    }

    /// A password, as text in the encodings that a scheme may take it in.
    fn add_password(&mut self, password: &str) {
        self.add_key("password", password.as_bytes());
        self.add("password in UTF-16", &utf16(password));
        for before in 0..3 {
            let text = BASE64_STANDARD_NO_PAD.encode(["_".repeat(before).as_str(), password].concat());
            // The first and the last group have octets of the neighbours.
            self.add("password in base64", &text.as_bytes()[4..text.len() / 4 * 4 - 4]);
        }
    }

    /// The text is looked for outside the line of a header field, which others carry.
    fn except_in(&mut self, name: &str, field: &str) {
        let start = field.len() - field.rsplit(' ').next().expect("a word").len();
        self.names.push(name.to_owned());
        let number = self.fields.len();
        self.fields.push(field.as_bytes().to_vec());
        for at in start..=field.len() - PIECE {
            self.add_piece(&field.as_bytes()[at..at + PIECE], Some((number, at)));
        }
    }

    fn add_piece(&mut self, piece: &[u8], field: Option<(usize, usize)>) {
        self.begins[usize::from(u16::from_le_bytes([piece[0], piece[1]]))] = true;
        let place = Place { needle: self.names.len() - 1, field };
        self.pieces.insert(piece.try_into().expect("a piece"), place);
    }

    /// Which needle has a piece here.
    pub(super) fn find(&self, here: &[u8], before: &[u8]) -> Option<&str> {
        if !self.begins[usize::from(u16::from_le_bytes([here[0], here[1]]))] {
            return None;
        }
        let place = self.pieces.get(&here[..PIECE])?;
        let is_part_of_line =
            |(field, at): (usize, usize)| is_part_of_line(self.fields[field].as_slice(), at, before, here);
        if place.field.is_some_and(is_part_of_line) {
            return None;
        }
        Some(&self.names[place.needle])
    }
}

/// Whether what is here is what the allocator has left of a header field's line: it gives the beginning of its place to somebody
/// else, or the end. A value with its beginning or end, and without that of the line, is none.
fn is_part_of_line(line: &[u8], at: usize, before: &[u8], here: &[u8]) -> bool {
    let (head, tail) = line.split_at(at);
    let value =
        head.len() - head.iter().rev().position(|octet| *octet == b' ').expect("a space before the value");
    match here.strip_prefix(tail) {
        Some(rest) => rest.starts_with(b"\r\n") || before.ends_with(head),
        None => before.ends_with(head) || !before.ends_with(&head[value..]),
    }
}
