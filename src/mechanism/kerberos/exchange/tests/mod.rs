//! The exchanges against a plain KDC, leg by leg, and against what anybody can write in its place.

pub(in crate::mechanism::kerberos) mod kdc;
mod lab;

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::channel_bindings::ChannelBindings;
use crate::credentials::Secret;
use crate::mechanism::kerberos::crypto::{EncryptionType, KeyUsage};
use crate::mechanism::kerberos::exchange::string_to_key::StringToKey;
use crate::mechanism::kerberos::exchange::tests::kdc::{Kdc, Options, REALM, error, methods, now};
use crate::mechanism::kerberos::exchange::{
    Application, AuthenticationService, Carried, FirstTicket, GrantedTicket, KdcRequest, Next, Opening,
    PasswordKey, Policy, Principal, Shown, TicketGranting, Transport,
};
use crate::mechanism::kerberos::gss::{Token, TokenId, flags};
use crate::mechanism::kerberos::messages::flags::ticket_flags;
use crate::mechanism::kerberos::messages::krb_error::{
    KDC_ERR_CLIENT_REVOKED, KDC_ERR_ETYPE_NOSUPP, KDC_ERR_KEY_EXPIRED, KDC_ERR_POLICY,
    KDC_ERR_PREAUTH_FAILED, KDC_ERR_PREAUTH_REQUIRED, KDC_ERR_TGT_REVOKED, KDC_ERR_WRONG_REALM,
    KRB_AP_ERR_BAD_INTEGRITY, KRB_AP_ERR_IAKERB_KDC_NOT_FOUND, KRB_AP_ERR_NOT_US, KRB_AP_ERR_SKEW,
    KRB_AP_ERR_TKT_EXPIRED, KRB_AP_ERR_TKT_NYV, KRB_ERR_RESPONSE_TOO_BIG,
};
use crate::mechanism::kerberos::messages::pa_data::{PA_FX_COOKIE, PA_PK_AS_REQ, PA_TGS_REQ};
use crate::mechanism::kerberos::messages::{
    ApReq, Authenticator, EncryptionKey, EtypeInfo2Entry, Exchange, KdcReq, KdcReqBody, KerberosTime,
    Message, PaData, PrincipalName, Ticket,
};
use crate::mechanism::kerberos::server::{Accepted, BindingsRule, Change, Rejected, Service};
use crate::mechanism::{ErrorKind, MechanismError, MessageIntegrity, Moment, Proves, oid};

fn moment(seed: u8) -> Moment {
    Moment::new(now(), [seed; 32])
}

fn alice() -> Principal {
    Principal::new(PrincipalName::user("alice"), REALM)
}

fn begun(password: &str) -> (KdcRequest, AuthenticationService) {
    AuthenticationService::begin(
        alice(),
        Secret::new(password),
        Policy::default(),
        Opening::Asks(None),
        &moment(1),
    )
}

/// The exchange after the first answer, which has to ask for more.
fn sent<E, T>(next: Result<Next<E, T>, MechanismError>) -> (KdcRequest, E) {
    match next.unwrap_or_else(|error| panic!("{error}")) {
        Next::Send { request, exchange } => (request, exchange),
        Next::Granted(_) => panic!("a ticket"),
    }
}

fn granted<E, T>(next: Result<Next<E, T>, MechanismError>) -> T {
    match next.unwrap_or_else(|error| panic!("{error}")) {
        Next::Granted(ticket) => ticket,
        Next::Send { .. } => panic!("another message"),
    }
}

fn failed<E, T>(next: Result<Next<E, T>, MechanismError>) -> MechanismError {
    next.err().expect("an error")
}

fn first_ticket(kdc: &mut Kdc) -> FirstTicket {
    let (request, exchange) = begun("alice-pw");
    let (request, exchange) = sent(exchange.answer(&kdc.answer(&request.message), now()));
    granted(exchange.answer(&kdc.answer(&request.message), now()))
}

fn www() -> PrincipalName {
    PrincipalName::service("HTTP", "www.lab.test")
}

fn asked_for(by: &Arc<GrantedTicket>, service: PrincipalName) -> (KdcRequest, TicketGranting) {
    TicketGranting::begin(Arc::clone(by), service, Policy::default(), &moment(2)).expect("a first ticket")
}

/// A ticket for the service, and its KDC.
pub(in crate::mechanism::kerberos) fn service_ticket(etype: EncryptionType) -> (Kdc, Arc<GrantedTicket>) {
    let mut kdc = Kdc::new(etype);
    let by = Arc::new(first_ticket(&mut kdc).ticket);
    let (request, exchange) = asked_for(&by, www());
    let ticket = granted(exchange.answer(&kdc.answer(&request.message)));
    (kdc, Arc::new(ticket))
}

fn bindings() -> ChannelBindings {
    ChannelBindings::tls_server_end_point(&[9; 32])
}

