//! Kerberos and IAKERB of our own, with a password and no library of the system: at Apache over MIT's KDC and MIT's libraries.

use std::convert::Infallible;
use std::future::ready;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::Name;
use legwork::client::KdcSockets;
use legwork::handshake::{AuthenticatorBuilder, Why};
use legwork::mechanism::kerberos::{EncryptionType, Kerberos};
use legwork::mechanism::{KdcInquiry, MechanismError};
use legwork::scheme::{Basic, Negotiate, NtlmScheme, Schemes};
use legwork::service::{BoxFuture, Environment, KdcTransport, LegReport, Observer};
use legwork::{Client, Credentials};
use tokio::task::JoinSet;
use tower::service_fn;

use crate::support::*;

/// Whose KDC is in reach.
fn with_kdc(site: &Site) -> Kerberos {
    Kerberos::new().kdc(site.value("KRB5_REALM"), [site.value("KRB5_KDC")])
}

fn alice(site: &Site) -> Credentials {
    site.credentials("KRB5_USER", "KRB5_PASSWORD")
}

/// No other scheme.
fn by(site: &Site, credentials: Credentials, negotiate: Negotiate) -> AuthenticatorBuilder {
    site.authenticator(credentials).schemes(Schemes::from(negotiate)).without_ntlm()
}

/// The octets of a request without a token.
const BARE: u64 = 400;

#[tokio::test]
#[ignore = "needs the lab: tests/run"]
async fn a_password_logs_in_by_each_encryption_type_in_two_legs_and_then_in_one() {
    for site in sites() {
        for (number, etype) in EncryptionType::ALL.into_iter().enumerate() {
            let mark = format!("own-{}-{number}", site.scheme);
            let kerberos = with_kdc(&site).encryption_types([etype]);
            let negotiate = || Negotiate::kerberos(kerberos.clone());
            let client = site.client_with(by(&site, alice(&site), negotiate()));
            let page = Page::get(&client, site.uri(&format!("/krb/?{mark}"))).await;
            assert_eq!((page.status, page.user.as_str()), (200, "alice@LAB.TEST"), "{etype}: {page:?}");
            let login = page.login();
            assert_eq!((login.mechanism, login.legs, login.mutual), ("Kerberos", 2, true), "{etype}");
            assert_eq!(login.principal.as_deref(), Some("alice@LAB.TEST"), "{etype}");
            let again = Page::get(&client, site.uri(&format!("/krb/two.html?{mark}"))).await;
            assert_eq!((again.status, again.port), (200, page.port), "{etype}: {again:?}");

            // Where the origin is known, and the ticket held.
            let known = by(&site, alice(&site), negotiate()).declare(site.origin(), "Negotiate");
            let client = site.client_with(known.expect("a known scheme"));
            let page = Page::get(&client, site.uri(&format!("/krb/?{mark}"))).await;
            assert_eq!((page.status, page.login().legs), (200, 1), "{etype}: {page:?}");
            assert_eq!(statuses(&site.log(&mark, 4).await), [401, 200, 200, 200], "{etype}");
        }
    }
}

#[tokio::test]
#[ignore = "needs the lab: tests/run"]
async fn with_ntlm_shut_out_it_logs_in_wherever_there_is_kerberos_and_elsewhere_it_says_why_not() {
    for site in sites() {
        let kerberos = with_kdc(&site);
        for negotiate in [
            Negotiate::kerberos(kerberos.clone()),
            Negotiate::kerberos_or_ntlm(kerberos.clone()),
            Negotiate::kerberos_or_iakerb_or_ntlm(kerberos),
        ] {
            let by = |credentials| {
                let authenticator = site.authenticator(credentials).negotiate(negotiate.clone());
                site.client_with(authenticator.without_ntlm())
            };
            let client = by(alice(&site));
            for target in ["/krb/", "/krb-bound/", "/krb-session/", "/deleg/", "/mixed/", "/all/", "/joined/"]
            {
                let page = Page::get(&client, site.uri(target)).await;
                assert_eq!((page.status, page.user.as_str()), (200, "alice@LAB.TEST"), "{target}: {page:?}");
            }
            // She is of a realm of which no KDC is named.
            let page = Page::get(&by(site.carol()), site.uri("/ntlm/")).await;
            let Why::CannotStart(words) = page.why("Negotiate") else { panic!("{page:?}") };
            assert!(words.contains("user@REALM"), "{words}");
            assert!(matches!(page.why("NTLM"), Why::NtlmShutOut { .. }), "{page:?}");
        }
    }
}

