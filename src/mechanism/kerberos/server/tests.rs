//! KDC and service as clients meet them, and as nobody should.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use md5::{Digest, Md5};

use crate::channel_bindings::ChannelBindings;
use crate::credentials::Secret;
use crate::mechanism::kerberos::crypto::{EncryptionType, Key, KeyUsage};
use crate::mechanism::kerberos::exchange::{
    Application, AuthenticationService, Carried, GrantedTicket, KdcRequest, Next, Opening, Policy, Principal,
    Shown, TicketGranting,
};
use crate::mechanism::kerberos::gss::iakerb::IakerbHeader;
use crate::mechanism::kerberos::gss::{
    AuthenticatorChecksum, CHECKSUM_TYPE, ContextKey, MicTokens, Side, Token, TokenId, flags,
};
use crate::mechanism::kerberos::messages::krb_error::*;
use crate::mechanism::kerberos::messages::{
    AD_IF_RELEVANT, ApReq, Authenticator, AuthorizationData, Checksum, EncryptedData, EncryptionKey,
    EtypeInfo2Entry, KdcReq, KdcReqBody, KerberosTime, KrbError, Message, PaData, PrincipalName, pa_data,
};
use crate::mechanism::kerberos::server::{
    Accepted, AccountState, BindingsRule, Iakerb, Kdc, Rejected, Relayed, Service, Unreachable, WithoutRealm,
};
use crate::mechanism::{Entropy, MechanismError, MessageIntegrity, Moment, oid};

const REALM: &str = "LAB.TEST";
const TYPES: [EncryptionType; 2] = [EncryptionType::Aes128Sha1, EncryptionType::Aes256Sha1];

fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_651_200)
}

fn moment(seed: u8) -> Moment {
    Moment::new(now(), [seed; 32])
}

fn www() -> PrincipalName {
    PrincipalName::service("HTTP", "www.lab.test")
}

/// A KDC with alice, and the service.
fn lab() -> (Kdc, Service) {
    let mut kdc = Kdc::new(REALM, TYPES.to_vec(), &Entropy::new([1; 32]));
    kdc.add_user("alice", Secret::new("alice-pw"), TYPES.to_vec());
    let key = kdc.add_service(www(), EncryptionType::Aes256Sha1, TYPES.to_vec());
    (kdc, Service::new(Principal::new(www(), REALM), key))
}

fn begun(client: PrincipalName, password: &str) -> (KdcRequest, AuthenticationService) {
    let client = Principal::new(client, REALM);
    AuthenticationService::begin(
        client,
        Secret::new(password),
        Policy::default(),
        Opening::Asks(None),
        &moment(2),
    )
}

/// A first ticket, where `kdc` answers.
fn first_ticket(
    client: PrincipalName,
    mut kdc: impl FnMut(&[u8]) -> Vec<u8>,
) -> Result<GrantedTicket, MechanismError> {
    let (mut request, mut exchange) = begun(client, "alice-pw");
    loop {
        match exchange.answer(&kdc(&request.message), now())? {
            Next::Send { request: next, exchange: rest } => (request, exchange) = (next, rest),
            Next::Granted(first) => return Ok(first.ticket),
        }
    }
}

fn further_ticket(by: GrantedTicket, kdc: impl FnOnce(&[u8]) -> Vec<u8>) -> GrantedTicket {
    let begun = TicketGranting::begin(Arc::new(by), www(), Policy::default(), &moment(3));
    let (request, exchange) = begun.expect("a first ticket");
    match exchange.answer(&kdc(&request.message)) {
        Ok(Next::Granted(ticket)) => ticket,
        other => panic!("{other:?}"),
    }
}

fn alice() -> PrincipalName {
    PrincipalName::user("alice")
}

/// A ticket for the service.
fn ticket(kdc: &mut Kdc) -> Arc<GrantedTicket> {
    let first = first_ticket(alice(), |request| kdc.answer(request, now())).expect("a ticket");
    Arc::new(further_ticket(first, |request| kdc.answer(request, now())))
}

fn shown(
    ticket: &Arc<GrantedTicket>,
    bindings: Option<&ChannelBindings>,
    seed: u8,
) -> (Vec<u8>, Application) {
    let flags = flags::MUTUAL | flags::INTEG;
    let shown = Shown { flags, channel_bindings: bindings, carried: Carried::Kerberos };
    Application::begin(Arc::clone(ticket), &shown, &moment(seed))
}

fn accept(service: &Service, token: &[u8]) -> Result<Accepted, Rejected> {
    service.accept(token, Carried::Kerberos, &moment(9))
}

fn code(message: &[u8]) -> i32 {
    KrbError::decode(message).expect("a KRB-ERROR").error_code
}

/// The error in a token that refuses.
fn refused(rejected: Result<Accepted, Rejected>) -> i32 {
    let token = rejected.expect_err("a refusal").token.expect("a token");
    let token = Token::decode(&token).expect("a token");
    assert_eq!(token.id, TokenId::KrbError);
    code(token.message)
}

