//! The frame of a context token (RFC 2743, section 3.1; RFC 4121, section 4.1).

use crate::der::{self, Writer};
use crate::mechanism::MechanismError;
use crate::mechanism::kerberos::gss::defective::defective;
use crate::mechanism::oid;
use crate::mechanism::spnego::token::unframed;

/// `TOK_ID`: which message a token holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TokenId {
    /// AP-REQ.
    ApReq,
    /// AP-REP.
    ApRep,
    /// KRB-ERROR.
    KrbError,
    /// IAKERB-HEADER and a message to a KDC or from it.
    IakerbProxy,
}

impl TokenId {
    const ALL: [Self; 4] = [Self::ApReq, Self::ApRep, Self::KrbError, Self::IakerbProxy];

    fn octets(self) -> [u8; 2] {
        match self {
            Self::ApReq => [1, 0],
            Self::ApRep => [2, 0],
            Self::KrbError => [3, 0],
            Self::IakerbProxy => [5, 1],
        }
    }
}

/// A context token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Token<'a> {
    /// The mechanism's object identifier: Kerberos' or IAKERB's.
    pub(crate) mechanism: &'a [u8],
    /// Which message it holds.
    pub(crate) id: TokenId,
    /// The message.
    pub(crate) message: &'a [u8],
}

impl<'a> Token<'a> {
    /// Takes the frame off a token.
    ///
    /// # Errors
    ///
    /// [`DefectiveToken`](crate::mechanism::ErrorKind::DefectiveToken) if there is none, or it is another
    /// mechanism's, or nobody knows what is in it.
    pub(crate) fn decode(token: &'a [u8]) -> Result<Self, MechanismError> {
        let (mechanism, rest) = unframed(token)
            .map_err(|malformed| defective(format!("malformed Kerberos token: {malformed}")))?;
        if !oid::same_mechanism(mechanism, oid::KERBEROS) && mechanism != oid::IAKERB {
            return Err(defective(format!("a token of another mechanism: {}", oid::dotted(mechanism))));
        }
        let Some((id, message)) = rest.split_first_chunk() else {
            return Err(defective("malformed Kerberos token: no TOK_ID"));
        };
        let Some(id) = TokenId::ALL.into_iter().find(|known| known.octets() == *id) else {
            return Err(defective(format!(
                "malformed Kerberos token: an unknown TOK_ID {:02x}{:02x}",
                id[0], id[1]
            )));
        };
        Ok(Self { mechanism, id, message })
    }

    /// Its octets.
    pub(crate) fn encode(&self) -> Vec<u8> {
        framed(self.mechanism, self.id, self.message.len(), |frame| frame.encoded(self.message))
    }
}

/// The octets of a token with the message that `write` writes, for which there is room.
pub(crate) fn framed(mechanism: &[u8], id: TokenId, room: usize, write: impl FnOnce(&mut Writer)) -> Vec<u8> {
    let mut token = Writer::with_room(room);
    token.within_about(der::APPLICATION_0, room, |frame| {
        frame.value(der::OBJECT_IDENTIFIER, mechanism);
        frame.encoded(&id.octets());
        write(frame);
    });
    token.finish()
}
