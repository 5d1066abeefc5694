//! Kerberos and IAKERB over HTTP, as the server takes them.

use std::sync::Arc;
use std::time::SystemTime;

use super::client::{Answer, Client, Handshake};
use super::kdc::{begun, lab, moment};
use crate::authorization::Authorization;
use crate::channel_bindings::ChannelBindings;
use crate::mechanism::kerberos::exchange::{
    Application, Carried, GrantedTicket, Next, Policy, Shown, TicketGranting,
};
use crate::mechanism::kerberos::gss::iakerb::IakerbHeader;
use crate::mechanism::kerberos::gss::{Token, flags};
use crate::mechanism::kerberos::messages::PrincipalName;
use crate::mechanism::spnego::token::{NegState, NegTokenResp, mech_type_list, neg_token_init};
use crate::mechanism::{MechanismError, MessageIntegrity, explain_krb_error, oid};
use crate::protection_space::Challenger;
use crate::testing::kerberos::KdcFault;
use crate::testing::persistence::Persistence;
use crate::testing::{Accept, Acceptor, Kdc, KerberosService, Offer, Quirk, Server, Verdict};

const REALM: &str = "LAB.TEST";

fn lab_service() -> (Kdc, KerberosService) {
    let kdc = lab().build();
    let service = kdc.service("HTTP/www.lab.test");
    (kdc, service)
}

async fn started(offer: Offer) -> Server {
    Server::builder().offer(offer).start().await.expect("a loopback port")
}

fn negotiate(token: &[u8]) -> Authorization {
    Authorization::token68("Negotiate", token)
}

/// What one side of a login by IAKERB says, through whatever is around it.
enum Envelope {
    Bare,
    Spnego { has_begun: bool },
}

impl Envelope {
    fn wrap(&mut self, token: &[u8]) -> Vec<u8> {
        match self {
            Self::Bare => token.to_vec(),
            Self::Spnego { has_begun } if *has_begun => {
                NegTokenResp { response_token: Some(token), ..NegTokenResp::default() }.encode()
            }
            Self::Spnego { has_begun } => {
                *has_begun = true;
                neg_token_init(&mech_type_list([oid::IAKERB].into_iter()), Some(token))
            }
        }
    }

    fn unwrap(&self, token: &[u8]) -> Vec<u8> {
        match self {
            Self::Bare => token.to_vec(),
            Self::Spnego { .. } => {
                let token = NegTokenResp::decode(token).expect("a NegTokenResp").response_token;
                token.expect("a token").to_vec()
            }
        }
    }
}

/// A client that has a name and a password, and no KDC in reach.
struct Relayed<'a> {
    client: &'a mut Client,
    envelope: Envelope,
    tokens: Vec<u8>,
}

impl<'a> Relayed<'a> {
    fn over(client: &'a mut Client, envelope: Envelope) -> Self {
        Self { client, envelope, tokens: Vec::new() }
    }

    /// What the KDC behind the server answers.
    async fn ask(&mut self, request: &[u8]) -> Vec<u8> {
        let header = IakerbHeader { target_realm: REALM.to_owned(), cookie: None };
        let token = header.token(request);
        let answer = self.client.get_with(negotiate(&self.envelope.wrap(&token))).await;
        assert_eq!(answer.status, 401, "{:?}", answer.headers);
        let answer = self.envelope.unwrap(&answer.token(Challenger::Origin).expect("a token"));
        self.tokens.extend_from_slice(&token);
        self.tokens.extend_from_slice(&answer);
        let answer = Token::decode(&answer).expect("a token");
        IakerbHeader::split(answer.message).expect("a header").1.to_vec()
    }

