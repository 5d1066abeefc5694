//! An SPNEGO acceptor around those of other mechanisms, honest or misbehaving.

use std::fmt;

use crate::der::{self, Malformed, Reader};
use crate::mechanism::oid;
use crate::mechanism::spnego::token::{NegState, NegTokenResp, unframed};
use crate::mechanism::{MechanismError, MessageIntegrity};
use crate::testing::acceptor::{Accept, Acceptor};
use crate::testing::persistence::Persistence;

/// The accepting side of SPNEGO, with one mechanism to pick or several (RFC 4178).
///
/// By default it behaves: it picks the first of the client's mechanisms that it has, verifies the client's mechListMIC, requires it
/// if that mechanism was not offered first, and answers it with its own. A bare message of NTLM or of Kerberos is accepted and answered
/// without SPNEGO, as Apache's mod_auth_gssapi and IIS do.
///
/// ```
/// use legwork::testing::{Accept, Acceptor};
/// use legwork::unversioned::testing::{ServerMic, SpnegoAcceptor};
///
/// struct Anyone;
///
/// impl Acceptor for Anyone {
///     fn step(&mut self, token: &[u8]) -> Accept {
///         let user = String::from_utf8_lossy(token).into_owned();
///         Accept::Accepted { user, token: None, integrity: None }
///     }
/// }
///
/// let ntlm = &[0x2b, 6, 1, 4, 1, 0x82, 0x37, 2, 2, 10];
/// let mut honest = SpnegoAcceptor::new(ntlm, Box::new(Anyone));
/// assert!(matches!(honest.step(b"not SPNEGO"), Accept::Refused { .. }));
///
/// // For the tests of a client: an integrity code that it must not believe.
/// let mut forger = SpnegoAcceptor::new(ntlm, Box::new(Anyone)).with_mic(ServerMic::Wrong);
/// # let _ = forger.step(b"");
/// ```
pub struct SpnegoAcceptor {
    mechanisms: Vec<Inner>,
    /// The one that was picked, by its index.
    picked: usize,
    mic: ServerMic,
    framing: Framing,
    state: SpnegoState,
}

/// A mechanism that can be picked.
struct Inner {
    oid: Vec<u8>,
    acceptor: Box<dyn Acceptor>,
}

/// What an acceptor does about its own mechListMIC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ServerMic {
    /// Sends it where RFC 4178, section 5 has it: in answer to the client's, or if required.
    #[default]
    Right,
    /// Sends a wrong one there.
    Wrong,
    /// Never sends any.
    Missing,
}

/// How the acceptor answers.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Framing {
    Negotiation,
    /// The mechanism's tokens alone, even to a NegTokenInit.
    Bare,
    /// A rejection, whatever comes.
    Rejection,
}

enum SpnegoState {
    Fresh,
    /// Without SPNEGO.
    Bare,
    /// The mechanism is under way.
    Negotiated(MechanismOffer),
    /// The mechanism is complete, the client's mechListMIC is not here yet.
    AwaitingMic(MechanismOffer, String, Box<dyn MessageIntegrity>),
    Over,
}

/// The client's list, and how our mechanism stands in it.
struct MechanismOffer {
    mech_types: Vec<u8>,
    mic_required: bool,
    answered: bool,
}

impl SpnegoAcceptor {
    /// An acceptor that picks the mechanism with this object identifier (DER content octets) and
    /// hands its tokens to `inner`.
    pub fn new(oid: &[u8], inner: Box<dyn Acceptor>) -> Self {
        Self {
            mechanisms: vec![Inner { oid: oid.to_vec(), acceptor: inner }],
            picked: 0,
            mic: ServerMic::Right,
            framing: Framing::Negotiation,
            state: SpnegoState::Fresh,
        }
    }

    /// The same with another mechanism to pick.
    #[must_use]
    pub fn with_mechanism(mut self, oid: &[u8], inner: Box<dyn Acceptor>) -> Self {
        self.mechanisms.push(Inner { oid: oid.to_vec(), acceptor: inner });
        self
    }

    /// The same with another behaviour about its mechListMIC.
    #[must_use]
    pub fn with_mic(mut self, mic: ServerMic) -> Self {
        self.mic = mic;
        self
    }

    /// The same, answering with the mechanism's tokens alone even if the client sent SPNEGO.
    #[must_use]
    pub fn answering_bare(mut self) -> Self {
        self.framing = Framing::Bare;
        self
    }

    /// The same, rejecting every first token with a NegTokenResp.
    #[must_use]
    pub fn rejecting(mut self) -> Self {
        self.framing = Framing::Rejection;
        self
    }

