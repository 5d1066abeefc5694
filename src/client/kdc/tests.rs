use std::net::Ipv4Addr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, UdpSocket};

use super::*;
use crate::client::kdc::attempt::PORT;
use crate::mechanism::kerberos::messages::krb_error::KDC_ERR_SVC_UNAVAILABLE;
use crate::mechanism::kerberos::messages::{KerberosTime, KrbError, Message, PrincipalName};

/// What passes for a reply.
const REPLY: &[u8] = b"\x6b\x02hi";
const MESSAGE: &[u8] = b"\x6a\x03ask";

/// A KDC on a port of its own, by both transports.
struct Kdc {
    udp: UdpSocket,
    tcp: TcpListener,
}

impl Kdc {
    async fn start() -> Self {
        loop {
            let tcp = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
            // Somebody else may have the same one for UDP.
            if let Ok(udp) = UdpSocket::bind(tcp.local_addr().expect("an address")).await {
                return Self { udp, tcp };
            }
        }
    }

    fn address(&self) -> String {
        self.udp.local_addr().expect("an address").to_string()
    }

    /// Receives one datagram, and answers it.
    async fn answer_datagram(&self, answer: &[u8]) -> Vec<u8> {
        let mut message = vec![0; 2_048];
        let (length, peer) = self.udp.recv_from(&mut message).await.expect("a datagram");
        self.udp.send_to(answer, peer).await.expect("it is sent");
        message.truncate(length);
        message
    }

    /// Accepts one connection, and answers what comes with these octets.
    async fn answer_stream(&self, answer: &[u8]) -> Vec<u8> {
        let (mut stream, _) = self.tcp.accept().await.expect("a connection");
        let length = stream.read_u32().await.expect("a length");
        let mut message = vec![0; length as usize];
        stream.read_exact(&mut message).await.expect("a message");
        stream.write_all(answer).await.expect("it is sent");
        message
    }

    /// Whether nothing has come, over neither.
    async fn has_heard_nothing(&self) -> bool {
        let mut message = [0; 1];
        tokio::select! {
            biased;
            _ = self.udp.recv_from(&mut message) => false,
            _ = self.tcp.accept() => false,
            () = std::future::ready(()) => true,
        }
    }
}

fn framed(answer: &[u8]) -> Vec<u8> {
    let length = u32::try_from(answer.len()).expect("short");
    [&length.to_be_bytes(), answer].concat()
}

fn inquiry(kdcs: &[&Kdc]) -> KdcInquiry {
    let addresses: Vec<_> = kdcs.iter().map(|kdc| kdc.address()).collect();
    KdcInquiry::new("LAB.TEST", addresses.into(), MESSAGE.to_vec())
}

/// Whose KDCs are passed over soon.
fn hasty() -> KdcSockets {
    KdcSockets::new().patience(Duration::from_millis(20))
}

/// Who waits for a KDC for as long as it takes.
fn patient() -> KdcSockets {
    KdcSockets::new().patience(LONGEST).timeout(LONGEST)
}

#[tokio::test]
async fn a_short_message_goes_in_one_datagram() {
    let kdc = Kdc::start().await;
    let (answer, message) = tokio::join!(patient().ask(inquiry(&[&kdc])), kdc.answer_datagram(REPLY));
    assert_eq!((answer.expect("an answer").as_slice(), message.as_slice()), (REPLY, MESSAGE));
    assert!(kdc.has_heard_nothing().await);
}

#[tokio::test]
async fn what_shows_the_password_goes_to_the_next_address_of_a_name_only_after_the_patience() {
    let kdc = Kdc::start().await;
    let sockets = patient();
    for (proves, stagger) in
        [(Proves::Nothing, STAGGER), (Proves::Secret, LONGEST), (Proves::Ticket { is_new: true }, STAGGER)]
    {
        let attempts = sockets.attempts(&inquiry(&[&kdc]).with_proves(proves));
        assert!(attempts.iter().all(|attempt| attempt.stagger == stagger), "{attempts:?}");
    }
    // And first to the one that has answered before.
    let address = kdc.udp.local_addr().expect("an address");
    assert!(sockets.attempts(&inquiry(&[&kdc])).iter().all(|attempt| attempt.latest.is_none()));
    let (answer, _) = tokio::join!(sockets.clone().ask(inquiry(&[&kdc])), kdc.answer_datagram(REPLY));
    answer.expect("an answer");
    assert!(sockets.attempts(&inquiry(&[&kdc])).iter().all(|attempt| attempt.latest == Some(address)));
}

