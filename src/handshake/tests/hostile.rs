//! A server that answers at random: whatever it says, a request ends, and the password goes out
//! once.

use super::*;

/// Xorshift: the same conversations in every run.
struct Dice(u64);

impl Dice {
    fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % sides as u64).expect("less than sides")
    }

    fn response(&mut self) -> Response<()> {
        let response = match self.roll(13) {
            0 => ok(),
            1 => status(503),
            2 => status(407),
            3 => status(403),
            4 => with(ok(), "www-authenticate", "NTLM TlRMTVNTUAAC"),
            5 => with(ok(), "persistent-auth", "false"),
            6 => unauthorized(&["NTLM TlRMTVNTUAACAAAA"]),
            7 => unauthorized(&["Negotiate", "NTLM", "Basic realm=a"]),
            8 => unauthorized(&["NTLM", "NTLM", "Basic realm=a", "Basic realm=b"]),
            9 => unauthorized(&["Basic realm=b"]),
            10 => unauthorized(&[]),
            _ => type_2(),
        };
        if self.roll(12) == 0 { closing(response) } else { response }
    }
}

/// Whether the field value was made from the password.
fn is_secret(value: &HeaderValue) -> bool {
    let text = value.to_str().expect("ASCII");
    let (scheme, token) = text.split_once(' ').expect("a token");
    let token = BASE64_STANDARD.decode(token).expect("base64");
    scheme == "Basic" || token.windows(9).any(|octets| octets == b"NTLMSSP\0\x03")
}

/// Some requests over one connection; how often the secret was sent in each, and what came of it.
fn requests(connection: &mut Connection, dice: &mut Dice) -> Vec<(usize, Said)> {
    let mut requests = Vec::new();
    for _ in 0..3 {
        let mut secrets = 0;
        connection.has_body = dice.roll(2) == 0;
        let mut said = connection.begin();
        while let Said::Send(authorization, _) = &said {
            secrets += usize::from(authorization.as_ref().is_some_and(is_secret));
            said = connection.receive(&dice.response());
            assert!(connection.legs <= 12);
        }
        requests.push((secrets, said));
        if !connection.handshake.is_reusable() {
            break;
        }
    }
    requests
}

#[test]
fn whatever_a_server_answers_a_request_ends_and_nobody_waits_forever() {
    for seed in 1..1000 {
        let mut dice = Dice::new(seed);
        let authenticator = authenticator();
        for _ in 0..3 {
            let mut connection = Connection::new(&authenticator).acting_as(mistaken());
            for (secrets, said) in requests(&mut connection, &mut dice) {
                // Twice is for another realm's Basic, after it spoke first.
                assert!(secrets <= 2, "seed {seed}: {secrets} times, then {said:?}");
                assert!(!matches!(said, Said::Wait(_) | Said::Fail(HandshakeError::OutOfTurn)), "{said:?}");
            }
        }
    }
}

#[test]
fn whatever_a_server_answers_a_refused_password_is_never_sent_again() {
    let mut refusals = 0;
    for seed in 1..1000 {
        let mut dice = Dice::new(seed);
        let authenticator = using([negotiate(), ntlm()]).build();
        let (mut refused, mut accepted) = (false, false);
        for _ in 0..4 {
            let mut connection = Connection::new(&authenticator).acting_as(mistaken());
            for (secrets, said) in requests(&mut connection, &mut dice) {
                // A server that has once accepted it may have meant it.
                let is_allowed = !refused || accepted;
                assert!(secrets <= usize::from(is_allowed), "seed {seed}: {secrets} times, then {said:?}");
                match said {
                    Said::Deliver(Some(Outcome::LoggedIn(_))) => accepted = true,
                    Said::Deliver(Some(Outcome::Refused(refusal))) => {
                        refused |= refusal.tried.iter().any(|tried| matches!(tried.why, Why::Refused(_)));
                    }
                    _ => {}
                }
            }
        }
        refusals += usize::from(refused);
    }
    assert!(refusals > 50, "only {refusals} conversations came to a refusal");
}
