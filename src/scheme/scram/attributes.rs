//! The attributes that carry SCRAM in HTTP's fields (RFC 7804, section 5).

use std::fmt;
use std::time::Duration;

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use base64::prelude::BASE64_STANDARD;

use crate::authorization::{Authorization, ParamValue};
use crate::challenge::{AuthenticationInfo, Challenge};
use crate::scheme::scram::ScramHash;
use crate::scheme::scram::error::ScramError;
use crate::scheme::scram::message::is_nonce;

/// With or without padding: unquoted values cannot have the equals sign, so senders leave it out.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// How many octets a session identifier may have, and how many an `sr`.
const MAX_OCTETS: usize = 1024;

/// What a server says beside the scheme's name.
///
/// RFC 7804 defines `realm`, `sid`, `data`, `sr`, `ttl` and `stale`; others are passed over.
/// Values with an equals sign or a parenthesis must be quoted (erratum 6558), although the examples
/// of the RFC are not: unquoted ones do not fit the grammar of RFC 9110, and the challenge is
/// malformed.
#[derive(Clone, Default)]
#[non_exhaustive]
pub struct ScramAttributes {
    /// The realm as the server spelled it.
    pub realm: Option<Vec<u8>>,
    /// `sid`: which login a message belongs to.
    pub sid: Option<Vec<u8>>,
    /// `data`: a message, decoded from base64.
    pub data: Option<Vec<u8>>,
    /// `sr`: the server's part of the nonce for logins of one round trip.
    pub server_nonce: Option<String>,
    /// `ttl`: how long the server takes `sr`.
    pub time_to_live: Option<Duration>,
    /// `stale=true`: the `sr` that was used is too old, the password is not in question.
    pub stale: bool,
}

impl ScramAttributes {
    /// Reads a challenge.
    ///
    /// # Errors
    ///
    /// [`ScramError::Malformed`] if an attribute is not what it has to be.
    pub fn from_challenge(challenge: &Challenge) -> Result<Self, ScramError> {
        if challenge.token68().is_some_and(|token| !token.is_empty()) {
            let reason = "a token68 in place of attributes";
            return Err(ScramError::Malformed { what: "the challenge", reason });
        }
        Self::from_params(|name| challenge.param(name))
    }

    /// Reads `Authentication-Info` or `Proxy-Authentication-Info`.
    ///
    /// # Errors
    ///
    /// [`ScramError::Malformed`] if an attribute is not what it has to be.
    pub fn from_info(info: &AuthenticationInfo) -> Result<Self, ScramError> {
        Self::from_params(|name| info.param(name))
    }

    fn from_params<'a>(param: impl Fn(&str) -> Option<&'a [u8]>) -> Result<Self, ScramError> {
        let malformed = |what, reason| ScramError::Malformed { what, reason };
        let text = |name| param(name).map(String::from_utf8_lossy);
        let sid = param("sid").map(<[u8]>::to_vec);
        if sid.as_ref().is_some_and(|sid| sid.len() > MAX_OCTETS) {
            return Err(malformed("sid", "it is too long"));
        }
        let data = param("data").map(|data| BASE64.decode(data)).transpose();
        let server_nonce = match text("sr") {
            Some(nonce) if nonce.len() <= MAX_OCTETS && is_nonce(&nonce) => Some(nonce.into_owned()),
            Some(_) => return Err(malformed("sr", "it is no nonce")),
            None => None,
        };
        Ok(Self {
            realm: param("realm").map(<[u8]>::to_vec),
            sid,
            data: data.map_err(|_| malformed("data", "it is not base64"))?,
            server_nonce,
            time_to_live: text("ttl").and_then(|text| text.parse().ok()).map(Duration::from_secs),
            stale: text("stale").is_some_and(|stale| stale.eq_ignore_ascii_case("true")),
        })
    }
}

impl fmt::Debug for ScramAttributes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScramAttributes")
            .field("sid", &self.sid.is_some())
            .field("data", &self.data.as_ref().map(Vec::len))
            .field("sr", &self.server_nonce.is_some())
            .field("stale", &self.stale)
            .finish_non_exhaustive()
    }
}