    async fn ticket(&mut self, password: &str) -> Result<GrantedTicket, MechanismError> {
        let (mut request, mut exchange) = begun("alice", password, &Policy::default());
        let first = loop {
            let answer = self.ask(&request.message).await;
            match exchange.answer(&answer, SystemTime::now())? {
                Next::Send { request: next, exchange: rest } => (request, exchange) = (next, rest),
                Next::Granted(first) => break first.ticket,
            }
        };
        let service = PrincipalName::service("HTTP", "www.lab.test");
        let (request, exchange) =
            TicketGranting::begin(Arc::new(first), service, Policy::default(), &moment())?;
        match exchange.answer(&self.ask(&request.message).await)? {
            Next::Granted(ticket) => Ok(ticket),
            Next::Send { .. } => panic!("a ticket"),
        }
    }

    /// Shows the ticket; the server has to prove that it has read it.
    async fn show(&mut self, ticket: &Arc<GrantedTicket>) -> Answer {
        let (token, exchange) = show(ticket, Carried::Iakerb(&self.tokens), None);
        let answer = self.client.get_with(negotiate(&self.envelope.wrap(&token))).await;
        assert_eq!(answer.status, 200, "{:?}", answer.headers);
        let reply = self.envelope.unwrap(&answer.token(Challenger::Origin).expect("a token"));
        exchange.answer(&reply, SystemTime::now()).expect("the service's");
        answer
    }
}

fn show(
    ticket: &Arc<GrantedTicket>,
    carried: Carried<'_>,
    channel_bindings: Option<&ChannelBindings>,
) -> (Vec<u8>, Application) {
    let shown = Shown { flags: flags::MUTUAL | flags::INTEG, channel_bindings, carried };
    Application::begin(Arc::clone(ticket), &shown, &moment())
}

/// A ticket, however it was got.
async fn ticket(service: &KerberosService) -> Arc<GrantedTicket> {
    let server = started(Offer::iakerb(service)).await;
    let mut client = Client::connect(&server).await;
    let ticket = Relayed::over(&mut client, Envelope::Bare).ticket("alice-pw").await;
    Arc::new(ticket.expect("a ticket"))
}

fn kinds(server: &Server) -> Vec<String> {
    let report = server.report();
    report.legs().flat_map(|leg| &leg.authorization).map(|seen| seen.token.to_string()).collect()
}

#[tokio::test]
async fn a_ticket_logs_one_request_in_unless_the_connection_is_kept() {
    let (_kdc, service) = lab_service();
    let ticket = ticket(&service).await;
    for (service, served, says) in [
        (service.clone(), 401, None),
        (service.clone().persistence(None), 200, None),
        (service.clone().persistence(Some(Persistence::Announced)), 200, Some("true")),
    ] {
        let server = started(Offer::kerberos(&service)).await;
        let mut client = Client::connect(&server).await;
        let (token, exchange) = show(&ticket, Carried::Kerberos, None);
        let answer = client.get_with(negotiate(&token)).await;
        assert_eq!((answer.status, answer.field("x-user")), (200, Some("alice@LAB.TEST")));
        assert_eq!(answer.field("persistent-auth"), says);
        let reply = answer.token(Challenger::Origin).expect("an AP-REP");
        exchange.answer(&reply, SystemTime::now()).expect("the service's");
        assert_eq!(client.get("/").await.status, served);
        assert_eq!(kinds(&server), ["Kerberos AP-REQ"]);
        assert_eq!((server.report().attempts(), server.report().handshakes()), (0, 1));
        // It was here before, on whichever connection.
        let again = Client::connect(&server).await.get_with(negotiate(&token)).await;
        let refusal = again.token(Challenger::Origin).expect("a KRB-ERROR");
        let words = explain_krb_error(&refusal, SystemTime::now()).expect("a KRB-ERROR");
        assert!(again.status == 401 && words.contains("replay"), "{words}");
    }
}

