//! A login as MIT Kerberos wrote it, read from the password on.

use std::num::NonZeroU32;

use crate::channel_bindings::ChannelBindings;
use crate::mechanism::MessageIntegrity;
use crate::mechanism::kerberos::crypto::{EncryptionType, Key, KeyUsage};
use crate::mechanism::kerberos::gss::{
    AuthenticatorChecksum, CHECKSUM_TYPE, ContextKey, MicTokens, Side, Token, TokenId, flags,
};
use crate::mechanism::kerberos::messages::flags::{ap_options, ticket_flags};
use crate::mechanism::kerberos::messages::krb_error::KDC_ERR_PREAUTH_REQUIRED;
use crate::mechanism::kerberos::messages::pa_data::{
    PA_ENC_TIMESTAMP, PA_ETYPE_INFO2, PA_REQ_ENC_PA_REP, PA_TGS_REQ,
};
use crate::mechanism::kerberos::messages::{
    ApRep, ApReq, Authenticator, Checksum, EncApRepPart, EncKdcRepPart, EncTicketPart, EncryptedData,
    EtypeInfo2Entry, Exchange, KdcRep, KdcReq, KdcReqBody, KrbError, Message, PaData, PaEncTsEnc,
    PrincipalName, Ticket,
};
use crate::mechanism::ntlm::vectors::Vectors;

/// A message of the login, which encodes to what it was decoded from.
fn decoded<'a, M: Message<'a>>(octets: &'a [u8]) -> M {
    let message = M::decode(octets).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(message.encode(), octets, "{}", M::NAME);
    message
}

fn decrypted(data: EncryptedData<'_>, key: &Key, usage: KeyUsage) -> Vec<u8> {
    data.decrypt(&key.for_messages(usage)).unwrap_or_else(|error| panic!("{usage:?}: {error}")).to_vec()
}

