//! Logins that take one message: a mechanism of the system's, as Kerberos is, behind Negotiate.

use std::sync::Mutex;
use std::task::{Context, Poll, Waker};

use super::*;
use crate::credentials::{Ambient, CredentialsQuery};
use crate::mechanism::{
    Delegation, ErrorKind, Established, Mechanism, MechanismError, MutualAuthentication, Proves,
    SecurityContext, Step,
};

/// A mechanism whose first token is `ticket`, and whose server proves itself by `proof`.
#[derive(Clone, Debug, Default)]
pub(super) struct Tickets(Arc<Kdc>);

#[derive(Debug, Default)]
struct Kdc {
    /// What each context was begun with.
    asked: Mutex<Vec<Initiate>>,
    /// Its tickets are of earlier.
    keeps: Mutex<bool>,
    /// What it says in place of a ticket.
    refuses: Mutex<Option<(ErrorKind, &'static str)>>,
}

impl Tickets {
    pub(super) fn refuse(&self, kind: ErrorKind, words: &'static str) {
        *self.0.refuses.lock().expect("not poisoned") = Some((kind, words));
    }

    fn keep(&self) {
        *self.0.keeps.lock().expect("not poisoned") = true;
    }

    fn asked(&self) -> Vec<Initiate> {
        self.0.asked.lock().expect("not poisoned").clone()
    }

    fn times(&self) -> usize {
        self.0.asked.lock().expect("not poisoned").len()
    }

    pub(super) fn scheme(&self) -> Arc<dyn Scheme> {
        Arc::new(Negotiate::new(self.clone()))
    }
}

impl Mechanism for Tickets {
    fn name(&self) -> &'static str {
        "Tickets"
    }

    fn oid(&self) -> &'static [u8] {
        &[1]
    }

    fn initiate(&self, arguments: Initiate, _: Moment) -> Box<dyn SecurityContext> {
        let rule = arguments.mutual_authentication;
        self.0.asked.lock().expect("not poisoned").push(arguments);
        Box::new(Ticket { kdc: Arc::clone(&self.0), rule, sent: false })
    }

    fn authenticates_peer(&self) -> bool {
        true
    }

    fn takes_ambient_credentials(&self) -> bool {
        true
    }
}

struct Ticket {
    kdc: Arc<Kdc>,
    rule: MutualAuthentication,
    sent: bool,
}

fn alice(mutual: bool) -> Established {
    let mut established = Established::new("Tickets", Some("alice@LAB.TEST".into()), Binding::Request);
    established.mutual = mutual;
    established
}

impl SecurityContext for Ticket {
    fn step(mut self: Box<Self>, input: Option<&[u8]>) -> Result<Step, MechanismError> {
        match (self.sent, input) {
            (false, None) => {
                if let Some((kind, words)) = *self.kdc.refuses.lock().expect("not poisoned") {
                    return Err(MechanismError::new(kind, words));
                }
                self.sent = true;
                let token = b"ticket".to_vec();
                let is_new = !*self.kdc.keeps.lock().expect("not poisoned");
                Ok(match self.rule {
                    MutualAuthentication::Off => {
                        Step::Complete { token: Some(token), established: alice(false) }
                    }
                    MutualAuthentication::Preferred | MutualAuthentication::Required => Step::Continue {
                        token,
                        proves: Proves::Ticket { is_new },
                        context: self,
                        expects: Expects::Success,
                    },
                })
            }
            (true, Some(b"proof")) => Ok(Step::Complete { token: None, established: alice(true) }),
            (true, Some(b"skewed")) => {
                Err(MechanismError::new(ErrorKind::TicketRefused, "the clocks differ by 412 s"))
            }
            _ => Err(MechanismError::new(ErrorKind::DefectiveToken, "not the server's proof")),
        }
    }

    fn finish_without_token(self: Box<Self>) -> Result<Established, MechanismError> {
        match self.rule {
            MutualAuthentication::Required => {
                Err(MechanismError::new(ErrorKind::MissingToken, "the proof is missing"))
            }
            MutualAuthentication::Preferred | MutualAuthentication::Off => Ok(alice(false)),
        }
    }
}

