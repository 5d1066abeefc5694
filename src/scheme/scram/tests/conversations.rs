//! Whole logins against the acceptor of the test server.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::{HeaderValue, Method, Uri};

use super::{challenge, quick, user};
use crate::challenge::AuthenticationInfo;
use crate::credentials::Credentials;
use crate::mechanism::{Expects, Moment, Proves};
use crate::scheme::scram::error::ScramError;
use crate::scheme::scram::exchange::{ScramExchange, ScramStep};
use crate::scheme::scram::login::ScramLogin;
use crate::scheme::scram::memory::{ScramMemory, ServerNonce};
use crate::scheme::scram::{Scram, ScramHash};
use crate::testing::scram::ScramQuirk;
use crate::testing::{Judge, Judgement, Presentation, ScramAcceptor, Users};

fn acceptor() -> ScramAcceptor {
    ScramAcceptor::new(Arc::new(Users::new().with("user", "pencil")), "lab", [7; 32]).iterations(16)
}

fn challenges(acceptor: &ScramAcceptor) -> String {
    acceptor.challenges().remove(0)
}

fn judge(acceptor: &ScramAcceptor, authorization: &HeaderValue) -> Judgement {
    let value = authorization.to_str().expect("ASCII");
    let (_, credentials) = value.split_once(' ').expect("a scheme and what follows it");
    let target = Uri::from_static("/");
    acceptor.judge(&Presentation::new(credentials, authorization, &Method::GET, &target, b""))
}

/// A client, and what it remembers between logins.
struct Client {
    scram: Scram,
    credentials: Credentials,
    memory: Arc<ScramMemory>,
    now: SystemTime,
    logins: u8,
}

/// What a login came to, and in how many requests with credentials.
type Ended = (Result<ScramLogin, ScramError>, usize);

impl Client {
    fn new(scram: Scram, credentials: Credentials) -> Self {
        Self { scram, credentials, memory: Arc::default(), now: UNIX_EPOCH, logins: 0 }
    }

    /// Logs in for one request, which does without a first challenge if it is not `challenged`.
    fn log_in(&mut self, acceptor: &ScramAcceptor, challenged: Challenged) -> Ended {
        self.logins += 1;
        let moment = Moment::new(self.now, [self.logins; 32]);
        let mut exchange =
            ScramExchange::new(&self.scram, self.credentials.clone(), moment, Arc::clone(&self.memory));
        let mut asked = match challenged {
            Challenged::First => Some(challenges(acceptor)),
            Challenged::Not => None,
        };
        let mut requests = 0;
        loop {
            let asked_for = asked.as_deref().map(challenge);
            let goes_on = requests == 0 || asked_for.as_ref().is_some_and(|c| exchange.is_continued_by(c));
            let mut step = exchange.respond(asked_for.as_ref());
            assert!(goes_on || step.is_err(), "{step:?}");
            if let Ok(ScramStep::Derive(derivation)) = step {
                step = exchange.resume(derivation.run());
            }
            let value = match step {
                Ok(ScramStep::Send { authorization, .. }) => authorization.into_value(),
                Ok(ScramStep::Derive(_)) => panic!("one derivation a login"),
                Err(error) => return (Err(error), requests),
            };
            requests += 1;
            assert!(requests < 6, "it goes on and on");
            match judge(acceptor, &value) {
                Judgement::Continued { challenge } => asked = Some(challenge),
                Judgement::Refused { challenges, .. } => asked = challenges.map(|all| all[0].clone()),
                Judgement::Unreadable => panic!("it can be read"),
                Judgement::Accepted { info, .. } => {
                    let info = info.map(|value| AuthenticationInfo::from_value(value.as_bytes()));
                    let info = info.transpose().expect("well-formed");
                    return (exchange.conclude(info.as_ref()), requests);
                }
            }
        }
    }
}

#[derive(Clone, Copy)]
enum Challenged {
    First,
    Not,
}

#[track_caller]
fn succeeds((result, requests): Ended, expected: usize) {
    assert_eq!(result.expect("a login").username(), "user");
    assert_eq!(requests, expected);
}

#[track_caller]
fn fails((result, _): Ended, expected: &str) {
    assert_eq!(result.expect_err("no login").to_string(), expected);
}

