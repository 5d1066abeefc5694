//! Requests with bodies.

use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use http_body_util::BodyExt;
#[cfg(unix)]
use legwork::credentials::{Ambient, Credentials};
#[cfg(unix)]
use legwork::mechanism::gssapi::Gssapi;
#[cfg(unix)]
use legwork::scheme::Negotiate;
use legwork::service::BoxError;
use md5::{Digest, Md5};

use crate::support::*;

const LENGTH: u64 = 100 * 1024 * 1024;
const PIECE: usize = 64 * 1024;

/// A body made as it is read, which knows how much of it is held anywhere.
struct Generated {
    left: u64,
    declares_length: bool,
    held: Arc<Held>,
}

#[derive(Default)]
struct Held {
    now: AtomicUsize,
    most: AtomicUsize,
}

/// A piece of the body; dropped where nobody needs it any more.
struct Piece {
    octets: Vec<u8>,
    held: Arc<Held>,
}

impl Piece {
    fn new(left: u64, held: &Arc<Held>) -> Self {
        let now = held.now.fetch_add(PIECE, Ordering::Relaxed) + PIECE;
        held.most.fetch_max(now, Ordering::Relaxed);
        Self { octets: octets(left), held: Arc::clone(held) }
    }
}

impl AsRef<[u8]> for Piece {
    fn as_ref(&self) -> &[u8] {
        &self.octets
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        self.held.now.fetch_sub(self.octets.len(), Ordering::Relaxed);
    }
}

impl http_body::Body for Generated {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        let piece = Piece::new(self.left, &self.held);
        self.left -= PIECE as u64;
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_owner(piece)))))
    }

    fn size_hint(&self) -> SizeHint {
        if self.declares_length { SizeHint::with_exact(self.left) } else { SizeHint::default() }
    }
}

fn generated(declares_length: bool) -> (Generated, Arc<Held>) {
    let held = Arc::new(Held::default());
    (Generated { left: LENGTH, declares_length, held: Arc::clone(&held) }, held)
}

/// The piece before which so many octets are left; no two are the same.
fn octets(left: u64) -> Vec<u8> {
    let mut octets = vec![0; PIECE];
    octets[..8].copy_from_slice(&left.to_be_bytes());
    octets
}

/// The sum of a whole generated body.
fn md5() -> &'static str {
    static SUM: OnceLock<String> = OnceLock::new();
    SUM.get_or_init(|| {
        let mut sum = Md5::new();
        for left in (1..=LENGTH / PIECE as u64).rev() {
            sum.update(octets(left * PIECE as u64));
        }
        hex(&sum.finalize())
    })
}

pub(crate) fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

/// What `/upload` says that it read, sorted.
fn arrived(page: &Page) -> Vec<&str> {
    let mut lines: Vec<_> = page.text.lines().collect();
    lines.sort_unstable();
    lines
}

#[tokio::test]
#[ignore = "needs the lab: tests/run"]
async fn a_post_body_arrives_once_and_whole() {
    for site in sites() {
        for (scheme, authenticator) in site.by_each_scheme(site.carol()) {
            let mark = format!("post-{}-{scheme}", site.scheme);
            let client = site.client_with(authenticator);
            for length in [1, 5_000, 60_000] {
                let octets: Vec<_> = (0..length).map(|i: usize| (i % 251) as u8).collect();
                let md5 = format!("md5={}", hex(&Md5::digest(&octets)));
                let uri = site.uri(&format!("/upload?{mark}"));
                let page = Page::of(&client, post(uri, full(octets))).await;
                assert_eq!((page.status, page.user.as_str()), (200, "LAB\\carol"), "{mark}");
                let wanted = [format!("content-length={length}"), md5, format!("octets={length}")];
                assert_eq!(arrived(&page), wanted, "{mark}");
            }
            let log = site.log(&mark, 5).await;
            assert_eq!(statuses(&log), [401, 401, 200, 200, 200], "{mark}");
        }
    }
}

#[tokio::test]
#[ignore = "needs the lab: tests/run"]
async fn a_post_body_is_withheld_from_the_first_message() {
    for site in sites() {
        let mark = format!("withheld-{}", site.scheme);
        let client = site.client_with(
            site.authenticator(site.carol()).declare(site.origin(), "Negotiate").expect("a known scheme"),
        );
        let body = full(vec![b'x'; 60_000]);
        let page = Page::of(&client, post(site.uri(&format!("/upload?{mark}")), body)).await;
        assert_eq!(page.status, 200, "{mark}: {page:?}");
        let log = site.log(&mark, 2).await;
        assert_eq!(statuses(&log), [401, 200], "{mark}");
        assert!(log[0].octets < 4_000 && log[1].octets > 60_000, "{mark}: {log:?}");
    }
}

#[tokio::test]
#[ignore = "needs the lab: tests/run"]
async fn a_large_post_to_an_unknown_origin_is_sent_again_from_memory() {
    for site in sites() {
        let mark = format!("memory-{}", site.scheme);
        let body = full(vec![b'x'; 1024 * 1024]);
        let page =
            Page::of(&site.client(site.carol()), post(site.uri(&format!("/upload?{mark}")), body)).await;
        assert_eq!(page.status, 200, "{mark}: {page:?}");
        assert!(page.text.contains("octets=1048576"), "{mark}: {page:?}");
    }
}

