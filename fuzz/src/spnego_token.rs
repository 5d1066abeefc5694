//! Any octets as the server's token at each stage of an SPNEGO negotiation, and as the client's to
//! the test server's acceptor: a mechanism that was not offered first is never established
//! without its integrity code.

use std::sync::Arc;
use std::time::UNIX_EPOCH;

use legwork::credentials::Credentials;
use legwork::mechanism::spnego::Spnego;
use legwork::mechanism::{
    Binding, ErrorKind, Established, Expects, Initiate, Mechanism, MechanismError, MessageIntegrity, Moment,
    Proves, SecurityContext, Step,
};
use legwork::testing::{Accept, Acceptor};
use legwork::unversioned::testing::SpnegoAcceptor;

const NTLM: Obedient = Obedient("NTLM", &[0x2b, 0x06, 0x01, 0x04, 0x01, 0x82, 0x37, 0x02, 0x02, 0x0a]);
const KERBEROS: Obedient = Obedient("Kerberos", &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x12, 0x01, 0x02, 0x02]);

/// Panics if anything is wrong. Says whether some negotiation was established.
///
/// The input is a list of tokens, each behind two octets of length; with fewer than two of them
/// it is a single token as a whole.
pub fn check(input: &[u8]) -> bool {
    let tokens = tokens(input);
    let lists: [Vec<Arc<dyn Mechanism>>; 3] = [
        vec![Arc::new(NTLM)],
        vec![Arc::new(NTLM), Arc::new(KERBEROS)],
        vec![Arc::new(KERBEROS), Arc::new(NTLM)],
    ];
    let established = lists.into_iter().filter(|list| negotiate(list.clone(), &tokens)).count();
    let mut acceptor = SpnegoAcceptor::new(NTLM.oid(), Box::new(NTLM));
    for token in &tokens {
        let _ = acceptor.step(token);
    }
    established > 0
}

fn tokens(input: &[u8]) -> Vec<&[u8]> {
    let mut tokens = Vec::new();
    let mut rest = input;
    while let [high, low, tail @ ..] = rest {
        let (token, tail) = tail.split_at(tail.len().min(usize::from(u16::from_be_bytes([*high, *low]))));
        tokens.push(token);
        rest = tail;
    }
    if tokens.len() < 2 { vec![input] } else { tokens }
}

/// Offers these mechanisms to a server that sends these tokens.
fn negotiate(mechanisms: Vec<Arc<dyn Mechanism>>, tokens: &[&[u8]]) -> bool {
    let first = mechanisms[0].name();
    let alice = Credentials::password("alice", "alice-pw");
    let arguments = Initiate::new("HTTP/mail.example", alice);
    let mut step = Spnego::new(mechanisms).initiate(arguments, Moment::new(UNIX_EPOCH, [0; 32])).step(None);
    for token in tokens {
        match step {
            Ok(Step::Continue { context, .. }) => step = context.step(Some(token)),
            _ => break,
        }
    }
    let established = match step {
        Ok(Step::Complete { established, .. }) => established,
        Ok(Step::Continue { context, .. }) => match context.finish_without_token() {
            Ok(established) => established,
            Err(_) => return false,
        },
        Ok(_) | Err(_) => return false,
    };
    assert_eq!(established.mechanism, first);
    true
}

/// A mechanism that does what the peer's token tells it by its last octet.
#[derive(Clone, Copy, Debug)]
struct Obedient(&'static str, &'static [u8]);

impl Mechanism for Obedient {
    fn name(&self) -> &'static str {
        self.0
    }

    fn oid(&self) -> &'static [u8] {
        self.1
    }

    fn initiate(&self, _: Initiate, _: Moment) -> Box<dyn SecurityContext> {
        Box::new(*self)
    }
}

impl SecurityContext for Obedient {
    fn step(self: Box<Self>, input: Option<&[u8]>) -> Result<Step, MechanismError> {
        let mut established = Established::new(self.0, None, Binding::Connection);
        if self.0 == NTLM.0 {
            established.integrity = Some(Box::new(Never));
        }
        match input.and_then(|token| token.last()).map(|octet| octet % 4) {
            None | Some(0) => Ok(Step::Continue {
                token: vec![1],
                context: self,
                expects: Expects::Challenge,
                proves: Proves::Nothing,
            }),
            Some(1) => Ok(Step::Complete { token: None, established }),
            Some(2) => Ok(Step::Complete { token: Some(vec![2]), established }),
            Some(_) => Err(MechanismError::new(ErrorKind::DefectiveToken, "as told")),
        }
    }
}

impl Acceptor for Obedient {
    fn step(&mut self, token: &[u8]) -> Accept {
        match token.last().map_or(0, |octet| octet % 4) {
            0 => Accept::Continue(vec![1]),
            1 => Accept::Accepted { user: String::new(), token: None, integrity: Some(Box::new(Never)) },
            2 => Accept::Accepted { user: String::new(), token: Some(vec![2]), integrity: None },
            _ => Accept::Refused { why: String::new(), token: Some(vec![3]) },
        }
    }
}

/// Integrity that no input can satisfy.
struct Never;

impl MessageIntegrity for Never {
    fn mic(&mut self, _: &[u8]) -> Result<Vec<u8>, MechanismError> {
        Ok(vec![3; 16])
    }

    fn verify(&mut self, _: &[u8], _: &[u8]) -> Result<(), MechanismError> {
        Err(MechanismError::new(ErrorKind::BadMic, "never"))
    }
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::seeds;

    #[test]
    fn the_seeds_are_established_where_they_say_so() {
        for (name, input) in seeds::of("spnego_token") {
            assert_eq!(check(&input), name.starts_with("established"), "{name}");
            for end in 0..input.len() {
                check(&input[..end]);
            }
        }
    }

    #[test]
    fn any_octet_may_be_damaged() {
        for input in seeds::damaged("spnego_token") {
            check(&input);
        }
    }
}
