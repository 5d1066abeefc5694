//! Connections over HTTP/2, which other requests share.

use super::*;
use crate::handshake::{HttpVersion, Protocol};

fn over(authenticator: &Authenticator, protocol: Protocol) -> Connection {
    let mut connection = Connection::new(authenticator);
    connection.handshake = connection.handshake.over(protocol);
    connection
}

fn version(authenticator: &Authenticator) -> HttpVersion {
    authenticator.memory(Challenger::Origin, &mail()).version()
}

#[test]
fn a_login_that_is_the_connections_is_begun_by_http_1_1() {
    let authenticator = using([ntlm(), basic()]).build();
    let mut connection = over(&authenticator, Protocol::Http2);
    connection.begin().bare();
    let challenge = unauthorized(&["NTLM", "Basic realm=\"mail\""]);
    assert_eq!(version(&authenticator), HttpVersion::Any);
    assert_eq!(connection.receive(&challenge).renewal(), Renewal::Http1Needed);
    assert_eq!(version(&authenticator), HttpVersion::Http1);

    // Nor does it speak first.
    assert_eq!(over(&authenticator, Protocol::Http2).begin().renewal(), Renewal::Http1Needed);
    assert_eq!(Connection::new(&authenticator).begin().leg().0, "NTLM");
}

#[test]
fn where_http_1_1_is_not_to_be_had_it_is_passed_by() {
    let authenticator = using([ntlm(), basic()]).declare(mail(), "NTLM").expect("a known scheme").build();
    let mut connection = over(&authenticator, Protocol::Http2Alone);
    connection.begin().bare();
    let challenge = unauthorized(&["NTLM", "Basic realm=\"mail\""]);
    assert_eq!(connection.receive(&challenge).leg().0, "Basic");
    connection.receive(&ok()).login();

    let mut connection = over(&authenticator, Protocol::Http2Alone);
    connection.begin();
    assert!(connection.receive(&unauthorized(&["NTLM"])).tried().contains(&("NTLM".to_owned(), Why::Http2)));
    assert_eq!(version(&authenticator), HttpVersion::Any);
}

#[test]
fn persistent_auth_makes_no_login_the_connections() {
    let authenticator = using([basic()]).build();
    let mut connection = over(&authenticator, Protocol::Http2);
    connection.begin().bare();
    assert_eq!(connection.receive(&unauthorized(&["Basic realm=\"mail\""])).leg().0, "Basic");
    connection.receive(&with(ok(), "persistent-auth", "true")).login();
    assert!(!connection.handshake.is_established());
    assert_eq!(connection.begin().leg().0, "Basic");
}

#[test]
fn only_a_known_way_to_http_1_1_is_noted() {
    for (protocol, expected) in [
        (Protocol::Http2, HttpVersion::Http1),
        (Protocol::Http2Alone, HttpVersion::Any),
        (Protocol::Http1, HttpVersion::Any),
    ] {
        let authenticator = using([basic()]).build();
        let moves = over(&authenticator, protocol).handshake.needs_http1();
        assert_eq!((moves, version(&authenticator)), (protocol == Protocol::Http2, expected));
    }
}

#[test]
fn what_is_declared_to_be_the_connections_is_spoken_to_by_http_1_1() {
    for (scheme, expected) in [("NTLM", HttpVersion::Http1), ("Basic", HttpVersion::Any)] {
        let builder = using([ntlm(), basic()]).declare(mail(), scheme).expect("a known scheme");
        let authenticator = builder.build();
        assert_eq!(authenticator.version(&mail()), expected, "{scheme}");
        assert_eq!(authenticator.version(&plain_mail()), HttpVersion::Any);
        authenticator.memory(Challenger::Origin, &mail()).need_http1();
        assert_eq!(authenticator.version(&mail()), HttpVersion::Http1, "{scheme}: as was learnt");
    }
}

#[test]
fn what_is_known_of_a_connection_holds_for_the_requests_beside() {
    let authenticator = using([ntlm()]).remembered_origins(1).build();
    let handshake = || Handshake::new(authenticator.clone(), Challenger::Origin, mail(), None);
    assert!(handshake().awaiting_channel_bindings().beside().awaits_channel_bindings());
    assert!(!handshake().beside().awaits_channel_bindings());
    for protocol in [Protocol::Http1, Protocol::Http2, Protocol::Http2Alone] {
        assert_eq!(handshake().over(protocol).beside().needs_http1(), protocol == Protocol::Http2);
    }
    // A proxy in between that has not said that it ties connections together.
    for (is_relayed, goes) in [(false, true), (true, false)] {
        let authenticator = using([ntlm()]).build();
        let mut connection = Connection::new(&authenticator);
        if is_relayed {
            connection.handshake = connection.handshake.relayed_by(&plain_mail());
        }
        connection.handshake = connection.handshake.beside();
        connection.begin().bare();
        let said = connection.receive(&unauthorized(&["NTLM"]));
        assert_eq!(matches!(said, Said::Send(Some(_), _)), goes, "{said:?}");
    }
    // Another origin has taken the place of what is remembered.
    let first = handshake();
    authenticator.memory(Challenger::Origin, &plain_mail());
    assert!(std::ptr::eq(first.beside().memory(), first.memory()));
}
