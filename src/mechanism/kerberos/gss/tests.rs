use crate::channel_bindings::ChannelBindings;
use crate::der;
use crate::mechanism::kerberos::crypto::{EncryptionType, Key, KeyUsage};
use crate::mechanism::kerberos::gss::iakerb::{IakerbHeader, KrbFinished};
use crate::mechanism::kerberos::gss::{
    AuthenticatorChecksum, ContextKey, Extension, MicTokens, Side, Token, TokenId, flags,
};
use crate::mechanism::kerberos::messages::{Checksum, Message};
use crate::mechanism::ntlm::vectors::Vectors;
use crate::mechanism::oid;
use crate::mechanism::{ErrorKind, MessageIntegrity};

fn key(octet: u8) -> Key {
    Key::new(EncryptionType::Aes256Sha384, &[octet; 32]).expect("32 octets")
}

#[test]
fn a_token_says_which_message_it_holds() {
    let token = Token { mechanism: oid::KERBEROS, id: TokenId::ApReq, message: b"\x6e\x00" };
    let octets = token.encode();
    assert_eq!(octets, b"\x60\x0f\x06\x09\x2a\x86\x48\x86\xf7\x12\x01\x02\x02\x01\x00\x6e\x00");
    assert_eq!(Token::decode(&octets), Ok(token));
    let told = |octets: &[u8]| Token::decode(octets).expect_err("defective").to_string();
    assert_eq!(told(&octets[..9]), "malformed Kerberos token: a value longer than what holds it at octet 2");
    assert_eq!(
        told(b"\x60\x0b\x06\x09\x2a\x86\x48\x86\xf7\x12\x01\x02\x02"),
        "malformed Kerberos token: no TOK_ID"
    );
    assert_eq!(
        told(b"\x60\x0d\x06\x09\x2a\x86\x48\x86\xf7\x12\x01\x02\x02\x01\x01"),
        "malformed Kerberos token: an unknown TOK_ID 0101"
    );
    assert_eq!(told(b"\x60\x03\x06\x01\x2a"), "a token of another mechanism: 1.2");
}

#[test]
fn extensions_are_read_in_either_order_of_octets() {
    let fixed = [&[16, 0, 0, 0][..], &[0; 16], &[2, 0, 0, 0]].concat();
    let read = |extensions: &[u8]| {
        let octets = [&fixed[..], extensions].concat();
        let decoded = AuthenticatorChecksum::decode(&octets).ok();
        decoded.map(|decoded| {
            decoded.extensions.iter().map(|one| (one.number, one.data.len())).collect::<Vec<_>>()
        })
    };
    let finished = b"\x30\x13\xa1\x11\x30\x0f\xa0\x03\x02\x01\x10\xa1\x08\x04\x06finish";
    // As RFC 6542 has it, and as the crate sspi sends it.
    let big = [&[0, 0, 0, 2, 0, 0, 0, 21][..], finished].concat();
    let little = [&[2, 0, 0, 0, 21, 0, 0, 0][..], finished].concat();
    assert_eq!(read(&big), Some(vec![(2, 21)]));
    assert_eq!(read(&little), Some(vec![(2, 21)]));
    assert_eq!(read(&[&little[..], &little].concat()), Some(vec![(2, 21), (2, 21)]));
    assert_eq!(read(&[&big[..], &little].concat()), None, "one order for all");
    assert_eq!(read(&big[..28]), None);
    assert_eq!(read(&little[..28]), None);
}

#[test]
fn the_checksum_carries_bindings_flags_and_extensions() {
    let bindings = ChannelBindings::tls_server_end_point(&[7; 32]);
    let mut checksum = AuthenticatorChecksum::new(Some(&bindings), flags::MUTUAL | flags::INTEG);
    let plain = checksum.encode();
    assert_eq!((plain.len(), &plain[..4], &plain[20..]), (24, &[16, 0, 0, 0][..], &[0x22, 0, 0, 0][..]));
    assert_eq!(AuthenticatorChecksum::decode(&plain).as_ref(), Ok(&checksum));
    assert!(checksum.has_bindings(&bindings));
    assert!(!AuthenticatorChecksum::new(None, 0).has_bindings(&bindings));

    let mut other_length = plain;
    other_length[0] = 15;
    let error = AuthenticatorChecksum::decode(&other_length).expect_err("another length");
    assert!(error.to_string().ends_with("channel bindings of another length than 16"), "{error}");

    checksum.flags |= flags::DELEG;
    checksum.delegated = Some(b"KRB-CRED");
    checksum.extensions.push(Extension { number: 1, data: b"" });
    checksum.extensions.push(Extension { number: Extension::FINISHED, data: b"finished" });
    let octets = checksum.encode();
    assert_eq!(octets[24..28], [1, 0, 8, 0]);
    assert_eq!(octets[44..52], [0, 0, 0, 2, 0, 0, 0, 8]);
    let decoded = AuthenticatorChecksum::decode(&octets).expect("decodes");
    assert_eq!(decoded, checksum);
    assert_eq!(decoded.extension(Extension::FINISHED), Some(&b"finished"[..]));
    assert_eq!(decoded.extension(3), None);
    for end in (0..36).chain(44 + 8..octets.len()) {
        assert!(AuthenticatorChecksum::decode(&octets[..end]).is_err(), "{end}");
    }
}