#[tokio::test]
async fn a_script_says_how_long_a_login_holds() {
    let (_kdc, service) = lab_service();
    let ticket = ticket(&service).await;
    let server = Server::builder()
        .offer(Offer::kerberos(&service))
        .quirk(Quirk::Persistence(Persistence::Denied))
        .start()
        .await
        .expect("a port");
    let mut client = Client::connect(&server).await;
    let answer = client.get_with(negotiate(&show(&ticket, Carried::Kerberos, None).0)).await;
    assert_eq!((answer.status, answer.field("persistent-auth")), (200, Some("false")));
}

#[tokio::test]
async fn kerberos_is_picked_inside_spnego_and_its_list_signed_where_it_is_not_first() {
    let (_kdc, service) = lab_service();
    let ticket = ticket(&service).await;
    let server = started(Offer::kerberos_and_iakerb(&service)).await;
    let mut client = Client::connect(&server).await;
    let list = mech_type_list([oid::KERBEROS, oid::NTLM].into_iter());
    let (token, exchange) = show(&ticket, Carried::Kerberos, None);
    let answer = client.get_with(negotiate(&neg_token_init(&list, Some(&token)))).await;
    assert_eq!(answer.status, 200);
    let reply = answer.token(Challenger::Origin).expect("a token");
    let reply = NegTokenResp::decode(&reply).expect("a NegTokenResp");
    assert_eq!((reply.state, reply.supported_mech), (Some(NegState::AcceptCompleted), Some(oid::KERBEROS)));
    exchange.answer(reply.response_token.expect("an AP-REP"), SystemTime::now()).expect("the service's");

    // NTLM is not to be had: Kerberos, with the list signed in both directions.
    let list = mech_type_list([oid::NTLM, oid::KERBEROS].into_iter());
    let answer = client.get_with(negotiate(&neg_token_init(&list, Some(b"NTLMSSP")))).await;
    let picked = answer.token(Challenger::Origin).expect("a token");
    let picked = NegTokenResp::decode(&picked).expect("a NegTokenResp");
    assert_eq!((picked.state, picked.supported_mech), (Some(NegState::RequestMic), Some(oid::KERBEROS)));
    let (token, exchange) = show(&ticket, Carried::Kerberos, None);
    let resp = NegTokenResp { response_token: Some(&token), ..NegTokenResp::default() };
    let answer = client.get_with(negotiate(&resp.encode())).await;
    assert_eq!(answer.status, 401);
    let reply = answer.token(Challenger::Origin).expect("a token");
    let reply = NegTokenResp::decode(&reply).expect("a NegTokenResp");
    let mut mics =
        exchange.answer(reply.response_token.expect("an AP-REP"), SystemTime::now()).expect("the service's");
    assert_eq!(mics.verify(&list, reply.mech_list_mic.expect("a MIC")), Ok(()));
    let mic = mics.mic(&list).expect("a MIC");
    let resp = NegTokenResp { mech_list_mic: Some(&mic), ..NegTokenResp::default() };
    let answer = client.get_with(negotiate(&resp.encode())).await;
    assert_eq!((answer.status, answer.field("x-user")), (200, Some("alice@LAB.TEST")));
    assert_eq!(
        kinds(&server),
        [
            "NegTokenInit with Kerberos AP-REQ",
            "NegTokenInit",
            "NegTokenResp with Kerberos AP-REQ",
            "NegTokenResp"
        ]
    );
}