#[test]
fn what_is_no_request_gets_an_error() {
    let (mut kdc, _) = lab();
    let (request, _) = begun(alice(), "alice-pw");
    for end in 0..request.message.len() {
        assert_eq!(code(&kdc.answer(&request.message[..end], now())), KRB_ERR_GENERIC, "{end}");
    }
    for octets in [vec![0x6a; 70_000], vec![0x30, 0x80], b"GET / HTTP/1.1".to_vec()] {
        assert_eq!(code(&kdc.answer(&octets, now())), KRB_ERR_GENERIC);
    }
    assert_eq!((kdc.counts.as_requests, kdc.counts.as_tickets), (0, 0));
}

#[test]
fn every_changed_octet_of_a_request_is_borne() {
    let (mut kdc, service) = lab();
    let first = first_ticket(alice(), |request| kdc.answer(request, now())).expect("a ticket");
    let begun = TicketGranting::begin(Arc::new(first), www(), Policy::default(), &moment(3));
    let (request, _) = begun.expect("a first ticket");
    for at in 0..request.message.len() {
        let mut changed = request.message.clone();
        changed[at] ^= 1;
        kdc.answer(&changed, now());
    }
    let (token, _) = shown(&ticket(&mut kdc), None, 5);
    for at in 0..token.len() {
        let mut changed = token.clone();
        changed[at] ^= 1;
        if let Ok(accepted) = accept(&service, &changed) {
            // Outside of what is encrypted: options, and the types of names.
            assert_eq!(accepted.client.to_string(), "alice@LAB.TEST", "{at}");
        }
    }
}

#[test]
fn a_kdc_says_what_is_wrong_with_a_request() {
    let (mut kdc, _) = lab();
    kdc.add_user("bob", Secret::new("bob-pw"), vec![EncryptionType::Aes256Sha384]);
    let (request, _) = begun(alice(), "alice-pw");
    let request = KdcReq::decode(&request.message).expect("a request");
    let mut answer = |change: fn(&mut KdcReqBody<'_>)| {
        let mut body = KdcReqBody::decode(request.req_body).expect("a body");
        change(&mut body);
        let req_body = &body.encode();
        code(&kdc.answer(&KdcReq { req_body, ..request.clone() }.encode(), now()))
    };
    assert_eq!(answer(|_| ()), KDC_ERR_PREAUTH_REQUIRED);
    assert_eq!(answer(|body| body.cname = None), KRB_ERR_GENERIC);
    assert_eq!(answer(|body| body.cname = Some(PrincipalName::user("carol"))), KDC_ERR_C_PRINCIPAL_UNKNOWN);
    assert_eq!(answer(|body| body.sname = None), KDC_ERR_S_PRINCIPAL_UNKNOWN);
    assert_eq!(answer(|body| body.sname = Some(PrincipalName::user("carol"))), KDC_ERR_S_PRINCIPAL_UNKNOWN);
    assert_eq!(answer(|body| body.realm = "OTHER.TEST".to_owned()), KDC_ERR_WRONG_REALM);
    assert_eq!(answer(|body| body.etype = vec![23]), KDC_ERR_ETYPE_NOSUPP);
    let bobs = |body: &mut KdcReqBody<'_>| {
        body.cname = Some(PrincipalName::user("bob"));
        body.etype = vec![18];
    };
    assert_eq!(answer(bobs), KDC_ERR_ETYPE_NOSUPP);
    kdc.user("alice").expect("alice").requires_timestamp = false;
    let mut body = KdcReqBody::decode(request.req_body).expect("a body");
    body.till = KerberosTime::from_unix(1);
    let past = KdcReq { req_body: &body.encode(), ..request.clone() }.encode();
    assert_eq!(code(&kdc.answer(&past, now())), KDC_ERR_NEVER_VALID);
}

#[test]
fn a_request_for_a_further_ticket_may_be_covered_by_md5() {
    let (mut kdc, _) = lab();
    let first = Arc::new(first_ticket(alice(), |request| kdc.answer(request, now())).expect("a ticket"));
    let begun = TicketGranting::begin(Arc::clone(&first), www(), Policy::default(), &moment(3));
    let (request, _) = begun.expect("a first ticket");
    let request = KdcReq::decode(&request.message).expect("a request");
    let right: [u8; 16] = Md5::digest(request.req_body).into();
    let wrong: [u8; 16] = Md5::digest(&request.req_body[1..]).into();
    let mut answer = |cksumtype, checksum: &[u8]| {
        let cksum = Some(Checksum { cksumtype, checksum });
        let shown = ap_req(&first, cksum, &[], KeyUsage::TGS_REQ_AUTHENTICATOR);
        let padata = vec![PaData { padata_type: pa_data::PA_TGS_REQ, padata_value: &shown }];
        let answer = kdc.answer(&KdcReq { padata, ..request.clone() }.encode(), now());
        (answer[0] == 0x60 + 30).then(|| code(&answer))
    };
    assert_eq!(answer(Checksum::RSA_MD5, &right), None, "a TGS-REP");
    assert_eq!(answer(Checksum::RSA_MD5, &wrong), Some(KRB_AP_ERR_MODIFIED));
    assert_eq!(answer(Checksum::RSA_MD5, &right[..15]), Some(KRB_AP_ERR_MODIFIED));
    assert_eq!(answer(Checksum::RSA_MD5, &[]), Some(KRB_AP_ERR_MODIFIED));
    // MD4, which nothing is protected by.
    assert_eq!(answer(2, &right), Some(KRB_AP_ERR_MODIFIED));
}

