//! Logins in which the server relays an exchange with a KDC, as by IAKERB.

use super::*;
use crate::mechanism::{ErrorKind, Established, Mechanism, MechanismError, SecurityContext, Step};

/// A mechanism that says `as-req`, `attempt`, `tgs-req` and `ap-req`, and takes the answers of the same
/// number; with a ticket that is held, `ap-req` alone. What a KDC says in their place is an error.
#[derive(Debug)]
struct Iakerb {
    begins_at: usize,
}

const ATTEMPT: usize = 1;
const BY_TICKET: usize = 2;
const LAST: usize = 3;

impl Mechanism for Iakerb {
    fn name(&self) -> &'static str {
        "IAKERB"
    }

    fn oid(&self) -> &'static [u8] {
        oid::IAKERB
    }

    fn initiate(&self, _: Initiate, _: Moment) -> Box<dyn SecurityContext> {
        Box::new(Exchanging { next: self.begins_at, is_new: self.begins_at < LAST })
    }
}

struct Exchanging {
    next: usize,
    is_new: bool,
}

impl SecurityContext for Exchanging {
    fn step(mut self: Box<Self>, input: Option<&[u8]>) -> Result<Step, MechanismError> {
        let error = |kind| Err(MechanismError::new(kind, "the KDC's words").relayed());
        match input {
            None | Some(b"kdc" | b"proof") => {}
            Some(b"wrong password") => return error(ErrorKind::WrongPassword),
            Some(b"locked") => return error(ErrorKind::AccountLocked),
            Some(b"unknown user") => return error(ErrorKind::UnknownUser),
            Some(b"no KDC") => return error(ErrorKind::Unavailable),
            Some(b"no key") => return error(ErrorKind::TicketRefused),
            Some(_) => return error(ErrorKind::Credentials),
        }
        let (expects, proves) = match self.next {
            0 => (Expects::Challenge, Proves::Nothing),
            ATTEMPT => (Expects::Challenge, Proves::Relayed),
            BY_TICKET => (Expects::Challenge, Proves::Ticket { is_new: false }),
            LAST => (Expects::Success, Proves::Ticket { is_new: self.is_new }),
            _ => {
                let mut established = Established::new("IAKERB", None, Binding::Connection);
                established.mutual = true;
                return Ok(Step::Complete { token: None, established });
            }
        };
        self.next += 1;
        Ok(Step::Continue { token: b"token".to_vec(), context: self, expects, proves })
    }
}

fn iakerb(begins_at: usize) -> AuthenticatorBuilder {
    using([Arc::new(Negotiate::new(Iakerb { begins_at })) as _, Arc::new(NtlmScheme::new(Ntlm::new())) as _])
}

fn kdc(says: &str) -> Response<()> {
    unauthorized(&[&format!("Negotiate {}", BASE64_STANDARD.encode(says)), "NTLM"])
}

fn bare() -> Response<()> {
    unauthorized(&["Negotiate", "NTLM"])
}

/// The conversation up to the token of this number after the first, which is out.
fn up_to(last: usize, authenticator: &Authenticator) -> Connection {
    up_to_one_that(last, if last == LAST { BodyUse::Carried } else { BodyUse::Withheld }, authenticator)
}

fn up_to_one_that(last: usize, body: BodyUse, authenticator: &Authenticator) -> Connection {
    let mut connection = Connection::new(authenticator).with_body();
    connection.begin().bare();
    let mut said = connection.receive(&bare());
    for _ in 0..last {
        assert_eq!(said.leg(), ("Negotiate".into(), BodyUse::Withheld));
        said = connection.receive(&kdc("kdc"));
    }
    assert_eq!(said.leg(), ("Negotiate".into(), body));
    connection
}

/// What a further connection is told of these credentials.
fn elsewhere(authenticator: &Authenticator) -> Said {
    let mut connection = Connection::new(authenticator);
    match connection.begin() {
        Said::Send(None, _) => connection.receive(&bare()),
        said => said,
    }
}