#[test]
fn logs_in_in_two_round_trips_and_the_server_proves_itself() {
    let mut client = Client::new(quick(), user());
    succeeds(client.log_in(&acceptor(), Challenged::First), 2);
    succeeds(client.log_in(&acceptor(), Challenged::Not), 2);
}

#[test]
fn the_body_goes_with_the_final_message_and_only_that_proves() {
    let acceptor = acceptor();
    let moment = Moment::new(UNIX_EPOCH, [1; 32]);
    let mut exchange = ScramExchange::new(&quick(), user(), moment, Arc::default());
    let first = exchange.respond(Some(&challenge(&challenges(&acceptor)))).expect("a step");
    let ScramStep::Send { authorization, expects: Expects::Challenge, proves: Proves::Nothing } = first
    else {
        panic!("{first:?}")
    };
    let value = authorization.into_value();
    let Judgement::Continued { challenge: value } = judge(&acceptor, &value) else { panic!("a challenge") };
    let Ok(ScramStep::Derive(derivation)) = exchange.respond(Some(&challenge(&value))) else {
        panic!("a derivation")
    };
    assert_eq!(derivation.iterations(), 16);
    let last = exchange.resume(derivation.run()).expect("a step");
    assert!(matches!(last, ScramStep::Send { expects: Expects::Success, proves: Proves::Secret, .. }));
}

#[test]
fn a_wrong_password_or_name_is_refused_with_the_servers_reason() {
    for credentials in [Credentials::password("user", "pen"), Credentials::password("mallory", "pencil")] {
        let ended = Client::new(quick(), credentials).log_in(&acceptor(), Challenged::First);
        assert_eq!(ended.1, 2, "one attempt");
        fails(
            ended,
            "the server refuses the login: the password is wrong, or the account has another (invalid-proof)",
        );
    }
}

#[test]
fn a_server_that_does_not_prove_itself_is_not_trusted() {
    for (quirk, error) in [
        (ScramQuirk::WrongSignature, "the server's signature is wrong: it does not know the password"),
        (ScramQuirk::NoSignature, "the server did not send its signature"),
        (
            ScramQuirk::ErrorBesideThePage("other-error"),
            "the server refuses the login: it does not say why (other-error)",
        ),
    ] {
        let acceptor = acceptor().reauthentication(None);
        acceptor.quirk(quirk);
        let mut client = Client::new(quick(), user());
        fails(client.log_in(&acceptor, Challenged::First), error);
        // Nothing of it is remembered.
        acceptor.behave();
        succeeds(client.log_in(&acceptor, Challenged::First), 2);
        // Nor is it trusted in a login by one message, after which the login is forgotten.
        acceptor.quirk(quirk);
        let (result, requests) = client.log_in(&acceptor, Challenged::Not);
        assert_eq!((result.expect_err("no login").to_string().as_str(), requests), (error, 1));
        acceptor.behave();
        succeeds(client.log_in(&acceptor, Challenged::Not), 2);
    }
}

#[test]
fn hostile_first_messages_are_errors_before_any_work() {
    for (quirk, error) in [
        (ScramQuirk::ForeignNonce, "the server's nonce does not extend ours"),
        (ScramQuirk::BareNonce, "the server's nonce does not extend ours"),
        (ScramQuirk::NoSid, "the server did not send sid with its first message"),
        (ScramQuirk::Iterations(1), "the server asks for 1 iterations, but at least 4096 are needed"),
        (ScramQuirk::Iterations(4095), "the server asks for 4095 iterations, but at least 4096 are needed"),
        (
            ScramQuirk::Iterations(1_000_001),
            "the server asks for 1000001 iterations, but at most 1000000 are allowed",
        ),
        (
            ScramQuirk::Iterations(u64::MAX),
            "the server asks for 18446744073709551615 iterations, but at most 1000000 are allowed",
        ),
    ] {
        let acceptor = acceptor().iterations(4096);
        acceptor.quirk(quirk);
        fails(Client::new(Scram::new(), user()).log_in(&acceptor, Challenged::First), error);
    }
}

