//! The exchanges with MIT's KDC, which runs in the lab (`tests/run`).

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::credentials::Secret;
use crate::mechanism::kerberos::crypto::EncryptionType;
use crate::mechanism::kerberos::exchange::{
    AuthenticationService, FirstTicket, KdcRequest, Next, Opening, PasswordKey, Policy, Principal,
    TicketGranting,
};
use crate::mechanism::kerberos::messages::flags::ticket_flags;
use crate::mechanism::kerberos::messages::{Message, PrincipalName, Ticket};
use crate::mechanism::{ErrorKind, MechanismError, Moment, Proves};

/// One of the lab's values, such as `KRB5_KDC`.
fn value(key: &str) -> String {
    let path = std::env::var("LEGWORK_LAB").expect("LEGWORK_LAB is set: start these tests with tests/run");
    let text = std::fs::read_to_string(&path).expect("the lab is up");
    let pairs = text.lines().filter_map(|line| line.split_once('='));
    let found = pairs.into_iter().find(|(name, _)| *name == key);
    found.unwrap_or_else(|| panic!("the lab has no {key}")).1.to_owned()
}

/// What the KDC answers over TCP, where a length of four octets is in front (RFC 4120, section 7.2.2).
fn ask(request: &KdcRequest) -> Vec<u8> {
    let kdc = if request.realm == "SKEWED.TEST" { "KRB5_KDC_SKEWED" } else { "KRB5_KDC" };
    let mut stream = TcpStream::connect(value(kdc)).expect("the KDC listens");
    stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a timeout");
    let length = u32::try_from(request.message.len()).expect("a short message");
    stream.write_all(&[&length.to_be_bytes(), &*request.message].concat()).expect("sent");
    let mut length = [0; 4];
    stream.read_exact(&mut length).expect("an answer");
    let mut answer = vec![0; u32::from_be_bytes(length) as usize];
    stream.read_exact(&mut answer).expect("the whole answer");
    answer
}

fn now(seed: u8) -> Moment {
    Moment::new(SystemTime::now(), [seed; 32])
}

fn policy(etype: EncryptionType) -> Policy {
    Policy::default().with_encryption_types([etype])
}

/// A login, with what each of its messages proved.
fn log_in(
    user: &str,
    password: &str,
    policy: Policy,
    known: Option<PasswordKey>,
) -> (Vec<Proves>, Result<FirstTicket, MechanismError>) {
    let (name, realm) = user.split_once('@').expect("a realm");
    let client = Principal::new(PrincipalName::user(name), realm);
    let opening = known.map_or(Opening::Asks(None), Opening::Shows);
    let (mut request, mut exchange) =
        AuthenticationService::begin(client, Secret::new(password), policy, opening, &now(1));
    let mut proved = Vec::new();
    loop {
        proved.push(request.proves);
        match exchange.answer(&ask(&request), SystemTime::now()) {
            Ok(Next::Send { request: next, exchange: continued }) => (request, exchange) = (next, continued),
            Ok(Next::Granted(first)) => return (proved, Ok(first)),
            Err(error) => return (proved, Err(error)),
        }
    }
}

#[test]
#[ignore = "needs the lab: tests/run"]
fn mits_kdc_grants_tickets_by_each_encryption_type() {
    let (user, password) = (value("KRB5_USER"), value("KRB5_PASSWORD"));
    for etype in EncryptionType::ALL {
        let (proved, first) = log_in(&user, &password, policy(etype), None);
        let first = first.unwrap_or_else(|error| panic!("{etype}: {error}"));
        assert_eq!(proved, [Proves::Nothing, Proves::Secret], "{etype}");
        assert_eq!((first.key.parameters().etype(), first.ticket.session_key.etype()), (etype, etype));
        let checked = ticket_flags::ENC_PA_REP | ticket_flags::PRE_AUTHENT;
        assert_eq!(first.ticket.flags & checked, checked, "{etype}: the KDC says what it has read");

        let (proved, again) = log_in(&user, &password, policy(etype), Some(first.key));
        again.unwrap_or_else(|error| panic!("{etype}: {error}"));
        assert_eq!(proved, [Proves::Secret], "{etype}: a message less");

        let service = PrincipalName::service("HTTP", "localhost");
        let by = Arc::new(first.ticket);
        let (request, exchange) =
            TicketGranting::begin(by, service.clone(), policy(etype), &now(2)).expect("a first ticket");
        let next = exchange.answer(&ask(&request)).unwrap_or_else(|error| panic!("{etype}: {error}"));
        let Next::Granted(ticket) = next else { panic!("{etype}: another message") };
        assert_eq!(ticket.session_key.etype(), etype);
        assert!(Ticket::decode(&ticket.ticket).expect("a ticket").sname.is_same(&service));
        assert!(ticket.ends() > SystemTime::now() + Duration::from_secs(9 * 3_600), "{ticket:?}");
    }
}

#[test]
#[ignore = "needs the lab: tests/run"]
fn mits_kdc_refuses_a_wrong_password_a_stranger_and_an_unknown_service() {
    let (user, realm) = (value("KRB5_USER_BOB"), value("KRB5_REALM"));
    let (proved, refused) = log_in(&user, "not bob's", Policy::default(), None);
    let refused = refused.expect_err("a wrong password");
    assert_eq!(refused.kind(), ErrorKind::WrongPassword, "{refused}");
    assert_eq!(proved, [Proves::Nothing, Proves::Secret]);

    let (proved, refused) = log_in(&format!("nobody@{realm}"), "any", Policy::default(), None);
    let refused = refused.expect_err("a stranger");
    assert_eq!((refused.kind(), &*proved), (ErrorKind::UnknownUser, &[Proves::Nothing][..]), "{refused}");

    let (_, first) = log_in(&user, &value("KRB5_PASSWORD_BOB"), Policy::default(), None);
    let by = Arc::new(first.unwrap_or_else(|error| panic!("{error}")).ticket);
    let service = PrincipalName::service("HTTP", "nowhere.lab.test");
    let (request, exchange) =
        TicketGranting::begin(by, service, Policy::default(), &now(3)).expect("a first ticket");
    let refused = exchange.answer(&ask(&request)).expect_err("an unknown service");
    assert!(refused.to_string().contains("HTTP/nowhere.lab.test@LAB.TEST"), "{refused}");
}

#[test]
#[ignore = "needs the lab: tests/run"]
fn mits_kdc_that_lives_yesterday_grants_a_ticket_that_ends_by_our_clock() {
    let (user, password) = (value("KRB5_USER_SKEWED"), value("KRB5_PASSWORD_SKEWED"));
    let (proved, first) = log_in(&user, &password, Policy::default(), None);
    let first = first.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(proved, [Proves::Nothing, Proves::Secret, Proves::Secret]);
    let left = first.ticket.ends().duration_since(SystemTime::now()).expect("it has not ended");
    assert!((9..=10).contains(&(left.as_secs() / 3_600)), "{left:?}");
}
