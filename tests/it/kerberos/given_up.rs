//! Requests that are given up while a KDC is asked.

use std::net::Ipv4Addr;
use std::time::Duration;

use legwork::client::KdcSockets;
use legwork::mechanism::kerberos::Kerberos;
use legwork::scheme::Negotiate;
use legwork::service::Environment;
use legwork::testing::Offer;
use legwork::unversioned::testing::KdcFault;
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, UdpSocket};

use super::*;

/// Both sockets of a port, from which nothing is answered.
async fn silent_port() -> (UdpSocket, TcpListener) {
    loop {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
        // Somebody else may have the same one for UDP.
        if let Ok(socket) = UdpSocket::bind(listener.local_addr().expect("an address")).await {
            return (socket, listener);
        }
    }
}

#[tokio::test]
async fn no_socket_stays_behind() {
    let kdc = kdc().await;
    let server = serving(Offer::kerberos(&kdc.service(SERVICE))).await;
    let (socket, listener) = silent_port().await;
    let kerberos = Kerberos::new().kdc(REALM, [socket.local_addr().expect("an address").to_string()]);
    let sockets = KdcSockets::new().patience(Duration::from_millis(10)).timeout(Duration::from_secs(3_600));
    let environment = Environment::tokio().kdc_transport(sockets);
    let client = within(environment, by(&server, Negotiate::kerberos(kerberos)));
    let request = tokio::spawn(client.request(get(&server, "/")));
    // It is asked over UDP, and then over TCP.
    let mut message = vec![0; 2_048];
    let (_, datagrams_from) = without_hanging(socket.recv_from(&mut message)).await.expect("a datagram");
    let (mut stream, _) = without_hanging(listener.accept()).await.expect("a connection");
    let length = stream.read_u32().await.expect("a length") as usize;
    stream.read_exact(&mut message[..length]).await.expect("a message");
    request.abort();
    assert!(request.await.is_err_and(|error| error.is_cancelled()));
    assert_eq!(without_hanging(stream.read(&mut message)).await.expect("no reset"), 0, "it is closed");
    // The other one's port is free again.
    without_hanging(async {
        while UdpSocket::bind(datagrams_from).await.is_err() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(settled(&client).await, 0);
}

#[tokio::test]
async fn the_next_login_leads() {
    let kdc = lab().fault(KdcFault::Silent).start().await.expect("a port");
    let server = serving(Offer::kerberos(&kdc.service(SERVICE))).await;
    let client = over(by(&server, Negotiate::kerberos(kerberos(&kdc))));
    for given_up in 1..=3 {
        let request = tokio::spawn(client.request(get(&server, "/")));
        without_hanging(kdc.wait_for(|report| report.datagrams >= given_up)).await;
        request.abort();
        assert!(request.await.is_err_and(|error| error.is_cancelled()));
    }
    kdc.set_fault(None);
    without_hanging(fetch(&client, get(&server, "/"))).await;
    assert_eq!(granted(&kdc), (1, 1));
}
