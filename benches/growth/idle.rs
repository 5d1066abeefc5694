//! What an idle connection that is logged in keeps in memory, beside a bare one of hyper's.

use bytes::Bytes;
use http::{HeaderValue, Request, Response, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::runtime::Runtime;

use crate::allocations;
use crate::server::{Manner, Server};

pub(crate) fn table(runtime: &Runtime, server: &Server, connections: usize) {
    println!("{:<14}{:>14}{:>12}", "idle", "octets", "beyond bare");
    // What ran before ends first.
    runtime.block_on(settle());
    let bare = runtime.block_on(async {
        let (mut all, mut responses) = (Vec::with_capacity(connections), Vec::with_capacity(connections));
        let before = allocations::octets();
        for _ in 0..connections {
            let (sender, response) = bare(server).await;
            all.push(sender);
            responses.push(response);
        }
        for response in responses {
            response.into_body().collect().await.expect("a body");
        }
        settle().await;
        allocations::octets() - before
    });
    let ours = runtime.block_on(logged_in(server, connections));
    let each = |octets: usize| octets as f64 / connections as f64;
    println!("{:<14}{:>14.0}", "bare", each(bare));
    println!("{:<14}{:>14.0}{:>12.0}", "logged in", each(ours), each(ours) - each(bare));
}

/// What that many connections of one client keep, beyond what the client keeps for all of them.
async fn logged_in(server: &Server, connections: usize) -> usize {
    let client = crate::client(server.address(Manner::Ntlm), connections + 1);
    crate::send_on(&client, 1, 1).await;
    settle().await;
    let before = allocations::octets();
    let mut responses = Vec::with_capacity(connections + 1);
    for _ in 0..=connections {
        responses.push(client.request(crate::get(0)).await.expect("a response"));
    }
    for response in responses {
        crate::read(response).await;
    }
    settle().await;
    assert_eq!(client.connections(), (connections + 1, connections + 1));
    allocations::octets() - before
}

/// Lets the connections' tasks see the ends of the responses.
async fn settle() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

/// A connection that has carried as many requests as a login has legs, since hyper's buffers grow with them, and the
/// last response, which has not been read.
async fn bare(server: &Server) -> (SendRequest<Full<Bytes>>, Response<Incoming>) {
    let address = server.address(Manner::Open);
    let stream = TcpStream::connect(address).await.expect("a server");
    stream.set_nodelay(true).expect("a socket");
    let (mut sender, connection) =
        crate::settled(&mut http1::Builder::new()).handshake(TokioIo::new(stream)).await.expect("HTTP/1.1");
    tokio::spawn(connection);
    let get = || {
        let mut request = Request::new(Full::default());
        *request.uri_mut() = "/a/path".parse().expect("a target");
        let host = HeaderValue::from_str(&address.to_string()).expect("a field value");
        request.headers_mut().insert(header::HOST, host);
        request
    };
    for _ in 0..2 {
        let response = sender.send_request(get()).await.expect("a response");
        response.into_body().collect().await.expect("a body");
        sender.ready().await.expect("a connection");
    }
    let last = sender.send_request(get()).await.expect("a response");
    (sender, last)
}