#[test]
fn mic_tokens_verify_on_the_other_side_only() {
    let side = |side| MicTokens::new(side, ContextKey::AcceptorSubkey(key(1)), 0x0102_0304);
    let (mut initiator, mut acceptor) = (side(Side::Initiator), side(Side::Acceptor));
    assert_eq!(format!("{initiator:?}"), "MicTokens(Initiator, ..)");
    let first = initiator.mic(b"the list").expect("a token");
    assert_eq!(first[..16], [4, 4, 4, 255, 255, 255, 255, 255, 0, 0, 0, 0, 1, 2, 3, 4]);
    assert_eq!(first.len(), 16 + 24);
    assert_eq!(acceptor.verify(b"the list", &first), Ok(()));
    let second = initiator.mic(b"the list").expect("a token");
    assert_eq!(second[8..16], [0, 0, 0, 0, 1, 2, 3, 5]);
    assert_eq!(acceptor.verify(b"the list", &second), Ok(()));
    let back = acceptor.mic(b"the list").expect("a token");
    assert_eq!(back[2], 5);
    assert_eq!(initiator.verify(b"the list", &back), Ok(()));

    let kind = |result: Result<(), crate::mechanism::MechanismError>| result.expect_err("refused").kind();
    assert_eq!(kind(initiator.verify(b"the list", &first)), ErrorKind::BadMic);
    assert_eq!(kind(acceptor.verify(b"another", &first)), ErrorKind::BadMic);
    assert_eq!(kind(acceptor.verify(b"the list", &first[..15])), ErrorKind::DefectiveToken);
    for at in 0..first.len() {
        let mut changed = first.clone();
        changed[at] ^= 1;
        assert!(acceptor.verify(b"the list", &changed).is_err(), "{at}");
    }
    let mut other = MicTokens::new(Side::Acceptor, ContextKey::Initiators(key(1)), 0);
    assert_eq!(kind(other.verify(b"the list", &first)), ErrorKind::BadMic);
    let mut other = MicTokens::new(Side::Acceptor, ContextKey::AcceptorSubkey(key(2)), 0);
    assert_eq!(kind(other.verify(b"the list", &first)), ErrorKind::BadMic);
}

#[test]
fn iakerb_carries_a_message_behind_its_header() {
    let header = IakerbHeader { target_realm: "LAB.TEST".to_owned(), cookie: Some(b"cookie") };
    let octets = header.token(b"\x6a\x00");
    assert_eq!(octets[..12], *b"\x60\x24\x06\x06\x2b\x06\x01\x05\x02\x05\x05\x01");
    let token = Token::decode(&octets).expect("a token");
    assert_eq!((token.mechanism, token.id), (oid::IAKERB, TokenId::IakerbProxy));
    assert_eq!(IakerbHeader::split(token.message), Ok((header, &b"\x6a\x00"[..])));

    let discovery = IakerbHeader { target_realm: String::new(), cookie: None };
    assert_eq!(discovery.encode(), b"\x30\x04\xa1\x02\x0c\x00");
}

#[test]
fn microsofts_flags_are_passed_over_and_the_old_dialect_is_named() {
    let with_flags = b"\x30\x0d\xa1\x04\x0c\x02EX\xa3\x05\x03\x03\x00\x80\x00";
    let (header, rest) = IakerbHeader::split(with_flags).expect("a header");
    assert_eq!((&*header.target_realm, rest), ("EX", &b""[..]));
    let old = IakerbHeader::split(b"\x30\x06\xa1\x04\x04\x02EX").expect_err("another protocol");
    assert!(old.to_string().contains("as MIT Kerberos before 1.22 writes it"), "{old}");
}

#[test]
fn iakerb_reads_as_mit_writes_it() {
    let v = Vectors::read(include_str!("../../../../tests/vectors/kerberos-messages.txt"));
    let octets = v.octets("iakerb-header.octets");
    let header = IakerbHeader::decode(&octets).expect("a header");
    assert_eq!(header, IakerbHeader { target_realm: "krb5data".to_owned(), cookie: Some(b"krb5data") });
    assert_eq!(header.encode(), octets);
    let octets = v.octets("krb-finished.octets");
    let finished = KrbFinished::decode(&octets).expect("a KRB-FINISHED");
    assert_eq!(finished.gss_mic, Checksum { cksumtype: 1, checksum: b"1234" });
    assert_eq!(finished.encode(), octets);

    // What a later version of the protocol adds is passed over.
    let with_more =
        der::encode(der::SEQUENCE, &[&octets[2..], &der::encode(der::context(2), &[b"\x05\x00"])]);
    assert_eq!(KrbFinished::decode(&with_more), Ok(finished));
}

#[test]
fn the_end_of_iakerb_covers_what_was_sent() {
    let key = key(3).for_checksums(KeyUsage::FINISHED);
    let checksum = key.checksum(&[b"first", b"second"]);
    let finished = KrbFinished { gss_mic: Checksum::new(&key, &checksum) };
    assert!(finished.gss_mic.verify(&key, &[b"firstsecond"]));
    assert!(!finished.gss_mic.verify(&key, &[b"first"]));
    let other = Checksum { cksumtype: 16, ..finished.gss_mic };
    assert!(!other.verify(&key, &[b"firstsecond"]));
}
