//! What a client or a KDC adds for the server to judge by.

use crate::der::{Malformed, Reader, Writer};
use crate::mechanism::kerberos::messages::{MalformedMessage, Message};

/// A server that does not know what is inside passes over it (RFC 4120, section 5.2.6.1).
pub(crate) const AD_IF_RELEVANT: i32 = 1;
/// AD-AUTH-DATA-AP-OPTIONS (MS-KILE, section 3.2.5.8).
const AD_AP_OPTIONS: i32 = 143;
/// The client knows channel bindings, and would have sent them where there are any: without them Windows does not insist.
const KERB_AP_OPTIONS_CBT: u32 = 0x4000;

/// One element of AuthorizationData (RFC 4120, section 5.2.6).
///
/// ```asn1
/// AuthorizationData ::= SEQUENCE OF SEQUENCE { ad-type [0] Int32, ad-data [1] OCTET STRING }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AuthorizationData<'a> {
    /// The number of its type.
    pub(crate) ad_type: i32,
    /// Its octets.
    pub(crate) ad_data: &'a [u8],
}

/// AD-WIN2K-PAC: a user's groups, as Windows has them (MS-PAC).
const AD_WIN2K_PAC: i32 = 128;

impl<'a> AuthorizationData<'a> {
    /// These elements, encoded, where who does not know them may pass over them.
    pub(crate) fn if_relevant(elements: &'a [u8]) -> Self {
        Self { ad_type: AD_IF_RELEVANT, ad_data: elements }
    }
}

impl AuthorizationData<'_> {
    /// Elements of so many octets in all, in the place of a user's groups.
    pub(crate) fn groups(octets: usize) -> Vec<u8> {
        vec![AuthorizationData { ad_type: AD_WIN2K_PAC, ad_data: &vec![0; octets] }].encode()
    }

    /// The contents of the AD-IF-RELEVANT that says that the client knows channel bindings.
    pub(crate) fn knows_channel_bindings() -> Vec<u8> {
        let options = KERB_AP_OPTIONS_CBT.to_le_bytes();
        vec![AuthorizationData { ad_type: AD_AP_OPTIONS, ad_data: &options }].encode()
    }

    /// Whether an Authenticator's AuthorizationData says so.
    ///
    /// # Errors
    ///
    /// [`MalformedMessage`] if an AD-IF-RELEVANT among it is.
    pub(crate) fn says_channel_bindings_are_known(
        elements: &[AuthorizationData<'_>],
    ) -> Result<bool, MalformedMessage> {
        for element in elements.iter().filter(|element| element.ad_type == AD_IF_RELEVANT) {
            for inner in Vec::<AuthorizationData<'_>>::decode(element.ad_data)? {
                let options = inner.ad_data.first_chunk().map_or(0, |octets| u32::from_le_bytes(*octets));
                if inner.ad_type == AD_AP_OPTIONS && options & KERB_AP_OPTIONS_CBT != 0 {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }
}

impl<'a> Message<'a> for AuthorizationData<'a> {
    const NAME: &'static str = "AuthorizationData";

    fn read(reader: &mut Reader<'a>) -> Result<Self, Malformed> {
        reader.sequence(|fields| {
            Ok(Self {
                ad_type: fields.field(0, "no ad-type", Reader::int32)?,
                ad_data: fields.field(1, "no ad-data", Reader::octet_string)?,
            })
        })
    }

    fn write(&self, writer: &mut Writer) {
        writer.sequence(|fields| {
            fields.field(0, |field| field.integer(self.ad_type));
            fields.field(1, |field| field.octet_string(self.ad_data));
        });
    }

    fn room(&self) -> usize {
        self.ad_data.len() + 32
    }
}