#[tokio::test]
async fn what_is_long_or_wants_a_stream_goes_over_tcp() {
    let kdc = Kdc::start().await;
    let long = KdcInquiry { message: vec![0x6a; 1_401], ..inquiry(&[&kdc]) };
    for inquiry in [inquiry(&[&kdc]).with_needs_stream(true), long] {
        let sent = inquiry.message.clone();
        let reply = framed(REPLY);
        let (answer, message) = tokio::join!(patient().ask(inquiry), kdc.answer_stream(&reply));
        assert_eq!((answer.expect("an answer").as_slice(), message), (REPLY, sent));
        assert!(kdc.has_heard_nothing().await);
    }
}

#[tokio::test]
async fn a_silent_kdc_is_passed_over_and_the_one_that_answers_is_asked_first_from_then_on() {
    let (silent, kdc) = (Kdc::start().await, Kdc::start().await);
    let sockets = hasty();
    let (answer, _) =
        tokio::join!(sockets.clone().ask(inquiry(&[&silent, &kdc])), kdc.answer_datagram(REPLY));
    assert_eq!(answer.expect("an answer"), REPLY);
    assert!(!silent.has_heard_nothing().await);
    let sockets = sockets.patience(LONGEST);
    let (answer, _) = tokio::join!(sockets.ask(inquiry(&[&silent, &kdc])), kdc.answer_datagram(REPLY));
    assert_eq!(answer.expect("an answer"), REPLY);
    assert!(silent.has_heard_nothing().await);
}

#[test]
fn each_realm_has_a_kdc_that_answered_last() {
    let sockets = KdcSockets::new();
    let realms: Vec<Arc<str>> = (0..MAX_REALMS).map(|realm| format!("LAB{realm}.TEST").into()).collect();
    let latest = |port| Latest { name: "kdc".to_owned(), address: (Ipv4Addr::LOCALHOST, port).into() };
    for (realm, port) in realms.iter().zip(1..) {
        sockets.note_latest(realm, latest(port));
    }
    // One that is known already needs no further room.
    sockets.note_latest(&realms[0], latest(PORT));
    let known = sockets.latest.lock().expect("no panic");
    assert_eq!(known.len(), MAX_REALMS);
    assert_eq!((known[&realms[0]].address.port(), known[&realms[1]].address.port()), (PORT, 2));
}

#[tokio::test]
async fn a_kdc_that_answers_after_it_was_passed_over_is_heard() {
    let (late, silent) = (Kdc::start().await, Kdc::start().await);
    let sockets = hasty().timeout(LONGEST);
    let answers_late = async {
        let mut message = [0; 1];
        silent.udp.recv_from(&mut message).await.expect("it is asked next");
        late.answer_datagram(REPLY).await
    };
    let (answer, _) = tokio::join!(sockets.ask(inquiry(&[&late, &silent])), answers_late);
    assert_eq!(answer.expect("an answer"), REPLY);
}

#[tokio::test]
async fn what_cannot_be_reached_or_has_no_service_is_passed_over_at_once() {
    let gone = Kdc::start().await;
    let nowhere = gone.address();
    drop(gone);
    let (empty, liar, kdc) = (Kdc::start().await, Kdc::start().await, Kdc::start().await);
    let mut asked = inquiry(&[&empty, &liar, &kdc]);
    asked.addresses = [&[nowhere], &*asked.addresses].concat().into();
    let unavailable = KrbError {
        ctime: None,
        cusec: None,
        stime: KerberosTime::of(std::time::SystemTime::UNIX_EPOCH).0,
        susec: 0,
        error_code: KDC_ERR_SVC_UNAVAILABLE,
        crealm: None,
        cname: None,
        realm: "LAB.TEST".to_owned(),
        sname: PrincipalName::ticket_granting("LAB.TEST"),
        e_text: None,
        e_data: None,
    }
    .encode();
    let (answer, ..) = tokio::join!(
        patient().ask(asked),
        empty.answer_datagram(&unavailable),
        liar.answer_datagram(b"HTTP/1.1 400 Bad Request"),
        kdc.answer_datagram(REPLY)
    );
    assert_eq!(answer.expect("an answer"), REPLY);
}

