//! What the field's value has around each request's own.

use super::algorithm::Hex;
use super::name::NAME;
use super::response::Qop;
use super::spelling::Spelling;
use super::terms::Terms;
use crate::authorization::{Authorization, InvalidParam, ParamText, ParamValue};

/// How a nonce is used: all that the field's value depends on beside it and the request.
pub(super) type Usage = (Spelling, Option<Qop>);

/// What the field's value has around each request's own: it is the same for all that use a nonce in the same way.
/// Which parameters are quoted, and which are not, is what RFC 7616, section 3.4 says.
#[derive(Clone)]
pub(super) struct FieldFrame {
    /// Who logs in where.
    front: ParamText,
    /// How that is shown, behind the response.
    middle: ParamText,
    user_hash: Option<(&'static str, ParamValue<'static>)>,
}

impl FieldFrame {
    pub(super) fn new(terms: &Terms, nonce: &[u8], (spelling, qop): Usage) -> Result<Self, InvalidParam> {
        let Terms { challenge, login } = terms;
        let (mut front, mut middle) = (ParamText::new(NAME, 256), ParamText::new("", 128));
        front.push(login.name.param(spelling))?;
        front.push(("realm", ParamValue::Quoted(challenge.realm())))?;
        front.push(("nonce", ParamValue::Quoted(nonce)))?;
        if let Some(name) = challenge.algorithm_as_sent() {
            middle.push(("algorithm", ParamValue::Token(name)))?;
        }
        if let Some(opaque) = challenge.opaque() {
            middle.push(("opaque", ParamValue::Quoted(opaque)))?;
        }
        if let Some(qop) = qop {
            middle.push(("qop", ParamValue::Token(qop.name())))?;
        }
        let user_hash = challenge.wants_user_hash().then_some(("userhash", ParamValue::Token("true")));
        Ok(Self { front, middle, user_hash })
    }

    /// The whole of it, with what is the request's own; its count and the client's nonce where there is protection.
    pub(super) fn around(
        &self,
        target: &str,
        response: &Hex,
        protection: Option<(&Hex, &Hex)>,
    ) -> Result<Authorization, InvalidParam> {
        let quoted = ParamValue::Quoted;
        let target = ("uri", quoted(target.as_bytes()));
        let response = ("response", quoted(response.as_bytes()));
        let protection = protection
            .map(|(count, cnonce)| [("nc", ParamValue::Token(count)), ("cnonce", quoted(cnonce.as_bytes()))]);
        let behind = || protection.into_iter().flatten().chain(self.user_hash);
        // Of just this length, unless something is escaped, the text becomes the field's value as it is.
        let comma = usize::from(self.middle.room() > 0);
        let own = [target, response].into_iter().chain(behind()).map(ParamText::room_for).sum::<usize>();
        let mut text = ParamText::new(NAME, self.front.room() + comma + self.middle.room() + own);
        text.append(&self.front);
        text.push(target)?;
        text.push_plain(response);
        text.append(&self.middle);
        behind().for_each(|digits| text.push_plain(digits));
        text.into_authorization()
    }
}
