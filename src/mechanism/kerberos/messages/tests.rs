use std::borrow::Cow;

use crate::der::{Reader, Writer};
use crate::mechanism::kerberos::crypto::{DecryptError, EncryptionType};
use crate::mechanism::kerberos::messages::encrypted::Unreadable;
use crate::mechanism::kerberos::messages::{
    AD_IF_RELEVANT, ApRep, ApReq, Authenticator, AuthorizationData, Checksum, EncApRepPart, EncKdcRepPart,
    EncTicketPart, EncryptedData, EncryptionKey, EtypeInfo2Entry, Exchange, KdcRep, KdcReq, KdcReqBody,
    KerberosTime, KrbError, Message, PaData, PaEncTsEnc, PrincipalName, Ticket, krb_error,
};
use crate::mechanism::ntlm::vectors::Vectors;

fn vectors() -> Vectors {
    Vectors::read(include_str!("../../../../tests/vectors/kerberos-messages.txt"))
}

/// MIT's sample of a message, decoded, and encoded again to the same octets. No beginning of it decodes.
fn sample<'a, M: Message<'a>>(octets: &'a [u8]) -> M {
    let message = M::decode(octets).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(message.encode(), octets, "{}", M::NAME);
    for end in 0..octets.len() {
        assert!(M::decode(&octets[..end]).is_err(), "{} {end}", M::NAME);
    }
    message
}

fn name() -> PrincipalName {
    PrincipalName { name_type: 1, name_string: vec!["hftsai".to_owned(), "extra".to_owned()] }
}

/// 1994-06-10 06:03:17 UTC.
fn time() -> KerberosTime {
    KerberosTime::from_unix(771_228_197)
}

const REALM: &str = "ATHENA.MIT.EDU";
const ENCRYPTED: EncryptedData<'_> =
    EncryptedData { etype: 0, kvno: Some(5), cipher: b"krbASN.1 test message" };
const KEY: EncryptionKey<'_> = EncryptionKey { keytype: 1, keyvalue: b"12345678" };
const FLAGS: u32 = 0xfedc_ba98;