fn accept(service: &Service, token: &[u8]) -> Result<Accepted, Rejected> {
    service.accept(token, Carried::Kerberos, &moment(4))
}

#[test]
fn a_password_logs_in_by_each_encryption_type() {
    for etype in EncryptionType::ALL {
        let mut kdc = Kdc::new(etype);
        let (request, exchange) = begun("alice-pw");
        assert_eq!((&*request.realm, request.proves), (REALM, Proves::Nothing), "{etype}");
        let (request, exchange) = sent(exchange.answer(&kdc.answer(&request.message), now()));
        assert_eq!(request.proves, Proves::Secret, "{etype}");
        let sent_with = KdcReq::decode(&request.message).expect("a request").padata;
        assert_eq!(PaData::find(&sent_with, PA_FX_COOKIE), Some(&b"cookie"[..]), "{etype}");
        let first = granted(exchange.answer(&kdc.answer(&request.message), now()));
        assert_eq!(first.key.parameters().etype(), etype);
        assert_eq!(first.ticket.grants_in(), Some(REALM), "{etype}");
        assert_eq!(first.ticket.ends(), now() + Duration::from_secs(36_000), "{etype}");

        let (request, exchange) = asked_for(&Arc::new(first.ticket), www());
        assert_eq!(request.proves, Proves::Ticket { is_new: false }, "{etype}");
        let ticket = Arc::new(granted(exchange.answer(&kdc.answer(&request.message))));
        assert_eq!(ticket.server.to_string(), "HTTP/www.lab.test@LAB.TEST", "{etype}");
        assert_eq!(ticket.grants_in(), None, "{etype}");

        let bound = bindings();
        let shown = Shown {
            flags: flags::MUTUAL | flags::INTEG,
            channel_bindings: Some(&bound),
            carried: Carried::Kerberos,
        };
        let (token, exchange) = Application::begin(ticket, &shown, &moment(3));
        let service = kdc.service(&token).with_bindings(BindingsRule::Required(bindings()));
        let mut accepted = accept(&service, &token).expect("alice's ticket, with the bindings");
        assert_eq!(accepted.client.to_string(), "alice@LAB.TEST", "{etype}");
        let options = Options { mutual_required: true, insists_on_bindings: true };
        assert_eq!(kdc.options(&token), options, "{etype}");
        let answer = accepted.token.expect("an AP-REP");
        let mut mics = exchange.answer(&answer, now()).expect("the service has read the ticket");
        let mic = mics.mic(b"the list").expect("a MIC");
        assert_eq!(accepted.mics.verify(b"the list", &mic), Ok(()), "{etype}");
        let mic = accepted.mics.mic(b"the list").expect("a MIC");
        assert_eq!(mics.verify(b"the list", &mic), Ok(()), "{etype}");
    }
}

#[test]
fn what_was_known_from_before_saves_a_message() {
    let mut kdc = Kdc::new(EncryptionType::Aes256Sha1);
    let known = first_ticket(&mut kdc).key.parameters().clone();
    let begin = |known: &StringToKey, password| {
        let known = Opening::Shows(PasswordKey::new(known.clone(), &Secret::new(password)));
        AuthenticationService::begin(alice(), Secret::new(password), Policy::default(), known, &moment(4))
    };
    let (request, exchange) = begin(&known, "alice-pw");
    assert_eq!(request.proves, Proves::Secret);
    granted(exchange.answer(&kdc.answer(&request.message), now()));

    // A wrong password is tried once, with what is still right.
    let (request, exchange) = begin(&known, "bob-pw");
    let error = failed(exchange.answer(&kdc.answer(&request.message), now()));
    assert_eq!((error.kind(), kdc.alice().failures), (ErrorKind::WrongPassword, 1));

    // The account has another salt since: the KDC refuses the old key, and the password is right.
    kdc.alice().salt = b"another salt".to_vec();
    let (request, exchange) = begin(&known, "alice-pw");
    let (request, exchange) = sent(exchange.answer(&kdc.answer(&request.message), now()));
    granted(exchange.answer(&kdc.answer(&request.message), now()));
    kdc.alice().failures = 0;
    let (request, exchange) = begin(&known, "bob-pw");
    let (request, exchange) = sent(exchange.answer(&kdc.answer(&request.message), now()));
    let error = failed(exchange.answer(&kdc.answer(&request.message), now()));
    assert_eq!((error.kind(), kdc.alice().failures), (ErrorKind::WrongPassword, 2));
}

#[test]
fn a_wrong_password_is_refused_by_name() {
    let mut kdc = Kdc::new(EncryptionType::Aes256Sha1);
    let (request, exchange) = begun("bob-pw");
    let (request, exchange) = sent(exchange.answer(&kdc.answer(&request.message), now()));
    let error = failed(exchange.answer(&kdc.answer(&request.message), now()));
    assert_eq!(error.kind(), ErrorKind::WrongPassword);
    assert_eq!(error.to_string(), "the KDC refused the password of alice@LAB.TEST");
    assert_eq!(kdc.alice().failures, 1);
}

