use http::StatusCode;

use crate::mechanism::Binding;
use crate::protection_space::Challenger;

/// What was seen of a login, and so what it says about its credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::handshake) enum Evidence {
    /// The server proved that it knows the secret (a final token that was verified, Digest's
    /// `rspauth`, SCRAM's signature), the KDC granted a ticket for the password, or a challenge to this
    /// very request was followed by a status that only what is behind the login gives.
    Proven,
    /// The request got past the login, but perhaps not by it: nobody had asked, or the answer (403, a
    /// redirect) is given in front of logins, too. It counts as accepted in its space, lifts no
    /// refusal, and opens no other space.
    LetThrough,
    /// The challenger's challenge to a request that carried the completed login.
    Refused,
    /// The same where it may be about something else than the password, such as a nonce.
    RefusedWeakly,
    /// The same of a token that wears out, where another one may be had: it is not tried again here.
    WornOut,
    /// Digest's nonce was older than the newest, or somebody overtook its count. Nothing is counted,
    /// but the next login goes on its own.
    Superseded,
    /// Who keeps the accounts, a KDC, says that the password is wrong, expired or disabled.
    RefusedByKdc,
    /// It says that the account is locked.
    Locked,
    /// A server says that the KDC behind it does.
    SaidToBeLocked,
    /// Something derived from the secret was sent, and no answer came: the connection was lost, the
    /// time was up, or the caller gave up. It counts as an attempt.
    Undecided,
    /// Nothing was sent; or the answer is from in front of the login, or tells of a fault behind it;
    /// or a service refused a ticket.
    Nothing,
}

/// What a response that is no challenge says of the login that its request carried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::handshake) enum ResponseReading {
    Says(Evidence),
    /// A connection-bound login was answered by a refusal, or a fault, that may be the login's own: the
    /// next request on the connection tells. If that is challenged, this is the evidence.
    AskAgain(Evidence),
}

impl ResponseReading {
    /// Of a completed login by `challenger`'s scheme; `asked_for` says that a challenge to this request
    /// came before.
    pub(in crate::handshake) fn of(
        status: StatusCode,
        challenger: Challenger,
        binding: Binding,
        asked_for: bool,
    ) -> Self {
        let accepted = if asked_for { Evidence::Proven } else { Evidence::LetThrough };
        match (status.as_u16(), challenger, binding) {
            // From behind the proxy, as a rule: its own refusal of a login is a 407.
            (403 | 500..=599, Challenger::Proxy, _) => Self::Says(Evidence::LetThrough),
            (400 | 407 | 408 | 413 | 414 | 417 | 421 | 429 | 431, ..) => Self::Says(Evidence::Nothing),
            // Some servers say 403 to a wrong password, and 500 where they could not check it.
            (403, _, Binding::Connection) => Self::AskAgain(Evidence::Refused),
            (500..=599, _, Binding::Connection) => Self::AskAgain(Evidence::Undecided),
            (500..=599, _, Binding::Request) => Self::Says(Evidence::Nothing),
            (200..=299 | 304 | 404 | 405 | 406 | 409 | 410 | 412 | 415 | 416, ..) => Self::Says(accepted),
            // Redirects lead to login pages, too; the rest nobody planned.
            _ => Self::Says(Evidence::LetThrough),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_status_says_what_the_table_has() {
        let of = |status, challenger, binding, asked_for| {
            ResponseReading::of(
                StatusCode::from_u16(status).expect("a status"),
                challenger,
                binding,
                asked_for,
            )
        };
        let says = ResponseReading::Says;
        for challenger in [Challenger::Origin, Challenger::Proxy] {
            for binding in [Binding::Connection, Binding::Request] {
                for status in [200, 201, 204, 206, 304, 404, 405, 406, 409, 410, 412, 415, 416] {
                    assert_eq!(of(status, challenger, binding, true), says(Evidence::Proven), "{status}");
                    assert_eq!(
                        of(status, challenger, binding, false),
                        says(Evidence::LetThrough),
                        "{status}"
                    );
                }
                for status in [301, 302, 303, 307, 308, 402, 411, 418, 422, 423, 426, 428, 451] {
                    assert_eq!(of(status, challenger, binding, true), says(Evidence::LetThrough), "{status}");
                }
                for status in [400, 407, 408, 413, 414, 417, 421, 429, 431] {
                    assert_eq!(of(status, challenger, binding, true), says(Evidence::Nothing), "{status}");
                }
            }
        }
        let bound = |status| of(status, Challenger::Origin, Binding::Connection, true);
        assert_eq!(bound(403), ResponseReading::AskAgain(Evidence::Refused));
        for status in [500, 501, 502, 503, 504, 599] {
            assert_eq!(bound(status), ResponseReading::AskAgain(Evidence::Undecided), "{status}");
            let said = of(status, Challenger::Origin, Binding::Request, true);
            assert_eq!(said, says(Evidence::Nothing), "{status}");
        }
        assert_eq!(of(403, Challenger::Origin, Binding::Request, true), says(Evidence::LetThrough));
        for status in [403, 500, 502, 503, 504, 599] {
            for binding in [Binding::Connection, Binding::Request] {
                let said = of(status, Challenger::Proxy, binding, true);
                assert_eq!(said, says(Evidence::LetThrough), "{status}");
            }
        }
    }
}