#[test]
fn parts_read_as_mit_writes_them() {
    let v = vectors();
    assert_eq!(sample::<EncryptedData<'_>>(&v.octets("encrypted-data.octets")), ENCRYPTED);
    assert_eq!(sample::<EncryptionKey<'_>>(&v.octets("encryption-key.octets")), KEY);
    let elements = [AuthorizationData { ad_type: 1, ad_data: b"foobar" }; 2];
    assert_eq!(sample::<Vec<AuthorizationData<'_>>>(&v.octets("authorization-data.octets")), elements);
    let padata = [PaData { padata_type: 13, padata_value: b"pa-data" }; 2];
    assert_eq!(sample::<Vec<PaData<'_>>>(&v.octets("method-data.octets")), padata);
    let octets = v.octets("etype-info2.octets");
    let entries = sample::<Vec<EtypeInfo2Entry<'_>>>(&octets);
    assert_eq!(entries.len(), 3);
    assert_eq!(
        entries[0],
        EtypeInfo2Entry { etype: 0, salt: Some(b"Morton's #0"), s2kparams: Some(b"s2k: 0") }
    );
    assert_eq!((entries[1].etype, entries[1].salt), (1, None));
    assert_eq!(
        sample::<PaEncTsEnc>(&v.octets("pa-enc-ts-enc.octets")),
        PaEncTsEnc { patimestamp: time(), pausec: Some(123_456) }
    );
    assert_eq!(sample::<PaEncTsEnc>(&v.octets("pa-enc-ts-enc-short.octets")).pausec, None);
}

#[test]
fn a_version_of_a_key_may_come_as_a_negative_number() {
    let octets = vectors().octets("encrypted-data-kvno.octets");
    assert_eq!(EncryptedData::decode(&octets).expect("decodes").kvno, Some(0xff00_0000));
}

#[test]
fn tickets_read_as_mit_writes_them() {
    let v = vectors();
    let octets = v.octets("ticket.octets");
    let ticket = sample::<Ticket<'_>>(&octets);
    assert_eq!(ticket, Ticket { realm: REALM.to_owned(), sname: name(), enc_part: ENCRYPTED });

    let octets = v.octets("enc-ticket-part.octets");
    let part = sample::<EncTicketPart<'_>>(&octets);
    assert_eq!((part.flags, part.key, &*part.crealm, &part.cname), (FLAGS, KEY, REALM, &name()));
    assert_eq!(part.transited.contents, b"EDU,MIT.,ATHENA.,WASHINGTON.EDU,CS.");
    assert_eq!((part.starttime, part.renew_till), (Some(time()), Some(time())));
    assert_eq!((part.caddr.map(<[u8]>::len), part.authorization_data.len()), (Some(32), 2));
    let octets = v.octets("enc-ticket-part-short.octets");
    let part = sample::<EncTicketPart<'_>>(&octets);
    assert_eq!((part.starttime, part.renew_till, part.caddr), (None, None, None));
    assert!(part.authorization_data.is_empty());
}

#[test]
fn requests_to_a_kdc_read_as_mit_writes_them() {
    let v = vectors();
    for (section, exchange) in
        [("as-req", Exchange::AuthenticationService), ("tgs-req", Exchange::TicketGranting)]
    {
        let octets = v.octets(&format!("{section}.octets"));
        let request = sample::<KdcReq<'_>>(&octets);
        assert_eq!((request.exchange, request.padata.len()), (exchange, 2));
        assert_eq!(PaData::find(&request.padata, 13), Some(&b"pa-data"[..]));
        assert_eq!(PaData::find(&request.padata, 14), None);
        let body = sample::<KdcReqBody<'_>>(request.req_body);
        assert_eq!(body.kdc_options, 0xfedc_ba90);
        assert_eq!((body.cname, &*body.realm, body.sname), (Some(name()), REALM, Some(name())));
        assert_eq!((body.from, body.till, body.rtime), (Some(time()), time(), Some(time())));
        assert_eq!((body.nonce, &body.etype[..]), (42, &[0, 1][..]));
        assert_eq!(body.enc_authorization_data, Some(ENCRYPTED));
        assert!(body.addresses.is_some() && body.additional_tickets.is_some());
    }
    let octets = v.octets("as-req-short.octets");
    let body = sample::<KdcReq<'_>>(&octets).req_body;
    let body = sample::<KdcReqBody<'_>>(body);
    assert_eq!((body.cname, body.sname, body.addresses), (None, None, None));
}

#[test]
fn replies_of_a_kdc_read_as_mit_writes_them() {
    let v = vectors();
    for (section, exchange) in [
        ("as-rep", Exchange::AuthenticationService),
        ("as-rep-short", Exchange::AuthenticationService),
        ("tgs-rep", Exchange::TicketGranting),
    ] {
        let octets = v.octets(&format!("{section}.octets"));
        let reply = sample::<KdcRep<'_>>(&octets);
        assert_eq!(reply.exchange, exchange, "{section}");
        assert_eq!(reply.padata.len(), if section == "as-rep-short" { 0 } else { 2 }, "{section}");
        assert_eq!((&*reply.crealm, &reply.cname, reply.enc_part), (REALM, &name(), ENCRYPTED));
        assert_eq!(reply.ticket, v.octets("ticket.octets"));
    }
    let octets = v.octets("enc-kdc-rep-part.octets");
    let part = sample::<EncKdcRepPart<'_>>(&octets);
    assert_eq!((part.exchange, part.nonce, part.flags), (Exchange::TicketGranting, 42, FLAGS));
    assert_eq!((part.last_req.len(), part.last_req[0].lr_type), (2, -5));
    assert_eq!((part.key, &*part.srealm, &part.sname), (KEY, REALM, &name()));
    assert_eq!((part.key_expiration, part.renew_till), (Some(time()), Some(time())));
    let octets = v.octets("enc-kdc-rep-part-short.octets");
    let part = sample::<EncKdcRepPart<'_>>(&octets);
    assert_eq!((part.key_expiration, part.starttime, part.renew_till), (None, None, None));

    // The other tag, and what RFC 6806 adds.
    let padata = vec![PaData { padata_type: 149, padata_value: b"checksum" }];
    let other = EncKdcRepPart {
        exchange: Exchange::AuthenticationService,
        encrypted_pa_data: padata.clone(),
        ..part
    };
    let octets = other.encode();
    assert_eq!(octets[0], 0x79);
    assert_eq!(sample::<EncKdcRepPart<'_>>(&octets), other);
}

#[test]
fn messages_of_client_and_server_read_as_mit_writes_them() {
    let v = vectors();
    let octets = v.octets("ap-req.octets");
    let request = sample::<ApReq<'_>>(&octets);
    assert_eq!((request.ap_options, request.authenticator), (FLAGS, ENCRYPTED));
    assert_eq!(request.ticket, v.octets("ticket.octets"));

    let octets = v.octets("authenticator.octets");
    let authenticator = sample::<Authenticator<'_>>(&octets);
    let expected = Authenticator {
        crealm: REALM.into(),
        cname: Cow::Owned(name()),
        cksum: Some(Checksum { cksumtype: 1, checksum: b"1234" }),
        cusec: 123_456,
        ctime: time(),
        subkey: Some(KEY),
        seq_number: Some(17),
        authorization_data: vec![AuthorizationData { ad_type: 1, ad_data: b"foobar" }; 2],
    };
    assert_eq!(authenticator, expected);
    let octets = v.octets("authenticator-short.octets");
    let short = Authenticator {
        cksum: None,
        subkey: None,
        seq_number: None,
        authorization_data: Vec::new(),
        ..expected
    };
    assert_eq!(sample::<Authenticator<'_>>(&octets), short);

    assert_eq!(sample::<ApRep<'_>>(&v.octets("ap-rep.octets")), ApRep { enc_part: ENCRYPTED });
    let part = EncApRepPart { ctime: time(), cusec: 123_456, subkey: Some(KEY), seq_number: Some(17) };
    assert_eq!(sample::<EncApRepPart<'_>>(&v.octets("enc-ap-rep-part.octets")), part);
    let short = EncApRepPart { subkey: None, seq_number: None, ..part };
    assert_eq!(sample::<EncApRepPart<'_>>(&v.octets("enc-ap-rep-part-short.octets")), short);
}

#[test]
fn errors_read_as_mit_writes_them() {
    let v = vectors();
    let octets = v.octets("krb-error.octets");
    let error = sample::<KrbError<'_>>(&octets);
    assert_eq!((error.error_code, error.stime, error.susec), (60, time(), 123_456));
    assert_eq!((error.ctime, error.cusec), (Some(time()), Some(123_456)));
    assert_eq!((error.crealm.as_deref(), error.cname), (Some(REALM), Some(name())));
    assert_eq!((&*error.realm, error.sname), (REALM, name()));
    assert_eq!((error.e_text, error.e_data), (Some(&b"krb5data"[..]), Some(&b"krb5data"[..])));
    let octets = v.octets("krb-error-short.octets");
    let error = sample::<KrbError<'_>>(&octets);
    assert_eq!((error.ctime, error.cname, error.e_text, error.e_data), (None, None, None, None));
}

#[test]
fn what_is_wrong_is_told_with_its_place() {
    let octets = vectors().octets("ticket.octets");
    let told = |octets: &[u8]| Ticket::decode(octets).expect_err("malformed").to_string();
    assert_eq!(told(&octets[..9]), "malformed Ticket: a value longer than what holds it at octet 2");
    assert_eq!(told(&[&octets[..], &[0]].concat()), "malformed Ticket: trailing octets at octet 94");
    let changed = |at: usize, octet: u8| {
        let mut changed = octets.clone();
        changed[at] = octet;
        changed
    };
    assert_eq!(told(&changed(0, 0x62)), "malformed Ticket: an unexpected tag at octet 0");
    assert_eq!(told(&changed(8, 4)), "malformed Ticket: another version than 5 at octet 9");
    assert_eq!(told(&changed(9, 0xa2)), "malformed Ticket: no realm at octet 9");
    assert_eq!(told(&changed(14, 0xff)), "malformed Ticket: a string that is not UTF-8 at octet 27");
    assert_eq!(told(&vec![0; 70_000]), "malformed Ticket: more than 64 KiB at octet 65536");

    let request = vectors().octets("ap-req.octets");
    let error = KdcReq::decode(&request).expect_err("another message");
    assert_eq!(error.to_string(), "malformed KDC-REQ: a message of another type at octet 0");
}

#[test]
fn a_type_that_contradicts_its_tag_and_microseconds_of_a_second_are_refused() {
    let v = vectors();
    let mut octets = v.octets("as-rep.octets");
    octets[0] = 0x6d;
    let error = KdcRep::decode(&octets).expect_err("malformed");
    assert_eq!(error.malformed.what, "another msg-type than its tag says");

    let mut writer = Writer::with_room(0);
    writer.integer(1_000_000);
    let octets = writer.finish();
    let mut reader = Reader::new(&octets).expect("within the limit");
    assert!(super::read_microseconds(&mut reader).is_err());
}

#[test]
fn microseconds_may_have_zeros_in_front() {
    // As the crate sspi writes PA-ENC-TS-ENC: four octets always.
    let padded = b"\x30\x1b\xa0\x11\x18\x0f20261129063000Z\xa1\x06\x02\x04\x00\x01\xe2\x40";
    let timestamp = PaEncTsEnc::decode(padded).expect("a timestamp");
    assert_eq!(timestamp.pausec, Some(123_456));
    let read =
        |octets: &[u8]| super::read_microseconds(&mut Reader::new(octets).expect("within the limit")).ok();
    assert_eq!(read(&[2, 4, 0, 0, 0, 0]), Some(0));
    assert_eq!(read(&[2, 4, 0, 0x0f, 0x42, 0x3f]), Some(999_999));
    for refused in [
        &[2, 0][..],
        &[2, 1, 0xff],
        &[2, 3, 0x0f, 0x42, 0x40],
        &[2, 4, 0x7f, 0xff, 0xff, 0xff],
        &[2, 4, 0x80, 0, 0, 0],
        &[2, 5, 0, 0, 0, 0, 1],
        &[4, 1, 7],
    ] {
        assert_eq!(read(refused), None, "{refused:?}");
    }
}

#[test]
fn what_tells_of_channel_bindings_is_found_inside_ad_if_relevant() {
    let known = AuthorizationData::knows_channel_bindings();
    assert_eq!(known, b"\x30\x10\x30\x0e\xa0\x04\x02\x02\x00\x8f\xa1\x06\x04\x04\x00\x40\x00\x00");
    let says = |ad_type, ad_data: &[u8]| {
        AuthorizationData::says_channel_bindings_are_known(&[AuthorizationData { ad_type, ad_data }])
    };
    assert_eq!(says(AD_IF_RELEVANT, &known), Ok(true));
    assert_eq!(says(2, &known), Ok(false));
    assert_eq!(says(AD_IF_RELEVANT, b"\x30\x00"), Ok(false));
    let groups = AuthorizationData::groups(3);
    let [element] = *Vec::<AuthorizationData<'_>>::decode(&groups).expect("one element") else {
        panic!("one element")
    };
    assert_eq!(element, AuthorizationData { ad_type: 128, ad_data: &[0; 3] });
    let relevant = [AuthorizationData::if_relevant(&groups)];
    assert_eq!(AuthorizationData::says_channel_bindings_are_known(&relevant), Ok(false));
    assert!(says(AD_IF_RELEVANT, b"\x30").is_err());
}

#[test]
fn what_is_encrypted_and_cannot_be_read_says_why() {
    let aes = EncryptionType::Aes128Sha1;
    for (unreadable, words) in [
        (
            Unreadable::Type { found: 23, key: aes },
            "it has encryption type 23, and the key aes128-cts-hmac-sha1-96",
        ),
        (Unreadable::Decrypt(DecryptError::TooShort), "the ciphertext is too short"),
        (Unreadable::Decrypt(DecryptError::Integrity), "the key does not fit, or the ciphertext was changed"),
    ] {
        assert_eq!(unreadable.to_string(), words);
    }
}

#[test]
fn a_krb_error_carries_method_data() {
    let method_data = vec![PaData { padata_type: 2, padata_value: b"" }].encode();
    let error = KrbError {
        ctime: None,
        cusec: None,
        stime: time(),
        susec: 7,
        error_code: krb_error::KDC_ERR_PREAUTH_REQUIRED,
        crealm: None,
        cname: None,
        realm: REALM.to_owned(),
        sname: PrincipalName::ticket_granting(REALM),
        e_text: Some(b"NEEDED_PREAUTH"),
        e_data: Some(&method_data),
    };
    let octets = error.encode();
    let decoded = sample::<KrbError<'_>>(&octets);
    assert_eq!(decoded, error);
    assert_eq!(decoded.sname.to_string(), "krbtgt/ATHENA.MIT.EDU");
    let padata = Vec::<PaData<'_>>::decode(decoded.e_data.expect("there")).expect("METHOD-DATA");
    assert_eq!(PaData::find(&padata, 2), Some(&b""[..]));
}

#[test]
fn nothing_of_a_key_is_printed() {
    assert_eq!(format!("{KEY:?}"), "EncryptionKey(1, ..)");
    assert!(KEY.to_key().is_none());
}

#[test]
fn there_is_room_for_a_whole_message_from_the_start() {
    fn check<'a, M: Message<'a>>(message: &M) {
        let (encoded, room) = (message.encode(), M::FIXED + message.room());
        let octets = encoded.len();
        assert!(M::FIXED < octets && octets <= room, "{}: {octets} octets, room for {room}", M::NAME);
        assert!((room..room + 1_024).contains(&encoded.capacity()), "{}: {}", M::NAME, encoded.capacity());
    }
    let long = vec![7; 4_096];
    let enc_part = EncryptedData { cipher: &long, ..ENCRYPTED };
    check(&enc_part);
    check(&ApRep { enc_part });
    check(&ApReq { ap_options: FLAGS, ticket: &long, authenticator: enc_part });
    check(&Ticket { realm: REALM.into(), sname: name(), enc_part });
    check(&vec![AuthorizationData { ad_type: 1, ad_data: &long }; 2]);
    let v = vectors();
    let octets = v.octets("enc-ticket-part.octets");
    let authorization_data = vec![AuthorizationData { ad_type: 1, ad_data: &long }; 2];
    check(&EncTicketPart { authorization_data, ..sample(&octets) });
    for component in ["", "a", "component"] {
        check(&PrincipalName { name_type: 1, name_string: vec![component.to_owned(); 1_000] });
    }
}