#[test]
fn where_no_timestamp_is_wanted_the_reply_tells_a_wrong_password() {
    for etype in EncryptionType::ALL {
        let mut kdc = Kdc::new(etype);
        kdc.alice().requires_timestamp = false;
        let (request, exchange) = begun("alice-pw");
        let first = granted(exchange.answer(&kdc.answer(&request.message), now()));
        assert_eq!(first.key.parameters().etype(), etype);
        let (request, exchange) = begun("bob-pw");
        let error = failed(exchange.answer(&kdc.answer(&request.message), now()));
        assert_eq!(error.kind(), ErrorKind::WrongPassword, "{error}");
    }
}

#[test]
fn where_the_reply_says_nothing_of_the_salt_it_is_the_default_one() {
    for (salt, is_default) in [("LAB.TESTalice", true), ("another", false)] {
        let mut kdc = Kdc::new(EncryptionType::Aes128Sha1);
        kdc.alice().requires_timestamp = false;
        kdc.alice().salt = salt.as_bytes().to_vec();
        kdc.change = |reply, _| reply.padata.clear();
        let (request, exchange) = begun("alice-pw");
        let next = exchange.answer(&kdc.answer(&request.message), now());
        assert_eq!(matches!(next, Ok(Next::Granted(_))), is_default, "{salt}");
    }
}

#[test]
fn an_unknown_user_and_an_unknown_service_are_named() {
    let mut kdc = Kdc::new(EncryptionType::Aes128Sha1);
    let bob = Principal::new(PrincipalName::user("bob"), REALM);
    let (request, exchange) = AuthenticationService::begin(
        bob,
        Secret::new("bob-pw"),
        Policy::default(),
        Opening::Asks(None),
        &moment(1),
    );
    let error = failed(exchange.answer(&kdc.answer(&request.message), now()));
    assert_eq!(error.kind(), ErrorKind::UnknownUser);
    assert_eq!(error.to_string(), "the KDC of LAB.TEST does not know bob@LAB.TEST");

    let by = Arc::new(first_ticket(&mut kdc).ticket);
    let (request, exchange) = asked_for(&by, PrincipalName::service("HTTP", "nowhere.lab.test"));
    let error = failed(exchange.answer(&kdc.answer(&request.message)));
    assert_eq!(error.kind(), ErrorKind::Credentials);
    let words = "server not found in the KDC's database: HTTP/nowhere.lab.test@LAB.TEST";
    assert!(error.to_string().starts_with(words), "{error}");
}

#[test]
fn a_clock_that_is_wrong_is_corrected_by_what_the_kdc_has_encrypted() {
    let day = Duration::from_secs(86_400);
    for clock in [now() + day, now() - day] {
        let mut kdc = Kdc::new(EncryptionType::Aes256Sha1);
        kdc.clock = clock;
        let (request, exchange) = begun("alice-pw");
        let (request, exchange) = sent(exchange.answer(&kdc.answer(&request.message), now()));
        let (request, exchange) = sent(exchange.answer(&kdc.answer(&request.message), now()));
        let by = granted(exchange.answer(&kdc.answer(&request.message), now())).ticket;
        assert_eq!(by.ends(), now() + Duration::from_secs(36_000));
        // What follows is told in the KDC's time.
        let (request, exchange) = asked_for(&Arc::new(by), www());
        let ticket = granted(exchange.answer(&kdc.answer(&request.message)));
        assert_eq!(ticket.ends(), now() + Duration::from_secs(36_000));
    }
}

#[test]
fn a_clock_is_corrected_once_and_for_the_timestamp_only() {
    let mut kdc = Kdc::new(EncryptionType::Aes256Sha1);
    let forged = error(KRB_AP_ERR_SKEW, None, now() + Duration::from_secs(3_600));
    // Nothing is believed before there is a timestamp.
    let (_, exchange) = begun("alice-pw");
    assert!(failed(exchange.answer(&forged, now())).to_string().starts_with("clock skew"));
    // A false one makes the KDC refuse, and that is the end.
    let (request, exchange) = begun("alice-pw");
    let (_, exchange) = sent(exchange.answer(&kdc.answer(&request.message), now()));
    let (request, exchange) = sent(exchange.answer(&forged, now()));
    let refused = failed(exchange.answer(&kdc.answer(&request.message), now()));
    assert!(refused.to_string().starts_with("clock skew"), "{refused}");
    // What is kept is the clock of the reply, though the error's was believed for the timestamp.
    kdc.clock = now() + Duration::from_secs(120);
    let (request, exchange) = begun("alice-pw");
    let (_, exchange) = sent(exchange.answer(&kdc.answer(&request.message), now()));
    let forged = error(KRB_AP_ERR_SKEW, None, now() + Duration::from_secs(240));
    let (request, exchange) = sent(exchange.answer(&forged, now()));
    let ticket = granted(exchange.answer(&kdc.answer(&request.message), now())).ticket;
    assert_eq!(ticket.ends(), now() + Duration::from_secs(36_000));
}

