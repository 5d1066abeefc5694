//! The values and fields of Kerberos' messages, which have each field of a SEQUENCE in an explicit tag.

use crate::der::{
    GENERAL_STRING, INTEGER, Malformed, OCTET_STRING, Reader, SEQUENCE, Writer, application, context,
};

/// BIT STRING.
const BIT_STRING: u8 = 0x03;

impl<'a> Reader<'a> {
    /// The next value: `[APPLICATION number] SEQUENCE`, of which `read` reads the fields.
    pub(crate) fn application<T>(
        &mut self,
        number: u8,
        read: impl FnOnce(&mut Self) -> Result<T, Malformed>,
    ) -> Result<T, Malformed> {
        let mut outer = self.within(application(number))?;
        let fields = outer.sequence(read)?;
        outer.finish()?;
        Ok(fields)
    }

    /// The next value: a SEQUENCE, of which `read` reads the fields.
    pub(crate) fn sequence<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, Malformed>,
    ) -> Result<T, Malformed> {
        let mut fields = self.within(SEQUENCE)?;
        let value = read(&mut fields)?;
        fields.finish()?;
        Ok(value)
    }

    /// The next value: a SEQUENCE OF what `read` reads.
    pub(crate) fn sequence_of<T>(
        &mut self,
        mut read: impl FnMut(&mut Self) -> Result<T, Malformed>,
    ) -> Result<Vec<T>, Malformed> {
        self.sequence(|items| {
            let mut values = Vec::new();
            while items.peek().is_some() {
                values.push(read(items)?);
            }
            Ok(values)
        })
    }

    /// The field with this number; `missing` is the error where it is left out.
    pub(crate) fn field<T>(
        &mut self,
        number: u8,
        missing: &'static str,
        read: impl FnOnce(&mut Self) -> Result<T, Malformed>,
    ) -> Result<T, Malformed> {
        self.optional_field(number, read)?.ok_or_else(|| self.malformed(missing))
    }

    /// The field with this number, if it comes next.
    pub(crate) fn optional_field<T>(
        &mut self,
        number: u8,
        read: impl FnOnce(&mut Self) -> Result<T, Malformed>,
    ) -> Result<Option<T>, Malformed> {
        let Some(mut field) = self.optional(context(number))? else { return Ok(None) };
        let value = read(&mut field)?;
        field.finish()?;
        Ok(Some(value))
    }

    /// The next value: an INTEGER of 32 bits.
    pub(crate) fn int32(&mut self) -> Result<i32, Malformed> {
        let number = self.integer()?;
        i32::try_from(number).map_err(|_| self.malformed("an integer of more than 32 bits"))
    }

    /// The next value: an INTEGER of 32 bits without a sign. Microsoft's key versions and old sequence numbers of
    /// MIT and Heimdal go out as negative from 2^31 on; they are taken for what was meant.
    pub(crate) fn uint32(&mut self) -> Result<u32, Malformed> {
        let number = self.integer()?;
        u32::try_from(number)
            .or_else(|_| i32::try_from(number).map(|number| number as u32))
            .map_err(|_| self.malformed("an integer of more than 32 bits"))
    }

    /// The next value: an OCTET STRING.
    pub(crate) fn octet_string(&mut self) -> Result<&'a [u8], Malformed> {
        self.value(OCTET_STRING)
    }

    /// The next value: a GeneralString, of UTF-8.
    pub(crate) fn general_string(&mut self) -> Result<String, Malformed> {
        self.text(GENERAL_STRING)
    }

    /// The next value: a string of this type, of UTF-8.
    pub(crate) fn text(&mut self, tag: u8) -> Result<String, Malformed> {
        let octets = self.value(tag)?;
        let text = std::str::from_utf8(octets).map_err(|_| self.malformed("a string that is not UTF-8"))?;
        Ok(text.to_owned())
    }

    /// The next value: a BIT STRING, as a number whose highest bit is bit 0. KerberosFlags have 32 bits or more (RFC
    /// 4120, section 5.2.8); the missing ones of shorter strings are zero, and nobody has defined further ones.
    pub(crate) fn flags(&mut self) -> Result<u32, Malformed> {
        match self.value(BIT_STRING)? {
            [1..=7] | [8..=0xff, ..] | [] => {
                Err(self.malformed("a bit string with a wrong count of unused bits"))
            }
            [_, octets @ ..] => {
                let mut flags = [0; 4];
                flags.iter_mut().zip(octets).for_each(|(flag, octet)| *flag = *octet);
                Ok(u32::from_be_bytes(flags))
            }
        }
    }

    /// The next value as it is encoded, with tag and length, after `read` has read it.
    pub(crate) fn encoded<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, Malformed>,
    ) -> Result<&'a [u8], Malformed> {
        let start = self.at;
        read(self)?;
        Ok(&self.octets[start..self.at])
    }
}

impl Writer {
    /// Writes `[APPLICATION number] SEQUENCE` with these fields.
    pub(crate) fn application(&mut self, number: u8, fields: impl FnOnce(&mut Self)) {
        self.application_about(number, 0, fields);
    }

    /// The same where the fields have about so many octets.
    pub(crate) fn application_about(&mut self, number: u8, about: usize, fields: impl FnOnce(&mut Self)) {
        self.within_about(application(number), about, |outer| outer.within_about(SEQUENCE, about, fields));
    }

    /// Writes a SEQUENCE with these fields.
    pub(crate) fn sequence(&mut self, fields: impl FnOnce(&mut Self)) {
        self.within(SEQUENCE, fields);
    }

