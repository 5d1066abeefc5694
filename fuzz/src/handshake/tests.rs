use super::{Tally, check};
use crate::seeds;

const NONE: Tally =
    Tally { logins: 0, refusals: 0, silent: 0, failures: 0, renewals: 0, waits: 0, pauses: 0 };

#[test]
fn the_seeds_come_out_as_their_names_say() {
    let expected = [
        ("another-identity", Tally { logins: 2, renewals: 1, ..NONE }),
        ("basic-let-through-lifts-no-refusal", Tally { logins: 2, refusals: 2, pauses: 1, ..NONE }),
        ("basic-lost-twice-rests", Tally { refusals: 2, pauses: 1, ..NONE }),
        ("basic-malformed", Tally { logins: 2, refusals: 1, ..NONE }),
        ("basic-one-tries-one-waits", Tally { logins: 2, waits: 1, ..NONE }),
        ("basic-password-changed-rests", Tally { logins: 2, refusals: 3, pauses: 2, ..NONE }),
        ("basic-refused-by-another-scheme", Tally { refusals: 1, renewals: 1, ..NONE }),
        ("basic-refused-without-a-challenge", Tally { logins: 1, refusals: 2, ..NONE }),
        ("basic-unanswered-another-goes", Tally { logins: 2, waits: 2, pauses: 1, ..NONE }),
        ("closed-in-the-handshake", Tally { logins: 1, renewals: 1, ..NONE }),
        ("damaged-challenge", Tally { refusals: 1, ..NONE }),
        ("login-lost-and-renewed", Tally { logins: 2, ..NONE }),
        ("made-up-lines", Tally { refusals: 1, ..NONE }),
        ("mutual-authentication-required", Tally { refusals: 1, failures: 1, ..NONE }),
        ("negotiate-login", Tally { logins: 1, silent: 1, ..NONE }),
        ("nobody-and-the-callers-own", Tally { refusals: 1, silent: 1, ..NONE }),
        ("ntlm-after-quiet-one-goes", Tally { logins: 3, waits: 1, ..NONE }),
        ("ntlm-declared", Tally { logins: 1, ..NONE }),
        ("ntlm-forbidden-is-asked-again", Tally { refusals: 2, renewals: 1, ..NONE }),
        (
            "ntlm-unclear-refusals-leave-the-known-target",
            Tally { logins: 1, refusals: 10, renewals: 8, waits: 1, pauses: 8, ..NONE },
        ),
        ("ntlm-wrong-password-twice", Tally { refusals: 2, renewals: 1, ..NONE }),
        ("persistent-auth-false", Tally { logins: 2, ..NONE }),
        ("proxy-negotiate", Tally { logins: 1, ..NONE }),
        (
            "turn-held-and-given-up",
            Tally { refusals: 2, silent: 1, failures: 2, renewals: 4, waits: 3, ..NONE },
        ),
        ("turns-that-overlap", Tally { refusals: 3, silent: 1, failures: 1, renewals: 4, waits: 12, ..NONE }),
        ("upload-with-ntlm", Tally { logins: 1, ..NONE }),
    ];
    let seeds = seeds::of("handshake");
    assert!(seeds.iter().map(|(name, _)| name.as_str()).eq(expected.iter().map(|(name, _)| *name)));
    for ((name, script), (_, tally)) in seeds.iter().zip(expected) {
        assert_eq!(check(script), tally, "{name}");
    }
}

#[test]
fn any_choice_of_the_seeds_may_be_another_one() {
    for (_, mut script) in seeds::of("handshake") {
        for at in 0..script.len() {
            let octet = script[at];
            for choice in b'a'..b'm' {
                script[at] = choice;
                check(&script);
            }
            script[at] = octet;
            check(&script[..at]);
        }
    }
}