#[tokio::test]
#[ignore = "needs the lab: tests/run"]
async fn a_login_that_holds_for_the_connection_is_made_once() {
    for site in sites() {
        let mark = format!("own-bound-{}", site.scheme);
        let client = site.client_with(by(&site, alice(&site), Negotiate::kerberos(with_kdc(&site))));
        for target in ["/krb-bound/", "/krb-bound/two.html", "/krb-bound/"] {
            let page = Page::get(&client, site.uri(&format!("{target}?{mark}"))).await;
            assert_eq!((page.status, page.user.as_str()), (200, "alice@LAB.TEST"), "{page:?}");
        }
        let log = site.log(&mark, 4).await;
        assert_eq!(statuses(&log), [401, 200, 200, 200], "{log:?}");
        assert!(log[2..].iter().all(|line| line.octets < BARE), "{log:?}");
    }
}

#[tokio::test]
#[ignore = "needs the lab: tests/run"]
async fn heimdals_kdc_grants_tickets_by_each_encryption_type() {
    for site in sites() {
        let realm = site.value("HEIMDAL_REALM");
        for etype in EncryptionType::ALL {
            let kerberos = Kerberos::new().kdc(realm, [site.value("HEIMDAL_KDC")]).encryption_types([etype]);
            let log_in = |password| {
                let alice = Credentials::password(site.value("HEIMDAL_USER"), password);
                site.client_with(by(&site, alice, Negotiate::kerberos(kerberos.clone())))
            };
            let page = Page::get(&log_in("not-hers"), site.uri("/krb/")).await;
            let Why::Refused(Some(why)) = page.why("Negotiate") else { panic!("{etype}: {page:?}") };
            assert!(why.contains("refused the password of alice@HEIMDAL.TEST"), "{etype}: {why}");
            let page = Page::get(&log_in(site.value("HEIMDAL_PASSWORD")), site.uri("/krb/")).await;
            assert_eq!((page.status, page.user.as_str()), (200, "alice@HEIMDAL.TEST"), "{etype}: {page:?}");
            let login = page.login();
            assert_eq!((login.mechanism, login.legs, login.mutual), ("Kerberos", 2, true), "{etype}");
        }
    }
}

#[tokio::test]
#[ignore = "needs the lab: tests/run"]
async fn heimdals_kdc_is_reached_through_mits_acceptor() {
    let site = site("IAKERB");
    let negotiate = Negotiate::kerberos_or_iakerb(Kerberos::new());
    let alice = site.credentials("HEIMDAL_USER", "HEIMDAL_PASSWORD");
    let page = Page::get(&site.client_with(by(&site, alice, negotiate)), site.uri("/iakerb/")).await;
    assert_eq!((page.status, page.user.as_str()), (200, "alice@HEIMDAL.TEST"), "{page:?}");
    assert_eq!((page.login().mechanism, page.login().mutual), ("IAKERB", true));
}

#[tokio::test]
#[ignore = "needs the lab: tests/run"]
async fn channel_bindings_go_with_the_ticket() {
    use legwork::channel_bindings::ChannelBindingsUse;

    let site = site("BINDINGS_SERVER");
    let by = || by(&site, alice(&site), Negotiate::kerberos(with_kdc(&site)));
    for path in ["/gss-require", "/gss-accept"] {
        let page = Page::get(&site.client_with(by()), site.uri(path)).await;
        assert_eq!((page.status, page.bindings.as_str()), (200, "bound"), "{page:?}");
    }
    let off = by().channel_bindings(ChannelBindingsUse::Off);
    let page = Page::get(&site.client_with(off), site.uri("/gss-require")).await;
    assert_eq!(page.status, 401, "{page:?}");
    for path in ["/gss-require", "/gss-accept"] {
        let elsewhere = crate::bindings::elsewhere(&site, by());
        let page = Page::get(&elsewhere, site.uri(path)).await;
        assert_eq!(page.status, 401, "{page:?}");
    }
}