#[tokio::test]
async fn a_password_logs_a_connection_in_by_iakerb_in_four_tokens() {
    for (offer, envelope, first) in [
        (Offer::iakerb as fn(&KerberosService) -> Offer, Envelope::Bare, ""),
        (Offer::kerberos_and_iakerb, Envelope::Bare, ""),
        (Offer::kerberos_and_iakerb, Envelope::Spnego { has_begun: false }, "NegTokenInit with "),
    ] {
        let (kdc, service) = lab_service();
        let server = started(offer(&service)).await;
        let mut client = Client::connect(&server).await;
        let mut login = Relayed::over(&mut client, envelope);
        let ticket = Arc::new(login.ticket("alice-pw").await.expect("a ticket"));
        let answer = login.show(&ticket).await;
        assert_eq!((answer.field("x-user"), answer.field("persistent-auth")), (Some("alice@LAB.TEST"), None));
        assert_eq!(client.get("/again").await.status, 200, "the connection is logged in");
        let later = if first.is_empty() { "" } else { "NegTokenResp with " };
        assert_eq!(
            kinds(&server),
            [
                format!("{first}IAKERB request"),
                format!("{later}IAKERB request with a timestamp"),
                format!("{later}IAKERB request"),
                format!("{later}IAKERB AP-REQ")
            ]
        );
        let (report, at_kdc) = (server.report(), kdc.report());
        assert_eq!((report.attempts(), report.handshakes(), report.misplaced()), (1, 1, 0), "{report}");
        assert_eq!((at_kdc.relayed, at_kdc.packets(), at_kdc.as_tickets, at_kdc.tgs_tickets), (3, 0, 1, 1));

        // A further connection, with the ticket.
        let mut client = Client::connect(&server).await;
        Relayed::over(&mut client, Envelope::Bare).show(&ticket).await;
        assert_eq!(kdc.report().relayed, 3);
    }
}

#[tokio::test]
async fn a_wrong_password_by_iakerb_is_one_attempt() {
    let (kdc, service) = lab_service();
    let server = started(Offer::iakerb(&service)).await;
    let mut client = Client::connect(&server).await;
    let refused = Relayed::over(&mut client, Envelope::Bare).ticket("bob-pw").await;
    assert!(refused.expect_err("no ticket").to_string().contains("refused the password"));
    assert_eq!((server.report().attempts(), kdc.report().failures("alice")), (1, 1));
    // The same connection takes the right one, in a login of its own.
    client.get("/").await;
    let mut login = Relayed::over(&mut client, Envelope::Bare);
    let ticket = Arc::new(login.ticket("alice-pw").await.expect("a ticket"));
    login.show(&ticket).await;
    assert_eq!(server.report().attempts(), 2);
    assert_eq!(kdc.report().failures("alice"), 1);
}

#[tokio::test]
async fn a_kdc_that_the_server_does_not_reach_is_told_by_its_number() {
    let kdc = lab().fault(KdcFault::Silent).build();
    let server = started(Offer::iakerb(&kdc.service("HTTP/www.lab.test"))).await;
    let mut client = Client::connect(&server).await;
    let error = Relayed::over(&mut client, Envelope::Bare).ticket("alice-pw").await.expect_err("no ticket");
    assert!(error.to_string().contains("and no KDC for the realm of"), "{error}");
    kdc.set_fault(Some(KdcFault::Garbage));
    let error = Relayed::over(&mut client, Envelope::Bare).ticket("alice-pw").await.expect_err("no ticket");
    assert!(error.to_string().contains("unusable"), "{error}");
    assert_eq!(kdc.report().as_requests, 0);
}

#[tokio::test]
async fn bare_iakerb_answers_spnego_by_a_bare_challenge_and_keeps_the_connection() {
    let (_kdc, service) = lab_service();
    let server = started(Offer::iakerb(&service)).await;
    let mut client = Client::connect(&server).await;
    let list = mech_type_list([oid::IAKERB].into_iter());
    for token in [neg_token_init(&list, Some(b"token")), neg_token_init(&list, None), b"NTLMSSP\0".to_vec()] {
        let answer = client.get_with(negotiate(&token)).await;
        assert_eq!((answer.status, answer.challenges()), (401, vec!["Negotiate"]));
        assert_eq!(answer.field("connection"), None);
    }
    let mut login = Relayed::over(&mut client, Envelope::Bare);
    let ticket = login.ticket("alice-pw").await.expect("a ticket");
    login.show(&Arc::new(ticket)).await;
    assert_eq!(server.report().connections().len(), 1);
}