#[test]
fn it_takes_five_legs_the_body_goes_once_and_the_connection_stays_logged_in() {
    let authenticator = iakerb(0).build();
    let mut connection = up_to(LAST, &authenticator);
    let token = format!("Negotiate {}", BASE64_STANDARD.encode("proof"));
    let login = connection.receive(&with(ok(), "www-authenticate", &token)).login();
    assert_eq!((login.legs, login.mechanism, login.mutual), (5, "IAKERB", true));
    for _ in 0..3 {
        connection.begin().bare();
        connection.receive(&ok()).plain();
    }
}

#[test]
fn the_word_of_the_kdc_is_the_verdict_and_no_other_scheme_gets_the_password() {
    for (last, says) in
        [(ATTEMPT, "wrong password"), (0, "wrong password"), (0, "unknown user"), (ATTEMPT, "unknown user")]
    {
        let authenticator = iakerb(0).build();
        let refusal = up_to(last, &authenticator).receive(&kdc(says)).refusal();
        assert!(refusal.is_refusal(), "{says}");
        assert_eq!(refusal.tried[0].why, Why::Refused(Some("the KDC's words".into())), "{says}");
        assert!(refusal.tried[1..].iter().all(|tried| tried.why == Why::RefusedBefore), "{refusal:?}");
        let tried = elsewhere(&authenticator).tried();
        assert!(tried.iter().all(|(_, why)| *why == Why::RefusedBefore), "{tried:?}");
    }
    let authenticator = iakerb(0).build();
    let why = up_to(ATTEMPT, &authenticator).receive(&kdc("locked")).tried().remove(0).1;
    assert_eq!(why, Why::Refused(Some("the KDC's words".into())));
    let tried = elsewhere(&authenticator).tried();
    assert!(tried.iter().all(|(_, why)| matches!(why, Why::Paused(_))), "{tried:?}");
}

#[test]
fn a_server_without_a_kdc_blames_no_password() {
    for says in ["no KDC", "another word"] {
        let authenticator = iakerb(0).build();
        let mut connection = up_to(0, &authenticator);
        assert_eq!(connection.receive(&kdc(says)).leg().0, "NTLM", "nothing of the password is out");

        let authenticator = using([Arc::new(Negotiate::new(Iakerb { begins_at: 0 })) as _]).build();
        let refusal = up_to(0, &authenticator).receive(&kdc(says)).refusal();
        assert!(!refusal.is_refusal(), "{refusal:?}");
        assert_eq!(refusal.tried[1].why, Why::CannotStart("the KDC's words".into()));

        for last in [ATTEMPT, BY_TICKET] {
            let authenticator = iakerb(0).build();
            let refusal = up_to(last, &authenticator).receive(&kdc(says)).refusal();
            assert!(!refusal.is_refusal(), "{refusal:?}");
            assert_eq!(refusal.tried[0].why, Why::Undecided("the KDC's words".into()));
            elsewhere(&authenticator).leg();
        }
    }
}

#[test]
fn an_exchange_that_the_server_breaks_off_blames_no_password() {
    for last in [ATTEMPT, BY_TICKET] {
        let authenticator = iakerb(0).build();
        let refusal = up_to(last, &authenticator).receive(&bare()).refusal();
        assert!(!refusal.is_refusal(), "{refusal:?}");
        let Why::Undecided(words) = &refusal.tried[0].why else { panic!("{refusal:?}") };
        assert!(words.contains("broke off the exchange"), "{words}");
        elsewhere(&authenticator).leg();
    }
}

#[test]
fn a_ticket_that_the_server_refuses_says_nothing_of_the_password() {
    for begins_at in [0, LAST] {
        let authenticator = iakerb(begins_at).build();
        let mut connection = up_to_one_that(LAST - begins_at, BodyUse::Carried, &authenticator);
        connection.receive(&kdc("no key")).refusal();
        elsewhere(&authenticator).leg();
    }
}

#[test]
fn a_server_that_does_not_take_it_is_told_from_one_that_refuses() {
    let authenticator = using([Arc::new(Negotiate::new(Iakerb { begins_at: 0 })) as _]).build();
    let refusal = up_to(0, &authenticator).receive(&bare()).refusal();
    assert!(!refusal.is_refusal(), "{refusal:?}");
    let Why::CannotStart(words) = &refusal.tried[1].why else { panic!("{refusal:?}") };
    assert!(words.contains("does not take IAKERB"), "{words}");
}