#[test]
fn a_kdc_names_the_service_that_it_does_not_know() {
    let (mut kdc, _) = lab();
    let first = first_ticket(alice(), |request| kdc.answer(request, now())).expect("a ticket");
    let other = PrincipalName::service("HTTP", "other.lab.test");
    let begun = TicketGranting::begin(Arc::new(first), other.clone(), Policy::default(), &moment(3));
    let (request, _) = begun.expect("a first ticket");
    let answer = kdc.answer(&request.message, now());
    let error = KrbError::decode(&answer).expect("a KRB-ERROR");
    assert_eq!((error.error_code, &error.sname, &*error.realm), (KDC_ERR_S_PRINCIPAL_UNKNOWN, &other, REALM));
    // What is no request names none: the KDC names itself.
    let answer = kdc.answer(b"", now());
    let error = KrbError::decode(&answer).expect("a KRB-ERROR");
    assert_eq!(error.sname.to_string(), "krbtgt/LAB.TEST");
}

#[test]
fn only_types_that_were_asked_for_are_offered() {
    let (mut kdc, _) = lab();
    let (request, _) = begun(alice(), "alice-pw");
    let request = KdcReq::decode(&request.message).expect("a request");
    let mut body = KdcReqBody::decode(request.req_body).expect("a body");
    for (asked, offered) in
        [(vec![23, 17, 20], vec![17]), (vec![17, 18], vec![17, 18]), (vec![18, 17], vec![18, 17])]
    {
        body.etype = asked;
        let answer = kdc.answer(&KdcReq { req_body: &body.encode(), ..request.clone() }.encode(), now());
        let error = KrbError::decode(&answer).expect("an error");
        let methods = Vec::<PaData<'_>>::decode(error.e_data.expect("METHOD-DATA")).expect("METHOD-DATA");
        let infos = PaData::find(&methods, pa_data::PA_ETYPE_INFO2).expect("ETYPE-INFO2");
        let infos = Vec::<EtypeInfo2Entry<'_>>::decode(infos).expect("ETYPE-INFO2");
        assert_eq!(infos.iter().map(|info| info.etype).collect::<Vec<_>>(), offered);
        assert!(infos.iter().all(|info| info.salt == Some(b"LAB.TESTalice") && info.s2kparams.is_none()));
    }
}

#[test]
fn a_name_is_looked_up_where_that_is_asked_for() {
    let (mut kdc, _) = lab();
    let enterprise = PrincipalName::enterprise("alice@lab.test");
    let ticket = first_ticket(enterprise, |request| kdc.answer(request, now())).expect("a ticket");
    assert_eq!(ticket.client, Principal::new(alice(), REALM));
    let elsewhere = PrincipalName::enterprise("alice@other.test");
    let error = first_ticket(elsewhere, |request| kdc.answer(request, now())).expect_err("somebody else");
    assert!(error.to_string().contains("does not know"), "{error}");

    // Another name of hers, of any domain; as a plain name it is nobody's.
    kdc.user("alice").expect("alice").enterprise = Some("al@other.test".to_owned());
    let enterprise = PrincipalName::enterprise("al@other.test");
    let ticket = first_ticket(enterprise, |request| kdc.answer(request, now())).expect("a ticket");
    assert_eq!(ticket.client, Principal::new(alice(), REALM));
    let plain = PrincipalName::user("al@other.test");
    let error = first_ticket(plain, |request| kdc.answer(request, now())).expect_err("nobody");
    assert!(error.to_string().contains("does not know"), "{error}");
}

#[test]
fn an_account_that_may_not_log_in_is_refused_before_its_password_is_looked_at() {
    let (mut kdc, _) = lab();
    for (state, code_of_it) in
        [(AccountState::Locked, KDC_ERR_CLIENT_REVOKED), (AccountState::PasswordExpired, KDC_ERR_KEY_EXPIRED)]
    {
        kdc.user("alice").expect("alice").state = state;
        let (request, _) = begun(alice(), "alice-pw");
        assert_eq!(code(&kdc.answer(&request.message, now())), code_of_it);
    }
    assert_eq!(kdc.counts.as_requests, 2);
    assert_eq!(kdc.failures().collect::<Vec<_>>(), [("alice".to_owned(), 0)]);
}

