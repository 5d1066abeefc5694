//! The two negotiation tokens (RFC 4178, section 4.2).

use crate::der::{self, Malformed, Reader, Writer};
use crate::mechanism::oid;
use crate::mechanism::{ErrorKind, MechanismError};

/// How far the negotiation has come (RFC 4178, section 4.2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NegState {
    /// The sender is done.
    AcceptCompleted = 0,
    /// The sender wants another token.
    AcceptIncomplete = 1,
    /// The sender ends the negotiation.
    Reject = 2,
    /// The acceptor picked a mechanism and demands the exchange of mechListMIC.
    RequestMic = 3,
}

/// `MechTypeList ::= SEQUENCE OF MechType`, the octets that mechListMIC covers.
pub(crate) fn mech_type_list<'a>(oids: impl Iterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut list = Writer::with_room(0);
    list.within(der::SEQUENCE, |types| oids.for_each(|oid| types.value(der::OBJECT_IDENTIFIER, oid)));
    list.finish()
}

/// A NegTokenInit with the mechanisms' list and the optimistic token of its first one, in the
/// frame that GSS-API puts around a first token (RFC 2743, section 3.1).
///
/// ```asn1
/// NegTokenInit ::= SEQUENCE {
///     mechTypes   [0] MechTypeList,
///     reqFlags    [1] ContextFlags OPTIONAL,  -- RECOMMENDED to be left out
///     mechToken   [2] OCTET STRING OPTIONAL,
///     mechListMIC [3] OCTET STRING OPTIONAL, ... }
/// ```
pub(crate) fn neg_token_init(mech_type_list: &[u8], mech_token: Option<&[u8]>) -> Vec<u8> {
    let about = mech_type_list.len() + mech_token.map_or(0, <[u8]>::len);
    let mut token = Writer::with_room(about);
    token.within_about(der::APPLICATION_0, about, |frame| {
        frame.value(der::OBJECT_IDENTIFIER, oid::SPNEGO);
        frame.within_about(der::context(0), about, |choice| {
            choice.within_about(der::SEQUENCE, about, |fields| {
                fields.within(der::context(0), |field| field.encoded(mech_type_list));
                octet_string(fields, 2, mech_token);
            });
        });
    });
    token.finish()
}

/// The mechanism whose token this is and what it says, where GSS-API's frame is around it (RFC 2743, section 3.1).
pub(crate) fn unframed(token: &[u8]) -> Result<(&[u8], &[u8]), Malformed> {
    let mut reader = Reader::new(token)?;
    let mut frame = reader.within(der::APPLICATION_0)?;
    reader.finish()?;
    let mechanism = frame.value(der::OBJECT_IDENTIFIER)?;
    Ok((mechanism, frame.rest()))
}

/// Every token after the first, from either side; it has no GSS-API frame.
///
/// ```asn1
/// NegTokenResp ::= SEQUENCE {
///     negState      [0] ENUMERATED   OPTIONAL,
///     supportedMech [1] MechType     OPTIONAL,
///     responseToken [2] OCTET STRING OPTIONAL,
///     mechListMIC   [3] OCTET STRING OPTIONAL, ... }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct NegTokenResp<'a> {
    /// Required in the acceptor's first token; some Java acceptors leave it out.
    pub(crate) state: Option<NegState>,
    /// The mechanism that the acceptor picked; in its first token only.
    pub(crate) supported_mech: Option<&'a [u8]>,
    /// The mechanism's own token. Never empty: old IIS sends an empty one to say that there is
    /// none (krb5, `init_ctx_nego`).
    pub(crate) response_token: Option<&'a [u8]>,
    /// The integrity code of the initiator's list.
    pub(crate) mech_list_mic: Option<&'a [u8]>,
}

impl<'a> NegTokenResp<'a> {
    /// Decodes an acceptor's token.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::DefectiveToken`] if it is not DER, or not a NegTokenResp.
    pub(crate) fn decode(token: &'a [u8]) -> Result<Self, MechanismError> {
        Self::read(token).map_err(|malformed| defective(format!("malformed NegTokenResp: {malformed}")))
    }

    /// The same for a token that may be none, with an error that costs nothing.
    pub(crate) fn read(token: &'a [u8]) -> Result<Self, Malformed> {
        let mut outer = Reader::new(token)?;
        let mut choice = outer.within(der::context(1))?;
        outer.finish()?;
        let mut sequence = choice.within(der::SEQUENCE)?;
        choice.finish()?;

        let state = sequence.optional(der::context(0))?.map(read_state).transpose()?;
        let supported_mech = sequence
            .optional(der::context(1))?
            .map(|field| field.only(der::OBJECT_IDENTIFIER))
            .transpose()?;
        let response_token =
            sequence.optional(der::context(2))?.map(|field| field.only(der::OCTET_STRING)).transpose()?;
        let mech_list_mic =
            sequence.optional(der::context(3))?.map(|field| field.only(der::OCTET_STRING)).transpose()?;
        // "..." in the definition: fields of a later version follow, in order.
        while sequence.peek().is_some_and(|tag| tag > der::context(3)) {
            sequence.skip()?;
        }
        sequence.finish()?;

        Ok(Self {
            state,
            supported_mech,
            response_token: response_token.filter(|token| !token.is_empty()),
            // Windows 2000 and WebSphere repeat the token where the code belongs (krb5,
            // `get_negTokenResp`; dotnet/runtime#88874). That is no code.
            mech_list_mic: mech_list_mic.filter(|mic| Some(*mic) != response_token),
        })
    }

    /// The token's octets.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let contents = [self.supported_mech, self.response_token, self.mech_list_mic];
        let mut token = Writer::with_room(contents.into_iter().flatten().map(<[u8]>::len).sum());
        token.within(der::context(1), |choice| {
            choice.within(der::SEQUENCE, |fields| {
                if let Some(state) = self.state {
                    fields.within(der::context(0), |field| field.value(der::ENUMERATED, &[state as u8]));
                }
                if let Some(oid) = self.supported_mech {
                    fields.within(der::context(1), |field| field.value(der::OBJECT_IDENTIFIER, oid));
                }
                octet_string(fields, 2, self.response_token);
                octet_string(fields, 3, self.mech_list_mic);
            });
        });
        token.finish()
    }
}

/// An error about a token that breaks the rules.
pub(super) fn defective(message: impl Into<String>) -> MechanismError {
    MechanismError::new(ErrorKind::DefectiveToken, message)
}

fn read_state(field: Reader<'_>) -> Result<NegState, Malformed> {
    match field.only(der::ENUMERATED)? {
        [0] => Ok(NegState::AcceptCompleted),
        [1] => Ok(NegState::AcceptIncomplete),
        [2] => Ok(NegState::Reject),
        [3] => Ok(NegState::RequestMic),
        _ => Err(field.malformed("an unknown negState")),
    }
}

fn octet_string(fields: &mut Writer, number: u8, octets: Option<&[u8]>) {
    if let Some(octets) = octets {
        fields.within_about(der::context(number), octets.len(), |field| {
            field.value(der::OCTET_STRING, octets);
        });
    }
}