#[test]
fn a_demand_that_makes_a_password_easy_or_slow_to_guess_is_refused() {
    let info =
        |etype, s2kparams: Option<&'static [u8]>| EtypeInfo2Entry { etype, salt: Some(b"salt"), s2kparams };
    for (infos, words) in [
        (vec![info(23, None)], "only encryption types that were not asked for: RC4"),
        (vec![info(23, None), info(3, None), info(99, None)], "not asked for: RC4, DES, number 99"),
        (vec![info(16, None)], "not asked for: 3DES"),
        (vec![], "not asked for: "),
        (
            vec![info(18, Some(&[0, 0, 0, 1]))],
            "wants 1 iterations for a key of aes256-cts-hmac-sha1-96, and from 4096",
        ),
        (vec![info(17, Some(&[0, 0, 0x0f, 0xff]))], "wants 4095 iterations"),
        (
            vec![info(20, Some(&[0, 0, 0x10, 0]))],
            "wants 4096 iterations for a key of aes256-cts-hmac-sha384-192, and from 32768",
        ),
        (vec![info(18, Some(&[0xff; 4]))], "wants 4294967295 iterations"),
        (vec![info(18, Some(&[0; 4]))], "wants 0 iterations"),
        // The strongest counts, not the one that would do.
        (vec![info(17, None), info(18, Some(&[0, 0, 0, 1]))], "wants 1 iterations"),
        (vec![info(18, Some(&[0, 0, 0x10]))], "are 3 octets, not 4"),
    ] {
        let forged = error(KDC_ERR_PREAUTH_REQUIRED, Some(&methods(&infos.encode())), now());
        let (_, exchange) = begun("alice-pw");
        let error = failed(exchange.answer(&forged, now()));
        assert!(error.to_string().contains(words), "{error}");
        assert!(matches!(error.kind(), ErrorKind::Unsupported | ErrorKind::DefectiveToken), "{error:?}");
    }
}

#[test]
fn the_policy_changes_what_is_asked_for_and_what_is_taken() {
    let begin = |policy: &Policy| {
        AuthenticationService::begin(
            alice(),
            Secret::new("alice-pw"),
            policy.clone(),
            Opening::Asks(None),
            &moment(1),
        )
    };
    let mut kdc = Kdc::new(EncryptionType::Aes128Sha1);
    kdc.alice().iterations = NonZeroU32::new(1);
    let policy = Policy::default().with_iterations_rfc3962(1..=1);
    let (request, exchange) = begin(&policy);
    let (request, exchange) = sent(exchange.answer(&kdc.answer(&request.message), now()));
    granted(exchange.answer(&kdc.answer(&request.message), now()));

    let policy = policy.with_encryption_types([EncryptionType::Aes256Sha384]).with_iterations_rfc8009(1..=2);
    let (request, exchange) = begin(&policy);
    let refused = failed(exchange.answer(&kdc.answer(&request.message), now()));
    assert!(refused.to_string().contains("no key for what was asked for"), "{refused}");
    // A KDC that offers it nevertheless.
    let info = EtypeInfo2Entry { etype: 17, salt: Some(b"salt"), s2kparams: None };
    let offered = error(KDC_ERR_PREAUTH_REQUIRED, Some(&methods(&vec![info].encode())), now());
    let (_, exchange) = begin(&policy);
    let error = failed(exchange.answer(&offered, now()));
    assert!(error.to_string().contains("not asked for: aes128-cts-hmac-sha1-96"), "{error}");
}

#[test]
fn a_kdc_that_takes_no_timestamp_is_told_apart() {
    let e_data = vec![PaData { padata_type: PA_PK_AS_REQ, padata_value: &[] }].encode();
    let (_, exchange) = begun("alice-pw");
    let error = failed(exchange.answer(&error(KDC_ERR_PREAUTH_REQUIRED, Some(&e_data), now()), now()));
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(
        error.to_string().contains("does not take an encrypted timestamp from alice@LAB.TEST"),
        "{error}"
    );
}