#[test]
fn the_bounds_of_the_iteration_count_are_options() {
    let few = Scram::new().dangerous_min_iterations(16).max_iterations(16);
    succeeds(Client::new(few.clone(), user()).log_in(&acceptor(), Challenged::First), 2);
    fails(
        Client::new(few, user()).log_in(&acceptor().iterations(17), Challenged::First),
        "the server asks for 17 iterations, but at most 16 are allowed",
    );
}

#[test]
fn errors_of_the_server_are_explained() {
    let acceptor = acceptor();
    acceptor.quirk(ScramQuirk::Error("no-resources"));
    fails(
        Client::new(quick(), user()).log_in(&acceptor, Challenged::First),
        "the server refuses the login: it is out of resources (no-resources)",
    );
}

#[test]
fn a_server_that_sends_sr_lets_in_by_one_message() {
    let acceptor = acceptor().reauthentication(None);
    let mut client = Client::new(quick(), user());
    succeeds(client.log_in(&acceptor, Challenged::First), 2);
    for challenged in [Challenged::Not, Challenged::First, Challenged::Not] {
        succeeds(client.log_in(&acceptor, challenged), 1);
    }
}

#[test]
fn another_sr_and_a_forgotten_login_heal() {
    let acceptor = acceptor().reauthentication(None);
    let mut client = Client::new(quick(), user());
    succeeds(client.log_in(&acceptor, Challenged::First), 2);
    acceptor.renew();
    succeeds(client.log_in(&acceptor, Challenged::Not), 2);
    succeeds(client.log_in(&acceptor, Challenged::Not), 1);
    acceptor.forget();
    succeeds(client.log_in(&acceptor, Challenged::Not), 3);
    succeeds(client.log_in(&acceptor, Challenged::Not), 1);
    // A challenge that has the new sr spares the stale one.
    acceptor.renew();
    succeeds(client.log_in(&acceptor, Challenged::First), 1);
}

#[test]
fn a_lost_message_does_not_use_its_count_again_and_heals() {
    let acceptor = acceptor().reauthentication(None);
    let mut client = Client::new(quick(), user());
    succeeds(client.log_in(&acceptor, Challenged::First), 2);
    let moment = Moment::new(client.now, [99; 32]);
    let mut lost = ScramExchange::new(&client.scram, user(), moment, Arc::clone(&client.memory));
    assert!(matches!(lost.respond(None), Ok(ScramStep::Send { proves: Proves::Secret, .. })));
    // Refused as stale, with the new sr refused for its count, then from the beginning.
    let (result, requests) = client.log_in(&acceptor, Challenged::Not);
    assert!(result.is_ok() && requests <= 4, "{requests}");
    succeeds(client.log_in(&acceptor, Challenged::Not), 1);
}

#[test]
fn a_count_that_a_later_login_follows_is_not_used_again() {
    let acceptor = acceptor().reauthentication(None);
    let mut client = Client::new(quick(), user());
    succeeds(client.log_in(&acceptor, Challenged::First), 2);
    let take = || client.memory.take_latest(ScramHash::Sha256, &user(), client.now).expect("a login");
    let renewed = ServerNonce { sr: "renewed".to_owned(), expires: None };
    let (one, later) = (take(), take());
    assert_eq!(later.count, one.count + 1);
    client.memory.replace(&user(), &one, &renewed);
    let next = take();
    assert_eq!((next.count, &*next.sr), (later.count + 1, "renewed"));
    // Nobody was behind this one.
    client.memory.replace(&user(), &next, &renewed);
    assert_eq!(take().count, next.count);
}

#[test]
fn a_login_is_known_until_its_sr_expires() {
    let acceptor = acceptor().reauthentication(Some(60));
    let mut client = Client::new(quick(), user());
    let knows = |client: &Client, after| {
        client.memory.knows(&client.scram, &user(), client.now + Duration::from_secs(after))
    };
    assert!(!knows(&client, 0));
    succeeds(client.log_in(&acceptor, Challenged::First), 2);
    assert_eq!([0, 59, 60, 61].map(|after| knows(&client, after)), [true, true, false, false]);
    let bob = Credentials::password("bob", "bob-pw");
    assert!(!client.memory.knows(&client.scram, &bob, client.now));
}