#[tokio::test]
#[ignore = "needs the lab: tests/run"]
async fn what_a_kdc_refuses_is_said_so() {
    let site = site("APACHE_HTTP");
    let skewed = Kerberos::new().kdc("SKEWED.TEST", [site.value("KRB5_KDC_SKEWED")]);
    let user = |name: &str, password: &str| Credentials::password(name, password);
    for (kerberos, credentials, refused, words) in [
        (with_kdc(&site), user("nobody@LAB.TEST", "pw"), true, "does not know nobody@LAB.TEST"),
        (
            with_kdc(&site),
            user("alice@NOWHERE.TEST", "pw"),
            false,
            "no KDC is named for the realm NOWHERE.TEST",
        ),
        (with_kdc(&site), user("LAB\\alice", "pw"), false, "user@REALM"),
        (skewed, user("alice@SKEWED.TEST", "alice-pw"), false, "HTTP/localhost"),
    ] {
        let client = site.client_with(by(&site, credentials.clone(), Negotiate::kerberos(kerberos)));
        let page = Page::get(&client, site.uri("/krb/")).await;
        assert_eq!(page.status, 401, "{page:?}");
        match page.why("Negotiate") {
            Why::Refused(Some(why)) if refused => assert!(why.contains(words), "{why}"),
            Why::CannotStart(why) if !refused => assert!(why.contains(words), "{why}"),
            why => panic!("{credentials:?}: {why:?}"),
        }
    }
}

/// Counts what is sent to KDCs.
#[derive(Clone, Default)]
struct Counting(Arc<Mutex<Vec<usize>>>);

impl Counting {
    fn sent(&self) -> usize {
        self.0.lock().expect("not poisoned").len()
    }

    fn environment(&self) -> Environment {
        Environment::tokio().kdc_transport(self.clone())
    }
}

impl KdcTransport for Counting {
    fn exchange(&self, inquiry: KdcInquiry) -> BoxFuture<Result<Vec<u8>, MechanismError>> {
        self.0.lock().expect("not poisoned").push(inquiry.message.len());
        KdcSockets::new().exchange(inquiry)
    }
}

