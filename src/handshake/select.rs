//! Which challenge to answer: the strongest scheme that is allowed, whatever the server's order.

use std::cmp::Reverse;
use std::sync::Arc;

use crate::challenge::{Challenge, Challenges};
use crate::handshake::action::Question;
use crate::handshake::authenticator::Authenticator;
use crate::handshake::outcome::{Tried, Why};
use crate::mechanism::Binding;
use crate::protection_space::{Challenger, Origin, Realm};
use crate::scheme::Scheme;

/// A scheme that could be used, with the challenge that asks for it.
#[derive(Debug)]
pub(super) struct Candidate {
    pub(super) scheme: Arc<dyn Scheme>,
    /// `None` where this side speaks first.
    pub(super) challenge: Option<Challenge>,
    pub(super) realm: Option<Realm>,
}

impl Candidate {
    /// Asks for the credentials with which to try it.
    pub(super) fn question(&self, challenger: Challenger, origin: &Origin) -> Question {
        Question {
            challenger,
            origin: origin.clone(),
            scheme: self.scheme.name(),
            realm: self.realm.clone(),
            refused: None,
        }
    }
}

/// The candidates among `challenges`, the *weakest first* (they are popped), and why the others
/// are none.
pub(super) fn candidates(
    authenticator: &Authenticator,
    challenger: Challenger,
    origin: &Origin,
    challenges: &Challenges,
) -> (Vec<Candidate>, Vec<Tried>) {
    let mut candidates = Vec::new();
    let mut dismissed = Vec::new();
    for scheme in authenticator.schemes(challenger) {
        let mut well_formed: Vec<_> =
            challenges.iter().filter(|challenge| challenge.is(scheme.name())).collect();
        well_formed.sort_by_key(|challenge| Reverse(scheme.strength(challenge)));
        for challenge in well_formed.into_iter().chain(malformed(challenges, &**scheme)) {
            if let Some(why) = authenticator.bars(&**scheme, challenger, origin) {
                dismissed.push(Tried::new(scheme.name(), why));
                continue;
            }
            candidates.push(Candidate {
                scheme: Arc::clone(scheme),
                realm: match scheme.binding() {
                    // NTLM and Negotiate have no realms, whatever a server sends along.
                    Binding::Connection => None,
                    Binding::Request => realm(challenge),
                },
                challenge: Some(challenge.clone()),
            });
        }
    }
    for challenge in challenges.iter() {
        if !authenticator.schemes(challenger).iter().any(|scheme| challenge.is(scheme.name())) {
            let why = authenticator.why_unknown(challenger, challenge.scheme());
            dismissed.push(Tried::new(challenge.scheme(), why));
        }
    }
    candidates.reverse();
    (candidates, dismissed)
}

/// The challenges that a scheme can answer, the well-formed ones first.
pub(super) fn of_scheme<'a>(
    challenges: &'a Challenges,
    scheme: &dyn Scheme,
) -> impl Iterator<Item = &'a Challenge> {
    let well_formed = challenges.iter().filter(move |challenge| challenge.is(scheme.name()));
    well_formed.chain(malformed(challenges, scheme))
}

/// The malformed challenges that a scheme can answer all the same.
fn malformed<'a>(challenges: &'a Challenges, scheme: &dyn Scheme) -> impl Iterator<Item = &'a Challenge> {
    let malformed = if scheme.needs_parameters() { &[] } else { challenges.malformed() };
    malformed.iter().filter(move |challenge| challenge.is(scheme.name()))
}

/// All challenges that name a scheme, malformed or not: those whose realm counts, whoever can answer.
pub(super) fn legible(challenges: &Challenges) -> impl Iterator<Item = &Challenge> {
    challenges.iter().chain(challenges.malformed())
}

/// What cannot be read, but for the challenges that a scheme answers all the same.
pub(super) fn unreadable(
    authenticator: &Authenticator,
    challenger: Challenger,
    challenges: &Challenges,
) -> Vec<Tried> {
    let unreadable = challenges.errors().iter().filter_map(|error| {
        let name = error.scheme().unwrap_or_default();
        let known =
            authenticator.schemes(challenger).iter().find(|scheme| scheme.name().eq_ignore_ascii_case(name));
        let scheme = match known {
            Some(scheme) if !scheme.needs_parameters() => return None,
            Some(scheme) => scheme.name(),
            None => name,
        };
        Some(Tried::new(scheme, Why::Unreadable(error.clone())))
    });
    unreadable.collect()
}

/// Whether a challenge is for a scheme that is bound to the connection.
pub(super) fn has_bound(
    authenticator: &Authenticator,
    challenger: Challenger,
    challenges: &Challenges,
) -> bool {
    let mut bound =
        authenticator.schemes(challenger).iter().filter(|scheme| scheme.binding() == Binding::Connection);
    bound.any(|scheme| of_scheme(challenges, &**scheme).next().is_some())
}

/// The scheme with which to speak first.
pub(super) fn known(
    authenticator: &Authenticator,
    challenger: Challenger,
    origin: &Origin,
    scheme: &str,
    realm: Option<Realm>,
) -> Option<Candidate> {
    let scheme =
        authenticator.schemes(challenger).iter().find(|known| known.name().eq_ignore_ascii_case(scheme))?;
    authenticator.bars(&**scheme, challenger, origin).is_none().then(|| Candidate {
        scheme: Arc::clone(scheme),
        challenge: None,
        realm,
    })
}

/// The server's word in an exchange of `scheme`: a challenge with a token goes before a bare one.
pub(super) fn answer<'a>(challenges: &'a Challenges, scheme: &dyn Scheme) -> Option<&'a Challenge> {
    let mut with_token = of_scheme(challenges, scheme).filter(|challenge| challenge.token68().is_some());
    with_token.next().or_else(|| of_scheme(challenges, scheme).next())
}

/// How much of a realm's name is kept, in octets: what is longer is one space with what begins alike.
const MAX_REALM_OCTETS: usize = 1024;

pub(super) fn realm(challenge: &Challenge) -> Option<Realm> {
    let realm = challenge.realm()?;
    let mut end = realm.len().min(MAX_REALM_OCTETS);
    while !realm.is_char_boundary(end) {
        end -= 1;
    }
    Some(Realm::from(&realm[..end]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_long_realm_as_many_whole_characters_are_kept_as_there_is_room_for() {
        for (realm, octets) in [
            ("a".repeat(2000), 1024),
            ("\u{e9}".repeat(600), 1024),
            (format!("a{}", "\u{e9}".repeat(600)), 1023),
            (format!("a{}", "\u{20ac}".repeat(400)), 1024),
            (format!("aa{}", "\u{20ac}".repeat(400)), 1022),
            ("\u{20ac}".repeat(341), 1023),
        ] {
            let challenges = Challenges::from_value(format!("Basic realm=\"{realm}\"").as_bytes());
            let kept = super::realm(challenges.iter().next().expect("one")).expect("a realm");
            assert_eq!((kept.len(), realm.starts_with(&*kept)), (octets, true));
        }
    }
}