/// A success with this token.
pub(super) fn proven(token: &[u8]) -> Response<()> {
    with(ok(), "www-authenticate", &format!("Negotiate {}", BASE64_STANDARD.encode(token)))
}

fn ambient(ambient: Ambient) -> Identity {
    Identity::Credentials(Credentials::ambient(ambient))
}

// requests-kerberos 95, httpx-ntlm 11: what holds for one request is repeated, and nothing else is
#[test]
fn each_request_of_a_login_that_holds_for_one_has_a_fresh_token_in_its_first_leg() {
    let tickets = Tickets::default();
    let mut connection = Connection::new(&using([tickets.scheme()]).build()).with_body();
    connection.begin().bare();
    assert_eq!(
        connection.receive(&unauthorized(&["Negotiate"])).leg(),
        ("Negotiate".into(), BodyUse::Carried)
    );
    let login = connection.receive(&proven(b"proof")).login();
    assert_eq!((login.legs, login.mutual, login.mechanism), (2, true, "Tickets"));
    for tokens in 2..5 {
        assert_eq!(connection.begin().leg(), ("Negotiate".into(), BodyUse::Carried));
        connection.receive(&proven(b"proof")).plain();
        assert_eq!(tickets.times(), tokens);
    }
    assert!(connection.handshake.is_reusable());
}

#[test]
fn a_known_origin_takes_one_leg() {
    let authenticator = using([Tickets::default().scheme()]).build();
    let mut first = Connection::new(&authenticator);
    first.begin().bare();
    first.receive(&unauthorized(&["Negotiate"])).leg();
    first.receive(&proven(b"proof")).login();
    let mut second = Connection::new(&authenticator);
    second.begin().leg();
    assert_eq!(second.receive(&proven(b"proof")).login().legs, 1);
}

#[test]
fn persistent_auth_spares_the_later_requests_their_tokens() {
    let tickets = Tickets::default();
    let mut connection = Connection::new(
        &using([tickets.scheme()]).declare(mail(), "Negotiate").expect("a known scheme").build(),
    );
    connection.begin().leg();
    connection.receive(&with(proven(b"proof"), "persistent-auth", "true")).login();
    for _ in 0..3 {
        connection.begin().bare();
        connection.receive(&ok()).plain();
    }
    assert_eq!(tickets.times(), 1);

    connection.begin().bare();
    connection.receive(&unauthorized(&["Negotiate"])).leg();
    assert_eq!(connection.receive(&proven(b"proof")).login().legs, 2, "the server forgot it: once more");
}

#[test]
fn a_connection_stays_with_who_logged_in_on_it() {
    let authenticator =
        using([Tickets::default().scheme()]).declare(mail(), "Negotiate").expect("a known scheme").build();
    let mut connection = Connection::new(&authenticator);
    connection.begin().leg();
    connection.receive(&proven(b"proof")).login();
    let mut connection = connection.acting_as(Identity::None);
    assert_eq!(connection.begin().renewal(), Renewal::OtherIdentity);
}

// curl's rule for SSPI
#[test]
fn the_systems_user_logs_in_for_each_request_unless_it_is_always_the_same() {
    for (user, tokens) in [
        (Ambient::new(), 3),
        (Ambient::new().cache("FILE:/tmp/cache"), 3),
        (Ambient::new().stable(), 1),
        (Ambient::new().principal("alice@LAB.TEST"), 1),
    ] {
        let tickets = Tickets::default();
        let authenticator =
            using([tickets.scheme()]).declare(mail(), "Negotiate").expect("a known scheme").build();
        let mut connection = Connection::new(&authenticator).acting_as(ambient(user));
        for _ in 0..3 {
            let _ = connection.begin();
            connection.receive(&with(proven(b"proof"), "persistent-auth", "true"));
        }
        assert_eq!(tickets.times(), tokens);
    }
}

