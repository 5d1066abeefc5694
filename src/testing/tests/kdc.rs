//! A KDC on its sockets, asked by hand.

use std::sync::Arc;
use std::time::SystemTime;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};

use crate::credentials::Secret;
use crate::mechanism::kerberos::EncryptionType;
use crate::mechanism::kerberos::exchange::{
    AuthenticationService, FirstTicket, GrantedTicket, KdcRequest, Next, Opening, Policy, Principal,
    TicketGranting, Transport,
};
use crate::mechanism::kerberos::messages::krb_error::{KRB_ERR_GENERIC, KRB_ERR_RESPONSE_TOO_BIG};
use crate::mechanism::kerberos::messages::{KrbError, Message, PrincipalName};
use crate::mechanism::{ErrorKind, MechanismError, Moment, Moments};
use crate::service::environment::SystemMoments;
use crate::testing::kerberos::{AccountState, KdcFault};
use crate::testing::{Kdc, KdcBuilder};

const SERVICE: &str = "HTTP/www.lab.test";

pub(super) fn lab() -> KdcBuilder {
    Kdc::builder("LAB.TEST").user("alice", "alice-pw").service(SERVICE)
}

pub(super) fn moment() -> Moment {
    SystemMoments.moment().expect("randomness")
}

pub(super) fn begun(user: &str, password: &str, policy: &Policy) -> (KdcRequest, AuthenticationService) {
    let client = Principal::new(PrincipalName::user(user), "LAB.TEST");
    AuthenticationService::begin(
        client,
        Secret::new(password),
        policy.clone(),
        Opening::Asks(None),
        &moment(),
    )
}

/// A client of the KDC on both sockets.
struct Asker {
    kdc: std::net::SocketAddr,
    socket: UdpSocket,
}

impl Asker {
    async fn of(kdc: &Kdc) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.expect("a port");
        socket.connect(kdc.address()).await.expect("an address");
        Self { kdc: kdc.address(), socket }
    }

    async fn datagram(&self, message: &[u8]) -> Vec<u8> {
        self.socket.send(message).await.expect("the KDC listens");
        let mut answer = vec![0; 1 << 16];
        let length = self.socket.recv(&mut answer).await.expect("an answer");
        answer.truncate(length);
        answer
    }

    async fn stream(&self, message: &[u8]) -> Vec<u8> {
        let mut stream = TcpStream::connect(self.kdc).await.expect("the KDC listens");
        stream.write_all(&(message.len() as u32).to_be_bytes()).await.expect("sent");
        stream.write_all(message).await.expect("sent");
        let mut answer = vec![0; stream.read_u32().await.expect("a length") as usize];
        stream.read_exact(&mut answer).await.expect("an answer");
        answer
    }

    async fn ask(&self, request: &KdcRequest) -> Vec<u8> {
        match request.transport {
            Transport::Any => self.datagram(&request.message).await,
            Transport::Stream => self.stream(&request.message).await,
        }
    }

    async fn log_in(
        &self,
        user: &str,
        password: &str,
        policy: &Policy,
    ) -> Result<FirstTicket, MechanismError> {
        let (mut request, mut exchange) = begun(user, password, policy);
        loop {
            let answer = self.ask(&request).await;
            match exchange.answer(&answer, SystemTime::now())? {
                Next::Send { request: next, exchange: rest } => (request, exchange) = (next, rest),
                Next::Granted(ticket) => return Ok(ticket),
            }
        }
    }

    async fn ticket(&self, by: GrantedTicket, policy: &Policy) -> Result<GrantedTicket, MechanismError> {
        let service = PrincipalName::service("HTTP", "www.lab.test");
        let begun = TicketGranting::begin(Arc::new(by), service, policy.clone(), &moment())?;
        let (mut request, mut exchange) = begun;
        loop {
            let answer = self.ask(&request).await;
            match exchange.answer(&answer)? {
                Next::Send { request: next, exchange: rest } => (request, exchange) = (next, rest),
                Next::Granted(ticket) => return Ok(ticket),
            }
        }
    }
}

