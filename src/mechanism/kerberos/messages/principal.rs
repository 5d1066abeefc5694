//! Names of users and services.

use std::fmt;

use crate::der::{Malformed, Reader, Writer};
use crate::mechanism::kerberos::messages::Message;

/// A name without its realm (RFC 4120, section 5.2.2).
///
/// ```asn1
/// PrincipalName ::= SEQUENCE { name-type [0] Int32, name-string [1] SEQUENCE OF KerberosString }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct PrincipalName {
    /// One of the `NT_…` numbers: a hint, by which no two names differ (section 6.2).
    pub(crate) name_type: i32,
    /// Its components.
    pub(crate) name_string: Vec<String>,
}

impl PrincipalName {
    /// A user, or a service without an instance.
    pub(crate) const NT_PRINCIPAL: i32 = 1;
    /// A service and its instance, such as `krbtgt/EXAMPLE.COM`.
    pub(crate) const NT_SRV_INST: i32 = 2;
    /// A service and its host.
    pub(crate) const NT_SRV_HST: i32 = 3;
    /// A name like a mail address in one component, which the KDC looks up (RFC 6806, section 5).
    pub(crate) const NT_ENTERPRISE: i32 = 10;
    /// A name with a meaning of its own, such as `WELLKNOWN/ANONYMOUS` (RFC 6111).
    pub(crate) const NT_WELLKNOWN: i32 = 11;

    /// A name with one component.
    pub(crate) fn user(name: impl Into<String>) -> Self {
        Self { name_type: Self::NT_PRINCIPAL, name_string: vec![name.into()] }
    }

    /// A name that the KDC looks up: `user@domain`.
    pub(crate) fn enterprise(name: impl Into<String>) -> Self {
        Self { name_type: Self::NT_ENTERPRISE, name_string: vec![name.into()] }
    }

    /// A service on a host: `HTTP`, `mail.example`.
    pub(crate) fn service(service: impl Into<String>, host: impl Into<String>) -> Self {
        Self { name_type: Self::NT_SRV_HST, name_string: vec![service.into(), host.into()] }
    }

    /// The service that grants tickets for a realm.
    pub(crate) fn ticket_granting(realm: impl Into<String>) -> Self {
        Self { name_type: Self::NT_SRV_INST, name_string: vec!["krbtgt".to_owned(), realm.into()] }
    }

    /// Whether both name the same, whatever their types say.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.name_string == other.name_string
    }
}

impl fmt::Display for PrincipalName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, component) in self.name_string.iter().enumerate() {
            if index > 0 {
                f.write_str("/")?;
            }
            f.write_str(component)?;
        }
        Ok(())
    }
}

impl Message<'_> for PrincipalName {
    const NAME: &'static str = "PrincipalName";

    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        reader.sequence(|fields| {
            Ok(Self {
                name_type: fields.field(0, "no name-type", Reader::int32)?,
                name_string: fields
                    .field(1, "no name-string", |field| field.sequence_of(Reader::general_string))?,
            })
        })
    }

    fn write(&self, writer: &mut Writer) {
        writer.sequence(|fields| {
            fields.field(0, |field| field.integer(self.name_type));
            fields.field(1, |field| {
                field.sequence_of(&self.name_string, |strings, string| strings.general_string(string));
            });
        });
    }

    fn room(&self) -> usize {
        self.name_string.iter().map(|component| component.len() + 4).sum()
    }
}