/// A message of the client, with the realm in a login's first request and the server's `sid` in
/// later ones.
pub(super) fn authorization(
    hash: ScramHash,
    realm: Option<&[u8]>,
    sid: Option<&[u8]>,
    message: &[u8],
) -> Result<Authorization, ScramError> {
    let data = BASE64_STANDARD.encode(message);
    let attributes = [("realm", realm), ("sid", sid), ("data", Some(data.as_bytes()))];
    let present = attributes.into_iter().filter_map(|(name, value)| Some((name, ParamValue::Quoted(value?))));
    Authorization::params(hash.scheme(), present).map_err(|error| ScramError::Malformed {
        what: error.name(),
        reason: "it has characters that cannot be sent back",
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::challenge::Challenges;

    fn attributes(value: &str) -> Result<ScramAttributes, ScramError> {
        let challenges = Challenges::from_value(value.as_bytes());
        ScramAttributes::from_challenge(challenges.iter().next().expect("a challenge"))
    }

    #[test]
    fn reads_what_rfc_7804_defines() {
        let all = attributes(
            "SCRAM-SHA-256 realm=\"lab\", sid=AAAABBBBCCCCDDDD, data=\"Yj0=\", sr=\"%hv)x\", ttl=120, stale=TRUE, x=y",
        )
        .expect("well-formed");
        assert_eq!(all.realm.as_deref(), Some(&b"lab"[..]));
        assert_eq!(all.sid.as_deref(), Some(&b"AAAABBBBCCCCDDDD"[..]));
        assert_eq!(all.data.as_deref(), Some(&b"b="[..]));
        assert_eq!(all.server_nonce.as_deref(), Some("%hv)x"));
        assert_eq!(all.time_to_live, Some(Duration::from_secs(120)));
        assert!(all.stale);
        assert_eq!(attributes("SCRAM-SHA-256 data=Yj0").expect("unpadded").data.as_deref(), Some(&b"b="[..]));
        assert_eq!(attributes("SCRAM-SHA-256 ttl=soon").expect("no ttl").time_to_live, None);
        let none = attributes("SCRAM-SHA-256").expect("no attributes");
        assert!(none.realm.is_none() && none.sid.is_none() && none.data.is_none() && !none.stale);
    }

    #[test]
    fn what_is_malformed_says_which() {
        let long = format!("SCRAM-SHA-256 sid={}", "s".repeat(MAX_OCTETS + 1));
        for (value, error) in [
            ("SCRAM-SHA-256 data=%%%", "data: it is not base64"),
            ("SCRAM-SHA-256 sr=\"a,b\"", "sr: it is no nonce"),
            ("SCRAM-SHA-256 sr=\"\"", "sr: it is no nonce"),
            ("SCRAM-SHA-256 Yj0=", "the challenge: a token68 in place of attributes"),
            (&long, "sid: it is too long"),
        ] {
            assert_eq!(attributes(value).expect_err(value).to_string(), error);
        }
    }

    #[test]
    fn authentication_info_has_the_same_attributes() {
        let info = AuthenticationInfo::from_value(b"sid=A, data=\"dj0=\"").expect("well-formed");
        let info = ScramAttributes::from_info(&info).expect("well-formed");
        assert_eq!((info.sid.as_deref(), info.data.as_deref()), (Some(&b"A"[..]), Some(&b"v="[..])));
        AuthenticationInfo::from_value(b"data=dj0=").expect_err("not quoted");
    }

    #[test]
    fn what_is_sent_is_quoted_and_escaped() {
        let value = authorization(ScramHash::Sha256, Some(b"a \"lab\" \\"), Some(b"s"), b"n,,")
            .expect("no control characters")
            .into_value();
        assert_eq!(value, r#"SCRAM-SHA-256 realm="a \"lab\" \\", sid="s", data="biws""#);
        assert!(value.is_sensitive());
        authorization(ScramHash::Sha256, Some(b"\0"), None, b"n,,").expect_err("a control character");
    }

    #[test]
    fn no_message_and_no_nonce_is_printed() {
        let all = attributes("SCRAM-SHA-256 realm=lab, sid=AAAABBBB, data=Yj0, sr=a-nonce, stale=true");
        assert_eq!(
            format!("{:?}", all.expect("well-formed")),
            "ScramAttributes { sid: true, data: Some(2), sr: true, stale: true, .. }"
        );
    }
}