// ambient single sign-on
#[test]
fn the_systems_credentials_go_to_the_listed_origins_after_those_of_the_caller() {
    let builder = || {
        builder()
            .ambient(Ambient::new(), "https://*.corp.example".parse().expect("patterns"))
            .credentials("https://mail.corp.example".parse().expect("an origin"), carol())
    };
    let found = |authenticator: &Authenticator, origin: &str| {
        let origin = origin.parse().expect("an origin");
        let query = CredentialsQuery::new(Challenger::Origin, &origin, "Negotiate", None);
        let mut answer = authenticator.provider().expect("a provider").credentials(query);
        match answer.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(found) => found.expect("no error"),
            Poll::Pending => panic!("nothing is waited for"),
        }
    };
    let system = Some(Credentials::ambient(Ambient::new()));
    let authenticator = builder().build();
    assert_eq!(found(&authenticator, "https://wiki.corp.example"), system);
    assert_eq!(found(&authenticator, "https://mail.corp.example"), Some(carol()));
    for other in ["http://wiki.corp.example", "https://corp.example.evil.test", "https://elsewhere.test"] {
        assert_eq!(found(&authenticator, other), None, "{other}");
    }
    assert!(super::authenticator().provider().is_none(), "nothing by default");
}

#[test]
fn only_a_mechanism_of_the_system_takes_the_systems_credentials() {
    let mut connection = Connection::new(&authenticator()).acting_as(ambient(Ambient::new()));
    connection.begin().bare();
    let offer = unauthorized(&["Negotiate", "NTLM", "Basic realm=x"]);
    let tried = connection.receive(&offer).tried();
    let none = |name: &str| (name.to_owned(), Why::NoCredentials);
    assert_eq!(tried, [none("Negotiate"), none("NTLM"), none("Basic")]);
}

#[test]
fn a_refused_ticket_locks_nobody_out_and_is_tried_again() {
    let tickets = Tickets::default();
    let authenticator = using([tickets.scheme()]).build();
    for times in 1..3 {
        let mut connection = Connection::new(&authenticator).acting_as(ambient(Ambient::new()));
        let mut said = connection.begin();
        while let Said::Send(..) = said {
            said = connection.receive(&unauthorized(&["Negotiate"]));
        }
        assert_eq!(said.tried(), [("Negotiate".into(), Why::Denied)], "the KDC has granted it");
        assert_eq!(tickets.times(), times);
        assert!(connection.handshake.is_reusable(), "the ticket was the request's");
    }
}

#[test]
fn a_service_that_takes_no_ticket_says_nothing_about_the_password() {
    let tickets = Tickets::default();
    let authenticator = using([tickets.scheme(), basic()]).build();
    for _ in 0..5 {
        let mut connection = Connection::new(&authenticator);
        let mut said = connection.begin();
        while let Said::Send(..) = said {
            said = connection.receive(&unauthorized(&["Negotiate"]));
        }
        assert_eq!(said.tried(), [("Negotiate".into(), Why::Denied)]);
    }
    // Elsewhere it is used as before.
    let other = "https://other.example".parse().expect("an origin");
    let mut connection = Connection::to(&authenticator, Challenger::Origin, other);
    connection.begin().bare();
    connection.receive(&unauthorized(&["Basic realm=x"])).leg();
    connection.receive(&ok()).login();
}

// Apache HttpClient CVE-2026-40542, AsyncHttpClient 2235
#[test]
fn the_final_token_is_looked_at_as_the_rule_says() {
    use MutualAuthentication::{Off, Preferred, Required};
    let answers = [("right", proven(b"proof")), ("wrong", proven(b"forged")), ("none", ok())];
    for (rule, delivered) in
        [(Off, [true, true, true]), (Preferred, [true, false, true]), (Required, [true, false, false])]
    {
        for ((name, answer), delivered) in answers.iter().zip(delivered) {
            let authenticator = using([Tickets::default().scheme()])
                .declare(mail(), "Negotiate")
                .expect("a known scheme")
                .mutual_authentication(rule)
                .build();
            let mut connection = Connection::new(&authenticator);
            connection.begin().leg();
            let said = connection.receive(answer);
            if delivered {
                assert_eq!(said.login().mutual, rule != Off && *name == "right", "{rule:?} {name}");
            } else {
                assert!(matches!(said.error(), HandshakeError::FinalToken(_)), "{rule:?} {name}");
                assert!(!connection.handshake.is_reusable());
            }
        }
    }
}