#[tokio::test]
#[ignore = "needs the lab: tests/run"]
async fn a_user_of_a_domain_of_one_label_costs_no_kdc_a_packet_and_ntlm_not_a_leg() {
    for site in sites() {
        let mark = format!("own-ntlm-{}", site.scheme);
        let counting = Counting::default();
        let kerberos = with_kdc(&site).kdc("LAB", [site.value("KRB5_KDC")]);
        for negotiate in [
            Negotiate::kerberos_or_ntlm(kerberos.clone()),
            Negotiate::kerberos_or_ntlm(Kerberos::new()),
            Negotiate::ntlm(),
        ] {
            let authenticator = site.authenticator(site.carol()).schemes(Schemes::from(negotiate));
            let client =
                site.build(Client::builder(authenticator.build()).environment(counting.environment()));
            let page = Page::get(&client, site.uri(&format!("/ntlm/?{mark}"))).await;
            assert_eq!(
                (page.status, page.login().mechanism, page.login().legs),
                (200, "NTLM", 3),
                "{page:?}"
            );
        }
        assert_eq!(counting.sent(), 0);
        let log = site.log(&mark, 9).await;
        assert_eq!(statuses(&log), [401, 401, 200].repeat(3), "{log:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: tests/run"]
async fn sixty_four_tasks_get_each_ticket_once() {
    let user = "henry@LAB.TEST";
    for (number, site) in sites().into_iter().enumerate() {
        let before = site.tickets_granted(user);
        let counting = Counting::default();
        let henry = site.credentials("KRB5_USER_OWN", "KRB5_PASSWORD_OWN");
        let authenticator = by(&site, henry, Negotiate::kerberos(with_kdc(&site)));
        let client = site.build(Client::builder(authenticator.build()).environment(counting.environment()));
        let mut tasks = JoinSet::new();
        for _ in 0..64 {
            let (client, uri) = (client.clone(), site.uri("/krb/"));
            tasks.spawn(async move { Page::get(&client, uri).await });
        }
        for page in tasks.join_all().await {
            assert_eq!((page.status, page.user.as_str()), (200, user), "{number}: {page:?}");
        }
        assert_eq!(site.tickets_granted(user) - before, 2, "one of the KDC's, one of the server's");
        assert_eq!(counting.sent(), 3, "the first without and with the password, and one for the server");
    }
}

/// A client that finds the site under any name.
fn under_any_name(site: &Site, authenticator: AuthenticatorBuilder) -> LabClient {
    let port = site.uri("/").port_u16().expect("a port");
    let addresses = [SocketAddr::from((Ipv4Addr::LOCALHOST, port))];
    let resolver = service_fn(move |_: Name| ready(Ok::<_, Infallible>(addresses.into_iter())));
    Client::builder(authenticator.build()).build(HttpConnector::new_with_resolver(resolver))
}

/// Ten origins that are one server, and somebody's password for each.
fn ten_origins(site: &Site, credentials: &Credentials) -> (Vec<Site>, AuthenticatorBuilder) {
    let sites: Vec<_> = (0..10).map(|number| site.at_host(&format!("web-{number}.lab.test"))).collect();
    let authenticator = sites
        .iter()
        .fold(builder(), |authenticator, site| authenticator.credentials(site.origin(), credentials.clone()));
    (sites, authenticator)
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: tests/run"]
async fn a_wrong_password_at_ten_origins_fails_once_at_the_kdc() {
    let site = site("APACHE_HTTP");
    for (user, site, path, kerberos) in [
        ("henry@LAB.TEST", site.clone(), "/krb/", with_kdc(&site)),
        ("ivan@LAB.TEST", self::site("IAKERB"), "/iakerb/", Kerberos::new()),
    ] {
        let before = site.passwords_refused(user);
        let (sites, authenticator) = ten_origins(&site, &Credentials::password(user, "wrong-pw"));
        // NTLM may not have it either.
        let negotiate = Negotiate::kerberos_or_iakerb_or_ntlm(kerberos);
        let schemes = Schemes::from(negotiate).with(NtlmScheme::default());
        let client = under_any_name(&site, authenticator.schemes(schemes));
        let mut tasks = JoinSet::new();
        for number in 0..64 {
            let (client, uri) = (client.clone(), sites[number % sites.len()].uri(path));
            tasks.spawn(async move { Page::get(&client, uri).await });
        }
        for page in tasks.join_all().await {
            assert_eq!(page.status, 401, "{user}: {page:?}");
            assert!(page.refusal().is_refusal(), "{user}: {page:?}");
        }
        assert_eq!(site.passwords_refused(user) - before, 1, "{user}");
    }
}

#[tokio::test]
#[ignore = "needs the lab: tests/run"]
async fn a_kdc_that_never_answers_costs_nobody_else_anything() {
    let site = site("APACHE_HTTP");
    let silent = std::net::UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let kerberos = with_kdc(&site).kdc("SILENT.TEST", [silent.local_addr().expect("an address").to_string()]);
    let negotiate = || Negotiate::kerberos(kerberos.clone());
    let waiting = site.client_with(by(&site, Credentials::password("alice@SILENT.TEST", "pw"), negotiate()));
    let waiting = tokio::spawn({
        let uri = site.uri("/krb/");
        async move { Page::get(&waiting, uri).await }
    });
    silent.set_nonblocking(true).expect("it can be");
    let silent = tokio::net::UdpSocket::from_std(silent).expect("a socket");
    silent.recv_from(&mut [0; 2_048]).await.expect("it is asked");
    let client = site.client_with(by(&site, alice(&site), negotiate()));
    let page = Page::get(&client, site.uri("/krb/")).await;
    assert_eq!(page.status, 200, "{page:?}");
    assert!(!waiting.is_finished());
    let page = waiting.await.expect("no panic");
    let Why::CannotStart(words) = page.why("Negotiate") else { panic!("{page:?}") };
    assert!(words.contains("no KDC of SILENT.TEST has answered"), "{words}");
}

/// Sees what kinds of tokens the client sends.
#[derive(Clone, Default)]
struct Tokens(Arc<Mutex<Vec<String>>>);

impl Observer for Tokens {
    fn leg(&self, report: &LegReport) {
        let tokens = report.authorization.iter().map(ToString::to_string);
        self.0.lock().expect("not poisoned").extend(tokens);
    }
}

#[tokio::test]
#[ignore = "needs the lab: tests/run"]
async fn a_server_relays_what_a_client_without_a_kdc_says() {
    let site = site("IAKERB");
    let user = "judy@LAB.TEST";
    let judy = || site.credentials("KRB5_USER_RELAYED_OWN", "KRB5_PASSWORD_RELAYED_OWN");
    let kerberos = Kerberos::new();
    let granted = site.tickets_granted(user);
    for (what, negotiate, credentials, legs) in [
        ("at first sight, within SPNEGO", Negotiate::kerberos_or_iakerb(kerberos.clone()), judy(), 3..=7),
        ("a ticket is held", Negotiate::kerberos_or_iakerb(kerberos.clone()), judy(), 2..=2),
        ("the server is known", Negotiate::kerberos_or_iakerb(kerberos.clone()), alice(&site), 5..=5),
        ("bare is asked for", Negotiate::new(Kerberos::new().iakerb()), alice(&site), 5..=5),
    ] {
        let mark = format!("own-iakerb-{}", what.replace(' ', "-").replace(',', ""));
        let tokens = Tokens::default();
        let authenticator = by(&site, credentials, negotiate).build();
        let environment = Environment::tokio().observer(tokens.clone());
        let client = site.build(Client::builder(authenticator).environment(environment));
        let page = Page::get(&client, site.uri(&format!("/iakerb/?{mark}"))).await;
        assert_eq!(page.status, 200, "{what}: {page:?}");
        let login = page.login();
        assert!(legs.contains(&login.legs), "{what}: {login:?}");
        assert_eq!((login.mechanism, login.mutual), ("IAKERB", true), "{what}");
        assert_eq!(login.principal.as_deref(), Some(page.user.as_str()), "{what}");
        for _ in 0..3 {
            let again = Page::get(&client, site.uri(&format!("/iakerb/two.html?{mark}"))).await;
            assert_eq!((again.status, again.port), (200, page.port), "{what}: {again:?}");
        }
        let legs = usize::try_from(login.legs).expect("few legs");
        let log = site.log(&mark, legs + 3).await;
        assert_eq!(log.len(), legs + 3, "{what}: {log:?}");
        assert!(log.iter().all(|line| line.port == page.port), "{what}: one connection: {log:?}");
        assert!(log[legs..].iter().all(|line| line.octets < BARE), "{what}: it is logged in: {log:?}");
        let tokens = tokens.0.lock().expect("not poisoned");
        assert!(!tokens.iter().any(|token| token.contains("NTLM")), "{what}: {tokens:?}");
    }
    assert_eq!(site.tickets_granted(user) - granted, 2);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: tests/run"]
async fn sixty_four_tasks_have_each_ticket_relayed_once() {
    let site = site("IAKERB");
    let user = "kate@LAB.TEST";
    let before = site.tickets_granted(user);
    let kate = Credentials::password(user, "kate-pw");
    let client = site.client_with(by(&site, kate, Negotiate::kerberos_or_iakerb(Kerberos::new())));
    let mut tasks = JoinSet::new();
    for _ in 0..64 {
        let (client, uri) = (client.clone(), site.uri("/iakerb/"));
        tasks.spawn(async move { Page::get(&client, uri).await });
    }
    for page in tasks.join_all().await {
        assert_eq!((page.status, page.user.as_str()), (200, user), "{page:?}");
    }
    assert_eq!(site.tickets_granted(user) - before, 2, "one of the KDC's, one of the server's");
}

#[tokio::test]
#[ignore = "needs the lab: tests/run"]
async fn a_large_body_goes_with_the_last_leg_of_iakerb() {
    let site = site("IAKERB");
    let mark = "own-iakerb-body";
    let negotiate = Negotiate::new(Kerberos::new().iakerb());
    let authenticator = by(&site, alice(&site), negotiate).declare(site.origin(), "Negotiate");
    let client = site.client_with(authenticator.expect("a known scheme"));
    let body = Bytes::from(vec![7; 100 << 20]);
    let page = Page::of(&client, post(site.uri(&format!("/iakerb/upload?{mark}")), full(body))).await;
    assert_eq!(page.status, 200, "{page:?}");
    assert!(page.text.contains("octets=104857600"), "{page:?}");
    let log = site.log(mark, 4).await;
    assert_eq!(statuses(&log), [401, 401, 401, 200], "{log:?}");
    assert!(log[..3].iter().all(|line| line.octets < 4096) && log[3].octets > 100 << 20, "{log:?}");
}

#[tokio::test]
#[ignore = "needs the lab: tests/run"]
async fn what_is_said_by_a_server_that_relays_blames_no_password() {
    let site = site("IAKERB");
    for (user, words) in [("alice@DEAD.TEST", "DEAD.TEST"), ("alice@NOWHERE.TEST", "NOWHERE.TEST")] {
        let negotiate = Negotiate::kerberos_or_iakerb(Kerberos::new());
        let client = site.client_with(by(&site, Credentials::password(user, "alice-pw"), negotiate));
        for _ in 0..2 {
            let page = Page::get(&client, site.uri("/iakerb/")).await;
            let Why::CannotStart(reason) = page.why("Negotiate") else { panic!("{user}: {page:?}") };
            assert!(reason.contains(words), "{reason}");
            assert!(!page.refusal().is_refusal(), "{user}");
        }
    }
}

#[tokio::test]
#[ignore = "needs the lab: tests/run"]
async fn a_server_without_iakerb_leaves_the_password_to_other_schemes() {
    for site in sites() {
        let negotiate = Negotiate::kerberos_or_iakerb(Kerberos::new());
        let schemes = Schemes::from(negotiate).with(Basic::default());
        let authenticator = site.authenticator(alice(&site)).schemes(schemes);
        let client = site.client_with(authenticator.dangerous_secrets_over_plain_http(true));
        let page = Page::get(&client, site.uri("/krb-basic/")).await;
        assert_eq!((page.status, page.login().scheme), (200, "Basic"), "{page:?}");
        let again = Page::get(&client, site.uri("/krb-basic/two.html")).await;
        assert_eq!((again.status, again.user), (200, page.user), "{:?}", again.text);
    }
}

/// A program that is linked statically, alone in a directory with what names hosts and authorities.
#[test]
#[ignore = "needs the lab: tests/run"]
fn a_static_program_logs_in_with_nothing_of_the_system() {
    let site = site("APACHE_HTTPS");
    let program = static_program();
    let root = std::env::temp_dir().join(format!("legwork-static-{}", std::process::id()));
    std::fs::create_dir_all(root.join("etc")).expect("a directory");
    std::fs::copy(program, root.join("static-login")).expect("the program");
    std::fs::copy(site.value("CA_BUNDLE"), root.join("ca.pem")).expect("the authorities");
    std::fs::write(root.join("etc/hosts"), "127.0.0.1 localhost\n").expect("hosts");
    std::fs::write(root.join("etc/resolv.conf"), "").expect("no name server");
    // `unshare` lets those change the root who are not root themselves.
    let output = Command::new("unshare")
        .args(["--map-root-user", "--root"])
        .arg(&root)
        .args(["/static-login", &site.uri("/krb/").to_string(), site.value("KRB5_USER")])
        .args([site.value("KRB5_REALM"), site.value("KRB5_KDC"), "/ca.pem"])
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("LEGWORK_PASSWORD", site.value("KRB5_PASSWORD"))
        .output()
        .expect("unshare runs");
    let files = std::fs::read_dir(&root).expect("the directory").count();
    std::fs::remove_dir_all(&root).expect("it can be removed");
    assert_eq!(files, 3);
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(said.trim(), "200 OK as alice@LAB.TEST by Kerberos, mutual: true", "{output:?}");
}

/// Builds it, for musl where that target is there, and else with glibc.
fn static_program() -> PathBuf {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/lab/static/Cargo.toml");
    let target = concat!(env!("CARGO_MANIFEST_DIR"), "/target/static");
    let architecture = std::env::consts::ARCH;
    let musl = format!("{architecture}-unknown-linux-musl");
    let sysroot = Command::new("rustc").args(["--print", "target-libdir", "--target", &musl]).output();
    let has_musl = sysroot.is_ok_and(|out| Path::new(String::from_utf8_lossy(&out.stdout).trim()).exists());
    let triple = if has_musl { musl } else { format!("{architecture}-unknown-linux-gnu") };
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--quiet", "--locked", "--manifest-path", manifest, "--target-dir", target]);
    cargo.args(["--target", &triple]).env(format!("CC_{}", triple.replace('-', "_")), "gcc");
    if !has_musl {
        // The crate getrandom looks for glibc's function at run time, which a static program has none of; its next source
        // is a device, for which there is no directory here.
        let direct = r#"--cfg getrandom_backend="linux_getrandom""#;
        cargo.env("RUSTFLAGS", format!("-C target-feature=+crt-static {direct}"));
    }
    assert!(cargo.status().expect("cargo runs").success());
    Path::new(target).join(triple).join("debug/static-login")
}