#[tokio::test]
async fn what_was_carried_on_another_connection_is_none_of_this_ones() {
    let (_kdc, service) = lab_service();
    let server = started(Offer::iakerb(&service)).await;
    let (mut one, mut other) = (Client::connect(&server).await, Client::connect(&server).await);
    let mut login = Relayed::over(&mut one, Envelope::Bare);
    let ticket = Arc::new(login.ticket("alice-pw").await.expect("a ticket"));
    let (token, _) = show(&ticket, Carried::Iakerb(&login.tokens), None);
    assert_eq!(other.get_with(negotiate(&token)).await.status, 401);
    // Nor is it any more where another request came in between.
    one.get("/").await;
    assert_eq!(one.get_with(negotiate(&token)).await.status, 401);
    let report = server.report();
    let last = report.legs().last().and_then(|leg| leg.authorization.as_ref()).expect("a token");
    let Verdict::Refused { why } = &last.verdict else { panic!("{report}") };
    assert_eq!(why, "KRB-FINISHED, and nothing was carried");
}

#[tokio::test]
async fn channel_bindings_are_demanded() {
    let (_kdc, service) = lab_service();
    let ticket = ticket(&service).await;
    let ours = ChannelBindings::tls_server_end_point(&[1; 32]);
    let others = ChannelBindings::tls_server_end_point(&[2; 32]);
    let requires = service.clone().require_channel_bindings(ours.clone());
    let accepts = service.accept_channel_bindings(ours.clone());
    for (service, sent, status) in [
        (&requires, Some(&ours), 200),
        (&requires, Some(&others), 401),
        (&requires, None, 401),
        (&accepts, Some(&ours), 200),
        (&accepts, Some(&others), 401),
        (&accepts, None, 200),
    ] {
        let server = started(Offer::kerberos(service)).await;
        let (token, _) = show(&ticket, Carried::Kerberos, sent);
        let answer = Client::connect(&server).await.get_with(negotiate(&token)).await;
        assert_eq!(answer.status, status, "{service:?} {sent:?}");
    }
}

#[tokio::test]
async fn ntlm_is_taken_besides_where_it_is_offered() {
    let (_kdc, service) = lab_service();
    let ticket = ticket(&service).await;
    let server = Server::builder()
        .user("LAB\\carol", "carol-pw")
        .offer(Offer::Negotiate)
        .spnego(move |acceptor| acceptor.with_kerberos(&service).with_iakerb(&service))
        .start()
        .await
        .expect("a port");
    let mut client = Client::connect(&server).await;
    let answer = Handshake::negotiate("LAB\\carol", "carol-pw").run(&mut client).await;
    assert_eq!((answer.status, answer.field("x-user")), (200, Some("LAB\\carol")));
    assert_eq!(client.get("/").await.status, 200, "NTLM is the connection's");
    let mut client = Client::connect(&server).await;
    let (token, _) = show(&ticket, Carried::Kerberos, None);
    let answer = client.get_with(negotiate(&token)).await;
    assert_eq!((answer.status, answer.field("x-user")), (200, Some("alice@LAB.TEST")));
    assert_eq!(client.get("/").await.status, 401, "Kerberos is the request's");
}

#[tokio::test]
async fn a_cookie_has_to_come_back() {
    let (_kdc, service) = lab_service();
    let mut acceptor = service.iakerb_cookie(b"a cookie").iakerb();
    let (request, _) = begun("alice", "alice-pw", &Policy::default());
    let token = |cookie| IakerbHeader { target_realm: REALM.to_owned(), cookie }.token(&request.message);
    let Accept::Continue(answer) = acceptor.step(&token(None)) else { panic!("an answer") };
    let answer = Token::decode(&answer).expect("a token");
    assert_eq!(IakerbHeader::split(answer.message).expect("a header").0.cookie, Some(&b"a cookie"[..]));
    assert!(matches!(acceptor.step(&token(Some(b"a cookie"))), Accept::Continue(_)));
    assert!(matches!(acceptor.step(&token(None)), Accept::Refused { token: None, .. }));
}
