//! What a request is answered with, and how that becomes a response.

use http::header::{HeaderMap, HeaderName, HeaderValue};
use http::{Response, StatusCode};

use super::body::AnswerBody;
use super::fault::{self, Fault};
use super::guard::{OfferToken, UserProof};
use super::offer::Offer;
use super::page::Page;
use super::persistence::Persistence;
use super::quirk::{ChallengeLayout, Effects};
use crate::protection_space::Challenger;

const PERSISTENT_AUTH: HeaderName = HeaderName::from_static("persistent-auth");
const X_USER: HeaderName = HeaderName::from_static("x-user");

/// What a request is answered with, before it is a response.
pub(super) enum PlannedAnswer {
    Refusal { challenger: Challenger, challenges: Vec<String>, fields: Vec<(HeaderName, String)> },
    Page { page: Page, user: Option<String>, fields: Vec<(HeaderName, String)> },
}

/// Says in the fields what a completed handshake came to; gives the final challenge with its
/// token, for a page that refuses all the same.
pub(super) fn announce(
    challenger: Challenger,
    proof: UserProof,
    offers: &[Offer],
    effects: &Effects,
    fields: &mut Vec<(HeaderName, String)>,
) -> Option<(usize, Vec<String>)> {
    let persistence = effects.persistence.or(proof.persistence());
    let token = match proof {
        UserProof::Standing => return None,
        UserProof::Request(info) => {
            fields.extend(info.map(|info| (challenger.info_field(), info)));
            return None;
        }
        UserProof::Handshake { token, .. } => token,
    };
    match persistence {
        Some(Persistence::Announced) => fields.push((PERSISTENT_AUTH, "true".to_owned())),
        Some(Persistence::Denied) => fields.push((PERSISTENT_AUTH, "false".to_owned())),
        Some(Persistence::Forgotten) | None => {}
    }
    let token = token?;
    let value = with_token(offers, &token, effects.final_fault)?;
    fields.push((challenger.challenge_field(), value.clone()));
    Some((token.offer, vec![value]))
}

/// A scheme and a token for it; `None` if the fault leaves the token out.
pub(super) fn with_token(offers: &[Offer], token: &OfferToken, fault: Option<Fault>) -> Option<String> {
    let encoded = fault::encode(&token.octets, fault)?;
    Some(format!("{} {encoded}", offers[token.offer].scheme()))
}

/// The challenges of each offer, those of one of them replaced.
pub(super) fn challenges(offers: &[Offer], told: Option<(usize, Vec<String>)>) -> Vec<String> {
    let mut challenges: Vec<_> = offers.iter().map(Offer::challenges).collect();
    if let Some((offer, replacement)) = told {
        challenges[offer] = replacement;
    }
    challenges.concat()
}

/// A `401` or `407`.
pub(super) fn refusal(
    challenger: Challenger,
    challenges: &[String],
    fields: Vec<(HeaderName, String)>,
    layout: ChallengeLayout,
    body: AnswerBody,
) -> Response<AnswerBody> {
    let mut response = Response::new(body);
    *response.status_mut() = challenger.status();
    let lines = match layout {
        ChallengeLayout::OnePerLine => challenges,
        ChallengeLayout::Joined => &[challenges.join(", ")],
    };
    append(response.headers_mut(), lines.iter().map(|line| (challenger.challenge_field(), line.as_str())));
    append(response.headers_mut(), fields.iter().map(|(name, value)| (name.clone(), value.as_str())));
    response
}

/// A page.
pub(super) fn served(
    status: StatusCode,
    user: Option<String>,
    fields: Vec<(HeaderName, String)>,
    body: AnswerBody,
) -> Response<AnswerBody> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let user = user.map(|user| (X_USER, user));
    let fields = user.iter().chain(&fields);
    append(response.headers_mut(), fields.map(|(name, value)| (name.clone(), value.as_str())));
    response
}

/// Values that came from a client may be unfit for a field; such fields are left out.
fn append<'a>(headers: &mut HeaderMap, fields: impl Iterator<Item = (HeaderName, &'a str)>) {
    for (name, value) in fields {
        if let Ok(value) = HeaderValue::from_bytes(value.as_bytes()) {
            headers.append(name, value);
        }
    }
}

/// The challenges in a response, for the report.
pub(super) fn sent_challenges(headers: &HeaderMap) -> Vec<String> {
    [Challenger::Proxy, Challenger::Origin]
        .into_iter()
        .flat_map(|challenger| headers.get_all(challenger.challenge_field()))
        .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
        .collect()
}