#[tokio::test]
async fn a_stream_that_ends_early_or_announces_too_much_is_no_answer() {
    let kdc = Kdc::start().await;
    let cut = [framed(REPLY), framed(REPLY)[..6].to_vec()];
    for answer in [&cut[1][..], &[0x7f, 0xff, 0xff, 0xff, 0x6b], &[0, 0]] {
        let asked = inquiry(&[&kdc]).with_needs_stream(true);
        let (result, _) = tokio::join!(patient().ask(asked), kdc.answer_stream(answer));
        let error = result.expect_err("no answer");
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        let message = error.to_string();
        assert!(message.contains("LAB.TEST") && message.contains(&kdc.address()), "{message}");
    }
}

#[tokio::test]
async fn all_silent_it_ends_in_time_and_says_so() {
    let silent = Kdc::start().await;
    let sockets = hasty().timeout(Duration::from_millis(100));
    let error = sockets.ask(inquiry(&[&silent])).await.expect_err("no answer");
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.to_string().contains("without an answer within 100ms"), "{error}");
    let none = KdcInquiry::new("LAB.TEST", [].into(), MESSAGE.to_vec());
    let error = KdcSockets::new().ask(none).await.expect_err("no answer");
    assert_eq!(error.to_string(), "no KDC of LAB.TEST has answered: none is named");
}

#[tokio::test]
async fn what_is_given_up_leaves_no_connection_behind() {
    let kdc = Kdc::start().await;
    let mut asking = Box::pin(patient().ask(inquiry(&[&kdc]).with_needs_stream(true)));
    let (mut stream, _) = tokio::select! {
        accepted = kdc.tcp.accept() => accepted.expect("a connection"),
        answer = &mut asking => panic!("{answer:?}"),
    };
    drop(asking);
    let mut rest = Vec::new();
    // It ends, or is reset: nobody holds it any more.
    let _ = stream.read_to_end(&mut rest).await;
}

#[test]
fn without_a_runtime_it_says_so() {
    use std::task::{Context, Poll, Waker};
    let asked = KdcInquiry::new("LAB.TEST", [].into(), MESSAGE.to_vec());
    let mut asking = KdcSockets::new().exchange(asked);
    let polled = asking.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    assert!(matches!(polled, Poll::Ready(Err(error)) if error.to_string().contains("tokio")));
}

#[tokio::test]
async fn ports_are_read_as_people_write_them() {
    for (written, read) in [
        ("127.0.0.1", "127.0.0.1:88"),
        ("127.0.0.1:1088", "127.0.0.1:1088"),
        ("::1", "[::1]:88"),
        ("[::1]", "[::1]:88"),
        ("[::1]:1088", "[::1]:1088"),
    ] {
        let attempt =
            Attempt { address: written.to_owned(), over: Over::Udp, stagger: STAGGER, latest: None };
        let resolved: Vec<_> = attempt.resolve().await.expect("an address").collect();
        assert_eq!(resolved, [read.parse().expect("an address")], "{written}");
    }
}

#[test]
fn so_many_kdcs_are_asked_and_of_so_many_realms_one_is_known() {
    let sockets = KdcSockets::new();
    let addresses: Vec<_> = (0..100).map(|kdc| format!("kdc{kdc}.lab.test")).collect();
    let inquiry = KdcInquiry::new("LAB.TEST", addresses.into(), MESSAGE.to_vec());
    // Over UDP, over TCP, and over UDP again.
    assert_eq!(sockets.attempts(&inquiry).len(), 3 * MAX_KDCS);
    for realm in 0..10 * MAX_REALMS {
        let latest = Latest { name: "kdc.lab.test".to_owned(), address: (Ipv4Addr::LOCALHOST, PORT).into() };
        sockets.note_latest(&format!("LAB{realm}.TEST").into(), latest);
        assert!(sockets.latest.lock().expect("no panic").len() <= MAX_REALMS);
    }
}
