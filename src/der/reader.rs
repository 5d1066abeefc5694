//! Reading and writing DER.

use std::fmt;
use std::ops::Range;

/// The longest encoding that is looked at, in octets. Kerberos tickets with large PACs stay below
/// it: Windows caps its tokens at 65,535 octets (`MaxTokenSize`). So do certificates.
pub(crate) const LIMIT: usize = 64 * 1024;

/// INTEGER.
pub(crate) const INTEGER: u8 = 0x02;
/// OCTET STRING.
pub(crate) const OCTET_STRING: u8 = 0x04;
/// OBJECT IDENTIFIER.
pub(crate) const OBJECT_IDENTIFIER: u8 = 0x06;
/// ENUMERATED.
pub(crate) const ENUMERATED: u8 = 0x0a;
/// GeneralString: KerberosString, which holds UTF-8 in practice (RFC 4120, section 5.2.1).
pub(crate) const GENERAL_STRING: u8 = 0x1b;
/// SEQUENCE and SEQUENCE OF, constructed.
pub(crate) const SEQUENCE: u8 = 0x30;
/// `[APPLICATION 0]`, constructed: the frame of an InitialContextToken (RFC 2743, section 3.1).
pub(crate) const APPLICATION_0: u8 = application(0);

/// `[APPLICATION number]`, constructed. `number` is below 31.
pub(crate) const fn application(number: u8) -> u8 {
    0x60 | number
}

/// `[number]`, constructed: an explicit tag. `number` is below 31.
pub(crate) const fn context(number: u8) -> u8 {
    0xa0 | number
}

/// One value: its tag, its length, and the concatenated parts of its contents.
#[cfg(test)]
pub(crate) fn encode(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let mut writer = Writer::with_room(parts.iter().map(|part| part.len()).sum());
    writer.within(tag, |contents| parts.iter().for_each(|part| contents.encoded(part)));
    writer.finish()
}

/// Writes values one after the other, and within each other, into one buffer.
pub(crate) struct Writer(Vec<u8>);

impl Writer {
    /// With room for so many octets of contents, and for the tags and lengths of a token around them.
    pub(crate) fn with_room(octets: usize) -> Self {
        Self(Vec::with_capacity(octets + 64))
    }

    /// Writes a value that holds what `write` writes.
    pub(crate) fn within(&mut self, tag: u8, write: impl FnOnce(&mut Self)) {
        self.within_about(tag, 0, write);
    }

    /// The same for contents of about so many octets. They are moved only if their length turns out to take more octets, or
    /// fewer.
    pub(crate) fn within_about(&mut self, tag: u8, about: usize, write: impl FnOnce(&mut Self)) {
        let length = self.begin(tag, about);
        write(self);
        self.end(length);
    }

    /// Writes a value with these contents.
    pub(crate) fn value(&mut self, tag: u8, contents: &[u8]) {
        if let short @ 0..=0x7f = contents.len() {
            self.0.extend_from_slice(&[tag, short as u8]);
            self.encoded(contents);
            return;
        }
        let length = self.begin(tag, contents.len());
        self.encoded(contents);
        self.end(length);
    }

    /// Writes what is encoded already.
    pub(crate) fn encoded(&mut self, octets: &[u8]) {
        self.0.extend_from_slice(octets);
    }

    pub(crate) fn finish(self) -> Vec<u8> {
        self.0
    }

    /// Writes a tag, and leaves room for the length of about so many octets: there.
    fn begin(&mut self, tag: u8, about: usize) -> Range<usize> {
        let start = self.0.len() + 1;
        self.0.extend_from_slice(&[tag, 0]);
        if about > 0x7f {
            self.0.resize(start + 1 + further_octets(about), 0);
        }
        start..self.0.len()
    }

    /// Writes the length of what follows it, in its definite and shortest form (X.690, section 10.1).
    fn end(&mut self, Range { start, end: contents }: Range<usize>) {
        let end = self.0.len();
        let length = end - contents;
        if length <= 0x7f && contents == start + 1 {
            self.0[start] = length as u8;
            return;
        }
        let further = further_octets(length);
        let moved = start + 1 + further;
        if moved != contents {
            self.0.resize(end.max(moved + length), 0);
            self.0.copy_within(contents..end, moved);
            self.0.truncate(moved + length);
        }
        // Of a usize there are at most eight, so their count fits into the low seven bits.
        self.0[start] = if further == 0 { length as u8 } else { 0x80 | further as u8 };
        let mut rest = length;
        for octet in self.0[start + 1..moved].iter_mut().rev() {
            *octet = rest as u8;
            rest >>= 8;
        }
    }
}

/// How many octets of a length follow the first: none for less than 128.
fn further_octets(length: usize) -> usize {
    match length {
        0..=0x7f => 0,
        _ => size_of::<usize>() - length.leading_zeros() as usize / 8,
    }
}

/// Where an encoding breaks the rules, and which one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Malformed {
    /// The offset in the whole, in octets.
    pub(crate) at: usize,
    /// What is wrong there.
    pub(crate) what: &'static str,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at octet {}", self.what, self.at)
    }
}