// dotnet 51701
#[test]
fn where_the_server_must_prove_itself_no_scheme_is_used_that_cannot_make_it() {
    let schemes = [Tickets::default().scheme(), negotiate(), ntlm(), basic()];
    let authenticator = using(schemes).mutual_authentication(MutualAuthentication::Required).build();
    let mut connection = Connection::new(&authenticator);
    connection.begin().bare();
    let barred = |name: &str| (name.to_owned(), Why::NoMutualAuthentication);
    let tried = connection.receive(&unauthorized(&["NTLM", "Basic realm=x"])).tried();
    assert_eq!(tried, [barred("NTLM"), barred("Basic")]);

    let mut connection = Connection::new(&authenticator);
    connection.begin().bare();
    connection.receive(&unauthorized(&["NTLM", "Negotiate"])).leg();
    assert!(connection.receive(&proven(b"proof")).login().mutual);
}

// curl 876/1384, dotnet 119298
#[test]
fn without_a_ticket_the_next_scheme_is_tried_and_the_reason_is_kept() {
    let tickets = Tickets::default();
    tickets.refuse(ErrorKind::Credentials, "no ticket: run kinit");
    let authenticator =
        || using([tickets.scheme(), ntlm()]).declare(mail(), "Negotiate").expect("a known scheme").build();
    let mut connection = Connection::new(&authenticator());
    let mut server = Server::ntlm().listing(&["Negotiate"]);
    assert_eq!(connection.converse(&mut server).login().scheme, "NTLM");
    assert_eq!(tickets.times(), 1, "once for the request, though it would have spoken first");

    let mut connection = Connection::new(&authenticator());
    let mut said = connection.begin();
    while let Said::Send(..) = said {
        said = connection.receive(&unauthorized(&["Negotiate"]));
    }
    let tried = said.tried();
    assert!(
        matches!(&tried[0], (scheme, Why::CannotStart(why)) if scheme == "Negotiate" && why.contains("run kinit")),
        "{tried:?}"
    );
}

#[test]
fn a_password_that_the_kdc_refuses_is_tried_nowhere_else() {
    for declared in [false, true] {
        let tickets = Tickets::default();
        tickets.refuse(ErrorKind::WrongPassword, "the KDC refuses the password");
        let mut authenticator = using([tickets.scheme(), ntlm()]);
        if declared {
            authenticator = authenticator.declare(mail(), "Negotiate").expect("a known scheme");
        }
        let authenticator = authenticator.build();
        for round in 0..3 {
            let mut connection = Connection::new(&authenticator);
            connection.begin().bare();
            let tried = connection.receive(&unauthorized(&["Negotiate", "NTLM"])).tried();
            let [(first, why), (second, Why::RefusedBefore)] = &tried[..] else { panic!("{tried:?}") };
            assert_eq!((first.as_str(), second.as_str()), ("Negotiate", "NTLM"));
            match why {
                Why::Refused(Some(words)) if round == 0 => {
                    assert!(words.contains("the KDC refuses"), "{words}")
                }
                why => assert_eq!((round > 0, why), (true, &Why::RefusedBefore)),
            }
        }
        assert_eq!(tickets.times(), 1, "declared: {declared}");
    }
}

#[test]
fn each_word_of_a_kdc_about_the_account_is_the_last_of_the_request() {
    for kind in [ErrorKind::WrongPassword, ErrorKind::UnknownUser, ErrorKind::AccountLocked] {
        let tickets = Tickets::default();
        tickets.refuse(kind, "the KDC's word");
        let mut connection = Connection::new(&using([tickets.scheme(), ntlm()]).build());
        connection.begin().bare();
        let tried = connection.receive(&unauthorized(&["Negotiate", "NTLM"])).tried();
        assert!(
            matches!(&tried[..], [(_, Why::Refused(Some(_))), (_, Why::RefusedBefore)]),
            "{kind:?}: {tried:?}"
        );
    }
    let tickets = Tickets::default();
    tickets.refuse(ErrorKind::Unavailable, "no KDC has answered");
    let mut connection = Connection::new(&using([tickets.scheme(), ntlm()]).build());
    connection.begin().bare();
    assert_eq!(connection.receive(&unauthorized(&["Negotiate", "NTLM"])).leg().0, "NTLM");
}