#[test]
fn a_first_ticket_grants_as_long_as_it_is_good_and_to_whom_it_is() {
    let (mut kdc, _) = lab();
    kdc.lifetime = Duration::from_secs(3_600);
    let first = first_ticket(alice(), |request| kdc.answer(request, now())).expect("a ticket");
    let first = Arc::new(first);
    let begun = |at| {
        let moment = Moment::new(at, [3; 32]);
        TicketGranting::begin(Arc::clone(&first), www(), Policy::default(), &moment).expect("a first ticket")
    };
    // Half an hour later: until the first one ends.
    let later = now() + Duration::from_secs(1_800);
    let (request, exchange) = begun(later);
    let next = exchange.answer(&kdc.answer(&request.message, later));
    let Ok(Next::Granted(further)) = next else { panic!("{next:?}") };
    assert_eq!((further.times.endtime, further.times.authtime), (first.times.endtime, first.times.authtime));
    assert_eq!(further.times.starttime, KerberosTime::of(later).0);

    let two_hours = Duration::from_secs(7_200);
    for (at, number) in [(now() + two_hours, KRB_AP_ERR_TKT_EXPIRED), (now() - two_hours, KRB_AP_ERR_TKT_NYV)]
    {
        assert_eq!(code(&kdc.answer(&begun(at).0.message, at)), number);
    }
    assert_eq!(code(&kdc.answer(&begun(later).0.message, now())), KRB_AP_ERR_SKEW);

    let (request, _) = begun(now());
    let request = KdcReq::decode(&request.message).expect("a request");
    let bare = KdcReq { padata: Vec::new(), ..request.clone() };
    assert_eq!(code(&kdc.answer(&bare.encode(), now())), KDC_ERR_PADATA_TYPE_NOSUPP);
    let other = KdcReqBody { nonce: 7, ..KdcReqBody::decode(request.req_body).expect("a body") }.encode();
    let swapped = KdcReq { req_body: &other, ..request };
    assert_eq!(code(&kdc.answer(&swapped.encode(), now())), KRB_AP_ERR_MODIFIED);
    assert_eq!((kdc.counts.tgs_requests, kdc.counts.tgs_tickets), (6, 1));
}

#[test]
fn a_service_takes_a_ticket_once() {
    let (mut kdc, service) = lab();
    let ticket = ticket(&mut kdc);
    let (token, exchange) = shown(&ticket, None, 5);
    let accepted = accept(&service, &token).expect("alice's");
    exchange.answer(&accepted.token.expect("an AP-REP"), now()).expect("the service's");
    assert_eq!(refused(accept(&service, &token)), KRB_AP_ERR_REPEAT);
    // By a clone, too, and with other rules.
    assert_eq!(
        refused(accept(&service.clone().with_bindings(BindingsRule::Ignored), &token)),
        KRB_AP_ERR_REPEAT
    );
    let (other, _) = shown(&ticket, None, 6);
    accept(&service, &other).expect("another Authenticator");
}

#[test]
fn a_service_says_what_is_wrong_with_a_token() {
    let (mut kdc, service) = lab();
    let ticket = ticket(&mut kdc);
    let at = |hours: i64| {
        let by = Duration::from_secs(hours.unsigned_abs() * 3_600);
        let at = if hours < 0 { now() - by } else { now() + by };
        Moment::new(at, [9; 32])
    };
    let (token, _) = shown(&ticket, None, 5);
    let accept_at = |hours| service.accept(&token, Carried::Kerberos, &at(hours));
    assert_eq!(refused(accept_at(1)), KRB_AP_ERR_SKEW);
    assert_eq!(refused(accept_at(-1)), KRB_AP_ERR_TKT_NYV);
    assert_eq!(refused(accept_at(12)), KRB_AP_ERR_TKT_EXPIRED);

    let key = Key::new(EncryptionType::Aes256Sha1, &[7; 32]).expect("32 octets");
    let www = Principal::new(www(), REALM);
    assert_eq!(refused(accept(&Service::new(www, key.clone()), &token)), KRB_AP_ERR_BAD_INTEGRITY);
    let mail = Principal::new(PrincipalName::service("HTTP", "mail.lab.test"), REALM);
    assert_eq!(refused(accept(&Service::new(mail, key), &token)), KRB_AP_ERR_NOT_US);

    // The Authenticator of another ticket of hers.
    let (other, _) = shown(&self::ticket(&mut kdc), None, 5);
    let (one, other) = (Token::decode(&token).expect("a token"), Token::decode(&other).expect("a token"));
    let other = ApReq::decode(other.message).expect("an AP-REQ");
    let message =
        ApReq { authenticator: other.authenticator, ..ApReq::decode(one.message).expect("an AP-REQ") };
    let mixed = Token { message: &message.encode(), ..one }.encode();
    assert_eq!(refused(accept(&service, &mixed)), KRB_AP_ERR_BAD_INTEGRITY);

    // What is no AP-REQ of Kerberos is answered with nothing.
    let answer = Token { id: TokenId::ApRep, ..one }.encode();
    for token in [&b"NTLMSSP\0"[..], &answer, b""] {
        assert_eq!(accept(&service, token).expect_err("no ticket").token, None);
    }
    let in_other = service.accept(&token, Carried::Iakerb(&[]), &moment(9));
    assert_eq!(in_other.expect_err("another mechanism").token, None);
    accept(&service, &token).expect("none of that counts as a use of it");
}