#[test]
fn refusals_say_what_to_do_and_blame_the_password_only_if_it_was_shown() {
    for (code, before, after, words) in [
        (KDC_ERR_PREAUTH_FAILED, ErrorKind::Refused, ErrorKind::WrongPassword, "refused"),
        (KRB_AP_ERR_BAD_INTEGRITY, ErrorKind::Refused, ErrorKind::WrongPassword, "refused"),
        (KDC_ERR_CLIENT_REVOKED, ErrorKind::AccountLocked, ErrorKind::AccountLocked, "locked or disabled"),
        (KDC_ERR_KEY_EXPIRED, ErrorKind::WrongPassword, ErrorKind::WrongPassword, "has expired"),
        (
            KDC_ERR_ETYPE_NOSUPP,
            ErrorKind::Unsupported,
            ErrorKind::Unsupported,
            "alice@LAB.TEST may have only RC4",
        ),
        (KDC_ERR_WRONG_REALM, ErrorKind::Credentials, ErrorKind::Credentials, "in another realm: OTHER.TEST"),
        (
            KDC_ERR_POLICY,
            ErrorKind::Credentials,
            ErrorKind::Credentials,
            "policy forbids it (the KDC's words)",
        ),
        (KRB_AP_ERR_IAKERB_KDC_NOT_FOUND, ErrorKind::Unavailable, ErrorKind::Unavailable, "knows no KDC"),
        (1_000, ErrorKind::Credentials, ErrorKind::Credentials, "Kerberos error 1000 (the KDC's words)"),
    ] {
        let answer = error(code, None, now());
        let (request, exchange) = begun("alice-pw");
        let refused = failed(exchange.answer(&answer, now()));
        assert_eq!(refused.kind(), before, "{refused}");
        assert!(refused.to_string().contains(words), "{refused}");
        let (_, exchange) = begun("alice-pw");
        let mut kdc = Kdc::new(EncryptionType::Aes128Sha1);
        let (_, exchange) = sent(exchange.answer(&kdc.answer(&request.message), now()));
        let refused = failed(exchange.answer(&answer, now()));
        assert_eq!(refused.kind(), after, "{refused}");
        assert!(refused.to_string().contains(words), "{refused}");
    }
}

#[test]
fn a_ticket_that_the_kdc_refuses_blames_no_password() {
    let by = Arc::new(first_ticket(&mut Kdc::new(EncryptionType::Aes128Sha1)).ticket);
    for code in [KDC_ERR_PREAUTH_FAILED, KRB_AP_ERR_BAD_INTEGRITY, KRB_AP_ERR_TKT_EXPIRED, KRB_AP_ERR_SKEW] {
        let (_, exchange) = asked_for(&by, www());
        let refused = failed(exchange.answer(&error(code, None, now())));
        assert!(matches!(refused.kind(), ErrorKind::TicketRefused | ErrorKind::Credentials), "{refused:?}");
    }
    for (code, words) in [
        (KDC_ERR_TGT_REVOKED, "the ticket of alice@LAB.TEST was revoked: log in again (the KDC's words)"),
        (KRB_AP_ERR_TKT_NYV, "the ticket of alice@LAB.TEST is not valid yet: log in again"),
    ] {
        let (_, exchange) = asked_for(&by, www());
        let refused = failed(exchange.answer(&error(code, None, now())));
        assert_eq!((refused.kind(), &*refused.to_string()), (ErrorKind::TicketRefused, words));
    }
    let (_, exchange) = asked_for(&by, www());
    let refused = failed(exchange.answer(&error(KDC_ERR_ETYPE_NOSUPP, None, now())));
    assert!(refused.to_string().contains("HTTP/www.lab.test@LAB.TEST may have only RC4"), "{refused}");
}

#[test]
fn a_kdc_that_asks_in_circles_or_cannot_be_read_is_told_apart() {
    // Once the password is shown, what is required is known.
    let mut kdc = Kdc::new(EncryptionType::Aes128Sha1);
    let (request, exchange) = begun("alice-pw");
    let (request, exchange) = sent(exchange.answer(&kdc.answer(&request.message), now()));
    let again = failed(exchange.answer(&error(KDC_ERR_PREAUTH_REQUIRED, None, now()), now()));
    assert_eq!(again.kind(), ErrorKind::Unsupported);
    let words = "the KDC asks again how alice@LAB.TEST is authenticated (the KDC's words)";
    assert_eq!(again.to_string(), words);

    let (_, exchange) = begun("alice-pw");
    let cut = error(KDC_ERR_PREAUTH_REQUIRED, Some(b"\x30\x05"), now());
    let unusable = failed(exchange.answer(&cut, now()));
    assert_eq!(unusable.kind(), ErrorKind::DefectiveToken);
    assert!(unusable.to_string().contains("demand for pre-authentication is unusable"), "{unusable}");

    // The KDC has taken the password: what cannot be read is not the password's fault.
    let mut reply = kdc.answer(&request.message);
    *reply.last_mut().expect("octets") ^= 1;
    let (request, exchange) = begun("alice-pw");
    let (_, exchange) = sent(exchange.answer(&kdc.answer(&request.message), now()));
    let changed = failed(exchange.answer(&reply, now()));
    assert_eq!(changed.kind(), ErrorKind::DefectiveToken);
    assert!(changed.to_string().contains("took the password, but its reply cannot be read"), "{changed}");
}

