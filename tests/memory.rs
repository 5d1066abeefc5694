//! What servers say stays within bounds, and makes the client forget nothing about others.
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use legwork::credentials::{CredentialsFuture, CredentialsProvider, CredentialsQuery};
use legwork::handshake::{Authenticator, AuthenticatorBuilder};
use legwork::{Client, Credentials};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::Mutex as AsyncMutex;

/// The system's allocator, which counts the octets that are in use.
struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

static IN_USE: AtomicUsize = AtomicUsize::new(0);

/// The tests of this file one after the other: they count what the process holds.
static ONE_AT_A_TIME: AsyncMutex<()> = AsyncMutex::const_new(());

// SAFETY: every call goes to `System` as it came; counting allocates nothing and cannot unwind.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        IN_USE.fetch_add(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's contract is `System`'s.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, old: *mut u8, layout: Layout) {
        IN_USE.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: as above.
        unsafe { System.dealloc(old, layout) }
    }
}

type HttpClient = Client<Full<Bytes>>;

/// A server that answers each request with 401 and the challenge of this number, and counts logins.
async fn challenging(
    challenge: impl Fn(usize) -> String + Send + Sync + 'static,
) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let logins = Arc::new(AtomicUsize::new(0));
    let (counts, answers, challenge) =
        (Arc::clone(&logins), Arc::new(AtomicUsize::new(0)), Arc::new(challenge));
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let (logins, answers, challenge) =
                (Arc::clone(&counts), Arc::clone(&answers), Arc::clone(&challenge));
            tokio::spawn(async move {
                let mut read = Vec::new();
                loop {
                    while !read.windows(4).any(|octets| octets == b"\r\n\r\n") {
                        if stream.read_buf(&mut read).await.unwrap_or(0) == 0 {
                            return;
                        }
                    }
                    let head = String::from_utf8(std::mem::take(&mut read)).expect("a head");
                    logins.fetch_add(head.matches("authorization: ").count(), Ordering::SeqCst);
                    let challenge = challenge(answers.fetch_add(1, Ordering::SeqCst));
                    let fields = format!("WWW-Authenticate: {challenge}\r\nContent-Length: 0\r\n\r\n");
                    if stream.write_all(format!("HTTP/1.1 401 X\r\n{fields}").as_bytes()).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    (format!("http://{address}"), logins)
}

fn client(authenticator: AuthenticatorBuilder) -> HttpClient {
    Client::builder(authenticator.dangerous_secrets_over_plain_http(true).build()).build_http()
}

async fn ask(client: &HttpClient, uri: String) {
    let request = Request::get(uri).body(Full::default()).expect("a request");
    let response = client.request(request).await.expect("a response");
    assert_eq!(response.status(), 401);
    response.into_body().collect().await.expect("a body");
}

fn carol(password: String) -> Credentials {
    Credentials::password("carol", password)
}

/// A challenge with a realm of so many octets that differs each time.
fn hostile(scheme: &'static str, octets: usize) -> impl Fn(usize) -> String + Send + Sync + 'static {
    let filling = "r".repeat(octets);
    move |number| match scheme {
        "Digest" => format!("Digest realm=\"{number}{filling}\", nonce=\"{number}\", qop=\"auth\""),
        _ => format!("{scheme} realm=\"{number}{filling}\""),
    }
}

#[tokio::test]
async fn what_a_hostile_origin_says_takes_no_more_than_a_mebibyte() {
    let _one = ONE_AT_A_TIME.lock().await;
    for (octets, requests) in [(120_000, 100), (12_000, 400), (900, 4_300)] {
        for scheme in ["Basic", "Digest"] {
            // The same password for all of them, and a new one each time.
            for is_new in [false, true] {
                let (origin, _) = challenging(hostile(scheme, octets)).await;
                let client = client(Authenticator::builder().provider(Wrong { is_new, ..Wrong::default() }));
                let mut before = 0;
                for turn in 0..requests {
                    if turn == 10 {
                        before = IN_USE.load(Ordering::SeqCst);
                    }
                    ask(&client, format!("{origin}/{turn}")).await;
                }
                let growth = IN_USE.load(Ordering::SeqCst).saturating_sub(before);
                assert!(growth <= 1024 * 1024, "{scheme}, realms of {octets}, {is_new}: {growth} octets");
            }
        }
    }
}

/// Has a wrong password, or a new one each time that it is asked.
#[derive(Default)]
struct Wrong {
    is_new: bool,
    asked: AtomicUsize,
}

impl CredentialsProvider for Wrong {
    fn credentials(&self, _: CredentialsQuery<'_>) -> CredentialsFuture {
        let asked = self.asked.fetch_add(1, Ordering::SeqCst);
        let credentials = carol(format!("wrong-{}", if self.is_new { asked } else { 0 }));
        Box::pin(async move { Ok(Some(credentials)) })
    }
}

#[tokio::test]
async fn a_hostile_origin_makes_no_refusal_of_a_hundred_others_forgotten() {
    let _one = ONE_AT_A_TIME.lock().await;
    let mut others = Vec::new();
    let mut authenticator = Authenticator::builder();
    for number in 0..100 {
        let (origin, logins) = challenging(|_| "Basic realm=\"good\"".to_owned()).await;
        authenticator =
            authenticator.credentials(origin.parse().expect("an origin"), carol(format!("wrong-{number}")));
        others.push((origin, logins));
    }
    let (hostile, hostile_logins) = challenging(|number| format!("Basic realm=\"{number}\"")).await;
    let client = client(authenticator.provider(Wrong { is_new: true, ..Wrong::default() }));
    for (origin, _) in &others {
        ask(&client, format!("{origin}/")).await;
    }
    for turn in 0..4_300 {
        ask(&client, format!("{hostile}/{turn}")).await;
    }
    assert!(hostile_logins.load(Ordering::SeqCst) >= 4_300);
    for (origin, logins) in &others {
        ask(&client, format!("{origin}/")).await;
        assert_eq!(logins.load(Ordering::SeqCst), 1, "not tried again");
    }
}