fn code(answer: &[u8]) -> i32 {
    KrbError::decode(answer).expect("a KRB-ERROR").error_code
}

#[tokio::test]
async fn tickets_of_each_encryption_type_come_over_udp() {
    for etype in [
        EncryptionType::Aes128Sha1,
        EncryptionType::Aes256Sha1,
        EncryptionType::Aes128Sha256,
        EncryptionType::Aes256Sha384,
    ] {
        let kdc = lab().encryption_types([etype]).start().await.expect("a port");
        let (asker, policy) = (Asker::of(&kdc).await, Policy::default());
        let first = asker.log_in("alice", "alice-pw", &policy).await.expect("a ticket");
        assert_eq!((first.key.parameters().etype(), first.ticket.session_key.etype()), (etype, etype));
        let ticket = asker.ticket(first.ticket, &policy).await.expect("a ticket");
        assert_eq!(
            (ticket.server.to_string().as_str(), ticket.session_key.etype()),
            ("HTTP/www.lab.test@LAB.TEST", etype)
        );
        let report = kdc.report();
        assert_eq!(
            (report.as_requests, report.as_tickets, report.tgs_requests, report.tgs_tickets),
            (2, 1, 1, 1)
        );
        assert_eq!((report.datagrams, report.packets(), report.failures("alice")), (3, 3, 0), "{report:?}");
        let keys = kdc.session_keys();
        assert!(keys.iter().any(|key| key == ticket.session_key.octets()), "{} others", keys.len());
    }
}

#[tokio::test]
async fn a_request_is_read_up_to_64_kib_and_a_longer_one_ends_its_connection() {
    let kdc = lab().start().await.expect("a port");
    let asker = Asker::of(&kdc).await;
    assert_ne!(code(&asker.stream(&vec![0; 64 * 1024]).await), 0);
    let mut stream = TcpStream::connect(kdc.address()).await.expect("the KDC listens");
    stream.write_all(&(64 * 1024 + 1_u32).to_be_bytes()).await.expect("sent");
    assert_eq!(stream.read(&mut [0]).await.expect("its end"), 0);
}

#[tokio::test]
async fn what_does_not_fit_comes_over_tcp_and_counts_once() {
    let kdc = lab().fault(KdcFault::TooBig).start().await.expect("a port");
    let (asker, policy) = (Asker::of(&kdc).await, Policy::default());
    let first = asker.log_in("alice", "alice-pw", &policy).await.expect("a ticket");
    asker.ticket(first.ticket, &policy).await.expect("a ticket");
    let report = kdc.report();
    assert_eq!((report.datagrams, report.stream_requests, report.connections), (2, 3, 3), "{report:?}");
    assert_eq!((report.as_requests, report.as_tickets, report.tgs_tickets), (2, 1, 1), "{report:?}");
    assert_eq!(code(&asker.datagram(b"anything").await), KRB_ERR_RESPONSE_TOO_BIG);

    let error = asker.log_in("alice", "bob-pw", &policy).await.expect_err("a wrong password");
    assert_eq!((error.kind(), kdc.report().failures("alice")), (ErrorKind::WrongPassword, 1));
}

#[tokio::test]
async fn a_wrong_password_counts_once_however_often_it_arrives() {
    let kdc = lab().user("bob", "bob-pw").start().await.expect("a port");
    let asker = Asker::of(&kdc).await;
    let (request, exchange) = begun("alice", "bob-pw", &Policy::default());
    let next = exchange.answer(&asker.ask(&request).await, SystemTime::now());
    let Ok(Next::Send { request, exchange }) = next else { panic!("{next:?}") };
    let first = asker.ask(&request).await;
    assert_eq!(asker.stream(&request.message).await, first);
    let error = exchange.answer(&first, SystemTime::now()).expect_err("a wrong password");
    assert_eq!(error.kind(), ErrorKind::WrongPassword);
    let report = kdc.report();
    assert_eq!((report.failures("alice"), report.failures("bob"), report.as_tickets), (1, 0, 0));
    assert!(!format!("{kdc:?} {report:?}").contains("-pw"));
}