#[test]
fn a_proof_that_a_kdc_may_have_got_counts_whatever_the_server_answers() {
    let statuses = [200, 302, 400, 403, 500, 502, 503, 504];
    let answers = statuses.map(|status| Response::builder().status(status).body(()).expect("a response"));
    let answers = Vec::from_iter(answers.into_iter().chain([kdc("no key")]));
    for (has_body, answer) in
        [true, false].into_iter().flat_map(|has| answers.iter().map(move |it| (has, it)))
    {
        let authenticator = using([Arc::new(Negotiate::new(Iakerb { begins_at: 0 })) as _]).build();
        let mut attempts = 0;
        for _ in 0..12 {
            let connection = Connection::new(&authenticator);
            let mut connection = if has_body { connection.with_body() } else { connection.by_get() };
            let mut said = connection.begin();
            for heard in [bare(), kdc("kdc")] {
                let Said::Send(..) = said else { break };
                said = connection.receive(&heard);
            }
            let Said::Send(Some(_), _) = said else { break };
            attempts += 1;
            connection.receive(answer);
            assert!(!connection.handshake.is_reusable(), "the server may wait for the rest: {answer:?}");
        }
        assert!((1..=2).contains(&attempts), "{attempts}: {answer:?}");
    }
}

#[test]
fn what_a_server_says_of_its_kdc_bars_nothing_that_was_proven_elsewhere() {
    for says in ["locked", "wrong password", "unknown user"] {
        let authenticator = iakerb(0).build();
        let mut connection = up_to(LAST, &authenticator);
        let token = format!("Negotiate {}", BASE64_STANDARD.encode("proof"));
        connection.receive(&with(ok(), "www-authenticate", &token)).login();
        for _ in 0..3 {
            let evil: Origin = "https://evil.example".parse().expect("an origin");
            let mut connection = Connection::to(&authenticator, Challenger::Origin, evil).by_get();
            if let Said::Send(None, _) = connection.begin() {
                connection.receive(&bare());
            }
            connection.receive(&kdc(says));
        }
        elsewhere(&authenticator).leg();
    }
}

#[test]
fn a_connection_in_the_middle_of_an_exchange_is_not_used_again() {
    for says in ["no KDC", "no key", "another word", "wrong password"] {
        for last in [ATTEMPT, BY_TICKET] {
            let mut connection = up_to(last, &iakerb(0).build());
            connection.receive(&kdc(says)).refusal();
            assert!(!connection.handshake.is_reusable(), "{says}");
        }
    }
    let mut connection = up_to(BY_TICKET, &iakerb(0).build());
    connection.receive(&bare()).refusal();
    assert!(!connection.handshake.is_reusable());
}

#[test]
fn a_proxys_challenge_in_the_middle_blames_no_password() {
    let authenticator = iakerb(0).build();
    let mut connection = up_to(ATTEMPT, &authenticator);
    let answer = bare();
    let refuse = |handshake: &mut Handshake, request: RequestContext<'_>| {
        handshake.refuse(ResponseHead::of(&answer), true, request).expect("an action")
    };
    let refusal = connection.drive(refuse).refusal();
    assert!(!refusal.is_refusal(), "{refusal:?}");
    elsewhere(&authenticator).leg();
}

#[test]
fn a_first_message_with_a_ticket_that_is_passed_over_is_no_refusal() {
    let mut connection = up_to(0, &iakerb(BY_TICKET).build());
    assert_eq!(connection.receive(&bare()).leg().0, "NTLM");
}

/// The same with SPNEGO around it, or another wrapping of its first token, which not every server takes.
#[derive(Debug)]
struct Wrapped {
    instead: Arc<Iakerb>,
}

struct FirstToken(Arc<Iakerb>);

impl Mechanism for Wrapped {
    fn name(&self) -> &'static str {
        "SPNEGO"
    }

    fn oid(&self) -> &'static [u8] {
        oid::IAKERB
    }

    fn initiate(&self, _: Initiate, _: Moment) -> Box<dyn SecurityContext> {
        Box::new(FirstToken(Arc::clone(&self.instead)))
    }
}