#[test]
fn a_login_by_mit_reads_from_the_password_to_the_last_mic() {
    let v = Vectors::read(include_str!("../../../../tests/vectors/kerberos-mit.txt"));
    let octets = |name: &str| v.octets(&format!("messages.{name}"));
    let realm = v.text("names.realm");
    let user = PrincipalName::user(v.text("names.user"));

    // The KDC wants to see that the client knows the password, and says how its key is made.
    let (request, error) = (octets("as-req-1"), octets("krb-error"));
    let request = decoded::<KdcReq<'_>>(&request);
    let body = decoded::<KdcReqBody<'_>>(request.req_body);
    assert_eq!((&body.cname, &*body.realm), (&Some(user.clone()), realm));
    assert_eq!(body.etype, [20, 18, 19, 17]);
    let error = decoded::<KrbError<'_>>(&error);
    assert_eq!((error.error_code, error.e_text), (KDC_ERR_PREAUTH_REQUIRED, Some(&b"NEEDED_PREAUTH"[..])));
    let methods = decoded::<Vec<PaData<'_>>>(error.e_data.expect("METHOD-DATA"));
    let infos = PaData::find(&methods, PA_ETYPE_INFO2).expect("ETYPE-INFO2");
    let infos = decoded::<Vec<EtypeInfo2Entry<'_>>>(infos);
    assert_eq!((infos[0].etype, infos[0].salt), (20, Some(&b"CAP.TESTalice"[..])));
    let key_of = |password: &str, etype: EncryptionType, salt: &[u8]| {
        let iterations = NonZeroU32::new(etype.default_iterations()).expect("some");
        Key::from_password(etype, password, salt, iterations)
    };
    let client_key = key_of(v.text("names.password"), EncryptionType::Aes256Sha384, b"CAP.TESTalice");

    // The client shows it.
    let request_octets = octets("as-req-2");
    let request = decoded::<KdcReq<'_>>(&request_octets);
    assert_eq!(request.exchange, Exchange::AuthenticationService);
    let timestamp = PaData::find(&request.padata, PA_ENC_TIMESTAMP).expect("a timestamp");
    let timestamp = decoded::<EncryptedData<'_>>(timestamp);
    let timestamp = decrypted(timestamp, &client_key, KeyUsage::PA_ENC_TIMESTAMP);
    let shown = decoded::<PaEncTsEnc>(&timestamp).patimestamp;
    assert!(shown.unix().abs_diff(error.stime.unix()) < 5);

    // The KDC grants the first ticket.
    let reply = octets("as-rep");
    let reply = decoded::<KdcRep<'_>>(&reply);
    assert_eq!(
        (reply.exchange, &*reply.crealm, &reply.cname),
        (Exchange::AuthenticationService, realm, &user)
    );
    let part = decrypted(reply.enc_part, &client_key, KeyUsage::AS_REP);
    let part = decoded::<EncKdcRepPart<'_>>(&part);
    let body = decoded::<KdcReqBody<'_>>(request.req_body);
    assert_eq!((part.nonce, &*part.srealm, Some(&part.sname)), (body.nonce, realm, body.sname.as_ref()));
    assert!(part.sname.is_same(&PrincipalName::ticket_granting(realm)));
    let expected = ticket_flags::INITIAL | ticket_flags::PRE_AUTHENT | ticket_flags::ENC_PA_REP;
    assert_eq!(part.flags & expected, expected);
    let checksum = PaData::find(&part.encrypted_pa_data, PA_REQ_ENC_PA_REP).expect("the request's checksum");
    let checksum = decoded::<Checksum<'_>>(checksum);
    assert!(checksum.verify(&client_key.for_checksums(KeyUsage::AS_REQ_CHECKSUM), &[&request_octets]));
    let session_key = part.key.to_key().expect("a supported type");

    // The client asks for a ticket for the service.
    let request = octets("tgs-req");
    let request = decoded::<KdcReq<'_>>(&request);
    assert_eq!(request.exchange, Exchange::TicketGranting);
    let ap_req = PaData::find(&request.padata, PA_TGS_REQ).expect("an AP-REQ");
    let ap_req = decoded::<ApReq<'_>>(ap_req);
    assert_eq!(ap_req.ticket, reply.ticket);
    let authenticator = decrypted(ap_req.authenticator, &session_key, KeyUsage::TGS_REQ_AUTHENTICATOR);
    let authenticator = decoded::<Authenticator<'_>>(&authenticator);
    assert_eq!(*authenticator.cname, user);
    let checksum = authenticator.cksum.expect("a checksum");
    assert!(checksum.verify(&session_key.for_checksums(KeyUsage::TGS_REQ_CHECKSUM), &[request.req_body]));

    // The KDC grants it, and the service reads it.
    let reply = octets("tgs-rep");
    let reply = decoded::<KdcRep<'_>>(&reply);
    assert_eq!(reply.exchange, Exchange::TicketGranting);
    let ticket = decoded::<Ticket<'_>>(reply.ticket);
    assert_eq!((&*ticket.realm, &*ticket.sname.to_string()), (realm, v.text("names.service")));
    let salt = b"CAP.TESTHTTPhost.cap.test";
    let service_key = key_of(v.text("names.service-password"), EncryptionType::Aes256Sha1, salt);
    let part = decrypted(ticket.enc_part, &service_key, KeyUsage::TICKET);
    let part = decoded::<EncTicketPart<'_>>(&part);
    assert_eq!((&*part.crealm, &part.cname), (realm, &user));
    let session_key = part.key.to_key().expect("a supported type");

    // The client shows it to the service, with what ties it to the connection.
    let token = octets("ap-req");
    let token = Token::decode(&token).expect("a token");
    assert_eq!(token.id, TokenId::ApReq);
    let ap_req = decoded::<ApReq<'_>>(token.message);
    assert_eq!((ap_req.ap_options, ap_req.ticket), (ap_options::MUTUAL_REQUIRED, reply.ticket));
    let authenticator = decrypted(ap_req.authenticator, &session_key, KeyUsage::AP_REQ_AUTHENTICATOR);
    let authenticator = decoded::<Authenticator<'_>>(&authenticator);
    let checksum = authenticator.cksum.expect("a checksum");
    assert_eq!(checksum.cksumtype, CHECKSUM_TYPE);
    let said = AuthenticatorChecksum::decode(checksum.checksum).expect("a checksum of GSS-API");
    assert_eq!(said.encode(), checksum.checksum);
    let hash: [u8; 32] = std::array::from_fn(|index| index as u8);
    assert!(said.has_bindings(&ChannelBindings::tls_server_end_point(&hash)));
    assert_eq!(said.flags & (flags::MUTUAL | flags::INTEG), flags::MUTUAL | flags::INTEG);

    // The service proves that it has read it.
    let token = octets("ap-rep");
    let token = Token::decode(&token).expect("a token");
    assert_eq!(token.id, TokenId::ApRep);
    let part = decrypted(decoded::<ApRep<'_>>(token.message).enc_part, &session_key, KeyUsage::AP_REP);
    let part = decoded::<EncApRepPart<'_>>(&part);
    assert_eq!((part.ctime, part.cusec), (authenticator.ctime, authenticator.cusec));

    // Both sign, and so do we: to the octet.
    let subkey = part.subkey.and_then(|key| key.to_key()).expect("a subkey");
    let initiators = authenticator.seq_number.expect("a number");
    let acceptors = part.seq_number.expect("a number");
    let side = |side, number| MicTokens::new(side, ContextKey::AcceptorSubkey(subkey.clone()), number);
    let mut initiator = side(Side::Initiator, initiators);
    let mut acceptor = side(Side::Acceptor, acceptors);
    assert_eq!(acceptor.verify(b"the list", &octets("mic-initiator")), Ok(()));
    assert_eq!(initiator.verify(b"the list", &octets("mic-acceptor")), Ok(()));
    assert_eq!(initiator.mic(b"the list"), Ok(octets("mic-initiator")));
    assert_eq!(acceptor.mic(b"the list"), Ok(octets("mic-acceptor")));
}