// A KRB-ERROR in a 401
#[test]
fn the_servers_error_token_is_explained_and_says_nothing_about_the_password() {
    let tickets = Tickets::default();
    let authenticator =
        using([tickets.scheme()]).declare(mail(), "Negotiate").expect("a known scheme").build();
    for attempt in 1..4 {
        let mut connection = Connection::new(&authenticator);
        connection.begin().leg();
        let error = unauthorized(&[&format!("Negotiate {}", BASE64_STANDARD.encode(b"skewed"))]);
        let tried = connection.receive(&error).tried();
        assert!(
            matches!(&tried[..], [(_, Why::Refused(Some(why)))] if why == "the clocks differ by 412 s"),
            "{tried:?}"
        );
        assert_eq!(tickets.times(), attempt, "once in each request, and again in the next");
    }
}

// dotnet 51980, 36644; corefx 33426; curl CVE-2011-2192
#[test]
fn the_target_is_the_uris_host_and_nothing_is_delegated_unless_it_is_asked_for() {
    type Options = fn(AuthenticatorBuilder) -> AuthenticatorBuilder;
    fn origin(text: &str) -> Origin {
        text.parse().expect("an origin")
    }
    let asked = |options: Options, to: &str| {
        let tickets = Tickets::default();
        let authenticator = options(using([tickets.scheme()]))
            .declare(origin(to), "Negotiate")
            .expect("a known scheme")
            .build();
        Connection::to(&authenticator, Challenger::Origin, origin(to)).begin().leg();
        let asked = tickets.asked().remove(0);
        (asked.target_name.to_string(), asked.delegation)
    };
    let default: Options = |builder| builder;
    let with_port: Options = |builder| builder.target_name_with_port(true);
    let set: Options = |builder| {
        builder
            .target_name(origin("https://mail.example"), "HTTP/cluster.example@CORP.EXAMPLE")
            .delegation(origin("https://mail.example"), Delegation::ByPolicy)
    };
    for (options, to, name, delegation) in [
        (default, "https://Mail.Example:8443", "HTTP/mail.example", Delegation::Off),
        (default, "http://192.0.2.1", "HTTP/192.0.2.1", Delegation::Off),
        (with_port, "https://mail.example:8443", "HTTP/mail.example:8443", Delegation::Off),
        (with_port, "https://mail.example", "HTTP/mail.example", Delegation::Off),
        (set, "https://mail.example", "HTTP/cluster.example@CORP.EXAMPLE", Delegation::ByPolicy),
        (set, "https://mail.example:8443", "HTTP/mail.example", Delegation::Off),
    ] {
        assert_eq!(asked(options, to), (name.to_owned(), delegation), "{to}");
    }
}

#[test]
fn a_password_that_was_good_and_is_refused_by_the_kdc_rests_after_the_second_time() {
    let tickets = Tickets::default();
    let authenticator =
        using([tickets.scheme()]).declare(mail(), "Negotiate").expect("a known scheme").build();
    let mut connection = Connection::new(&authenticator);
    connection.begin().leg();
    connection.receive(&proven(b"proof")).login();
    tickets.refuse(ErrorKind::WrongPassword, "the KDC refused the password");
    for _ in 0..4 {
        let mut connection = Connection::new(&authenticator);
        connection.begin().bare();
        connection.receive(&unauthorized(&["Negotiate"])).refusal();
    }
    assert_eq!(tickets.times(), 3, "once before, and twice after it was changed");
}

#[test]
fn a_login_by_a_ticket_of_earlier_proves_no_password_of_today() {
    let tickets = Tickets::default();
    tickets.keep();
    let authenticator = using([tickets.scheme(), basic()]).build();
    let other: Origin = "https://other.example".parse().expect("an origin");
    // Refused elsewhere, where it was accepted before.
    let mut there = Connection::to(&authenticator, Challenger::Origin, other.clone());
    there.begin().bare();
    there.receive(&unauthorized(&["Basic realm=x"])).leg();
    there.receive(&ok()).login();
    for refused in 1..4 {
        let mut there = Connection::to(&authenticator, Challenger::Origin, other.clone());
        let mut said = there.begin();
        let mut sent = 0;
        while let Said::Send(value, _) = said {
            sent += usize::from(value.is_some());
            said = there.receive(&unauthorized(&["Basic realm=x"]));
        }
        assert_eq!(sent, usize::from(refused < 3), "twice, and then it rests");
        // Logins by the ticket go on meanwhile.
        let mut here = Connection::new(&authenticator);
        if let Said::Send(None, _) = here.begin() {
            let said = here.receive(&unauthorized(&["Negotiate"]));
            if let Said::Deliver(_) = said {
                continue;
            }
        }
        here.receive(&proven(b"proof")).login();
    }
}

