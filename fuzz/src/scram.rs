//! Any octets as a server's SCRAM: an answer within the bounds, or an error, and never a login
//! without the password.

use std::sync::Arc;
use std::time::UNIX_EPOCH;

use legwork::challenge::{AuthenticationInfo, Challenges};
use legwork::credentials::Credentials;
use legwork::mechanism::Moment;
use legwork::scheme::scram::Scram;
use legwork::unversioned::Entropy;
use legwork::unversioned::scram::{
    ClientFirst, ScramError, ScramExchange, ScramMemory, ScramStep, ServerFinal, ServerFirst,
};

/// Keeps the fuzzer fast, and shows that the bound holds.
const MAX_ITERATIONS: u32 = 64;

/// Panics if anything is wrong. Says whether the input was understood.
///
/// The first octet says what the rest is: the server's first message, what stands behind our nonce
/// in it, its final message, or a conversation.
pub fn check(input: &[u8]) -> bool {
    let Some((form, rest)) = input.split_first() else { return false };
    match form % 4 {
        0 => server_first(rest),
        1 => server_first(&[b"r=", nonce().as_bytes(), rest].concat()),
        2 => server_final(rest),
        _ => conversation(rest),
    }
}

fn scram() -> Scram {
    Scram::new().dangerous_min_iterations(1).max_iterations(MAX_ITERATIONS)
}

fn client_first() -> ClientFirst {
    let user = Credentials::password("user", "pencil");
    ClientFirst::new(&scram(), &user, &Entropy::new([7; 32])).expect("ASCII")
}

fn nonce() -> String {
    let message = String::from_utf8(client_first().message()).expect("ASCII");
    message.strip_prefix("n,,n=user,r=").expect("the first message").to_owned()
}

fn server_first(message: &[u8]) -> bool {
    let parsed = ServerFirst::parse(message);
    if let Ok(parsed) = &parsed {
        let text = std::str::from_utf8(message).expect("what was understood is UTF-8");
        let parts: Vec<_> = text.split(',').collect();
        assert_eq!(parts[0], format!("r={}", parsed.nonce()));
        assert!(parts[1].starts_with("s=") && parsed.salt().len() == decoded_length(&parts[1][2..]));
        let digits = parts[2].strip_prefix("i=").expect("the count");
        assert_eq!(digits.parse().unwrap_or(u64::MAX), parsed.iterations());
    }
    match client_first().receive(message) {
        Ok(derivation) => {
            assert!((1..=MAX_ITERATIONS).contains(&derivation.iterations()));
            let client_final = derivation.run();
            let start = format!("c=biws,r={},p=", parsed.expect("understood").nonce());
            assert!(client_final.message().starts_with(start.as_bytes()));
            client_final.verify(Some(message)).expect_err("no signature");
            true
        }
        Err(error) => {
            assert!(error.to_string().len() < 200, "{error}");
            false
        }
    }
}

/// How many octets base64 with its padding stands for.
fn decoded_length(base64: &str) -> usize {
    base64.len() / 4 * 3 - base64.bytes().filter(|&octet| octet == b'=').count()
}

/// Nobody makes the signature without the password.
fn server_final(message: &[u8]) -> bool {
    let server_first = format!("r={}theirs,s=c2FsdA==,i=1", nonce());
    let client_final = client_first().receive(server_first.as_bytes()).expect("well-formed").run();
    client_final.verify(Some(message)).expect_err("a signature made of nothing");
    ServerFinal::parse(message).is_ok()
}

/// Lines: `>` is a challenge, `<` an `Authentication-Info`, `*` another login with the same memory.
fn conversation(script: &[u8]) -> bool {
    let memory = Arc::new(ScramMemory::new());
    let begin = |number| {
        let user = Credentials::password("user", "pencil");
        ScramExchange::new(&scram(), user, Moment::new(UNIX_EPOCH, [number; 32]), Arc::clone(&memory))
    };
    let (mut exchange, mut sent) = (begin(0), false);
    for (number, line) in (1_u8..).zip(script.split(|&octet| octet == b'\n').take(16)) {
        let step = match line.split_first() {
            Some((b'>', value)) => exchange.respond(Challenges::from_value(value).iter().next()),
            Some((b'<', info)) => {
                let Ok(info) = AuthenticationInfo::from_value(info) else { continue };
                exchange.conclude(Some(&info)).expect_err("a server without the password");
                continue;
            }
            Some((b'*', _)) => {
                exchange = begin(number);
                exchange.respond(None)
            }
            Some(_) | None => continue,
        };
        let step = match step {
            Ok(ScramStep::Derive(derivation)) => {
                assert!((1..=MAX_ITERATIONS).contains(&derivation.iterations()));
                exchange.resume(derivation.run())
            }
            step => step,
        };
        match step {
            Ok(ScramStep::Send { authorization, .. }) => {
                assert!(authorization.into_value().is_sensitive());
                sent = true;
            }
            Ok(ScramStep::Derive(_)) => panic!("there is one derivation"),
            Err(error) => {
                assert!(error.to_string().len() < 200, "{error}");
                assert_eq!(exchange.conclude(None).expect_err("it is over"), ScramError::OutOfOrder);
            }
        }
    }
    sent
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::seeds;

    #[test]
    fn the_seeds_are_understood_and_their_beginnings_do_no_harm() {
        for (name, input) in seeds::of("scram") {
            assert!(check(&input), "{name}");
            for end in 0..input.len() {
                check(&input[..end]);
            }
        }
    }

    #[test]
    fn any_octet_may_be_damaged() {
        for input in seeds::damaged("scram") {
            check(&input);
        }
    }
}
