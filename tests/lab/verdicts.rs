//! How often a password that is wrong, or has become wrong, reaches a server: counted there, by the directory that would
//! lock the account, or in the log of a proxy.

use std::future::Future;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use http::Uri;
use legwork::client::proxy::{Proxies, Proxy};
use legwork::client::tunnel::TunnelErrorKind;
use legwork::handshake::{AuthenticatorBuilder, LockoutBounds, PauseCause, Why};
use legwork::mechanism::ntlm::Ntlm;
use legwork::protection_space::Challenger;
use legwork::scheme::{Basic, Digest, Negotiate, NtlmScheme, Scheme};
use legwork::{Authenticator, Client, Credentials};
use md5::{Digest as _, Md5};
use tokio::sync::{Barrier, Mutex};
use tokio::task::JoinSet;

use crate::any_client::{AnyClient, CLIENTS, Make, no_tls};
use crate::bodies::hex;
use crate::squid::{SquidClient, no_tunnel, through_proxy};
use crate::support::*;

/// Apache has a process for each connection there, too few for several crowds at once.
static AT_WINBIND: Mutex<()> = Mutex::const_new(());

/// A name that no earlier run has left in the logs.
fn of_this_run(name: &str) -> String {
    format!("{name}-{}", std::process::id())
}

/// A user of Samba's that one test has to itself.
#[derive(Clone)]
struct User {
    admin: &'static str,
    name: String,
}

impl User {
    async fn new(site: &Site, name: &str) -> Self {
        let user = Self { admin: site.value("SAMBA_ADMIN"), name: of_this_run(name) };
        user.ask("user-add", &["right"]).await;
        user
    }

    /// Her password is "right" no longer.
    async fn change_password(&self) {
        self.ask("set-password", &["one", "two", "changed"]).await;
    }

    fn with(&self, password: &str) -> Credentials {
        Credentials::password(format!("AD\\{}", self.name), password)
    }

    /// What came of each login that has reached the directory.
    async fn logins(&self) -> Vec<String> {
        let attempts = self.ask("attempts", &[]).await;
        attempts.lines().filter_map(|line| line.split(' ').nth(1)).map(str::to_owned).collect()
    }

    /// How many it has refused.
    async fn refused(&self) -> usize {
        self.logins().await.iter().filter(|status| *status != "NT_STATUS_OK").count()
    }

    /// How many wrong passwords count against the account, and whether it is locked.
    async fn counted(&self) -> (u32, bool) {
        let shown = self.ask("show", &[]).await;
        let value = |key: &str| shown.lines().find_map(|line| line.strip_prefix(key)).expect("a value");
        (value("badPwdCount=").parse().expect("a number"), value("lockoutTime=") != "0")
    }

    async fn ask(&self, command: &'static str, arguments: &'static [&'static str]) -> String {
        let (admin, name) = (self.admin, self.name.clone());
        let run = move || Command::new(admin).arg(command).arg(name).args(arguments).output();
        let output = tokio::task::spawn_blocking(run).await.expect("no panic").expect("it runs");
        assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("UTF-8")
    }
}

/// A scheme, and where the server asks for it.
#[derive(Clone, Copy)]
struct Way {
    scheme: &'static str,
    path: &'static str,
}

const NTLM: Way = Way { scheme: "NTLM", path: "/ntlm/" };
const NEGOTIATE: Way = Way { scheme: "Negotiate", path: "/ntlm/" };
const BASIC: Way = Way { scheme: "Basic", path: "/basic/" };

impl Way {
    fn scheme(self) -> Arc<dyn Scheme> {
        match self.scheme {
            "NTLM" => Arc::new(NtlmScheme::new(Ntlm::new())),
            "Negotiate" => Arc::new(Negotiate::ntlm()),
            "Digest" => Arc::new(Digest::default()),
            _ => Arc::new(Basic::default()),
        }
    }