#[test]
fn channel_bindings_are_held_against_the_rule() {
    let (mut kdc, service) = lab();
    let ticket = ticket(&mut kdc);
    let ours = ChannelBindings::tls_server_end_point(&[1; 32]);
    let others = ChannelBindings::tls_server_end_point(&[2; 32]);
    let mut seed = 10;
    for (rule, none, right, wrong) in [
        (BindingsRule::Ignored, true, true, true),
        (BindingsRule::Accepted(ours.clone()), true, true, false),
        (BindingsRule::Required(ours.clone()), false, true, false),
    ] {
        let service = service.clone().with_bindings(rule.clone());
        for (sent, taken) in [(None, none), (Some(&ours), right), (Some(&others), wrong)] {
            seed += 1;
            let accepted = accept(&service, &shown(&ticket, sent, seed).0);
            assert_eq!(accepted.is_ok(), taken, "{rule:?} {sent:?}");
        }
    }
    // Who says that it knows them, and sends none, has had them taken off.
    let service = service.with_bindings(BindingsRule::Accepted(ours));
    let none = AuthenticatorChecksum::new(None, 0).encode();
    let none = Checksum { cksumtype: CHECKSUM_TYPE, checksum: &none };
    accept(&service, &by_hand(&ticket, Some(none), &[])).expect("who does not know them sends none");
    let knows = AuthorizationData::knows_channel_bindings();
    let knows = [AuthorizationData { ad_type: AD_IF_RELEVANT, ad_data: &knows }];
    let why = accept(&service, &by_hand(&ticket, Some(none), &knows)).expect_err("none").why;
    assert_eq!(why, "channel bindings are required, and there are none");
}

/// A token whose Authenticator says this, without a subkey.
fn by_hand(ticket: &GrantedTicket, cksum: Option<Checksum<'_>>, data: &[AuthorizationData<'_>]) -> Vec<u8> {
    let message = ap_req(ticket, cksum, data, KeyUsage::AP_REQ_AUTHENTICATOR);
    Token { mechanism: oid::KERBEROS, id: TokenId::ApReq, message: &message }.encode()
}