#[test]
fn an_sr_that_has_expired_is_not_tried() {
    let acceptor = acceptor().reauthentication(Some(60));
    let mut client = Client::new(quick(), user());
    succeeds(client.log_in(&acceptor, Challenged::First), 2);
    client.now += Duration::from_secs(59);
    succeeds(client.log_in(&acceptor, Challenged::Not), 1);
    client.now += Duration::from_secs(1);
    succeeds(client.log_in(&acceptor, Challenged::Not), 2);
}

#[test]
fn a_remembered_login_is_nobody_elses() {
    let acceptor = acceptor().reauthentication(None);
    let mut client = Client::new(quick(), user());
    succeeds(client.log_in(&acceptor, Challenged::First), 2);
    for other in [Credentials::password("user", "pen"), Credentials::password("bob", "pencil")] {
        client.credentials = other;
        let (result, requests) = client.log_in(&acceptor, Challenged::Not);
        assert!(result.is_err());
        assert_eq!(requests, 2);
    }
    client.credentials = user();
    client.memory.clear();
    succeeds(client.log_in(&acceptor, Challenged::Not), 2);
}

#[test]
fn so_many_logins_are_remembered_and_the_oldest_goes_first() {
    let name = |user: usize| format!("user{user}");
    let users =
        (0..=ScramMemory::MAX_LOGINS).fold(Users::new(), |users, user| users.with(&name(user), "pencil"));
    let acceptor = ScramAcceptor::new(Arc::new(users), "lab", [7; 32]).iterations(16).reauthentication(None);
    let mut client = Client::new(quick(), user());
    let mut requests_of = |user: usize, challenged: Challenged| {
        client.credentials = Credentials::password(name(user), "pencil");
        let (result, requests) = client.log_in(&acceptor, challenged);
        result.expect("a login");
        requests
    };
    for user in 0..=ScramMemory::MAX_LOGINS {
        assert_eq!(requests_of(user, Challenged::First), 2);
    }
    for user in 1..=ScramMemory::MAX_LOGINS {
        assert_eq!(requests_of(user, Challenged::Not), 1, "{user}");
    }
    assert_eq!(requests_of(0, Challenged::Not), 2);
}

/// Names and passwords of any printable characters, both hash functions, with and without `sr`.
#[test]
fn whoever_the_acceptor_knows_logs_in_and_nobody_else() {
    let mut random = Random(0x5c2a_77ff_0123_4567);
    for round in 0..200 {
        let (name, password) = (random.text(), random.text());
        let users = Arc::new(Users::new().with(&name, password.clone()));
        let hash = if random.next() % 2 == 0 { ScramHash::Sha256 } else { ScramHash::Sha1 };
        let seed = [u8::try_from(round).expect("few rounds"); 32];
        let iterations = u32::try_from(random.next() % 8 + 1).expect("small");
        let mut acceptor = ScramAcceptor::new(users, random.text(), seed).hash(hash).iterations(iterations);
        if random.next() % 2 == 0 {
            acceptor = acceptor.reauthentication(None);
        }
        let mut client =
            Client::new(quick().hash(hash), Credentials::password(name.clone(), password.clone()));
        for _ in 0..4 {
            match random.next() % 4 {
                0 => acceptor.renew(),
                1 => acceptor.forget(),
                _ => {}
            }
            let challenged = if random.next() % 2 == 0 { Challenged::First } else { Challenged::Not };
            let (result, _) = client.log_in(&acceptor, challenged);
            assert_eq!(result.expect("a login").username(), name);
        }
        let mut stranger =
            Client::new(quick().hash(hash), Credentials::password(name, format!("{password}x")));
        stranger.log_in(&acceptor, Challenged::First).0.expect_err("a wrong password");
    }
}

struct Random(u64);

impl Random {
    /// xorshift64
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// Printable ASCII without a backslash, which would be a domain's.
    fn text(&mut self) -> String {
        const CHARACTERS: &[u8] = b"abcXYZ019 ,=;:\"'!%()/+-._~@#$&*<>?[]^`{|}";
        let length = self.next() % 20 + 1;
        let pick = |random: u64| char::from(CHARACTERS[random as usize % CHARACTERS.len()]);
        (0..length).map(|_| pick(self.next())).collect()
    }
}