#[test]
fn a_reply_that_does_not_fit_is_asked_for_again_over_tcp() {
    let mut kdc = Kdc::new(EncryptionType::Aes128Sha1);
    let too_big = error(KRB_ERR_RESPONSE_TOO_BIG, None, now());
    let (request, exchange) = begun("alice-pw");
    assert_eq!(request.transport, Transport::Any);
    let (again, exchange) = sent(exchange.answer(&too_big, now()));
    assert_eq!(again, KdcRequest { transport: Transport::Stream, ..request.clone() });
    let (request, exchange) = sent(exchange.answer(&kdc.answer(&again.message), now()));
    assert_eq!(request.transport, Transport::Stream);
    let refused = failed(exchange.answer(&too_big, now()));
    assert!(refused.to_string().contains("not over TCP either"), "{refused}");

    let by = Arc::new(first_ticket(&mut kdc).ticket);
    let (request, exchange) = asked_for(&by, www());
    let (again, exchange) = sent(exchange.answer(&too_big));
    assert_eq!(again, KdcRequest { transport: Transport::Stream, ..request });
    let refused = failed(exchange.answer(&too_big));
    assert!(refused.to_string().contains("not over TCP either"), "{refused}");
}

/// What can be wrong about a reply, and what is said of it.
fn forgeries() -> Vec<(Change, &'static str)> {
    vec![
        (|_, part| part.nonce += 1, "its nonce is not the one that was sent"),
        (|reply, _| reply.cname = PrincipalName::user("bob"), "for the user bob, not for alice"),
        (|reply, _| reply.crealm = "OTHER.TEST".to_owned(), "for the realm OTHER.TEST, not for LAB.TEST"),
        (|_, part| part.srealm = "lab.test".to_owned(), "not for LAB.TEST (upper and lower case differ)"),
        (|_, part| part.sname = PrincipalName::user("other\n"), "has a ticket for other, not for"),
        (
            |reply, _| {
                let ticket = Ticket::decode(reply.ticket).expect("the KDC's");
                reply.ticket = Ticket { realm: "OTHER.TEST".into(), ..ticket }.encode().leak();
            },
            "for the realm OTHER.TEST, not for LAB.TEST",
        ),
        (|reply, _| reply.enc_part.etype = 23, "an encryption type that was not asked for: RC4"),
        (|_, part| part.key.keytype = 23, "a session key that was not asked for: RC4"),
        (|_, part| part.key.keyvalue = &[0; 5], "a session key that was not asked for"),
    ]
}

#[test]
fn a_first_ticket_that_answers_something_else_is_refused() {
    let swap: Change = |reply, _| reply.exchange = Exchange::TicketGranting;
    let unread: Change = |_, part| part.encrypted_pa_data.clear();
    let changed: Change = |_, part| part.encrypted_pa_data[0].padata_value = b"\x30\0";
    let other = [
        (swap, "of another type than the request"),
        (unread, "the KDC got another request than the one that was sent"),
        (changed, "the KDC got another request than the one that was sent"),
    ];
    for (change, words) in forgeries().into_iter().chain(other) {
        let mut kdc = Kdc::new(EncryptionType::Aes128Sha1);
        kdc.change = change;
        let (request, exchange) = begun("alice-pw");
        let (request, exchange) = sent(exchange.answer(&kdc.answer(&request.message), now()));
        let error = failed(exchange.answer(&kdc.answer(&request.message), now()));
        assert!(error.to_string().contains(words), "{error} does not say: {words}");
        assert_eq!(error.kind(), ErrorKind::DefectiveToken);
    }
    // A KDC that says nothing of what it has read.
    let mut kdc = Kdc::new(EncryptionType::Aes128Sha1);
    kdc.change = |_, part| {
        part.flags &= !ticket_flags::ENC_PA_REP;
        part.encrypted_pa_data.clear();
    };
    first_ticket(&mut kdc);
}

#[test]
fn a_further_ticket_that_answers_something_else_is_refused() {
    let mut kdc = Kdc::new(EncryptionType::Aes128Sha1);
    let by = Arc::new(first_ticket(&mut kdc).ticket);
    let swap: Change = |reply, _| reply.exchange = Exchange::AuthenticationService;
    let other = [(swap, "of another type than the request")];
    for (change, words) in forgeries().into_iter().chain(other) {
        kdc.change = change;
        let (request, exchange) = asked_for(&by, www());
        let error = failed(exchange.answer(&kdc.answer(&request.message)));
        assert!(error.to_string().contains(words), "{error} does not say: {words}");
        assert_eq!(error.kind(), ErrorKind::DefectiveToken);
    }
    kdc.change = |_, _| ();
    kdc.knows_subkeys = false;
    let (request, exchange) = asked_for(&by, www());
    granted(exchange.answer(&kdc.answer(&request.message)));
}

