//! What is encrypted, keys, and checksums.

use std::fmt;

use zeroize::Zeroizing;

use crate::der::{Malformed, Reader, Writer};
use crate::mechanism::kerberos::crypto::{ChecksumKey, DecryptError, EncryptionType, Key, MessageKeys};
use crate::mechanism::kerberos::messages::Message;

/// What is encrypted, and by which key (RFC 4120, section 5.2.9).
///
/// ```asn1
/// EncryptedData ::= SEQUENCE { etype [0] Int32, kvno [1] UInt32 OPTIONAL, cipher [2] OCTET STRING }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct EncryptedData<'a> {
    /// The number of the encryption type, which may be one that is not supported.
    pub(crate) etype: i32,
    /// The version of the key, where it is one that a KDC keeps.
    pub(crate) kvno: Option<u32>,
    /// The ciphertext.
    pub(crate) cipher: &'a [u8],
}

impl<'a> EncryptedData<'a> {
    /// A ciphertext that these keys have made.
    pub(crate) fn new(keys: &MessageKeys, kvno: Option<u32>, cipher: &'a [u8]) -> Self {
        Self { etype: keys.etype().number(), kvno, cipher }
    }

    /// Decrypts it.
    ///
    /// # Errors
    ///
    /// [`Unreadable`] if it is of another type than the keys, or they do not fit.
    pub(crate) fn decrypt(&self, keys: &MessageKeys) -> Result<Zeroizing<Vec<u8>>, Unreadable> {
        if self.etype != keys.etype().number() {
            return Err(Unreadable::Type { found: self.etype, key: keys.etype() });
        }
        keys.decrypt(self.cipher).map_err(Unreadable::Decrypt)
    }
}

impl<'a> Message<'a> for EncryptedData<'a> {
    const NAME: &'static str = "EncryptedData";

    fn read(reader: &mut Reader<'a>) -> Result<Self, Malformed> {
        reader.sequence(|fields| {
            Ok(Self {
                etype: fields.field(0, "no etype", Reader::int32)?,
                kvno: fields.optional_field(1, Reader::uint32)?,
                cipher: fields.field(2, "no cipher", Reader::octet_string)?,
            })
        })
    }

    fn write(&self, writer: &mut Writer) {
        writer.sequence(|fields| {
            fields.field(0, |field| field.integer(self.etype));
            fields.optional_field(1, self.kvno, Writer::integer);
            fields.field(2, |field| field.octet_string(self.cipher));
        });
    }

    fn room(&self) -> usize {
        self.cipher.len()
    }
}

/// Why something encrypted cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unreadable {
    /// It is encrypted by another type than the key.
    Type {
        /// The number of its type.
        found: i32,
        /// The type of the key.
        key: EncryptionType,
    },
    /// The key does not fit.
    Decrypt(DecryptError),
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Type { found, key } => write!(f, "it has encryption type {found}, and the key {key}"),
            Self::Decrypt(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Unreadable {}

/// A key on its way (RFC 4120, section 5.2.9).
///
/// ```asn1
/// EncryptionKey ::= SEQUENCE { keytype [0] Int32, keyvalue [1] OCTET STRING }
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct EncryptionKey<'a> {
    /// The number of its encryption type.
    pub(crate) keytype: i32,
    /// Its octets.
    pub(crate) keyvalue: &'a [u8],
}

impl EncryptionKey<'_> {
    /// The key, if its type is supported and its length right.
    pub(crate) fn to_key(self) -> Option<Key> {
        Key::new(EncryptionType::from_number(self.keytype)?, self.keyvalue)
    }
}

impl<'a> From<&'a Key> for EncryptionKey<'a> {
    fn from(key: &'a Key) -> Self {
        Self { keytype: key.etype().number(), keyvalue: key.octets() }
    }
}

impl fmt::Debug for EncryptionKey<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EncryptionKey({}, ..)", self.keytype)
    }
}

impl<'a> Message<'a> for EncryptionKey<'a> {
    const NAME: &'static str = "EncryptionKey";

    fn read(reader: &mut Reader<'a>) -> Result<Self, Malformed> {
        reader.sequence(|fields| {
            Ok(Self {
                keytype: fields.field(0, "no keytype", Reader::int32)?,
                keyvalue: fields.field(1, "no keyvalue", Reader::octet_string)?,
            })
        })
    }

    fn write(&self, writer: &mut Writer) {
        writer.sequence(|fields| {
            fields.field(0, |field| field.integer(self.keytype));
            fields.field(1, |field| field.octet_string(self.keyvalue));
        });
    }
}

/// A checksum and its type (RFC 4120, section 5.2.9).
///
/// ```asn1
/// Checksum ::= SEQUENCE { cksumtype [0] Int32, checksum [1] OCTET STRING }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Checksum<'a> {
    /// The number of its type.
    pub(crate) cksumtype: i32,
    /// Its octets.
    pub(crate) checksum: &'a [u8],
}

impl<'a> Checksum<'a> {
    /// `rsa-md5`: MD5 without a key (RFC 3961, section 6.1.2).
    pub(crate) const RSA_MD5: i32 = 7;

    /// A checksum that this key has made.
    pub(crate) fn new(key: &ChecksumKey, checksum: &'a [u8]) -> Self {
        Self { cksumtype: key.etype().checksum_type(), checksum }
    }

    /// Whether it is the checksum of the parts by this key, and of its type.
    pub(crate) fn verify(&self, key: &ChecksumKey, parts: &[&[u8]]) -> bool {
        self.cksumtype == key.etype().checksum_type() && key.verify(parts, self.checksum)
    }
}

impl<'a> Message<'a> for Checksum<'a> {
    const NAME: &'static str = "Checksum";

    fn read(reader: &mut Reader<'a>) -> Result<Self, Malformed> {
        reader.sequence(|fields| {
            Ok(Self {
                cksumtype: fields.field(0, "no cksumtype", Reader::int32)?,
                checksum: fields.field(1, "no checksum", Reader::octet_string)?,
            })
        })
    }

    fn write(&self, writer: &mut Writer) {
        writer.sequence(|fields| {
            fields.field(0, |field| field.integer(self.cksumtype));
            fields.field(1, |field| field.octet_string(self.checksum));
        });
    }
}
