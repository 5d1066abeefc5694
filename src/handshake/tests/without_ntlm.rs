//! NTLM is shut out: it is in no token, whichever way it was set, and errors say what is left.

use super::tickets::Tickets;
use super::*;
use crate::mechanism::spnego::Spnego;
use crate::mechanism::spnego::token::{NegState, NegTokenResp};
use crate::mechanism::{ErrorKind, Mechanism};

/// The token of a leg.
#[track_caller]
fn token(said: Said) -> Vec<u8> {
    let Said::Send(Some(value), _) = said else { panic!("{said:?}") };
    let (_, token) = value.to_str().expect("ASCII").split_once(' ').expect("a token");
    BASE64_STANDARD.decode(token).expect("base64")
}

fn has(token: &[u8], part: &[u8]) -> bool {
    token.windows(part.len()).any(|window| window == part)
}

fn spnego(mechanisms: Vec<Arc<dyn Mechanism>>) -> Arc<dyn Scheme> {
    Arc::new(Negotiate::new(Spnego::new(mechanisms)))
}

/// All ways in which NTLM comes in, with nothing beside it.
fn by_each_way() -> Vec<AuthenticatorBuilder> {
    let only_ntlm = || spnego(vec![Arc::new(Ntlm::new())]);
    let nested: Arc<dyn Mechanism> = Arc::new(Spnego::new(vec![Arc::new(Ntlm::new())]));
    let none: [Arc<dyn Scheme>; 0] = [];
    vec![
        using([ntlm(), only_ntlm()]).without_ntlm(),
        using(none).without_ntlm().schemes([ntlm(), only_ntlm()]),
        using([ntlm(), spnego(vec![nested])]).without_ntlm(),
        using([ntlm(), Arc::new(Negotiate::new(Ntlm::new())) as _]).without_ntlm(),
        using([]).without_ntlm().ntlm(NtlmScheme::default()).negotiate(Negotiate::ntlm()),
        using([ntlm(), only_ntlm()]).declare(mail(), "NTLM").expect("a scheme").without_ntlm(),
        using([ntlm(), only_ntlm()]).declare(mail(), "Negotiate").expect("a scheme").without_ntlm(),
    ]
}

#[test]
fn nothing_of_ntlm_is_left_whichever_way_it_was_set() {
    for (way, builder) in by_each_way().into_iter().enumerate() {
        let authenticator = builder.build();
        let mut connection = Connection::new(&authenticator);
        connection.begin().bare();
        let tried = connection.receive(&unauthorized(&["Negotiate", "NTLM"])).tried();
        let shut_out = Why::NtlmShutOut { left: Vec::new() };
        assert_eq!(
            tried,
            [("Negotiate".to_owned(), shut_out.clone()), ("NTLM".to_owned(), shut_out)],
            "way {way}"
        );
    }
}

#[test]
fn it_is_shut_out_at_proxies_too() {
    for builder in [using([ntlm()]), using([basic()]).proxy_schemes([ntlm()])] {
        let authenticator = builder.without_ntlm().build();
        let mut connection = Connection::to(&authenticator, Challenger::Proxy, plain_mail());
        connection.begin().bare();
        let tried = connection.receive(&challenged_by(Challenger::Proxy, &["NTLM"])).tried();
        assert_eq!(tried, [("NTLM".to_owned(), Why::NtlmShutOut { left: Vec::new() })]);
    }
}

#[test]
fn what_is_left_is_said_and_used() {
    let authenticator = using([ntlm(), basic()]).without_ntlm().build();
    let mut connection = Connection::new(&authenticator);
    connection.begin().bare();
    let refusal = connection.receive(&unauthorized(&["NTLM"])).refusal();
    assert!(!refusal.is_refusal());
    assert_eq!(
        refusal.to_string(),
        "did not log in at https://mail.example: NTLM: needs NTLM, which is shut out \
         (AuthenticatorBuilder::without_ntlm); what is left is Basic",
    );
    let mut connection = Connection::new(&authenticator);
    connection.begin().bare();
    assert_eq!(connection.receive(&unauthorized(&["NTLM", "Basic realm=\"x\""])).leg().0, "Basic");
}