/// Reads values one after the other from an encoding or from the contents of one of its values.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reader<'a> {
    /// The whole up to the end of what is read here, so that `at` counts from its beginning.
    pub(super) octets: &'a [u8],
    pub(super) at: usize,
}

impl<'a> Reader<'a> {
    /// Reads a whole encoding.
    pub(crate) fn new(octets: &'a [u8]) -> Result<Self, Malformed> {
        if octets.len() > LIMIT {
            return Err(Malformed { at: LIMIT, what: "more than 64 KiB" });
        }
        Ok(Self { octets, at: 0 })
    }

    /// The contents of the next value, which has this tag.
    pub(crate) fn value(&mut self, tag: u8) -> Result<&'a [u8], Malformed> {
        self.within(tag).map(Self::rest)
    }

    /// A reader of the contents of the next value, which has this tag.
    pub(crate) fn within(&mut self, tag: u8) -> Result<Self, Malformed> {
        match self.octets.get(self.at) {
            Some(found) if *found == tag => self.enter(),
            Some(_) => Err(self.malformed("an unexpected tag")),
            None => Err(self.malformed("a missing value")),
        }
    }

    /// The same for a value that may be absent: nothing is read if another one is next.
    pub(crate) fn optional(&mut self, tag: u8) -> Result<Option<Self>, Malformed> {
        if self.octets.get(self.at) != Some(&tag) {
            return Ok(None);
        }
        self.enter().map(Some)
    }

    /// The contents of the one value that is left, which has this tag.
    pub(crate) fn only(mut self, tag: u8) -> Result<&'a [u8], Malformed> {
        let contents = self.value(tag)?;
        self.finish()?;
        Ok(contents)
    }

    /// The next value: an INTEGER that fits.
    pub(crate) fn integer(&mut self) -> Result<i64, Malformed> {
        let mut contents = self.within(INTEGER)?;
        let negative = match contents.octets[contents.at..] {
            [] => return Err(contents.malformed("an integer without octets")),
            // X.690, section 8.3.2.
            [0, 0..=0x7f, ..] | [0xff, 0x80..=0xff, ..] => {
                return Err(contents.malformed("an integer that is not in its shortest form"));
            }
            [first, ..] => first > 0x7f,
        };
        if contents.rest().len() > 8 {
            return Err(contents.malformed("an integer out of range"));
        }
        let mut number = if negative { -1 } else { 0 };
        while let Ok(octet) = contents.octet("") {
            number = number << 8 | i64::from(octet);
        }
        Ok(number)
    }

    /// Passes over the next value, whatever its tag.
    pub(crate) fn skip(&mut self) -> Result<(), Malformed> {
        self.enter().map(drop)
    }

    /// The next value's tag.
    pub(crate) fn peek(&self) -> Option<u8> {
        self.octets.get(self.at).copied()
    }

    /// What has not been read yet.
    pub(crate) fn rest(self) -> &'a [u8] {
        &self.octets[self.at..]
    }

    /// The end of the contents: nothing may follow.
    pub(crate) fn finish(self) -> Result<(), Malformed> {
        if self.at == self.octets.len() { Ok(()) } else { Err(self.malformed("trailing octets")) }
    }

    /// An error at the current position.
    pub(crate) fn malformed(&self, what: &'static str) -> Malformed {
        Malformed { at: self.at, what }
    }

    /// Passes over a value and returns a reader of its contents.
    fn enter(&mut self) -> Result<Self, Malformed> {
        if self.octet("a missing value")? & 0x1f == 0x1f {
            return Err(self.malformed("a tag of several octets"));
        }
        let length = self.length()?;
        let end = self.at + length;
        let Some(octets) = self.octets.get(..end) else {
            return Err(self.malformed("a value longer than what holds it"));
        };
        let inner = Self { octets, at: self.at };
        self.at = end;
        Ok(inner)
    }

    /// A length in its definite and shortest form (X.690, section 10.1).
    fn length(&mut self) -> Result<usize, Malformed> {
        let count = match self.octet("a missing length")? {
            short @ 0..=0x7f => return Ok(usize::from(short)),
            0x80 => return Err(self.malformed("an indefinite length")),
            long => long & 0x7f,
        };
        // Three octets hold LIMIT; this also keeps the arithmetic far from overflow.
        if count > 3 {
            return Err(self.malformed("a length beyond 64 KiB"));
        }
        let mut length = 0;
        for _ in 0..count {
            length = length << 8 | usize::from(self.octet("a truncated length")?);
        }
        let shortest = if count == 1 { 0x80 } else { 1 << (8 * (count - 1)) };
        if length < shortest {
            return Err(self.malformed("a length that is not in its shortest form"));
        }
        Ok(length)
    }

    fn octet(&mut self, missing: &'static str) -> Result<u8, Malformed> {
        let Some(octet) = self.octets.get(self.at) else {
            return Err(self.malformed(missing));
        };
        self.at += 1;
        Ok(*octet)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_written_in_their_shortest_form_and_read_back() {
        for (length, head) in [
            (0, vec![0x04, 0x00]),
            (0x7f, vec![0x04, 0x7f]),
            (0x80, vec![0x04, 0x81, 0x80]),
            (0xff, vec![0x04, 0x81, 0xff]),
            (0x100, vec![0x04, 0x82, 0x01, 0x00]),
            (0xfff0, vec![0x04, 0x82, 0xff, 0xf0]),
        ] {
            let contents = vec![7; length];
            let value = encode(OCTET_STRING, &[&contents[..length / 2], &contents[length / 2..]]);
            assert_eq!(&value[..head.len()], head, "{length}");
            let mut reader = Reader::new(&value).expect("within the limit");
            assert_eq!(reader.value(OCTET_STRING), Ok(&contents[..]));
            assert_eq!(reader.finish(), Ok(()));
        }
        assert_eq!(encode(OCTET_STRING, &[&[0; 0x1_0000]])[..5], [0x04, 0x83, 0x01, 0x00, 0x00]);
    }

    #[test]
    fn a_wrong_guess_of_a_length_changes_nothing() {
        let lengths = [0, 0x7f, 0x80, 0xff, 0x100, 0x1_0000];
        for (length, about) in lengths.iter().flat_map(|length| lengths.map(|about| (*length, about))) {
            let contents = vec![7; length];
            let mut writer = Writer::with_room(0);
            writer.encoded(&[1]);
            writer.within_about(OCTET_STRING, about, |value| value.encoded(&contents));
            writer.encoded(&[2]);
            let expected = [&[1], &*encode(OCTET_STRING, &[&contents]), &[2]].concat();
            assert_eq!(writer.finish(), expected, "{length} for {about}");
        }
    }

    #[test]
    fn room_is_left_for_a_length_that_is_known_about() {
        let room = |about| Writer::with_room(0).begin(OCTET_STRING, about);
        assert_eq!([0x7f, 0x80, 0xff, 0x100, 0x1_0000].map(room), [1..2, 1..3, 1..3, 1..4, 1..5]);
    }

    #[test]
    fn every_other_form_of_length_is_refused() {
        for (value, what) in [
            (&[][..], "a missing value"),
            (&[0x04], "a missing length"),
            (&[0x04, 0x80, 0, 0], "an indefinite length"),
            (&[0x04, 0x81], "a truncated length"),
            (&[0x04, 0x82, 0x01], "a truncated length"),
            (&[0x04, 0x81, 0x01, 0], "a length that is not in its shortest form"),
            (&[0x04, 0x81, 0x7f], "a length that is not in its shortest form"),
            (&[0x04, 0x82, 0x00, 0x80], "a length that is not in its shortest form"),
            (&[0x04, 0x83, 0x00, 0xff, 0xff], "a length that is not in its shortest form"),
            (&[0x04, 0x83, 0xff, 0xff, 0xff], "a value longer than what holds it"),
            (&[0x04, 0x84, 0, 0, 0, 1, 7], "a length beyond 64 KiB"),
            (&[0x04, 0x88, 255, 255, 255, 255, 255, 255, 255, 255], "a length beyond 64 KiB"),
            (&[0x04, 0xff], "a length beyond 64 KiB"),
            (&[0x04, 0x02, 0x01], "a value longer than what holds it"),
            (&[0x05, 0x00], "an unexpected tag"),
        ] {
            let error = Reader::new(value).and_then(|mut r| r.value(OCTET_STRING)).expect_err(what);
            assert_eq!(error.what, what, "{value:02x?}");
        }
        assert!(Reader::new(&vec![0; LIMIT + 1]).is_err());
        let mut long_tag = Reader::new(&[0x1f, 0x81, 0x00, 0x00]).expect("within the limit");
        assert_eq!(long_tag.skip().expect_err("a long tag").what, "a tag of several octets");
    }

    #[test]
    fn integers_are_read_in_their_shortest_form() {
        for (contents, number) in [
            (&[0][..], Ok(0)),
            (&[0x7f], Ok(0x7f)),
            (&[0x00, 0x80], Ok(0x80)),
            (&[0xff], Ok(-1)),
            (&[0x80], Ok(-0x80)),
            (&[0xff, 0x7f], Ok(-0x81)),
            (&[0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], Ok(i64::MAX)),
            (&[], Err("an integer without octets")),
            (&[0, 0x7f], Err("an integer that is not in its shortest form")),
            (&[0xff, 0x80], Err("an integer that is not in its shortest form")),
            (&[1, 0, 0, 0, 0, 0, 0, 0, 0], Err("an integer out of range")),
        ] {
            let value = encode(INTEGER, &[contents]);
            let read = Reader::new(&value).and_then(|mut reader| reader.integer());
            assert_eq!(read.map_err(|error| error.what), number, "{contents:02x?}");
        }
    }

    #[test]
    fn a_value_never_reaches_beyond_the_one_that_holds_it() {
        let mut outer = Reader::new(&[0x30, 0x03, 0x04, 0x02, 0xaa, 0xbb]).expect("within the limit");
        let mut inner = outer.within(SEQUENCE).expect("a sequence");
        assert_eq!(inner.value(OCTET_STRING).expect_err("too long").at, 4);
    }
}