impl SecurityContext for FirstToken {
    fn step(self: Box<Self>, input: Option<&[u8]>) -> Result<Step, MechanismError> {
        let (expects, proves) = (Expects::Challenge, Proves::Nothing);
        match input {
            None => Ok(Step::Continue { token: b"wrapped".to_vec(), context: self, expects, proves }),
            Some(b"no KDC") => Err(MechanismError::new(ErrorKind::Unavailable, "the KDC's words").relayed()),
            Some(_) => Err(MechanismError::new(ErrorKind::Refused, "the server rejected the negotiation")),
        }
    }

    fn instead(&self) -> Option<Arc<dyn Mechanism>> {
        Some(Arc::clone(&self.0) as _)
    }
}

fn wrapped(begins_at: usize) -> AuthenticatorBuilder {
    let instead = Arc::new(Iakerb { begins_at });
    let negotiate = Negotiate::new(Wrapped { instead });
    using([Arc::new(negotiate) as _, Arc::new(NtlmScheme::new(Ntlm::new())) as _])
}

#[track_caller]
fn says(said: Said, token: &str) -> BodyUse {
    let Said::Send(Some(value), body) = said else { panic!("{said:?}") };
    assert_eq!(value, format!("Negotiate {}", BASE64_STANDARD.encode(token)));
    body
}

#[test]
fn a_first_token_that_is_not_taken_is_said_in_another_form() {
    for answer in [bare(), kdc("reject")] {
        let authenticator = wrapped(0).build();
        let mut connection = Connection::new(&authenticator).with_body();
        connection.begin().bare();
        assert_eq!(says(connection.receive(&bare()), "wrapped"), BodyUse::Withheld);
        let mut said = connection.receive(&answer);
        for _ in 0..LAST {
            assert_eq!(says(said, "token"), BodyUse::Withheld);
            said = connection.receive(&kdc("kdc"));
        }
        assert_eq!(says(said, "token"), BodyUse::Carried);
        let token = format!("Negotiate {}", BASE64_STANDARD.encode("proof"));
        let login = connection.receive(&with(ok(), "www-authenticate", &token)).login();
        assert_eq!((login.legs, login.mechanism, login.mutual), (6, "IAKERB", true));
    }
}

#[test]
fn another_form_that_is_not_taken_either_blames_no_password() {
    for answer in [bare(), kdc("no KDC")] {
        let authenticator = wrapped(0).build();
        let mut connection = Connection::new(&authenticator).with_body();
        connection.begin().bare();
        connection.receive(&bare()).leg();
        assert_eq!(says(connection.receive(&bare()), "token"), BodyUse::Withheld);
        assert_eq!(connection.receive(&answer).leg().0, "NTLM", "nothing of the password is out");
    }
}

#[test]
fn a_kdcs_word_is_no_refusal_of_the_form() {
    let mut connection = Connection::new(&wrapped(0).build()).with_body();
    connection.begin().bare();
    connection.receive(&bare()).leg();
    assert_eq!(connection.receive(&kdc("no KDC")).leg().0, "NTLM");
}

#[test]
fn a_ticket_in_another_form_is_no_trial_of_the_password() {
    let authenticator = wrapped(LAST).build();
    let mut connection = Connection::new(&authenticator).with_body();
    connection.begin().bare();
    connection.receive(&bare()).leg();
    assert_eq!(says(connection.receive(&bare()), "token"), BodyUse::Carried);
    connection.receive(&bare()).refusal();
    elsewhere(&authenticator).leg();
}

#[test]
fn a_server_that_closes_is_not_told_the_same_again_and_again() {
    let authenticator = wrapped(0).build();
    let mut connection = Connection::new(&authenticator).with_body();
    connection.begin().bare();
    connection.receive(&bare()).leg();
    let closing = with(bare(), "connection", "close");
    // NTLM is begun on another one.
    assert_eq!(connection.receive(&closing).renewal(), Renewal::ClosedAfterChallenge);
}