#[test]
fn a_request_for_a_further_ticket_names_no_user_and_brings_a_key_for_the_reply() {
    let by = Arc::new(first_ticket(&mut Kdc::new(EncryptionType::Aes128Sha1)).ticket);
    let (request, _) = asked_for(&by, www());
    let request = KdcReq::decode(&request.message).expect("a request");
    assert_eq!(KdcReqBody::decode(request.req_body).expect("a body").cname, None);
    let ap_req = PaData::find(&request.padata, PA_TGS_REQ).expect("an AP-REQ");
    let authenticator = ApReq::decode(ap_req).expect("an AP-REQ").authenticator;
    let keys = by.session_key.for_messages(KeyUsage::TGS_REQ_AUTHENTICATOR);
    let authenticator = authenticator.decrypt(&keys).expect("by the session key");
    let authenticator = Authenticator::decode(&authenticator).expect("an Authenticator");
    let subkey = authenticator.subkey.expect("a subkey");
    assert_ne!(subkey, EncryptionKey::from(&by.session_key));
}

#[test]
fn a_request_that_was_changed_on_its_way_is_found_out() {
    let mut kdc = Kdc::new(EncryptionType::Aes128Sha1);
    let (request, exchange) = begun("alice-pw");
    let (request, exchange) = sent(exchange.answer(&kdc.answer(&request.message), now()));
    // Somebody takes the cookie off.
    let mut changed = KdcReq::decode(&request.message).expect("a request");
    changed.padata.retain(|padata| padata.padata_type != PA_FX_COOKIE);
    let error = failed(exchange.answer(&kdc.answer(&changed.encode()), now()));
    assert!(error.to_string().contains("somebody changed it on its way"), "{error}");
}

#[test]
fn octets_that_are_no_answer_are_said_to_be_so() {
    let by = Arc::new(first_ticket(&mut Kdc::new(EncryptionType::Aes128Sha1)).ticket);
    for octets in [&b""[..], b"HTTP/1.1 200 OK", &[0x7e, 0x82], &[0x6b, 0], &[0x30; 70_000]] {
        let (_, exchange) = begun("alice-pw");
        let error = failed(exchange.answer(octets, now()));
        assert_eq!(error.kind(), ErrorKind::DefectiveToken);
        assert!(error.to_string().starts_with("the KDC's answer is unusable"), "{error}");
        let (_, exchange) = asked_for(&by, www());
        assert_eq!(failed(exchange.answer(octets)).kind(), ErrorKind::DefectiveToken);
    }
}

#[test]
fn a_ticket_for_a_service_gets_no_others() {
    let (_, ticket) = service_ticket(EncryptionType::Aes128Sha1);
    let error =
        TicketGranting::begin(ticket, www(), Policy::default(), &moment(2)).expect_err("no first ticket");
    assert_eq!(error.kind(), ErrorKind::Credentials);
}

#[test]
fn a_service_proves_that_it_has_read_this_token() {
    let (kdc, ticket) = service_ticket(EncryptionType::Aes256Sha1);
    let shown =
        Shown { flags: flags::MUTUAL | flags::INTEG, channel_bindings: None, carried: Carried::Kerberos };
    let begin = |seed| Application::begin(Arc::clone(&ticket), &shown, &moment(seed));

    // Without a subkey of its own, the client's signs.
    let (token, exchange) = begin(3);
    let service = |token: &[u8], change| kdc.service(token).with_change(change);
    let required = kdc.service(&token).with_bindings(BindingsRule::Required(bindings()));
    let rejected = accept(&required, &token).expect_err("no bindings");
    assert_eq!(rejected.why, "channel bindings are required, and there are none");
    assert!(!kdc.options(&token).insists_on_bindings);
    let mut accepted = accept(&service(&token, |part| part.subkey = None), &token).expect("alice's ticket");
    let answer = accepted.token.expect("an AP-REP");
    let mut mics = exchange.answer(&answer, now()).expect("the service has read the ticket");
    let mic = accepted.mics.mic(b"the list").expect("a MIC");
    assert_eq!(mics.verify(b"the list", &mic), Ok(()));

    let (token, exchange) = begin(3);
    let accepted = accept(&service(&token, |part| part.cusec += 1), &token).expect("alice's ticket");
    let answer = accepted.token.expect("an AP-REP");
    let error = exchange.answer(&answer, now()).expect_err("another time");
    assert_eq!(error.kind(), ErrorKind::BadMic);
    assert!(error.to_string().contains("HTTP/www.lab.test@LAB.TEST does not prove"), "{error}");

    let (_, exchange) = begin(3);
    let mut changed = answer;
    *changed.last_mut().expect("octets") ^= 1;
    assert_eq!(exchange.answer(&changed, now()).expect_err("changed").kind(), ErrorKind::BadMic);

    let (token, exchange) = begin(3);
    assert_eq!(exchange.answer(&token, now()).expect_err("our own").kind(), ErrorKind::DefectiveToken);

    let (_, exchange) = begin(3);
    let message = error_token(KRB_AP_ERR_NOT_US);
    let error = exchange.answer(&message, now()).expect_err("a KRB-ERROR");
    assert_eq!(error.kind(), ErrorKind::TicketRefused);
    assert!(error.to_string().contains("the ticket is for another server"), "{error}");
}