#[test]
fn a_login_by_a_ticket_of_earlier_leaves_a_password_unproven() {
    for (keeps, attempts) in [(false, 3), (true, 1)] {
        let tickets = Tickets::default();
        if keeps {
            tickets.keep();
        }
        let authenticator = using([tickets.scheme(), basic()]).build();
        let mut here = Connection::new(&authenticator);
        here.begin().bare();
        here.receive(&unauthorized(&["Negotiate"])).leg();
        here.receive(&proven(b"proof")).login();
        let other: Origin = "https://other.example".parse().expect("an origin");
        let mut sent = 0;
        for _ in 0..9 {
            let mut there = Connection::to(&authenticator, Challenger::Origin, other.clone());
            there.begin().bare();
            if let Said::Send(..) = there.receive(&unauthorized(&["Basic realm=x"])) {
                sent += 1;
                there.receive(&unauthorized(&["Basic realm=x"])).refusal();
            }
        }
        assert_eq!(sent, attempts, "one that was proven is not barred by a refusal elsewhere");
    }
}

#[test]
fn a_403_to_a_ticket_is_the_resources() {
    let mut connection = Connection::new(&using([Tickets::default().scheme()]).build());
    connection.begin().bare();
    connection.receive(&unauthorized(&["Negotiate"])).leg();
    assert_eq!(connection.receive(&status(403)).login().mechanism, "Tickets");
}

/// A mechanism of the system's that reaches no KDC: its first token shows nothing of the password.
#[derive(Debug)]
struct Away;

impl Mechanism for Away {
    fn name(&self) -> &'static str {
        "Away"
    }

    fn oid(&self) -> &'static [u8] {
        &[1]
    }

    fn may_block(&self) -> bool {
        true
    }

    fn initiate(&self, _: Initiate, _: Moment) -> Box<dyn SecurityContext> {
        Box::new(Self)
    }
}

impl SecurityContext for Away {
    fn step(self: Box<Self>, _: Option<&[u8]>) -> Result<Step, MechanismError> {
        let (expects, proves) = (Expects::Challenge, Proves::Nothing);
        Ok(Step::Continue { token: b"hello".to_vec(), context: self, expects, proves })
    }
}

#[test]
fn a_password_that_no_kdc_was_there_for_was_shown_to_nobody() {
    let authenticator = using([Arc::new(Negotiate::new(Away)) as Arc<dyn Scheme>]).build();
    for _ in 0..4 {
        let mut connection = Connection::new(&authenticator);
        if let Said::Send(None, _) = connection.begin() {
            connection.receive(&unauthorized(&["Negotiate"])).leg();
        }
        connection.handshake.lose_connection(std::time::Instant::now());
    }
}

#[test]
fn a_step_that_is_given_up_may_have_shown_the_password_to_a_kdc() {
    let authenticator = using([Arc::new(Negotiate::new(Away)) as Arc<dyn Scheme>]).build();
    let challenge = unauthorized(&["Negotiate"]);
    for _ in 0..2 {
        let mut connection = Connection::new(&authenticator);
        connection.begin().bare();
        connection.drive(|handshake, request| {
            let action = handshake.receive(ResponseHead::of(&challenge), request);
            assert!(matches!(action, Action::Step(_)), "{action:?}");
            Action::Deliver(None)
        });
        authenticator.memory(Challenger::Origin, &mail()).forget("Negotiate", None);
    }
    let mut connection = Connection::new(&authenticator);
    connection.begin().bare();
    assert!(matches!(connection.receive(&challenge).tried()[..], [(_, Why::Paused(_))]));
}
