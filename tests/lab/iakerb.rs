//! Logins by IAKERB: the server relays what the client says to a KDC that the client does not reach.
//!
//! Each test is run in a process of its own, which opens MIT's library of 1.22 and is told of a dead KDC: the
//! system's library may be open in this one, and two of them do not go together.

use std::process::Command;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use legwork::Credentials;
use legwork::credentials::Ambient;
use legwork::handshake::{AuthenticatorBuilder, Why};
use legwork::mechanism::MutualAuthentication;
use legwork::mechanism::gssapi::Gssapi;
use legwork::mechanism::kerberos::EncryptionType;
use legwork::scheme::{Basic, Negotiate, Schemes};
use legwork::testing::{Kdc, Offer, Server};
use legwork::{Authenticator, Client};
use tokio::task::JoinSet;

use crate::support::*;

/// Set in a process of its own.
const CHILD: &str = "LEGWORK_IAKERB_TEST";

/// Whether this is a test's own process; else the test is run in one, and has to pass.
fn is_own_process(test: &str) -> bool {
    if std::env::var_os(CHILD).is_some() {
        return true;
    }
    let site = site("IAKERB");
    run_alone(test, site.value("IAKERB_KRB5_CONFIG"));
    false
}

/// The tests' processes one after the other: some count what the KDC does for Grace.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

fn run_alone(test: &str, krb5_config: &str) {
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let itself = std::env::current_exe().expect("this program");
    let output = Command::new(itself)
        .args([&format!("iakerb::{test}"), "--exact", "--include-ignored", "--test-threads=1"])
        .env(CHILD, test)
        .env("KRB5_CONFIG", krb5_config)
        .output()
        .expect("this program runs");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("1 passed"), "{krb5_config}: {said}");
}

/// IAKERB by the library that speaks it as the draft has it.
fn iakerb(site: &Site) -> Gssapi {
    Gssapi::iakerb().with_library(site.value("IAKERB_LIBRARY"))
}

fn by_iakerb(site: &Site, credentials: Credentials) -> AuthenticatorBuilder {
    alone(site, credentials, iakerb(site))
}

/// No other scheme: Apache offers NTLM too, wherever logins are bound to the connection.
fn alone(site: &Site, credentials: Credentials, mechanism: Gssapi) -> AuthenticatorBuilder {
    site.authenticator(credentials).schemes(Negotiate::new(mechanism))
}

fn grace(site: &Site) -> Credentials {
    site.credentials("KRB5_USER_RELAYED", "KRB5_PASSWORD_RELAYED")
}

/// The octets of a request without a token.
const BARE: u64 = 400;

#[tokio::test]
#[ignore = "needs the lab: tests/run"]
async fn a_password_logs_a_connection_in_in_five_legs_and_no_kdc_is_in_reach() {
    if !is_own_process("a_password_logs_a_connection_in_in_five_legs_and_no_kdc_is_in_reach") {
        // Nor is one named.
        return run_alone("a_password_logs_a_connection_in_in_five_legs_and_no_kdc_is_in_reach", "/dev/null");
    }
    let site = site("IAKERB");
    let mark = format!("iakerb-{}", std::process::id());
    let client = site.client_with(by_iakerb(&site, grace(&site)));
    let page = Page::get(&client, site.uri(&format!("/iakerb/?{mark}"))).await;
    assert_eq!((page.status, page.user.as_str()), (200, "grace@LAB.TEST"), "{page:?}");
    let login = page.login();
    assert_eq!((login.scheme, login.mechanism, login.legs), ("Negotiate", "IAKERB", 5));
    assert_eq!(login.principal.as_deref(), Some("grace@LAB.TEST"));
    assert!(login.mutual, "the server proves who it is");

    for _ in 0..3 {
        let again = Page::get(&client, site.uri(&format!("/iakerb/two.html?{mark}"))).await;
        assert_eq!((again.status, again.port), (200, page.port), "{again:?}");
    }
    let log = site.log(&mark, 8).await;
    assert_eq!(statuses(&log), [401, 401, 401, 401, 200, 200, 200, 200], "{log:?}");
    assert!(log.iter().all(|line| line.port == page.port), "{log:?}");
    assert!(log[5..].iter().all(|line| line.octets < BARE), "the connection is logged in: {log:?}");
}