#[test]
fn an_answer_of_the_service_that_cannot_be_used_is_defective() {
    let (kdc, ticket) = service_ticket(EncryptionType::Aes256Sha1);
    let shown = Shown { flags: flags::MUTUAL, channel_bindings: None, carried: Carried::Kerberos };
    let (token, exchange) = Application::begin(Arc::clone(&ticket), &shown, &moment(3));
    let text = format!("{exchange:?}");
    let key = format!("{:?}", ticket.session_key.octets());
    assert!(
        text.starts_with("Application { ticket: ") && !text.contains(key.trim_matches(['[', ']'])),
        "{text}"
    );
    let service = kdc.service(&token).with_change(|part| {
        part.subkey = Some(EncryptionKey { keytype: 23, keyvalue: &[7; 16] });
    });
    let answer = accept(&service, &token).expect("alice's ticket").token.expect("an AP-REP");
    let (_, other) = Application::begin(ticket, &shown, &moment(3));
    for (exchange, answer, words) in [
        (exchange, answer, "the server's subkey has an unknown encryption type: 23"),
        (
            other,
            Token { mechanism: oid::KERBEROS, id: TokenId::ApRep, message: b"\x6f\x05" }.encode(),
            "the server's Kerberos token is unusable: ",
        ),
    ] {
        let error = exchange.answer(&answer, now()).expect_err(words);
        assert_eq!(error.kind(), ErrorKind::DefectiveToken);
        assert!(error.to_string().contains(words), "{error}");
    }
}

fn error_token(code: i32) -> Vec<u8> {
    let message = error(code, None, now());
    Token { mechanism: oid::KERBEROS, id: TokenId::KrbError, message: &message }.encode()
}

#[test]
fn a_login_that_the_server_relayed_is_tied_to_all_that_was_carried() {
    let (kdc, ticket) = service_ticket(EncryptionType::Aes256Sha1);
    let shown =
        Shown { flags: flags::INTEG, channel_bindings: None, carried: Carried::Iakerb(b"all tokens") };
    let (token, exchange) = Application::begin(ticket, &shown, &moment(5));
    assert_eq!(Token::decode(&token).expect("a token").mechanism, oid::IAKERB);
    let accept = |tokens| kdc.service(&token).accept(&token, Carried::Iakerb(tokens), &moment(4));
    let rejected = accept(b"other tokens").expect_err("another conversation");
    assert_eq!(rejected.why, "KRB-FINISHED is over something else than what was carried");
    let mut accepted = accept(b"all tokens").expect("alice's ticket");
    assert_eq!(accepted.token, None, "nobody has asked for it");
    assert!(!kdc.options(&token).mutual_required);
    let mic = exchange.without_answer().mic(b"the list").expect("a MIC");
    assert_eq!(accepted.mics.verify(b"the list", &mic), Ok(()));
}

#[test]
fn nothing_of_a_password_or_key_is_printed() {
    let mut kdc = Kdc::new(EncryptionType::Aes128Sha1);
    let (request, exchange) = begun("alice-pw");
    let length = request.message.len();
    assert_eq!(
        format!("{request:?}"),
        format!(
            "KdcRequest {{ realm: \"LAB.TEST\", message: {length} octets, proves: Nothing, transport: Any }}"
        )
    );
    let (_, exchange) = sent(exchange.answer(&kdc.answer(&request.message), now()));
    assert_eq!(
        format!("{exchange:?}"),
        r#"AuthenticationService { client: alice@LAB.TEST, proves: Secret, .. }"#
    );
    let first = first_ticket(&mut kdc);
    let key = format!("{:?}", first.ticket.session_key.octets());
    assert!(!format!("{first:?}").contains(key.trim_matches(['[', ']'])));
    let (_, exchange) = asked_for(&Arc::new(first.ticket), www());
    assert_eq!(
        format!("{exchange:?}"),
        "TicketGranting { client: alice@LAB.TEST, service: HTTP/www.lab.test@LAB.TEST, .. }"
    );
}

#[test]
fn times_are_those_of_the_call() {
    let before: SystemTime = now() - Duration::from_secs(3_600);
    let mut kdc = Kdc::new(EncryptionType::Aes128Sha1);
    let (request, exchange) = AuthenticationService::begin(
        alice(),
        Secret::new("alice-pw"),
        Policy::default(),
        Opening::Asks(None),
        &Moment::new(before, [1; 32]),
    );
    // An hour later: the timestamp is today's, so that the KDC takes it at once.
    let (request, exchange) = sent(exchange.answer(&kdc.answer(&request.message), now()));
    let first = granted(exchange.answer(&kdc.answer(&request.message), now()));
    assert_eq!(first.ticket.times.authtime, KerberosTime::of(now()).0);
}