    /// The first token: a NegTokenInit, or a bare message.
    fn begin(&mut self, token: &[u8]) -> Accept {
        if self.framing == Framing::Rejection {
            return reject("this server rejects everybody", None);
        }
        if let Some(bare) = self.bare_mechanism(token) {
            self.picked = bare;
            self.state = SpnegoState::Bare;
            return self.step_mechanism(token);
        }
        let init = match NegTokenInit::decode(token) {
            Ok(init) => init,
            Err(malformed) => return reject(format!("malformed NegTokenInit: {malformed}"), None),
        };
        let mut places = init.oids.iter().enumerate();
        let found = places.find_map(|(place, oid)| Some((place, self.mechanism(oid)?)));
        let Some((place, picked)) = found else {
            return reject("the client does not offer our mechanism", None);
        };
        self.picked = picked;
        let offer = MechanismOffer {
            mech_types: init.mech_types.to_vec(),
            mic_required: place != 0,
            answered: false,
        };
        match (place, init.mech_token) {
            (0, Some(token)) if self.framing == Framing::Bare => {
                self.state = SpnegoState::Bare;
                self.step_mechanism(token)
            }
            (0, Some(token)) => self.advance(offer, token, None),
            _ => {
                let answer = self.respond(&offer, NegState::RequestMic, None, None);
                self.state = SpnegoState::Negotiated(MechanismOffer { answered: true, ..offer });
                Accept::Continue(answer)
            }
        }
    }

    /// The mechanism with this object identifier, by its index.
    fn mechanism(&self, oid: &[u8]) -> Option<usize> {
        self.mechanisms.iter().position(|inner| oid::same_mechanism(&inner.oid, oid))
    }

    /// Whose message without SPNEGO this is.
    fn bare_mechanism(&self, token: &[u8]) -> Option<usize> {
        if token.starts_with(b"NTLMSSP\0") {
            return self.mechanism(oid::NTLM);
        }
        let (oid, _) = unframed(token).ok()?;
        self.mechanism(oid)
    }

    fn step_mechanism(&mut self, token: &[u8]) -> Accept {
        self.mechanisms[self.picked].acceptor.step(token)
    }

    /// Feeds the mechanism.
    fn advance(&mut self, offer: MechanismOffer, token: &[u8], client_mic: Option<&[u8]>) -> Accept {
        match self.step_mechanism(token) {
            Accept::Continue(token) => {
                let answer = self.respond(&offer, NegState::AcceptIncomplete, Some(&token), None);
                self.state = SpnegoState::Negotiated(MechanismOffer { answered: true, ..offer });
                Accept::Continue(answer)
            }
            Accept::Refused { why, token } => reject(why, token.as_deref()),
            // The client's last token brought its mechListMIC along, if it makes one at all.
            Accept::Accepted { user, token: None, integrity } => {
                self.conclude(offer, user, integrity, client_mic)
            }
            Accept::Accepted { user, token, integrity } => match integrity {
                // Ours is the mechanism's last token, so our mechListMIC goes first (RFC 4178, section 5).
                Some(mut integrity) if offer.mic_required => {
                    let mic = self.own_mic(integrity.as_mut(), &offer);
                    let state = NegState::AcceptIncomplete;
                    let answer = self.respond(&offer, state, token.as_deref(), mic.as_deref());
                    self.state = SpnegoState::AwaitingMic(offer, user, integrity);
                    Accept::Continue(answer)
                }
                integrity => {
                    let answer = self.respond(&offer, NegState::AcceptCompleted, token.as_deref(), None);
                    Accept::Accepted { user, token: Some(answer), integrity }
                }
            },
        }
    }

    /// The mechanism has accepted with the client's last token.
    fn conclude(
        &mut self,
        offer: MechanismOffer,
        user: String,
        mut integrity: Option<Box<dyn MessageIntegrity>>,
        client_mic: Option<&[u8]>,
    ) -> Accept {
        let mic = match (integrity.as_deref_mut(), client_mic) {
            (Some(integrity), Some(client_mic)) => {
                if let Err(error) = integrity.verify(&offer.mech_types, client_mic) {
                    return reject(format!("the client's mechListMIC: {error}"), None);
                }
                self.own_mic(integrity, &offer)
            }
            _ if offer.mic_required => return reject("the client's mechListMIC is missing", None),
            _ => None,
        };
        let answer = self.respond(&offer, NegState::AcceptCompleted, None, mic.as_deref());
        Accept::Accepted { user, token: Some(answer), integrity }
    }