/// Apache answers `Expect` by its challenge.
#[tokio::test]
#[ignore = "needs the lab: tests/run"]
async fn a_hundred_megabytes_stream_up_once_to_an_unknown_origin() {
    for site in &sites() {
        for declares_length in [true, false] {
            let mark = &format!("unknown-{}-{declares_length}", site.scheme);
            let client = &site.client(site.carol());
            Upload { site, client, path: "/upload", mark, declares_length }
                .arrives_once("LAB\\carol", &[401, 401, 200])
                .await;
            let mark = &format!("unknown-digest-{}-{declares_length}", site.scheme);
            let client = &site.client(site.user());
            Upload { site, client, path: "/digest/upload", mark, declares_length }
                .arrives_once("user", &[401, 200])
                .await;
        }
    }
}

#[tokio::test]
#[ignore = "needs the lab: tests/run"]
async fn a_post_whose_nonce_is_always_too_old_goes_up_once_as_soon_as_that_is_known() {
    let posts = 6;
    for site in sites() {
        let mark = format!("digest-ageing-{}", site.scheme);
        let client = site.client(site.user());
        let octets = 100 * 1024;
        for _ in 0..posts {
            let uri = site.uri(&format!("/digest-stale/upload?{mark}"));
            let page = Page::of(&client, post(uri, full(vec![b'x'; octets]))).await;
            assert_eq!((page.status, page.user.as_str()), (200, "user"), "{mark}: {page:?}");
            // Nothing can be awaited but that its second is over.
            tokio::time::sleep(Duration::from_millis(2_100)).await;
        }
        let log = site.log(&mark, 2 * posts).await;
        let bodies = log.iter().filter(|line| line.octets > octets as u64).count();
        assert!(bodies <= posts + 2, "{mark}: {bodies} bodies for {posts} requests: {log:?}");
    }
}

/// An upload of a hundred megabytes.
struct Upload<'a> {
    site: &'a Site,
    client: &'a LabClient,
    path: &'a str,
    /// Tells its requests apart in the log.
    mark: &'a str,
    declares_length: bool,
}

impl Upload<'_> {
    /// Sends it; what arrived is whole, the wire carried it once, by requests that were answered
    /// with these statuses, and little of it was held at any time.
    async fn arrives_once(self, user: &str, answered: &[u16]) {
        let Self { site, client, path, mark, declares_length } = self;
        let (body, held) = generated(declares_length);
        let request = post(site.uri(&format!("{path}?{mark}")), body.boxed_unsync());
        let page = Page::of(client, request).await;
        assert_eq!((page.status, page.user.as_str()), (200, user), "{mark}: {page:?}");

        let length = if declares_length { LENGTH.to_string() } else { "none".to_owned() };
        let wanted =
            [format!("content-length={length}"), format!("md5={}", md5()), format!("octets={LENGTH}")];
        assert_eq!(arrived(&page), wanted, "{mark}");

        let log = site.log(mark, answered.len()).await;
        assert_eq!(statuses(&log), answered, "{mark}");
        let on_the_wire: u64 = log.iter().map(|line| line.octets).sum();
        assert!((LENGTH..LENGTH + LENGTH / 100).contains(&on_the_wire), "{mark}: {on_the_wire}");

        let most = held.most.load(Ordering::Relaxed);
        assert!(most < 2 * 1024 * 1024, "{mark}: {most} octets of the body were held at once");
        assert_eq!(held.now.load(Ordering::Relaxed), 0, "{mark}");
    }
}

#[tokio::test]
#[ignore = "needs the lab: tests/run"]
async fn a_hundred_megabytes_stream_up_once() {
    for site in &sites() {
        for declares_length in [true, false] {
            let mark = &format!("stream-{}-{declares_length}", site.scheme);
            let client = &site.client(site.carol());
            let login = client.authenticate(site.uri("/upload")).await.expect("a login");
            assert_eq!(login.expect("one was asked for").scheme, "Negotiate", "{mark}");
            Upload { site, client, path: "/upload", mark, declares_length }
                .arrives_once("LAB\\carol", &[200])
                .await;

            let mark = &format!("declared-{mark}");
            let authenticator =
                site.authenticator(site.carol()).declare(site.origin(), "NTLM").expect("a known scheme");
            let client = &site.client_with(authenticator);
            Upload { site, client, path: "/upload", mark, declares_length }
                .arrives_once("LAB\\carol", &[401, 200])
                .await;
        }
    }
}

#[cfg(unix)]
#[tokio::test]
#[ignore = "needs the lab: tests/run"]
async fn a_hundred_megabytes_stream_up_once_to_each_kind_of_kerberos_server() {
    for site in &sites() {
        for kind in ["krb", "krb-bound", "krb-session"] {
            let path = &format!("/{kind}/upload");
            let kerberos = || {
                let tickets = Credentials::ambient(Ambient::new().cache(site.value("CCACHE")).stable());
                site.authenticator(tickets).negotiate(Negotiate::kerberos(Gssapi::kerberos()))
            };
            for declares_length in [true, false] {
                let mark = &format!("stream-{kind}-{}-{declares_length}", site.scheme);
                let client = &site.client_with(kerberos());
                let login = client.authenticate(site.uri(path)).await.expect("a login");
                assert_eq!(login.expect("one was asked for").mechanism, "Kerberos", "{mark}");
                Upload { site, client, path, mark, declares_length }
                    .arrives_once("alice@LAB.TEST", &[200])
                    .await;

                let mark = &format!("declared-{mark}");
                let client = &site
                    .client_with(kerberos().declare(site.origin(), "Negotiate").expect("a known scheme"));
                Upload { site, client, path, mark, declares_length }
                    .arrives_once("alice@LAB.TEST", &[200])
                    .await;
            }
        }
    }
}
