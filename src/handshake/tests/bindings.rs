//! What a login says of the TLS connection that carries it.

use super::*;
use crate::channel_bindings::{AbsentChannelBindings, ChannelBindings, ChannelBindingsUse};
use crate::testing::ntlm::AuthenticateMessage;
use crate::testing::ntlm::SentBindings;

fn bindings() -> ChannelBindings {
    ChannelBindings::tls_server_end_point(&[7; 32])
}

/// A connection whose bindings are known.
fn bound(authenticator: &Authenticator) -> Connection {
    let mut connection = Connection::new(authenticator);
    connection.handshake =
        Handshake::new(authenticator.clone(), Challenger::Origin, mail(), Some(bindings()));
    connection
}

/// What the third message says.
fn sent(mut connection: Connection, mut server: Server) -> SentBindings {
    let mut said = connection.begin();
    let mut last = None;
    while let Said::Send(authorization, body) = said {
        let response = server.answer(authorization.as_ref(), body);
        last = authorization;
        said = connection.receive(&response);
    }
    said.login();
    let last = last.expect("a third message");
    let (_, token) = last.to_str().expect("ASCII").split_once(' ').expect("a token");
    let token = BASE64_STANDARD.decode(token).expect("base64");
    let at = token.windows(8).position(|window| window == b"NTLMSSP\0").expect("NTLM");
    AuthenticateMessage::parse(&token[at..]).expect("our own").channel_bindings()
}

// curl 3280, 3503; davmail 352; gss-ntlmssp 25
#[test]
fn bindings_are_sent_where_they_are_known_and_left_out_where_they_are_not() {
    let authenticator = authenticator();
    let servers: [fn() -> Server; 2] = [Server::ntlm, || Server::negotiate(ServerMic::Right)];
    for server in servers {
        assert!(sent(bound(&authenticator), server()).are(&bindings()));
        assert_eq!(sent(Connection::new(&authenticator), server()), SentBindings::Absent);
    }
}

#[test]
fn bindings_that_are_off_are_none() {
    let off = builder().channel_bindings(ChannelBindingsUse::Off).build();
    assert_eq!(sent(bound(&off), Server::ntlm()), SentBindings::Absent);
    assert_eq!(sent(bound(&off), Server::negotiate(ServerMic::Right)), SentBindings::Absent);
}

#[test]
fn zeros_are_sent_where_there_are_no_bindings() {
    let zeros = || builder().absent_channel_bindings(AbsentChannelBindings::Zeros);
    assert_eq!(sent(Connection::new(&zeros().build()), Server::ntlm()), SentBindings::Zeros);
    assert!(sent(bound(&zeros().build()), Server::ntlm()).are(&bindings()));
    let off = zeros().channel_bindings(ChannelBindingsUse::Off).build();
    assert_eq!(sent(bound(&off), Server::negotiate(ServerMic::Right)), SentBindings::Zeros);
}

#[test]
fn a_server_that_requires_bindings_refuses_the_login_without_them() {
    let server = || Server::new("NTLM", Box::new(ntlm_acceptor().require_channel_bindings(bindings())));
    bound(&authenticator()).converse(&mut server()).login();
    let off = builder().channel_bindings(ChannelBindingsUse::Off).build();
    bound(&off).converse(&mut server()).refusal();
    Connection::new(&authenticator()).converse(&mut server()).refusal();
}

#[test]
fn what_may_be_tied_to_a_connection_waits_for_its_bindings() {
    let authenticator =
        using([negotiate(), basic()]).declare(mail(), "Negotiate").expect("a known scheme").build();
    let mut connection = Connection::new(&authenticator).with_body();
    connection.handshake = connection.handshake.awaiting_channel_bindings();
    // The body waits for the leg that will succeed.
    assert!(matches!(connection.begin(), Said::Send(None, BodyUse::Withheld)));
    connection.handshake.learn_channel_bindings(Some(bindings()));
    assert_eq!(connection.receive(&unauthorized(&["Negotiate"])).leg().0, "Negotiate");

    // Where the server wants no login, the body follows.
    let mut connection = Connection::new(&authenticator).with_body();
    connection.handshake = connection.handshake.awaiting_channel_bindings();
    connection.begin();
    connection.receive(&ok()).bare();

    // Basic is tied to nothing.
    let authenticator = using([basic()]).declare(mail(), "Basic").expect("a known scheme").build();
    let mut connection = Connection::new(&authenticator);
    connection.handshake = connection.handshake.awaiting_channel_bindings();
    assert_eq!(connection.begin().leg().0, "Basic");
}