    fn own_mic(&self, integrity: &mut dyn MessageIntegrity, offer: &MechanismOffer) -> Option<Vec<u8>> {
        let mut mic = integrity.mic(&offer.mech_types).ok()?;
        match self.mic {
            ServerMic::Right => Some(mic),
            ServerMic::Wrong => {
                if let Some(octet) = mic.first_mut() {
                    *octet ^= 0x01;
                }
                Some(mic)
            }
            ServerMic::Missing => None,
        }
    }

    /// An answer; the first one names the mechanism.
    fn respond(
        &self,
        offer: &MechanismOffer,
        state: NegState,
        token: Option<&[u8]>,
        mic: Option<&[u8]>,
    ) -> Vec<u8> {
        NegTokenResp {
            state: Some(state),
            supported_mech: (!offer.answered).then_some(&self.mechanisms[self.picked].oid),
            response_token: token,
            mech_list_mic: mic,
        }
        .encode()
    }
}

impl Acceptor for SpnegoAcceptor {
    fn step(&mut self, token: &[u8]) -> Accept {
        match std::mem::replace(&mut self.state, SpnegoState::Over) {
            SpnegoState::Fresh => self.begin(token),
            SpnegoState::Bare => {
                self.state = SpnegoState::Bare;
                self.step_mechanism(token)
            }
            SpnegoState::Negotiated(offer) => match NegTokenResp::decode(token) {
                Ok(NegTokenResp { response_token: Some(token), mech_list_mic, .. }) => {
                    self.advance(offer, token, mech_list_mic)
                }
                Ok(_) => reject("the client's answer lacks the mechanism's token", None),
                Err(error) => reject_for(&error),
            },
            SpnegoState::AwaitingMic(offer, user, mut integrity) => match NegTokenResp::decode(token) {
                Ok(NegTokenResp { mech_list_mic: Some(mic), .. }) => {
                    match integrity.verify(&offer.mech_types, mic) {
                        Ok(()) => Accept::Accepted { user, token: None, integrity: Some(integrity) },
                        Err(error) => reject_for(&error),
                    }
                }
                Ok(_) => reject("the client's mechListMIC is missing", None),
                Err(error) => reject_for(&error),
            },
            SpnegoState::Over => reject("the negotiation is over", None),
        }
    }

    fn persistence(&self) -> Option<Persistence> {
        self.mechanisms[self.picked].acceptor.persistence()
    }
}

impl fmt::Debug for SpnegoAcceptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mechanisms: Vec<_> = self.mechanisms.iter().map(|inner| oid::dotted(&inner.oid)).collect();
        f.debug_struct("SpnegoAcceptor").field("mechanisms", &mechanisms).finish_non_exhaustive()
    }
}

fn reject(why: impl Into<String>, token: Option<&[u8]>) -> Accept {
    let answer =
        NegTokenResp { state: Some(NegState::Reject), response_token: token, ..NegTokenResp::default() };
    Accept::Refused { why: why.into(), token: Some(answer.encode()) }
}

fn reject_for(error: &MechanismError) -> Accept {
    reject(error.to_string(), None)
}

/// A client's first token (RFC 4178, section 4.2.1).
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NegTokenInit<'a> {
    /// The MechTypeList's encoding, which mechListMIC covers.
    pub(crate) mech_types: &'a [u8],
    /// The object identifiers in it.
    pub(crate) oids: Vec<&'a [u8]>,
    /// The optimistic token.
    pub(crate) mech_token: Option<&'a [u8]>,
}

impl<'a> NegTokenInit<'a> {
    /// Decodes a token in its GSS-API frame. reqFlags and what follows the token are passed over.
    pub(crate) fn decode(token: &'a [u8]) -> Result<Self, Malformed> {
        let mut outer = Reader::new(token)?;
        let mut frame = outer.within(der::APPLICATION_0)?;
        outer.finish()?;
        if frame.value(der::OBJECT_IDENTIFIER)? != oid::SPNEGO {
            return Err(frame.malformed("another mechanism than SPNEGO"));
        }
        let mut choice = frame.within(der::context(0))?;
        frame.finish()?;
        let mut sequence = choice.within(der::SEQUENCE)?;
        choice.finish()?;

        let mut field = sequence.within(der::context(0))?;
        let mech_types = field.rest();
        let mut list = field.within(der::SEQUENCE)?;
        field.finish()?;
        let mut oids = Vec::new();
        while list.peek().is_some() {
            oids.push(list.value(der::OBJECT_IDENTIFIER)?);
        }
        sequence.optional(der::context(1))?;
        let mech_token =
            sequence.optional(der::context(2))?.map(|field| field.only(der::OCTET_STRING)).transpose()?;
        Ok(Self { mech_types, oids, mech_token })
    }
}
