//! Kerberos and IAKERB by clients of other makers at the embedded KDC and server: the crate sspi, and scapy.

use std::process::Command;

use legwork::mechanism::kerberos::EncryptionType;
use legwork::testing::{Kdc, Offer, Report, Server};

use crate::support::*;

/// What they have in common: RFC 8009 is not among it. sspi takes AES of 256 bits for granted.
const ETYPE: EncryptionType = EncryptionType::Aes256Sha1;

fn kdc() -> Kdc {
    let kdc = Kdc::builder("LAB.TEST").user("erin", "erin-pw").service("HTTP/localhost");
    kdc.encryption_types([ETYPE]).build()
}

async fn serve(offer: Offer) -> Server {
    Server::builder().offer(offer).start().await.expect("a port")
}

fn url(server: &Server) -> String {
    format!("http://localhost:{}/", server.address().port())
}

/// What each request showed.
fn tokens(report: &Report) -> Vec<String> {
    report.legs().flat_map(|leg| &leg.authorization).map(|seen| seen.token.to_string()).collect()
}

/// Runs a client to its end; gives whether it succeeded, and what it said.
async fn run(mut command: Command, password: &'static str) -> (bool, String) {
    let run = move || command.env("LOGIN_PASSWORD", password).output();
    let output = tokio::task::spawn_blocking(run).await.expect("no panic").expect("the client runs");
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&said).into_owned())
}

/// Builds the crate that logs in by sspi, once.
fn sspi(arguments: &[&str]) -> Command {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/lab/sspi/Cargo.toml");
    let target = concat!(env!("CARGO_MANIFEST_DIR"), "/target/sspi");
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["run", "--quiet", "--locked", "--manifest-path", manifest, "--target-dir", target, "--"]);
    cargo.args(arguments);
    cargo
}

fn scapy(site: &Site, arguments: &[&str]) -> Command {
    let mut python = Command::new(site.value("SCAPY"));
    python.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/lab/scapy_client.py")).args(arguments);
    python
}

/// Three messages to the KDC, as both clients have them.
const CARRIED: [&str; 3] = ["IAKERB request", "IAKERB request with a timestamp", "IAKERB request"];
/// How both go on.
const SHOWN: &str = "Kerberos AP-REQ";

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: tests/run"]
async fn sspi_logs_in_by_kerberos() {
    let kdc = Kdc::builder("LAB.TEST").user("erin", "erin-pw").service("HTTP/localhost");
    let kdc = kdc.encryption_types([ETYPE]).start().await.expect("a port");
    let server = serve(Offer::kerberos(&kdc.service("HTTP/localhost"))).await;
    let (url, address) = (url(&server), kdc.address().to_string());
    let arguments = [&*url, "erin@LAB.TEST", "kerberos", &address];
    let (let_in, said) = run(sspi(&arguments), "erin-pw").await;
    assert!(let_in && said.contains("let in, mutual"), "{said}\n{}", server.report());
    assert_eq!(tokens(&server.report()), [SHOWN]);
    let report = kdc.report();
    assert_eq!((report.as_requests, report.tgs_tickets), (2, 1), "{report:?}");

    let (let_in, said) = run(sspi(&arguments), "not-hers").await;
    assert!(!let_in && said.contains("pre-authentication"), "{said}");
    assert_eq!(kdc.report().failures("erin"), 1);
}

/// It names no realm.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: tests/run"]
async fn sspi_logs_in_by_iakerb_bare_and_inside_spnego() {
    let kdc = kdc();
    let service = kdc.service("HTTP/localhost").iakerb_cookie(b"a cookie").iakerb_without_realm();
    for (mechanism, offer, wrapped) in [
        ("iakerb", Offer::iakerb(&service), ["", ""]),
        ("iakerb", Offer::kerberos_and_iakerb(&service), ["", ""]),
        ("negotiate", Offer::kerberos_and_iakerb(&service), ["NegTokenInit with ", "NegTokenResp with "]),
    ] {
        let server = serve(offer).await;
        let (let_in, said) = run(sspi(&[&url(&server), "erin@LAB.TEST", mechanism]), "erin-pw").await;
        assert!(let_in && said.contains("let in, mutual"), "{mechanism}: {said}\n{}", server.report());
        let [first, other] = wrapped;
        let wanted = [CARRIED[0], CARRIED[1], CARRIED[2], SHOWN];
        let wanted = wanted.iter().enumerate();
        let wanted: Vec<_> =
            wanted.map(|(leg, token)| format!("{}{token}", if leg == 0 { first } else { other })).collect();
        assert_eq!(tokens(&server.report()), wanted, "{mechanism}");
        let last = server.report().legs().last().and_then(|leg| leg.user.clone());
        assert_eq!(last.as_deref(), Some("erin@LAB.TEST"), "{mechanism}");
    }
    assert_eq!((kdc.report().relayed, kdc.report().tgs_tickets, kdc.report().packets()), (9, 3, 0));

    // MIT's rule, which is the embedded server's by default.
    let server = serve(Offer::iakerb(&kdc.service("HTTP/localhost"))).await;
    let (let_in, said) = run(sspi(&[&url(&server), "erin@LAB.TEST", "iakerb"]), "erin-pw").await;
    assert!(!let_in, "{said}");
    assert_eq!(kdc.report().relayed, 9, "nothing is carried for no realm");
}

/// It names the realm, sends header-flags, and leaves KRB-FINISHED out, without which MIT's acceptor takes no login either.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: tests/run"]
async fn scapy_logs_in_by_iakerb_where_what_was_carried_is_covered() {
    let lab = site("IAKERB");
    let kdc = kdc();
    let server = serve(Offer::iakerb(&kdc.service("HTTP/localhost"))).await;
    for (at, user, password) in [
        (url(&server), "erin@LAB.TEST", "erin-pw"),
        (lab.uri("/iakerb/").to_string(), lab.value("KRB5_USER"), lab.value("KRB5_PASSWORD")),
    ] {
        let arguments = [&*at, user, "HTTP/localhost", "finished"];
        let (_, said) = run(scapy(&lab, &arguments), password).await;
        assert!(said.contains("200 mutual"), "{at}: {said}\n{}", server.report());
        let (_, said) = run(scapy(&lab, &arguments[..3]), password).await;
        assert!(said.contains("401") && !said.contains("mutual"), "{at}: {said}\n{}", server.report());
    }
    let login = [&CARRIED[..], &[SHOWN]].concat();
    assert_eq!(tokens(&server.report()), [login.clone(), login].concat());
    let report = server.report().to_string();
    assert!(report.contains("accepted as erin@LAB.TEST"), "{report}");
    assert!(report.contains("refused: no KRB-FINISHED over what was carried"), "{report}");
}