#[tokio::test]
async fn accounts_change_while_the_kdc_runs() {
    let kdc = lab().start().await.expect("a port");
    let (asker, policy) = (Asker::of(&kdc).await, Policy::default());
    for (state, kind) in [
        (AccountState::Locked, ErrorKind::AccountLocked),
        (AccountState::PasswordExpired, ErrorKind::WrongPassword),
    ] {
        kdc.set_account("alice", state);
        let error = asker.log_in("alice", "alice-pw", &policy).await.expect_err("no ticket");
        assert_eq!(error.kind(), kind, "{error}");
    }
    kdc.set_account("alice", AccountState::Active);
    kdc.set_password("alice", "new-pw");
    asker.log_in("alice", "alice-pw", &policy).await.expect_err("the old password");
    asker.log_in("alice", "new-pw", &policy).await.expect("a ticket");
    let error = asker.log_in("nobody", "alice-pw", &policy).await.expect_err("no ticket");
    assert_eq!(error.kind(), ErrorKind::UnknownUser);
    assert_eq!(kdc.report().failures("alice"), 1);
}

#[tokio::test]
async fn a_kdc_with_a_fault_is_one_that_clients_have_to_bear() {
    let kdc = lab().fault(KdcFault::Silent).start().await.expect("a port");
    let asker = Asker::of(&kdc).await;
    let (request, _) = begun("alice", "alice-pw", &Policy::default());
    let mut silent = TcpStream::connect(kdc.address()).await.expect("the KDC listens");
    silent.write_all(&(request.message.len() as u32).to_be_bytes()).await.expect("sent");
    silent.write_all(&request.message).await.expect("sent");
    asker.socket.send(&request.message).await.expect("sent");
    let report = kdc.wait_for(|report| report.packets() == 3).await;
    assert_eq!((report.datagrams, report.connections, report.stream_requests), (1, 1, 1));
    assert_eq!((report.as_requests, asker.socket.try_recv(&mut [0]).is_err()), (0, true));

    // What it is told next holds for the connection that is open, too.
    kdc.set_fault(Some(KdcFault::Garbage));
    assert!(asker.datagram(&request.message).await.starts_with(b"HTTP"));
    assert!(asker.stream(&request.message).await.starts_with(b"HTTP"));
    kdc.set_fault(Some(KdcFault::Cut));
    assert!(KrbError::decode(&asker.datagram(&request.message).await).is_err());
    silent.write_all(&(request.message.len() as u32).to_be_bytes()).await.expect("sent");
    silent.write_all(&request.message).await.expect("sent");
    assert_eq!(silent.read_u32().await.expect("a length"), i32::MAX as u32);
    kdc.set_fault(Some(KdcFault::Closing));
    let mut closed = TcpStream::connect(kdc.address()).await.expect("the KDC listens");
    closed.write_all(&[0, 0, 0, 1, 0]).await.expect("sent");
    assert_eq!(closed.read(&mut [0]).await.expect("closed"), 0);

    kdc.set_fault(None);
    asker.log_in("alice", "alice-pw", &Policy::default()).await.expect("a ticket");
    let address = kdc.address();
    drop(kdc);
    // Its sockets go with it.
    while TcpStream::connect(address).await.is_ok() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn what_is_no_request_is_answered_with_an_error() {
    let kdc = lab().start().await.expect("a port");
    let asker = Asker::of(&kdc).await;
    let (request, _) = begun("alice", "alice-pw", &Policy::default());
    for octets in [&b""[..], b"GET / HTTP/1.1", &request.message[..100], &[0x6a; 60_000]] {
        assert_eq!(code(&asker.stream(octets).await), KRB_ERR_GENERIC);
    }
    // No request is as long as that.
    let mut stream = TcpStream::connect(kdc.address()).await.expect("the KDC listens");
    stream.write_all(&[0xff; 4]).await.expect("sent");
    assert_eq!(stream.read(&mut [0]).await.expect("closed"), 0);
}
