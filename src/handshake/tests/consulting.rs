//! Logins that ask a KDC themselves before they have a token.

use super::*;
use crate::handshake::verdicts::PauseCause;
use crate::mechanism::spnego::Spnego;
use crate::mechanism::{ErrorKind, Established, KdcInquiry, Mechanism, SecurityContext, Step};

/// Asks a KDC for a first ticket by the password, and with that for the service's.
#[derive(Debug)]
struct Kerberos;

enum Asking {
    Begins,
    First,
    Service,
    Sent,
}

impl Mechanism for Kerberos {
    fn name(&self) -> &'static str {
        "Kerberos"
    }

    fn oid(&self) -> &'static [u8] {
        oid::KERBEROS
    }

    fn initiate(&self, _: Initiate, _: Moment) -> Box<dyn SecurityContext> {
        Box::new(Asking::Begins)
    }

    fn asks_kdc(&self) -> bool {
        true
    }

    fn authenticates_peer(&self) -> bool {
        true
    }
}

fn inquiry(message: &[u8], proves: Proves) -> Inquiry {
    Inquiry::Kdc(KdcInquiry::new("LAB.TEST", [].into(), message.to_vec()).with_proves(proves))
}

impl SecurityContext for Asking {
    fn step(self: Box<Self>, input: Option<&[u8]>) -> Result<Step, MechanismError> {
        match (*self, input) {
            (Self::Begins, None) => {
                let inquiry = inquiry(b"password", Proves::Secret);
                Ok(Step::Consult { inquiry, context: Box::new(Self::First) })
            }
            (Self::Sent, Some(b"proof")) => {
                let mut established = Established::new("Kerberos", None, Binding::Request);
                established.mutual = true;
                Ok(Step::Complete { token: None, established })
            }
            _ => Err(MechanismError::new(ErrorKind::DefectiveToken, "out of turn")),
        }
    }

    fn consulted(
        self: Box<Self>,
        answer: Result<Vec<u8>, MechanismError>,
        _: Moment,
    ) -> Result<Step, MechanismError> {
        match (*self, &answer?[..]) {
            (Self::First, b"granted") => {
                let inquiry = inquiry(b"ticket", Proves::Ticket { is_new: true });
                Ok(Step::Consult { inquiry, context: Box::new(Self::Service) })
            }
            (Self::Service, b"granted") => Ok(Step::Continue {
                token: b"ticket".to_vec(),
                context: Box::new(Self::Sent),
                expects: Expects::Success,
                proves: Proves::Ticket { is_new: true },
            }),
            (_, b"wrong") => {
                Err(MechanismError::new(ErrorKind::WrongPassword, "the KDC refuses the password"))
            }
            _ => Err(MechanismError::new(ErrorKind::Unavailable, "the KDC knows no such service")),
        }
    }
}

fn kerberos() -> Arc<dyn Scheme> {
    Arc::new(Negotiate::new(Kerberos))
}

/// Kerberos, and NTLM behind it in one negotiation.
fn kerberos_or_ntlm() -> Arc<dyn Scheme> {
    Arc::new(Negotiate::new(Spnego::new(vec![Arc::new(Kerberos), Arc::new(Ntlm::new())])))
}

fn message(said: Said) -> (Vec<u8>, Proves) {
    let Said::Consult(Inquiry::Kdc(inquiry)) = said else { panic!("{said:?}") };
    (inquiry.message, inquiry.proves)
}

fn silent() -> Result<Vec<u8>, MechanismError> {
    Err(MechanismError::new(ErrorKind::Unavailable, "no KDC has answered"))
}

fn granted() -> Result<Vec<u8>, MechanismError> {
    Ok(b"granted".to_vec())
}

/// A new connection, and what its request comes to where it begins or is challenged.
fn challenged(authenticator: &Authenticator) -> (Connection, Said) {
    let mut connection = Connection::new(authenticator);
    let said = match connection.begin() {
        Said::Send(None, _) => connection.receive(&unauthorized(&["Negotiate", "NTLM"])),
        said => said,
    };
    (connection, said)
}

/// A connection whose request asks the KDC by the password.
fn asking(authenticator: &Authenticator) -> Connection {
    let (connection, said) = challenged(authenticator);
    assert_eq!(message(said), (b"password".to_vec(), Proves::Secret));
    connection
}