    /// Writes a SEQUENCE OF the items, each as `write` writes it.
    pub(crate) fn sequence_of<T>(&mut self, items: &[T], write: impl Fn(&mut Self, &T)) {
        self.within(SEQUENCE, |sequence| items.iter().for_each(|item| write(sequence, item)));
    }

    /// Writes the field with this number.
    pub(crate) fn field(&mut self, number: u8, write: impl FnOnce(&mut Self)) {
        self.within(context(number), write);
    }

    /// Writes the field with this number, which is encoded already.
    pub(crate) fn encoded_field(&mut self, number: u8, octets: &[u8]) {
        self.value(context(number), octets);
    }

    /// Writes the field with this number, if it has a value.
    pub(crate) fn optional_field<T>(
        &mut self,
        number: u8,
        value: Option<T>,
        write: impl FnOnce(&mut Self, T),
    ) {
        if let Some(value) = value {
            self.within(context(number), |field| write(field, value));
        }
    }

    /// Writes an INTEGER.
    pub(crate) fn integer(&mut self, number: impl Into<i64>) {
        let octets = number.into().to_be_bytes();
        let spare =
            octets.windows(2).take_while(|pair| matches!(pair, [0, 0..=0x7f] | [0xff, 0x80..=0xff])).count();
        self.value(INTEGER, &octets[spare..]);
    }

    /// Writes an OCTET STRING.
    pub(crate) fn octet_string(&mut self, octets: &[u8]) {
        self.value(OCTET_STRING, octets);
    }

    /// Writes a GeneralString.
    pub(crate) fn general_string(&mut self, text: &str) {
        self.value(GENERAL_STRING, text.as_bytes());
    }

    /// Writes a BIT STRING of 32 bits, of which the highest is bit 0.
    pub(crate) fn flags(&mut self, flags: u32) {
        let [a, b, c, d] = flags.to_be_bytes();
        self.value(BIT_STRING, &[0, a, b, c, d]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::der::encode;

    fn written(write: impl FnOnce(&mut Writer)) -> Vec<u8> {
        let mut writer = Writer::with_room(0);
        write(&mut writer);
        writer.finish()
    }

    fn read<'a, T>(
        octets: &'a [u8],
        read: impl FnOnce(&mut Reader<'a>) -> Result<T, Malformed>,
    ) -> Result<T, &'static str> {
        let mut reader = Reader::new(octets).expect("within the limit");
        read(&mut reader).map_err(|error| error.what)
    }

    #[test]
    fn integers_are_written_in_their_shortest_form() {
        for (number, contents) in [
            (0, &[0][..]),
            (0x7f, &[0x7f]),
            (0x80, &[0, 0x80]),
            (-1, &[0xff]),
            (-0x80, &[0x80]),
            (-0x81, &[0xff, 0x7f]),
            (0xffff_ffff, &[0, 0xff, 0xff, 0xff, 0xff]),
            (i64::MIN, &[0x80, 0, 0, 0, 0, 0, 0, 0]),
        ] {
            let octets = written(|writer| writer.integer(number));
            assert_eq!(octets, encode(INTEGER, &[contents]));
            assert_eq!(read(&octets, Reader::integer), Ok(number));
        }
    }

    #[test]
    fn numbers_without_a_sign_are_read_from_negative_ones_too() {
        let octets = |number: i64| written(|writer| writer.integer(number));
        assert_eq!(read(&octets(0xffff_ffff), Reader::uint32), Ok(u32::MAX));
        assert_eq!(read(&octets(-1), Reader::uint32), Ok(u32::MAX));
        assert_eq!(read(&octets(-0x100_0000), Reader::uint32), Ok(0xff00_0000));
        assert_eq!(read(&octets(1 << 32), Reader::uint32), Err("an integer of more than 32 bits"));
        assert_eq!(read(&octets(1 << 31), Reader::int32), Err("an integer of more than 32 bits"));
    }

    #[test]
    fn flags_may_be_shorter_or_longer_than_32_bits() {
        let bits = |contents: &[u8]| encode(BIT_STRING, &[contents]);
        assert_eq!(written(|writer| writer.flags(0x4081_0010)), bits(&[0, 0x40, 0x81, 0, 0x10]));
        assert_eq!(read(&bits(&[0, 0x40, 0x81, 0, 0x10]), Reader::flags), Ok(0x4081_0010));
        assert_eq!(read(&bits(&[4, 0x40]), Reader::flags), Ok(0x4000_0000));
        assert_eq!(read(&bits(&[0, 1, 2, 3, 4, 5]), Reader::flags), Ok(0x0102_0304));
        assert_eq!(read(&bits(&[0]), Reader::flags), Ok(0));
        assert!(read(&bits(&[]), Reader::flags).is_err());
        assert!(read(&bits(&[8, 1]), Reader::flags).is_err());
        assert!(read(&bits(&[1]), Reader::flags).is_err());
    }

    #[test]
    fn a_missing_field_is_named_and_nothing_may_follow_the_last() {
        let octets = written(|writer| writer.sequence(|fields| fields.field(1, |field| field.integer(7))));
        let number = |reader: &mut Reader<'_>| {
            reader.sequence(|fields| {
                let first = fields.optional_field(0, Reader::integer)?;
                Ok((first, fields.field(1, "no number", Reader::integer)?))
            })
        };
        assert_eq!(read(&octets, number), Ok((None, 7)));
        let missing =
            |reader: &mut Reader<'_>| reader.sequence(|fields| fields.field(2, "no name", Reader::integer));
        assert_eq!(read(&octets, missing), Err("no name"));
        assert_eq!(read(&octets, |reader| reader.sequence(|_| Ok(()))), Err("trailing octets"));
    }
}