#[test]
fn inside_negotiate_it_is_neither_offered_nor_taken() {
    let mechanisms =
        || -> Vec<Arc<dyn Mechanism>> { vec![Arc::new(Tickets::default()), Arc::new(Ntlm::new())] };
    let offers = |builder: AuthenticatorBuilder| {
        let mut connection = Connection::new(&builder.build());
        connection.begin().bare();
        let token = token(connection.receive(&unauthorized(&["Negotiate"])));
        (connection, token)
    };
    let (_, with) = offers(using([spnego(mechanisms())]));
    assert!(has(&with, oid::NTLM), "it is in the list");
    let (mut connection, without) = offers(using([spnego(mechanisms())]).without_ntlm());
    assert!(!has(&without, oid::NTLM) && !has(&without, b"NTLMSSP"));

    // The server picks it all the same.
    let pick = NegTokenResp {
        state: Some(NegState::RequestMic),
        supported_mech: Some(oid::NTLM),
        ..NegTokenResp::default()
    };
    let line = format!("Negotiate {}", BASE64_STANDARD.encode(pick.encode()));
    let said = format!("{:?}", connection.receive(&unauthorized(&[&line])));
    assert!(said.contains("was not offered"), "{said}");
}

#[test]
fn a_mechanism_that_cannot_start_is_named_with_what_is_shut_out() {
    let tickets = Tickets::default();
    tickets.refuse(ErrorKind::Credentials, "no ticket");
    let authenticator =
        using([spnego(vec![Arc::new(tickets), Arc::new(Ntlm::new())])]).without_ntlm().build();
    let mut connection = Connection::new(&authenticator);
    connection.begin().bare();
    let tried = connection.receive(&unauthorized(&["Negotiate"])).tried();
    let words =
        "no mechanism can start: Tickets: no ticket; NTLM: shut out (AuthenticatorBuilder::without_ntlm)";
    assert_eq!(tried, [("Negotiate".to_owned(), Why::CannotStart(words.to_owned()))]);
}

/// With the system's library, Kerberos takes NTLM's place in what is set by default.
#[test]
#[cfg(all(unix, feature = "gssapi"))]
fn the_default_negotiate_is_kerberos_then() {
    let carol = || Identity::Credentials(Credentials::password("LAB\\carol", "carol-pw"));
    let mut connection = Connection::new(&Authenticator::builder().without_ntlm().build()).acting_as(carol());
    connection.begin().bare();
    let tried = connection.receive(&unauthorized(&["Negotiate", "NTLM"])).tried();
    // It asks nobody: a domain of one label is no realm; or there is no library.
    let Some((_, Why::CannotStart(words))) = tried.iter().find(|(name, _)| name == "Negotiate") else {
        panic!("{tried:?}")
    };
    assert!(words.contains("Kerberos: "), "{words}");
    let left = vec!["Bearer", "Negotiate", "SCRAM-SHA-256", "Digest", "Basic"];
    assert!(tried.contains(&("NTLM".to_owned(), Why::NtlmShutOut { left })), "{tried:?}");
}

/// Passes everything on but that NTLM is shut out.
#[derive(Debug)]
struct Wrapped(Negotiate);

impl Scheme for Wrapped {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn binding(&self) -> Binding {
        self.0.binding()
    }

    fn needs_parameters(&self) -> bool {
        self.0.needs_parameters()
    }

    fn begin(&self, arguments: Initiate, knowledge: &Knowledge) -> Box<dyn Exchange> {
        self.0.begin(arguments, knowledge)
    }
}

#[test]
fn a_scheme_that_hides_it_does_not_send_it() {
    let authenticator = using([Arc::new(Wrapped(Negotiate::ntlm())) as _]).without_ntlm().build();
    let mut connection = Connection::new(&authenticator).by_get();
    connection.begin().bare();
    let refusal = connection.receive(&unauthorized(&["Negotiate"])).refusal();
    let Why::CannotStart(words) = &refusal.tried[0].why else { panic!("{refusal:?}") };
    assert!(words.contains("shut out"), "{words}");
}