fn ap_req(
    ticket: &GrantedTicket,
    cksum: Option<Checksum<'_>>,
    data: &[AuthorizationData<'_>],
    usage: KeyUsage,
) -> Vec<u8> {
    changed_ap_req(ticket, cksum, data, usage, |_| ())
}

/// The same with something else about its Authenticator.
fn changed_ap_req(
    ticket: &GrantedTicket,
    cksum: Option<Checksum<'_>>,
    data: &[AuthorizationData<'_>],
    usage: KeyUsage,
    change: fn(&mut Authenticator<'_>),
) -> Vec<u8> {
    let (ctime, cusec) = KerberosTime::of(now());
    let mut authenticator = Authenticator {
        crealm: Cow::Borrowed(&ticket.client.realm),
        cname: Cow::Borrowed(&ticket.client.name),
        cksum,
        cusec,
        ctime,
        subkey: None,
        seq_number: None,
        authorization_data: data.to_vec(),
    };
    change(&mut authenticator);
    let keys = ticket.session_key.for_messages(usage);
    let cipher = keys.encrypt(&[7; 16], &authenticator.encode());
    let authenticator = EncryptedData::new(&keys, None, &cipher);
    ApReq { ap_options: 0, ticket: &ticket.ticket, authenticator }.encode()
}

#[test]
fn an_authenticator_says_what_it_is_for() {
    let (mut kdc, service) = lab();
    let ticket = ticket(&mut kdc);
    assert_eq!(refused(accept(&service, &by_hand(&ticket, None, &[]))), KRB_AP_ERR_INAPP_CKSUM);
    let of_a_message = Checksum { cksumtype: 16, checksum: &[0; 12] };
    let token = by_hand(&ticket, Some(of_a_message), &[]);
    assert_eq!(refused(accept(&service, &token)), KRB_AP_ERR_INAPP_CKSUM);
    let short = Checksum { cksumtype: CHECKSUM_TYPE, checksum: &[0; 12] };
    assert_eq!(refused(accept(&service, &by_hand(&ticket, Some(short), &[]))), KRB_ERR_GENERIC);

    // Nobody has asked for an answer, nor made a subkey: the session key signs.
    let asks_nothing = AuthenticatorChecksum::new(None, 0).encode();
    let asks_nothing = Checksum { cksumtype: CHECKSUM_TYPE, checksum: &asks_nothing };
    let mut accepted = accept(&service, &by_hand(&ticket, Some(asks_nothing), &[])).expect("alice's");
    assert_eq!(accepted.token, None);
    let mic = accepted.mics.mic(b"the list").expect("a MIC");
    let key = ContextKey::Initiators(ticket.session_key.clone());
    assert_eq!(MicTokens::new(Side::Initiator, key, 0).verify(b"the list", &mic), Ok(()));
}

#[test]
fn an_authenticator_of_another_client_or_with_another_key_is_refused() {
    let (mut kdc, service) = lab();
    let ticket = ticket(&mut kdc);
    let checksum = AuthenticatorChecksum::new(None, 0).encode();
    let checksum = Checksum { cksumtype: CHECKSUM_TYPE, checksum: &checksum };
    let of_bob: fn(&mut Authenticator<'_>) = |it| it.cname = Cow::Owned(PrincipalName::user("bob"));
    let elsewhere: fn(&mut Authenticator<'_>) = |it| it.crealm = Cow::Owned("OTHER.TEST".to_owned());
    let rc4: fn(&mut Authenticator<'_>) =
        |it| it.subkey = Some(EncryptionKey { keytype: 23, keyvalue: &[7; 16] });
    for (change, number) in
        [(of_bob, KRB_AP_ERR_BADMATCH), (elsewhere, KRB_AP_ERR_BADMATCH), (rc4, KRB_ERR_GENERIC)]
    {
        let usage = KeyUsage::AP_REQ_AUTHENTICATOR;
        let message = changed_ap_req(&ticket, Some(checksum), &[], usage, change);
        let token = Token { mechanism: oid::KERBEROS, id: TokenId::ApReq, message: &message }.encode();
        assert_eq!(refused(accept(&service, &token)), number);
    }
    accept(&service, &by_hand(&ticket, Some(checksum), &[])).expect("alice's own");

    // As for a further ticket.
    let first = first_ticket(alice(), |request| kdc.answer(request, now())).expect("a ticket");
    let first = Arc::new(first);
    let begun = TicketGranting::begin(Arc::clone(&first), www(), Policy::default(), &moment(3));
    let (request, _) = begun.expect("a first ticket");
    let request = KdcReq::decode(&request.message).expect("a request");
    let key = first.session_key.for_checksums(KeyUsage::TGS_REQ_CHECKSUM);
    let over_it = key.checksum(&[request.req_body]);
    let over_it = Checksum::new(&key, &over_it);
    let usage = KeyUsage::TGS_REQ_AUTHENTICATOR;
    let nothing: fn(&mut Authenticator<'_>) = |_| ();
    for (checksum, change, number) in [
        (None, nothing, KRB_AP_ERR_INAPP_CKSUM),
        (Some(over_it), rc4, KDC_ERR_ETYPE_NOSUPP),
        (Some(over_it), of_bob, KRB_AP_ERR_BADMATCH),
    ] {
        let ap_req = changed_ap_req(&first, checksum, &[], usage, change);
        let padata = vec![PaData { padata_type: pa_data::PA_TGS_REQ, padata_value: &ap_req }];
        let message = KdcReq { padata, ..request.clone() }.encode();
        assert_eq!(code(&kdc.answer(&message, now())), number);
    }
}

#[test]
fn a_service_forgets_authenticators_that_are_too_old_to_be_taken_anyway() {
    let (mut kdc, service) = lab();
    let ticket = ticket(&mut kdc);
    let accept_at = |token: &[u8], at| service.accept(token, Carried::Kerberos, &Moment::new(at, [9; 32]));
    let (token, _) = shown(&ticket, None, 5);
    accept_at(&token, now()).expect("alice's");
    let later = now() + Duration::from_secs(600);
    let flags = flags::MUTUAL | flags::INTEG;
    let how = Shown { flags, channel_bindings: None, carried: Carried::Kerberos };
    let (next, _) = Application::begin(Arc::clone(&ticket), &how, &Moment::new(later, [6; 32]));
    accept_at(&next, later).expect("alice's");
    assert_eq!(refused(accept_at(&token, later)), KRB_AP_ERR_SKEW);
    assert_eq!(refused(accept_at(&next, later)), KRB_AP_ERR_REPEAT);
}

#[test]
fn the_keys_of_so_many_tickets_are_kept() {
    let (mut kdc, _) = lab();
    let first = first_ticket(alice(), |request| kdc.answer(request, now())).expect("a ticket");
    let key = first.session_key.octets().to_vec();
    assert!(kdc.session_keys().any(|kept| kept.octets() == key));
    for _ in 0..64 {
        first_ticket(alice(), |request| kdc.answer(request, now())).expect("a ticket");
    }
    assert_eq!(kdc.session_keys().count(), 64);
    assert!(kdc.session_keys().all(|kept| kept.octets() != key), "the oldest went first");
}

/// A login by IAKERB, at a service behind which `kdc` is; gives all tokens but the last, and the ticket.
fn relayed(
    login: &mut Iakerb,
    service: &Service,
    kdc: &mut Kdc,
    cookie: Option<&[u8]>,
) -> (Vec<u8>, Result<GrantedTicket, MechanismError>) {
    let mut tokens = Vec::new();
    let mut count = 0;
    let mut carry = |request: &[u8]| {
        let header = IakerbHeader { target_realm: REALM.to_owned(), cookie: cookie.filter(|_| count > 0) };
        count += 1;
        let token = header.token(request);
        let ask = |realm: &str, request: &[u8]| {
            assert_eq!(realm, REALM);
            Ok(kdc.answer(request, now()))
        };
        let Relayed::Continue(answer) = login.step(&token, service, ask, &moment(9)) else {
            panic!("an answer");
        };
        tokens.extend_from_slice(&token);
        tokens.extend_from_slice(&answer);
        let answer = Token::decode(&answer).expect("a token");
        assert_eq!(answer.id, TokenId::IakerbProxy);
        let (header, message) = IakerbHeader::split(answer.message).expect("a header");
        assert_eq!((&*header.target_realm, header.cookie), (REALM, cookie));
        message.to_vec()
    };
    let ticket = first_ticket(alice(), &mut carry).map(|first| further_ticket(first, &mut carry));
    (tokens, ticket)
}

fn show_relayed(ticket: &Arc<GrantedTicket>, tokens: &[u8], seed: u8) -> (Vec<u8>, Application) {
    let shown = Shown { flags: flags::MUTUAL, channel_bindings: None, carried: Carried::Iakerb(tokens) };
    Application::begin(Arc::clone(ticket), &shown, &moment(seed))
}

fn unreachable(_: &str, _: &[u8]) -> Result<Vec<u8>, Unreachable> {
    panic!("nothing is carried")
}

#[test]
fn a_login_by_iakerb_is_tied_to_all_that_was_carried() {
    let (mut kdc, service) = lab();
    for cookie in [None, Some(&b"a cookie"[..])] {
        let mut login = Iakerb::new(REALM);
        if let Some(cookie) = cookie {
            login = login.with_cookie(cookie.to_vec());
        }
        let (tokens, ticket) = relayed(&mut login, &service, &mut kdc, cookie);
        let ticket = Arc::new(ticket.expect("a ticket"));
        let (token, exchange) = show_relayed(&ticket, &tokens, 5);
        let step = login.step(&token, &service, unreachable, &moment(9));
        let Relayed::Accepted(mut accepted) = step else { panic!("{step:?}") };
        assert_eq!(accepted.client.to_string(), "alice@LAB.TEST");
        let reply = accepted.token.expect("an AP-REP");
        let mut mics = exchange.answer(&reply, now()).expect("the service's");
        let mic = mics.mic(b"the list").expect("a MIC");
        assert_eq!(accepted.mics.verify(b"the list", &mic), Ok(()));
    }
}

#[test]
fn a_login_by_iakerb_that_was_tampered_with_is_refused() {
    let (mut kdc, service) = lab();
    let code_of = |step: Relayed| match step {
        Relayed::Rejected(rejected) => refused(Err(rejected)),
        other => panic!("{other:?}"),
    };
    let mut login = Iakerb::new(REALM);
    let (tokens, ticket) = relayed(&mut login, &service, &mut kdc, None);
    let ticket = Arc::new(ticket.expect("a ticket"));
    // Over less than what was carried, and over nothing.
    let (token, _) = show_relayed(&ticket, &tokens[1..], 5);
    assert_eq!(code_of(login.step(&token, &service, unreachable, &moment(9))), KRB_AP_ERR_MODIFIED);
    let (bare, _) = show_relayed(&ticket, &[], 6);
    assert_eq!(code_of(login.step(&bare, &service, unreachable, &moment(9))), KRB_AP_ERR_INAPP_CKSUM);
    // On another connection, where nothing was carried.
    let (whole, _) = show_relayed(&ticket, &tokens, 7);
    let elsewhere = Iakerb::new(REALM).step(&whole, &service, unreachable, &moment(9));
    assert_eq!(code_of(elsewhere), KRB_ERR_GENERIC);
    // The ticket is good for that, without what covers the tokens.
    let step = Iakerb::new(REALM).step(&bare, &service, unreachable, &moment(9));
    assert!(matches!(step, Relayed::Accepted(_)), "{step:?}");
    // Kerberos' own token is not IAKERB's.
    let step = Iakerb::new(REALM).step(&shown(&ticket, None, 8).0, &service, unreachable, &moment(9));
    let Relayed::Rejected(Rejected { token: None, .. }) = step else { panic!("{step:?}") };
}

#[test]
fn a_login_by_iakerb_may_go_on_as_by_kerberos() {
    let (mut kdc, service) = lab();
    // As the crate sspi and scapy do: AP-REQ is in the frame of Kerberos, 1.2.840.113554.1.2.2.
    let as_kerberos = |token: &[u8]| {
        let token = Token { mechanism: oid::KERBEROS, ..Token::decode(token).expect("a token") }.encode();
        let frame = [0x06, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x12, 1, 2, 2, 1, 0, 0x6e];
        assert!(token.windows(frame.len()).any(|octets| octets == frame), "{token:02x?}");
        token
    };
    let mut login = Iakerb::new(REALM);
    let (tokens, ticket) = relayed(&mut login, &service, &mut kdc, None);
    let ticket = Arc::new(ticket.expect("a ticket"));
    let (bare, _) = show_relayed(&ticket, &[], 5);
    let step = login.step(&as_kerberos(&bare), &service, unreachable, &moment(9));
    let Relayed::Rejected(rejected) = step else { panic!("{step:?}") };
    assert!(rejected.why.contains("no KRB-FINISHED"), "{rejected:?}");
    let (token, _) = show_relayed(&ticket, &tokens, 6);
    let step = login.step(&as_kerberos(&token), &service, unreachable, &moment(9));
    let Relayed::Accepted(accepted) = step else { panic!("{step:?}") };
    let reply = accepted.token.expect("an AP-REP");
    let reply = Token::decode(&reply).expect("a token");
    assert_eq!(
        (reply.mechanism, reply.id),
        (oid::KERBEROS, TokenId::ApRep),
        "in the frame that was asked in"
    );
}

#[test]
fn what_iakerb_cannot_carry_is_told_by_its_number() {
    let (_, service) = lab();
    let header = |realm: &str| IakerbHeader { target_realm: realm.to_owned(), cookie: None };
    for (unreachable, number) in [
        (Unreachable::NotFound, KRB_AP_ERR_IAKERB_KDC_NOT_FOUND),
        (Unreachable::NoResponse, KRB_AP_ERR_IAKERB_KDC_NO_RESPONSE),
    ] {
        let mut login = Iakerb::new(REALM);
        let token = header("OTHER.TEST").token(b"anything");
        let step = login.step(&token, &service, |_, _| Err(unreachable), &moment(9));
        let Relayed::Continue(answer) = step else { panic!("{step:?}") };
        let answer = Token::decode(&answer).expect("a token");
        let (header, message) = IakerbHeader::split(answer.message).expect("a header");
        assert_eq!((&*header.target_realm, code(message)), ("OTHER.TEST", number));
    }
    // Which realm it is, is told to who asks; a message for none is not carried.
    let mut login = Iakerb::new(REALM);
    let step = login.step(&header("").token(b""), &service, unreachable, &moment(9));
    let Relayed::Continue(answer) = step else { panic!("{step:?}") };
    assert_eq!(answer, header(REALM).token(b""));
    for token in [header("").token(b"anything"), header(REALM).token(b"")[..20].to_vec(), Vec::new()] {
        let step = login.step(&token, &service, unreachable, &moment(9));
        let Relayed::Rejected(Rejected { token: None, .. }) = step else { panic!("{step:?}") };
    }
    let without_header = Token { mechanism: oid::IAKERB, id: TokenId::IakerbProxy, message: b"\x30\x05" };
    let step = Iakerb::new(REALM).step(&without_header.encode(), &service, unreachable, &moment(9));
    let Relayed::Rejected(rejected) = step else { panic!("{step:?}") };
    assert!(rejected.why.starts_with("malformed IAKERB-HEADER: "), "{}", rejected.why);
    // Windows' acceptor carries it to its own.
    let mut login = Iakerb::new(REALM).with_messages_without_realm(WithoutRealm::OurRealm);
    let ask = |realm: &str, request: &[u8]| Ok([realm.as_bytes(), request].concat());
    let step = login.step(&header("").token(b" was asked"), &service, ask, &moment(9));
    let Relayed::Continue(answer) = step else { panic!("{step:?}") };
    assert_eq!(answer, header(REALM).token(b"LAB.TEST was asked"));
}

#[test]
fn a_client_without_the_cookie_and_one_without_end_are_refused() {
    let (_, service) = lab();
    let token = IakerbHeader { target_realm: REALM.to_owned(), cookie: None }.token(b"anything");
    let steps = |login: &mut Iakerb| {
        let mut carried = 0;
        loop {
            let step = login.step(&token, &service, |_, _| Ok(Vec::new()), &moment(9));
            let Relayed::Rejected(rejected) = step else {
                carried += 1;
                continue;
            };
            return (carried, rejected.why);
        }
    };
    let (carried, why) = steps(&mut Iakerb::new(REALM).with_cookie(b"a cookie".to_vec()));
    assert_eq!((carried, &*why), (1, "the client does not send the cookie back"));
    let (carried, why) = steps(&mut Iakerb::new(REALM));
    assert_eq!((carried, &*why), (16, "too many messages for one login"));
}

#[test]
fn a_wrong_password_by_iakerb_is_the_kdcs_to_refuse() {
    let (mut kdc, service) = lab();
    kdc.user("alice").expect("alice").password = Secret::new("another");
    let mut login = Iakerb::new(REALM);
    let (_, refused) = relayed(&mut login, &service, &mut kdc, None);
    assert!(refused.expect_err("no ticket").to_string().contains("refused the password"));
    assert_eq!(kdc.failures().collect::<Vec<_>>(), [("alice".to_owned(), 1)]);
}

#[test]
fn nothing_of_a_password_or_key_is_printed() {
    let (mut kdc, service) = lab();
    ticket(&mut kdc);
    let key = format!("{:?}", kdc.service_key(&www()).expect("a key").octets());
    let printed = format!("{kdc:?} {service:?} {:?}", Iakerb::new(REALM));
    assert!(!printed.contains("alice-pw") && !printed.contains(key.trim_matches(['[', ']'])), "{printed}");
}
