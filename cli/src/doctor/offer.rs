//! What is offered: the challenges as sent, and as they are understood.

use legwork::challenge::Challenges;
use legwork::protection_space::Challenger;

use crate::doctor::facts::{Challenge, Hop};
use crate::doctor::wire::Answer;

/// The schemes that this program can answer, the strongest first.
const KNOWN: [&str; 6] = ["Bearer", "Negotiate", "SCRAM-SHA-256", "NTLM", "Digest", "Basic"];
/// Digest's algorithms that this program has (RFC 7616, section 6.1), each with `-sess` too.
const ALGORITHMS: [&str; 3] = ["MD5", "SHA-256", "SHA-512-256"];
/// What is kept of a field's value.
const MAX_FIELD_CHARACTERS: usize = 2048;
/// How many fields are kept.
const MAX_FIELDS: usize = 32;

/// Writes down what an answer offers.
pub(crate) fn note(hop: &mut Hop, challenger: Challenger, answer: &Answer) {
    let name = challenger.challenge_field();
    let fields = answer.headers.get_all(&name).into_iter().take(MAX_FIELDS);
    hop.challenge_fields = fields
        .map(|value| String::from_utf8_lossy(value.as_bytes()).chars().take(MAX_FIELD_CHARACTERS).collect())
        .collect();
    let challenges = Challenges::parse(&answer.headers, &name);
    hop.challenges = challenges.iter().map(read).collect();
    // Those that can be answered as they are.
    hop.challenges
        .extend(challenges.malformed().iter().filter(|it| it.is("Basic") || it.is("Bearer")).map(read));
    hop.malformed = challenges.errors().iter().map(ToString::to_string).collect();
}

fn read(challenge: &legwork::challenge::Challenge) -> Challenge {
    let param = |name| challenge.param_str(name).map(|value| value.into_owned());
    let algorithm = param("algorithm");
    let known = KNOWN.iter().any(|known| challenge.is(known))
        && (!challenge.is("Digest") || knows(algorithm.as_deref().unwrap_or("MD5")));
    Challenge {
        scheme: challenge.scheme().to_owned(),
        realm: challenge.realm().map(|realm| realm.into_owned()),
        qop: param("qop"),
        charset: param("charset"),
        stale: param("stale").is_some_and(|stale| stale.eq_ignore_ascii_case("true")),
        algorithm,
        known,
    }
}

/// Whether Digest can be answered with this algorithm.
fn knows(algorithm: &str) -> bool {
    let algorithm = algorithm.to_ascii_uppercase();
    let plain = algorithm.strip_suffix("-SESS").unwrap_or(&algorithm);
    ALGORITHMS.contains(&plain)
}

impl Challenge {
    pub(crate) fn is(&self, scheme: &str) -> bool {
        self.scheme.eq_ignore_ascii_case(scheme)
    }
}

impl Hop {
    /// The challenges of this scheme.
    pub(crate) fn of_scheme(&self, scheme: &str) -> impl Iterator<Item = &Challenge> {
        self.challenges.iter().filter(move |challenge| challenge.is(scheme))
    }

    pub(crate) fn offers(&self, scheme: &str) -> bool {
        self.of_scheme(scheme).any(|challenge| challenge.known)
    }

    /// Whether a login is asked for.
    pub(crate) fn is_challenge(&self) -> bool {
        matches!(self.status, Some(401 | 407))
    }

    /// The names of the schemes, each once.
    pub(crate) fn schemes(&self) -> Vec<&str> {
        let mut names: Vec<&str> = Vec::new();
        for challenge in &self.challenges {
            if !names.iter().any(|name| name.eq_ignore_ascii_case(&challenge.scheme)) {
                names.push(&challenge.scheme);
            }
        }
        names
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_algorithm_is_known_with_sess_and_in_any_case() {
        for known in ["MD5", "md5-sess", "SHA-256", "SHA-256-sess", "SHA-512-256"] {
            assert!(knows(known), "{known}");
        }
        for unknown in ["", "SHA-1", "SHA-256-sess-sess", "-sess"] {
            assert!(!knows(unknown), "{unknown}");
        }
    }
}