#[test]
fn a_login_asks_a_kdc_between_its_legs() {
    let authenticator = using([kerberos()]).build();
    let mut connection = asking(&authenticator);
    assert_eq!(message(connection.told(granted())), (b"ticket".to_vec(), Proves::Ticket { is_new: true }));
    assert_eq!(connection.told(granted()).leg(), ("Negotiate".into(), BodyUse::Carried));
    let login = connection.receive(&super::tickets::proven(b"proof")).login();
    assert_eq!((login.legs, login.mutual), (2, true));
}

#[test]
fn where_no_kdc_answers_the_next_mechanism_or_scheme_has_its_turn() {
    let authenticator = using([kerberos_or_ntlm()]).build();
    assert_eq!(asking(&authenticator).told(silent()).leg(), ("Negotiate".into(), BodyUse::Carried));
    let authenticator = using([kerberos(), ntlm()]).build();
    assert_eq!(asking(&authenticator).told(silent()).leg(), ("NTLM".into(), BodyUse::Carried));
}

#[test]
fn a_password_that_the_kdc_refuses_goes_to_nobody_else() {
    for negotiate in [kerberos_or_ntlm(), kerberos()] {
        let authenticator = using([negotiate, ntlm()]).build();
        let tried = asking(&authenticator).told(Ok(b"wrong".to_vec())).tried();
        let [(first, Why::Refused(Some(words))), (second, Why::RefusedBefore)] = &tried[..] else {
            panic!("{tried:?}")
        };
        assert_eq!((first.as_str(), second.as_str()), ("Negotiate", "NTLM"));
        assert!(words.contains("the KDC refuses the password"), "{words}");
        // Nor does another request ask it again.
        let tried = challenged(&authenticator).1.tried();
        assert!(tried.iter().all(|(_, why)| *why == Why::RefusedBefore), "{tried:?}");
    }
}

#[test]
fn others_wait_for_the_kdcs_word() {
    let authenticator = using([kerberos(), ntlm()]).build();
    let mut first = asking(&authenticator);
    let (mut second, said) = challenged(&authenticator);
    let _turn = said.turn();
    // What it says of the first ticket is its word about the password.
    message(first.told(granted()));
    message(second.proceed());
}

#[test]
fn what_a_kdc_was_shown_and_has_not_answered_counts() {
    let undecided = |end: fn(Connection)| {
        let authenticator = using([kerberos()]).build();
        for _ in 0..2 {
            end(asking(&authenticator));
        }
        challenged(&authenticator).1
    };
    let ends: [fn(Connection); 2] = [drop, |mut connection| {
        // Where it had spoken first, it hears the challenge now.
        if let Said::Send(None, _) = connection.told(silent()) {
            connection.receive(&unauthorized(&["Negotiate"])).refusal();
        }
    }];
    for end in ends {
        let tried = undecided(end).tried();
        let rests = |why: &Why| matches!(why, Why::Paused(pause) if pause.cause == PauseCause::Unanswered);
        assert!(tried.iter().any(|(_, why)| rests(why)), "{tried:?}");
    }
    // A password that the KDC has taken does not: it was the service that it did not know.
    let said = undecided(|mut connection| {
        message(connection.told(granted()));
        connection.told(Ok(b"no such service".to_vec()));
    });
    message(said);
}

#[test]
fn an_answer_that_nobody_asked_for_is_an_error() {
    let authenticator = using([kerberos()]).build();
    let mut connection = Connection::new(&authenticator);
    connection.begin().bare();
    assert!(matches!(connection.told(granted()).error(), HandshakeError::OutOfTurn));
}

#[test]
fn what_a_kdc_was_shown_counts_though_another_mechanism_goes_on_in_its_place() {
    let authenticator = using([kerberos_or_ntlm()]).build();
    for _ in 0..2 {
        assert_eq!(asking(&authenticator).told(silent()).leg().0, "Negotiate");
    }
    let tried = challenged(&authenticator).1.tried();
    assert!(tried.iter().any(|(_, why)| matches!(why, Why::Paused(_))), "{tried:?}");
}