    /// By this scheme and no other, with bounds for a directory that locks at the third wrong password.
    fn authenticator(self, site: &Site, credentials: Credentials, quiet: Duration) -> AuthenticatorBuilder {
        let mut bounds = LockoutBounds::default();
        bounds.strong_pauses = vec![Duration::from_secs(32 * 60)];
        bounds.quiet = quiet;
        let builder =
            Authenticator::builder().schemes([self.scheme()]).credentials(site.origin(), credentials);
        builder
            .dangerous_secrets_over_plain_http(true)
            .dangerous_secrets_to_plain_http_proxies(true)
            .lockout_bounds(bounds)
    }
}

/// Shorter than it takes to change a password.
const SHORT: Duration = Duration::from_millis(100);

/// No run is so long.
const LONG: Duration = Duration::from_secs(600);

fn is_paused(page: &Page, scheme: &str) -> bool {
    matches!(page.why(scheme), Why::Paused(pause) if pause.cause == PauseCause::Refused)
}

/// A password that changes while 32 connections are logged in with it, which then close.
async fn changed_under_connections(site: &Site, name: &str, way: Way, make: Make) {
    let user = User::new(site, name).await;
    let client = make(way.authenticator(site, user.with("right"), SHORT));
    let uri = site.uri(way.path);
    client.log_in(32, &uri).await;
    user.change_password().await;
    client.close_idle();

    let pages = client.crowd(32, 8, &uri).await;
    assert!(pages.iter().all(|page| page.status == 401), "{name}");
    let told = pages.iter().filter(|page| !is_paused(page, way.scheme)).count();
    assert_eq!((user.refused().await, user.counted().await), (2, (2, false)), "{name}");
    // Where a 403 is what tells, one request makes both.
    assert!(told <= 2, "{name}: {told}");
    let page = Page::read(client.send(uri, Some(user.with("changed"))).await).await;
    assert_eq!((page.status, page.user), (200, format!("AD\\{}", user.name)), "{name}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: tests/run"]
async fn a_changed_password_is_tried_twice_where_thirty_two_connections_close_together() {
    let site = site("WINBIND_HTTP");
    let _turn = AT_WINBIND.lock().await;
    let mut runs: Vec<_> = CLIENTS.iter().map(|(name, make)| (*name, NTLM, *make)).collect();
    runs.push(("negotiate", NEGOTIATE, AnyClient::hyper));
    let mut tests = JoinSet::new();
    for (name, way, make) in runs {
        let site = site.clone();
        tests.spawn(async move {
            changed_under_connections(&site, &format!("closed-{name}"), way, make).await;
        });
    }
    tests.join_all().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: tests/run"]
async fn a_changed_password_is_tried_twice_where_a_wrong_one_is_answered_by_403() {
    let site = site("EXPRESS_HTTP");
    changed_under_connections(&site, "closed-express", NTLM, AnyClient::hyper).await;
}

/// Sixty-four tasks where every request is a login, with a password that is changed while all are at it, or after a quiet
/// time. Each goes on until it was told four times that the password rests.
async fn change_amid_logins(
    client: &AnyClient,
    uri: &Uri,
    way: Way,
    is_quiet: bool,
    change: impl Future<Output = ()>,
) {
    let all_were_served = Arc::new(Barrier::new(TASKS + 1));
    let mut tasks = JoinSet::new();
    for _ in 0..TASKS {
        let (client, uri, all_were_served) = (client.clone(), uri.clone(), Arc::clone(&all_were_served));
        tasks.spawn(async move {
            assert_eq!(client.get(uri.clone()).await.status, 200);
            all_were_served.wait().await;
            if is_quiet {
                all_were_served.wait().await;
            }
            let mut paused = 0;
            while paused < 4 {
                let page = client.get(uri.clone()).await;
                paused += usize::from(page.status == 401 && is_paused(&page, way.scheme));
            }
        });
    }
    all_were_served.wait().await;
    change.await;
    if is_quiet {
        all_were_served.wait().await;
    }
    tasks.join_all().await;
}

const TASKS: usize = 64;

async fn changed_under_logins(site: &Site, name: &str, way: Way, is_quiet: bool) {
    let user = User::new(site, name).await;
    let quiet = if is_quiet { SHORT } else { LONG };
    let (client, uri) =
        (AnyClient::hyper(way.authenticator(site, user.with("right"), quiet)), site.uri(way.path));
    change_amid_logins(&client, &uri, way, is_quiet, user.change_password()).await;
    let refused = user.refused().await;
    if is_quiet {
        assert_eq!((refused, user.counted().await), (2, (2, false)), "{name}");
        let page = Page::read(client.send(uri, Some(user.with("changed"))).await).await;
        assert_eq!((page.status, page.user), (200, format!("AD\\{}", user.name)), "{name}");
    } else {
        assert!((2..=TASKS + 1).contains(&refused), "{name}: {refused}");
    }
}

/// Gives a user of Apache's Digest, hers alone, this password.
async fn set_digest_password(site: &Site, name: &str, password: &str) {
    static FILE: Mutex<()> = Mutex::const_new(());
    let _turn = FILE.lock().await;
    let path = site.value("APACHE_DIGEST_PASSWORDS");
    let account = format!("{name}:digest realm:");
    let file = std::fs::read_to_string(path).expect("a file");
    let others = file.lines().filter(|line| !line.starts_with(&account));
    let hash = hex(&Md5::digest(format!("{account}{password}")));
    let new: String = others.map(|line| format!("{line}\n")).chain([format!("{account}{hash}\n")]).collect();
    // Nobody sees half a file.
    std::fs::write(format!("{path}.new"), new).expect("a folder");
    std::fs::rename(format!("{path}.new"), path).expect("a file");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: tests/run"]
async fn a_changed_password_is_tried_no_more_often_by_digest() {
    let site = site("APACHE_HTTP");
    let way = Way { scheme: "Digest", path: "/digest/" };
    // Of those under way each may find its count overtaken, which tells nothing: then it takes two more.
    for (is_quiet, most) in [(true, 2), (false, TASKS + 2)] {
        let name = of_this_run(if is_quiet { "digest-quiet" } else { "digest-amid" });
        set_digest_password(&site, &name, "right").await;
        let quiet = if is_quiet { SHORT } else { LONG };
        let client =
            AnyClient::hyper(way.authenticator(&site, Credentials::password(&*name, "right"), quiet));
        let uri = site.uri(&format!("/digest/?{name}"));
        let change = async {
            tokio::time::sleep(2 * SHORT).await; // until it is quiet, or all are at it
            set_digest_password(&site, &name, "changed").await;
        };
        change_amid_logins(&client, &uri, way, is_quiet, change).await;
        let log = std::fs::read_to_string(site.value("APACHE_ACCESS_LOG")).expect("a log");
        // A challenge to a request that did not log in has no user.
        let attempt = format!("?{name} 401 user={name}");
        let refused = log.lines().filter(|line| line.ends_with(&attempt)).count();
        assert!((2..=most).contains(&refused), "{name}: {refused}");
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: tests/run"]
async fn a_changed_password_is_tried_twice_after_a_quiet_time_where_every_request_is_a_login() {
    let (open, closing) = (site("WINBIND_HTTP"), site("WINBIND_CLOSING"));
    let _turn = AT_WINBIND.lock().await;
    changed_under_logins(&open, "quiet-basic", BASIC, true).await;
    changed_under_logins(&closing, "quiet-ntlm", NTLM, true).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: tests/run"]
async fn a_password_that_changes_amid_logins_is_tried_by_those_under_way_and_once_more() {
    let (open, closing) = (site("WINBIND_HTTP"), site("WINBIND_CLOSING"));
    let _turn = AT_WINBIND.lock().await;
    changed_under_logins(&open, "amid-basic", BASIC, false).await;
    changed_under_logins(&closing, "amid-ntlm", NTLM, false).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: tests/run"]
async fn a_wrong_password_reaches_the_directory_once() {
    let site = site("WINBIND_HTTP");
    let _turn = AT_WINBIND.lock().await;
    for way in [NTLM, NEGOTIATE, BASIC] {
        for (name, make) in CLIENTS {
            let name = format!("wrong-{}-{name}", way.scheme.to_lowercase());
            let user = User::new(&site, &name).await;
            let client = make(way.authenticator(&site, user.with("wrong"), LONG));
            let pages = client.crowd(64, 2, &site.uri(way.path)).await;
            let so = |is: fn(&Why) -> bool| pages.iter().filter(|page| is(page.why(way.scheme))).count();
            let told = so(|why| matches!(why, Why::Refused(_)));
            assert_eq!((told, so(|why| *why == Why::RefusedBefore)), (1, 127), "{name}");
            assert_eq!((user.refused().await, user.counted().await), (1, (1, false)), "{name}");
        }
    }
}

/// Keeps winbindd from answering until it is dropped: what is sent to log in gets no answer, but is not lost.
struct Still {
    process_group: String,
}

impl Still {
    fn new(site: &Site) -> Self {
        let process = std::fs::read_to_string(site.value("WINBINDD_PROCESS")).expect("winbindd runs");
        let still = Self { process_group: format!("-{}", process.split(' ').next().expect("a number")) };
        assert!(still.signal("STOP"));
        still
    }

    fn signal(&self, signal: &str) -> bool {
        let status = Command::new("kill").args(["-s", signal, "--", &self.process_group]).status();
        status.is_ok_and(|status| status.success())
    }
}

impl Drop for Still {
    fn drop(&mut self) {
        self.signal("CONT");
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: tests/run"]
async fn a_password_that_gets_no_answer_is_sent_twice_and_then_rests() {
    let site = site("WINBIND_HTTP");
    let _turn = AT_WINBIND.lock().await;
    // By Basic, since NTLM's first message would not be answered either.
    for password in ["wrong", "right"] {
        let (way, name) = (BASIC, format!("silent-{password}"));
        let user = User::new(&site, &name).await;
        let mut bounds = LockoutBounds::default();
        bounds.undecided_pauses = vec![Duration::from_secs(2)];
        let authenticator = way.authenticator(&site, user.with(password), LONG).lockout_bounds(bounds);
        let (client, uri) = (AnyClient::hyper(authenticator), site.uri(way.path));
        let still = Still::new(&site);
        // Each gives up sooner than the server answers, and tries again.
        let mut tasks = JoinSet::new();
        for _ in 0..16 {
            let (client, uri) = (client.clone(), uri.clone());
            tasks.spawn(async move {
                for _ in 0..8 {
                    let asked = tokio::time::timeout(Duration::from_millis(300), client.get(uri.clone()));
                    let Ok(page) = asked.await else { continue };
                    match page.why(way.scheme) {
                        Why::Paused(pause) if pause.cause == PauseCause::Unanswered => return pause.ends,
                        why => panic!("{why:?}"),
                    }
                }
                panic!("it is tried for ever");
            });
        }
        let ends = tasks.join_all().await.into_iter().max().expect("sixteen");
        drop(still);
        tokio::time::sleep_until(ends.into()).await;
        let page = client.get(uri).await;
        match password {
            "right" => assert_eq!(page.status, 200, "{name}: {page:?}"),
            _ => assert_eq!(page.why(way.scheme), &Why::Refused(None), "{name}"),
        }
        // The two, unless the server noticed first that nobody waits, and the one after the pause.
        let logins = user.logins().await.len();
        assert!((1..=3).contains(&logins), "{name}: {logins}");
    }
}

// What the directory does to those tests if nobody counts.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: tests/run"]
async fn a_wrong_password_locks_the_account_without_the_guard() {
    let site = site("WINBIND_HTTP");
    let user = User::new(&site, "unguarded").await;
    let unguarded = NTLM.authenticator(&site, user.with("wrong"), LONG).lockout_guard(false);
    AnyClient::hyper(unguarded).crowd(8, 1, &site.uri("/ntlm/")).await;
    assert_eq!((user.refused().await, user.counted().await), (8, (3, true)));
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: tests/run"]
async fn a_wrong_password_that_is_answered_by_403_is_tried_once_and_told_as_refused() {
    let site = site("EXPRESS_HTTP");
    for (name, make) in CLIENTS {
        let (user, path) = (
            User::new(&site, &format!("forbidden-{name}")).await,
            of_this_run(&format!("/forbidden-{name}")),
        );
        let uri = site.uri(&path);
        let pages = make(NTLM.authenticator(&site, user.with("wrong"), LONG)).crowd(8, 8, &uri).await;
        assert!(pages.iter().all(|page| page.refusal().challenger == Challenger::Origin), "{name}");
        assert_eq!(user.refused().await, 1, "{name}");
        let log = std::fs::read_to_string(site.value("EXPRESS_ACCESS_LOG")).expect("a log");
        let attempt = format!(" GET {path} 403 type=3 ");
        assert_eq!(log.lines().filter(|line| line.contains(&attempt)).count(), 1, "{name}");

        let pages = make(NTLM.authenticator(&site, user.with("right"), LONG)).crowd(8, 8, &uri).await;
        assert!(pages.iter().all(|page| page.status == 200), "{name}");
    }
}

/// What a proxy's recorder has of the requests with this in their target: how many, and by what they logged in.
fn recorded(site: &Site, target: &str) -> (usize, Vec<String>) {
    let log = std::fs::read_to_string(site.value("PROXIES_ACCESS_LOG")).expect("a log");
    let lines: Vec<_> = log.lines().filter(|line| line.contains(target)).collect();
    let logins =
        lines.iter().filter_map(|line| line.split_once(" login=").map(|(_, login)| login.to_owned()));
    // NTLM's first message says nothing of the password.
    (lines.len(), logins.filter(|login| !["-", "NTLM-1"].contains(&login.as_str())).collect())
}

const AT_PROXIES: [(&str, &str, &str); 4] = [
    ("PX", "NTLM", "NTLM-3"),
    ("PX", "Digest", "Digest"),
    ("PX", "Basic", "Basic"),
    ("TINYPROXY", "Basic", "Basic"),
];

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: tests/run"]
async fn a_wrong_password_that_a_proxy_answers_by_401_is_tried_once_and_the_proxy_is_named() {
    let site = site("APACHE_HTTP");
    for (proxy, scheme, attempt) in AT_PROXIES {
        let way = Way { scheme, path: "/basic/" };
        let at: Proxy = site.value(proxy).parse().expect("a proxy");
        let mark = of_this_run(&format!("proxy-wrong-{proxy}-{scheme}").to_lowercase());
        let uri = site.uri(&format!("{}?{mark}", way.path));
        // tinyproxy passes on what it lets through as HTTP/1.1 and closes without a word, which looks like a server that
        // hangs up on the login: with a right password it is not for certain that nobody has to wait.
        for is_right in [false, true].into_iter().filter(|is_right| !is_right || proxy != "TINYPROXY") {
            let at = at
                .clone()
                .credentials(Credentials::password("user", if is_right { "passwd" } else { "wrong" }));
            // At the origin it is Basic in any case.
            let authenticator = way.authenticator(&site, site.user(), LONG);
            let authenticator = authenticator.schemes([way.scheme(), BASIC.scheme()]).build();
            let through = Client::builder(authenticator.clone()).proxies(Proxies::all(at));
            let client = AnyClient::Hyper(through.build_with_tls(no_tls()));
            let pages = client.crowd(8, 4, &uri).await;
            if is_right {
                assert!(
                    pages.iter().all(|page| page.status == 200 && page.user == "user"),
                    "{mark}: {pages:?}"
                );
                continue;
            }
            let refusals: Vec<_> = pages.iter().map(|page| page.refusal_by(&[401, 407])).collect();
            assert!(
                refusals.iter().all(|refusal| refusal.challenger == Challenger::Proxy),
                "{mark}: {refusals:?}"
            );
            assert_eq!(recorded(&site, &mark).1, [attempt], "{mark}");
            // The origin has seen nobody, and its user is not blamed.
            let page = Page::get(&site.build(Client::builder(authenticator)), uri.clone()).await;
            assert_eq!((page.status, page.user.as_str()), (200, "user"), "{mark}: {page:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: tests/run"]
async fn a_wrong_password_that_a_proxy_answers_by_401_to_connect_is_tried_once_and_the_proxy_is_named() {
    let site = site("APACHE_HTTPS");
    for (proxy, scheme, attempt) in AT_PROXIES {
        let at: legwork::Origin = site.value(proxy).parse().expect("an origin");
        let name = of_this_run(&format!("tunnel-wrong-{proxy}-{scheme}").to_lowercase()) + ".lab.test";
        let client = |password: &str| -> SquidClient {
            let way = Way { scheme, path: "" };
            let user = Credentials::password("user", password);
            let at_proxy = way.authenticator(&site, site.carol(), LONG).proxy_credentials(at.clone(), user);
            let connector = through_proxy(&site, at.clone(), at_proxy);
            Client::builder(site.authenticator(site.carol()).build()).build(connector)
        };
        let (wrong, uri) = (client("wrong"), site.at_host(&name).uri("/ntlm/"));
        let mut tasks = JoinSet::new();
        for _ in 0..8 {
            let (client, uri, at) = (wrong.clone(), uri.clone(), at.clone());
            tasks.spawn(async move {
                for _ in 0..4 {
                    let error = client.get(uri.clone()).await.expect_err("no tunnel");
                    let error = no_tunnel(&error);
                    assert_eq!(error.proxy(), &at);
                    match error.kind() {
                        TunnelErrorKind::Answered { refusal: Some(refusal), .. } => {
                            assert_eq!(refusal.challenger, Challenger::Proxy, "{error:?}");
                        }
                        kind => panic!("{kind:?}"),
                    }
                }
            });
        }
        tasks.join_all().await;
        assert_eq!(recorded(&site, &name).1, [attempt], "{name}");
        let page = Page::get(&client("passwd"), site.uri("/ntlm/")).await;
        assert_eq!((page.status, page.user.as_str()), (200, "LAB\\carol"), "{name}: {page:?}");
    }
}