#[tokio::test]
#[ignore = "needs the lab: tests/run"]
async fn a_ticket_that_is_held_logs_in_without_a_kdc() {
    if !is_own_process("a_ticket_that_is_held_logs_in_without_a_kdc") {
        return;
    }
    let site = site("IAKERB");
    let gssapi = iakerb(&site);
    let by = || alone(&site, grace(&site), gssapi.clone());
    let first = Page::get(&site.client_with(by()), site.uri("/iakerb/")).await;
    assert_eq!(first.login().legs, 5, "{first:?}");
    let granted = site.tickets_granted("grace@LAB.TEST");
    for legs in [2, 1] {
        let authenticator = by();
        let authenticator = match legs {
            1 => authenticator.declare(site.origin(), "Negotiate").expect("a known scheme"),
            _ => authenticator,
        };
        let page = Page::get(&site.client_with(authenticator), site.uri("/iakerb/")).await;
        assert_eq!((page.status, page.user.as_str()), (200, "grace@LAB.TEST"), "{page:?}");
        assert_eq!(page.login().legs, legs);
        assert!(page.login().mutual);
    }
    assert_eq!(site.tickets_granted("grace@LAB.TEST"), granted);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: tests/run"]
async fn sixty_four_tasks_ask_the_kdc_once() {
    if !is_own_process("sixty_four_tasks_ask_the_kdc_once") {
        return;
    }
    let site = site("IAKERB");
    let before = site.tickets_granted("grace@LAB.TEST");
    let client = site.client_with(by_iakerb(&site, grace(&site)));
    let mut tasks = JoinSet::new();
    for _ in 0..64 {
        let (client, uri) = (client.clone(), site.uri("/iakerb/"));
        tasks.spawn(async move { Page::get(&client, uri).await });
    }
    for page in tasks.join_all().await {
        assert_eq!((page.status, page.user.as_str()), (200, "grace@LAB.TEST"), "{page:?}");
    }
    assert_eq!(site.tickets_granted("grace@LAB.TEST") - before, 2, "one of the KDC's, one of the server's");
}

#[tokio::test]
#[ignore = "needs the lab: tests/run"]
async fn a_body_goes_with_the_last_leg_only() {
    if !is_own_process("a_body_goes_with_the_last_leg_only") {
        return;
    }
    let site = site("IAKERB");
    let mark = format!("iakerb-body-{}", std::process::id());
    let authenticator = by_iakerb(&site, grace(&site)).declare(site.origin(), "Negotiate");
    let client = site.client_with(authenticator.expect("a known scheme"));
    let body = Bytes::from(vec![7; 1 << 20]);
    let request = post(site.uri(&format!("/iakerb/upload?{mark}")), full(body));
    let page = Page::of(&client, request).await;
    assert_eq!(page.status, 200, "{page:?}");
    assert!(page.text.contains("octets=1048576"), "{page:?}");
    let log = site.log(&mark, 4).await;
    assert_eq!(statuses(&log), [401, 401, 401, 200], "{log:?}");
    assert!(log[..3].iter().all(|line| line.octets < 4096) && log[3].octets > 1 << 20, "{log:?}");
}

#[tokio::test]
#[ignore = "needs the lab: tests/run"]
async fn a_wrong_password_fails_once_at_the_kdc_and_is_said_so() {
    if !is_own_process("a_wrong_password_fails_once_at_the_kdc_and_is_said_so") {
        return;
    }
    let site = site("IAKERB");
    let before = site.passwords_refused("grace@LAB.TEST");
    let wrong = Credentials::password("grace@LAB.TEST", "not-hers");
    let client = site.client_with(by_iakerb(&site, wrong));
    let page = Page::get(&client, site.uri("/iakerb/")).await;
    let refused = "the KDC refused the password of grace@LAB.TEST";
    assert_eq!(page.why("Negotiate"), &Why::Refused(Some(refused.to_owned())), "{page:?}");
    assert!(page.refusal().is_refusal());
    for _ in 0..3 {
        let page = Page::get(&client, site.uri("/iakerb/two.html")).await;
        assert_eq!(page.why("Negotiate"), &Why::RefusedBefore, "{page:?}");
    }
    assert_eq!(site.passwords_refused("grace@LAB.TEST") - before, 1);
}

#[tokio::test]
#[ignore = "needs the lab: tests/run"]
async fn a_wrong_password_is_told_after_one_of_kerberos_too() {
    let test = "a_wrong_password_is_told_after_one_of_kerberos_too";
    if std::env::var_os(CHILD).is_none() {
        return run_alone(test, site("IAKERB").value("KRB5_CONFIG"));
    }
    // The library gives each mechanism numbers of its own for its errors, where another has used them. Here the
    // KDC is in reach.
    let site = site("IAKERB");
    for user in ["grace@LAB.TEST", "nobody@LAB.TEST"] {
        let wrong = || Credentials::password(user, "wrong-pw");
        let kerberos = alone(&site, wrong(), Gssapi::kerberos().with_library(site.value("IAKERB_LIBRARY")));
        let page = Page::get(&site.client_with(kerberos), site.uri("/iakerb/")).await;
        assert_eq!(page.status, 401, "{page:?}");
        let page = Page::get(&site.client_with(by_iakerb(&site, wrong())), site.uri("/iakerb/")).await;
        let Why::Refused(Some(words)) = page.why("Negotiate") else { panic!("{page:?}") };
        assert!(words.contains(user), "{words}");
    }
}

#[tokio::test]
#[ignore = "needs the lab: tests/run"]
async fn an_unknown_user_is_refused_before_anything_is_said_of_the_password() {
    if !is_own_process("an_unknown_user_is_refused_before_anything_is_said_of_the_password") {
        return;
    }
    let site = site("IAKERB");
    let mark = format!("iakerb-unknown-{}", std::process::id());
    let client = site.client_with(by_iakerb(&site, Credentials::password("nobody@LAB.TEST", "nobody-pw")));
    let page = Page::get(&client, site.uri(&format!("/iakerb/?{mark}"))).await;
    let unknown = "the KDC behind the server does not know nobody@LAB.TEST";
    assert_eq!(page.why("Negotiate"), &Why::Refused(Some(unknown.to_owned())), "{page:?}");
    assert_eq!(statuses(&site.log(&mark, 2).await), [401, 401], "{mark}");
}

#[tokio::test]
#[ignore = "needs the lab: tests/run"]
async fn a_server_that_reaches_no_kdc_is_named_and_no_password_is_blamed() {
    if !is_own_process("a_server_that_reaches_no_kdc_is_named_and_no_password_is_blamed") {
        return;
    }
    let site = site("IAKERB");
    for (user, words) in [
        ("alice@DEAD.TEST", "and no KDC for the realm of"),
        ("alice@NOWHERE.TEST", "knows no KDC for the realm of"),
    ] {
        let client = site.client_with(by_iakerb(&site, Credentials::password(user, "alice-pw")));
        for _ in 0..2 {
            let page = Page::get(&client, site.uri("/iakerb/")).await;
            let Why::CannotStart(reason) = page.why("Negotiate") else { panic!("{user}: {page:?}") };
            assert!(reason.contains(words) && reason.contains(user), "{reason}");
            assert!(!page.refusal().is_refusal(), "{user}");
        }
    }
}

#[tokio::test]
#[ignore = "needs the lab: tests/run"]
async fn a_server_without_iakerb_is_named_and_the_next_scheme_is_tried() {
    if !is_own_process("a_server_without_iakerb_is_named_and_the_next_scheme_is_tried") {
        return;
    }
    for site in sites() {
        let client = site.client_with(by_iakerb(&site, grace(&site)));
        for _ in 0..2 {
            let page = Page::get(&client, site.uri("/krb/")).await;
            let Why::CannotStart(reason) = page.why("Negotiate") else { panic!("{page:?}") };
            assert!(reason.contains("does not take IAKERB"), "{reason}");
            assert!(!page.refusal().is_refusal());
        }
        let basic = Schemes::new().with(Negotiate::new(iakerb(&site))).with(Basic::default());
        let user = site.credentials("KRB5_USER", "KRB5_PASSWORD");
        let authenticator = site.authenticator(user).schemes(basic).dangerous_secrets_over_plain_http(true);
        let page = Page::get(&site.client_with(authenticator), site.uri("/krb-basic/")).await;
        assert_eq!((page.status, page.login().scheme), (200, "Basic"), "{page:?}");
    }
}

#[tokio::test]
#[ignore = "needs the lab: tests/run"]
async fn a_server_that_forgets_the_exchange_blames_no_password() {
    if !is_own_process("a_server_that_forgets_the_exchange_blames_no_password") {
        return;
    }
    let site = site("IAKERB");
    let client = site.client_with(by_iakerb(&site, grace(&site)));
    let page = Page::get(&client, site.uri("/unbound/")).await;
    let Why::CannotStart(reason) = page.why("Negotiate") else { panic!("{page:?}") };
    assert!(reason.contains("GssapiConnectionBound"), "{reason}");
    assert_eq!(Page::get(&client, site.uri("/iakerb/")).await.status, 200);
}

#[tokio::test]
#[ignore = "needs the lab: tests/run"]
async fn a_ticket_of_the_users_logs_in_and_asks_the_kdc_by_the_server() {
    if !is_own_process("a_ticket_of_the_users_logs_in_and_asks_the_kdc_by_the_server") {
        return;
    }
    let site = site("IAKERB");
    let bob = Credentials::ambient(Ambient::new().cache(site.value("CCACHE_BOB")).stable());
    let page = Page::get(&site.client_with(by_iakerb(&site, bob)), site.uri("/iakerb/")).await;
    assert_eq!((page.status, page.user.as_str()), (200, "bob@LAB.TEST"), "{page:?}");
    assert_eq!(page.login().principal.as_deref(), Some("bob@LAB.TEST"));
}

#[tokio::test]
#[ignore = "needs the lab: tests/run"]
async fn every_rule_for_the_servers_proof_can_be_kept() {
    if !is_own_process("every_rule_for_the_servers_proof_can_be_kept") {
        return;
    }
    let site = site("IAKERB");
    for rule in [MutualAuthentication::Off, MutualAuthentication::Preferred, MutualAuthentication::Required] {
        let authenticator = by_iakerb(&site, grace(&site)).mutual_authentication(rule);
        let client = site.client_with(authenticator);
        let page = Page::get(&client, site.uri("/iakerb/")).await;
        assert_eq!((page.status, page.login().legs), (200, 5), "{rule:?}: {page:?}");
        let wrong = by_iakerb(&site, Credentials::password("grace@LAB.TEST", "not-hers"));
        let page =
            Page::get(&site.client_with(wrong.mutual_authentication(rule)), site.uri("/iakerb/")).await;
        assert!(matches!(page.why("Negotiate"), Why::Refused(Some(_))), "{rule:?}: {page:?}");
    }
}

#[tokio::test]
#[ignore = "needs the lab: tests/run"]
async fn mits_client_logs_in_at_the_embedded_server() {
    if !is_own_process("mits_client_logs_in_at_the_embedded_server") {
        return;
    }
    let site = site("IAKERB");
    for etype in [
        EncryptionType::Aes128Sha1,
        EncryptionType::Aes256Sha1,
        EncryptionType::Aes128Sha256,
        EncryptionType::Aes256Sha384,
    ] {
        let kdc = Kdc::builder("LAB.TEST").user("erin", "erin-pw").service("HTTP/127.0.0.1");
        let kdc = kdc.encryption_types([etype]).build();
        let server = Server::builder().offer(Offer::iakerb(&kdc.service("HTTP/127.0.0.1"))).start();
        let server = server.await.expect("a port");
        let log_in = |password| {
            let erin = Credentials::password("erin@LAB.TEST", password);
            let schemes = Negotiate::new(iakerb(&site));
            let authenticator = Authenticator::builder().credentials(server.origin(), erin).schemes(schemes);
            Client::builder(authenticator.build()).build_http::<Body>()
        };
        let client = log_in("erin-pw");
        for _ in 0..2 {
            let page = Page::get(&client, server.uri("/")).await;
            assert_eq!(page.status, 200, "{etype}: {page:?}\n{}", server.report());
        }
        let report = server.report();
        let tokens = report.legs().flat_map(|leg| &leg.authorization);
        let tokens: Vec<_> = tokens.map(|seen| seen.token.to_string()).collect();
        let carried = ["IAKERB request", "IAKERB request with a timestamp", "IAKERB request"];
        assert_eq!(tokens, [&carried[..], &["IAKERB AP-REQ"]].concat(), "{etype}: {report}");
        assert_eq!((kdc.report().relayed, kdc.report().packets()), (3, 0), "{etype}");

        let page = Page::get(&log_in("not-hers"), server.uri("/")).await;
        assert_eq!(page.status, 401, "{etype}: {page:?}");
        assert_eq!(kdc.report().failures("erin"), 1, "{etype}");
    }
}

/// Not in a process of its own: Debian's library is of MIT before 1.22.
#[tokio::test]
#[ignore = "needs the lab: tests/run"]
async fn a_library_of_the_old_dialect_is_named_before_anything_is_sent() {
    let site = site("IAKERB");
    let mark = "iakerb-old-library";
    let authenticator = alone(&site, grace(&site), Gssapi::iakerb());
    let page = Page::get(&site.client_with(authenticator), site.uri(&format!("/iakerb/?{mark}"))).await;
    let Why::CannotStart(reason) = page.why("Negotiate") else { panic!("{page:?}") };
    assert!(reason.contains("MIT krb5 1.22 or later is needed"), "{reason}");
    assert!(!page.refusal().is_refusal());
    assert_eq!(statuses(&site.log(mark, 1).await), [401]);
}
