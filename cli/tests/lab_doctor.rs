//! `legwork doctor` at real servers that are set up wrongly: from a `401` to the sentence that solves it, in one command.
//!
//! `tests/run -p legwork-cli --test lab_doctor` starts the servers (`tests/lab`) and runs these.
#![cfg(unix)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use legwork::testing::Server;
use serde_json::Value;

use crate::command::legwork;
use crate::lab::lab;

#[path = "shared/command.rs"]
mod command;
#[path = "shared/lab.rs"]
mod lab;

/// `legwork doctor` as alice, who has a ticket.
fn doctor(arguments: &[&str]) -> Command {
    let mut command = legwork("doctor", arguments);
    command.env("KRB5_CONFIG", lab("KRB5_CONFIG")).env("KRB5CCNAME", lab("CCACHE"));
    command
}

/// The same with this password, which is tried.
fn trying(user: &str, password: &str, arguments: &[&str]) -> Command {
    let mut command = doctor(&["-u", user, "--try"]);
    command.args(arguments).env("LEGWORK_PASSWORD", password);
    command
}

#[derive(Debug)]
struct Ended {
    code: Option<i32>,
    stdout: String,
}

fn run(command: &mut Command) -> Ended {
    let Output { status, stdout, stderr } = command.output().expect("it starts");
    let [stdout, stderr] = [stdout, stderr].map(|text| String::from_utf8(text).expect("UTF-8"));
    assert_eq!(stderr, "", "{stdout}");
    assert!(!stdout.contains("-pw"), "a password of the lab is printed: {stdout}");
    Ended { code: status.code(), stdout }
}

impl Ended {
    /// The last two lines: what fails, and what to try.
    #[track_caller]
    fn verdict(&self, code: i32) -> [&str; 2] {
        assert_eq!(self.code, Some(code), "{}", self.stdout);
        let lines: Vec<_> = self.stdout.lines().collect();
        let [.., fails, next] = lines[..] else { panic!("{}", self.stdout) };
        [fails.strip_prefix("Fails: ").unwrap_or(fails), next.strip_prefix("Next:  ").expect(next)]
    }

    #[track_caller]
    fn json(&self, code: i32) -> Value {
        assert_eq!(self.code, Some(code), "{}", self.stdout);
        serde_json::from_str(&self.stdout).expect("JSON")
    }
}

fn url(key: &str, path: &str) -> String {
    format!("{}{path}", lab(key))
}

/// A file of this test, with the lab's `krb5.conf` changed in one place.
fn krb5_conf(name: &str, from: &str, to: &str) -> PathBuf {
    let text = std::fs::read_to_string(lab("KRB5_CONFIG")).expect("krb5.conf");
    assert!(text.contains(from), "{text}");
    written(name, &text.replace(from, to))
}

fn written(name: &str, text: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("doctor-{}-{name}", std::process::id()));
    std::fs::write(&path, text).expect("it is written");
    path
}

/// A command of the lab, such as the KDC's administrator.
fn administer(command: &str, arguments: &[&str]) -> String {
    let output = Command::new(lab(command)).args(arguments).output().expect("it runs");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

#[test]
#[ignore = "needs the lab: tests/run"]
fn nothing_fails_where_a_ticket_logs_in() {
    let ended = run(&mut doctor(&["--ticket", &url("APACHE_HTTP", "/krb/")]));
    assert_eq!(ended.verdict(0)[0], "No fault was found.");
    let tried = "  tried       the ticket: logged in by Negotiate (Kerberos) as alice@LAB.TEST in 2 legs; \
                 the answer is 200\n";
    assert!(ended.stdout.contains(tried), "{}", ended.stdout);
    let ended = run(&mut doctor(&["--ticket", "--ca", lab("CA_BUNDLE"), &url("APACHE_HTTPS", "/krb/")]));
    assert_eq!(ended.verdict(0)[0], "No fault was found.");
    for line in [
        "  TLS         1.3, with HTTP/1.1\n",
        "  certificate CN=localhost from CN=legwork lab ca, ",
        "              trusted\n",
        "  bindings    tls-server-end-point\n",
    ] {
        assert!(ended.stdout.contains(line), "{line}\n{}", ended.stdout);
    }
}

#[test]
#[ignore = "needs the lab: tests/run"]
fn no_ticket() {
    let ended = run(doctor(&[&url("APACHE_HTTP", "/krb/")]).env("KRB5CCNAME", lab("CCACHE_NONE")));
    let cache = lab("CCACHE_NONE");
    assert_eq!(
        ended.verdict(67),
        [
            &format!(
                "there is no Kerberos ticket here ({cache}), and Negotiate without a password needs one."
            ),
            "Get a ticket: kinit NAME@LAB.TEST.",
        ]
    );
    let ended = run(doctor(&[&url("APACHE_HTTP", "/krb/")]).env("KRB5CCNAME", lab("CCACHE_EXPIRED")));
    let [fails, next] = ended.verdict(67);
    assert!(fails.starts_with("the Kerberos ticket of alice@LAB.TEST expired on 20"), "{fails}");
    assert_eq!(next, "Get another one: kinit alice@LAB.TEST.");
}

#[test]
#[ignore = "needs the lab: tests/run"]
fn wrong_service_principal_name() {
    // An alias, and the name behind it, as DNS or /etc/hosts would have them.
    let hosts = written("hosts", "127.0.0.1 www.lab.test intranet.lab.test\n");
    let ended = run(doctor(&["http://intranet.lab.test:18080/krb/"])
        .env("LD_PRELOAD", "libnss_wrapper.so")
        .env("NSS_WRAPPER_HOSTS", &hosts));
    assert_eq!(
        ended.verdict(67),
        [
            "the KDC does not know HTTP/intranet.lab.test: that is an alias, and the KDC knows \
             HTTP/www.lab.test.",
            "Use http://www.lab.test:18080/krb/ in place of the alias, or --target-name HTTP/www.lab.test, \
             or have it registered (Active Directory: setspn -S HTTP/intranet.lab.test ACCOUNT).",
        ]
    );
    // A name that nobody has registered.
    let hosts = written("hosts-unknown", "127.0.0.1 unknown.lab.test\n");
    let ended = run(doctor(&["http://unknown.lab.test:18080/krb/"])
        .env("LD_PRELOAD", "libnss_wrapper.so")
        .env("NSS_WRAPPER_HOSTS", &hosts));
    let [fails, next] = ended.verdict(67);
    assert_eq!(
        fails,
        "the KDC does not know HTTP/unknown.lab.test: the server is not registered by that name."
    );
    assert!(next.contains("setspn -S HTTP/unknown.lab.test ACCOUNT"), "{next}");
}

#[test]
#[ignore = "needs the lab: tests/run"]
fn clock_skew() {
    // By the server's Date, before anything is shown to it.
    let server = lab("APACHE_SKEWED");
    let ended = run(&mut doctor(&[server]));
    let [fails, next] = ended.verdict(67);
    assert_eq!(
        fails,
        format!(
            "probably: the clock of {server} is 60 minutes ahead of this machine's, and Kerberos takes no \
             more than 5 minutes."
        )
    );
    assert!(next.contains("have it set by NTP"), "{next}");
    // Its refusal makes it certain.
    let [fails, _] = run(&mut doctor(&["--ticket", server])).verdict(67).map(str::to_owned);
    assert!(fails.starts_with("the clock of "), "{fails}");
    // The KDC's clock, which a password meets.
    let ended = run(&mut trying(
        lab("KRB5_USER_SKEWED"),
        lab("KRB5_PASSWORD_SKEWED"),
        &[&url("APACHE_HTTP", "/krb/")],
    ));
    let [fails, next] = ended.verdict(67);
    assert_eq!(
        fails,
        "this machine's clock and the KDC's differ by more than Kerberos takes (five minutes)."
    );
    assert!(next.contains("NTP"), "{next}");
}

#[test]
#[ignore = "needs the lab: tests/run"]
fn channel_bindings_that_are_not_the_servers() {
    let ca = lab("CA_BUNDLE");
    let server = lab("NGINX_ENDS_TLS");
    let ended = run(&mut doctor(&["--ticket", "--ca", ca, &format!("{server}/gss-accept")]));
    assert_eq!(
        ended.verdict(67),
        [
            &format!(
                "{server} takes the ticket only without channel bindings: the certificate that is seen \
                 here (it is for CN=localhost, from CN=legwork lab rsa-ca) is not the server's own, so TLS \
                 ends before it."
            ),
            "Have TLS passed through to the server, or Extended Protection turned off there.",
        ]
    );
    let ended = run(&mut doctor(&["--ticket", "--ca", ca, &format!("{server}/gss-require")]));
    let [fails, next] = ended.verdict(67);
    assert!(
        fails.starts_with(&format!("perhaps: {server} refuses a ticket that the KDC has granted")),
        "{fails}"
    );
    assert!(next.starts_with("Compare the certificate with the server's own"), "{next}");
    // There are none at all.
    let server = lab("NGINX_WITHOUT_TLS");
    let ended = run(&mut doctor(&["--ticket", &format!("{server}/gss-require")]));
    let [fails, next] = ended.verdict(67);
    assert_eq!(
        fails,
        format!(
            "perhaps: {server} refuses a ticket that the KDC has granted, and gives no reason: over plain \
             http no login can be tied to TLS, which a server with Extended Protection may demand; or the \
             user has no access."
        )
    );
    assert!(next.starts_with("Use https"), "{next}");
}

#[test]
#[ignore = "needs the lab: tests/run"]
fn a_proxy_that_spreads_the_legs_of_ntlm() {
    let server = lab("NGINX_SPREADING");
    let sentence = format!(
        "the messages of one NTLM login to {server} end up on different connections behind what calls \
         itself nginx/"
    );
    let page = format!("{server}/ntlm/");
    // Without a password, and with the right one.
    let commands =
        [doctor(&["-u", lab("NTLM_USER"), &page]), trying(lab("NTLM_USER"), lab("NTLM_PASSWORD"), &[&page])];
    for mut command in commands {
        let ended = run(&mut command);
        let [fails, next] = ended.verdict(67);
        assert!(fails.starts_with(&sentence), "{fails}");
        assert!(fails.ends_with(": every password gets a 401, even the right one."), "{fails}");
        assert!(
            next.starts_with("Have it keep a client's requests on one connection to the server"),
            "{next}"
        );
    }
    // The same server without it between.
    let report =
        run(doctor(&["--json", "-u", lab("NTLM_USER"), &url("APACHE_HTTP", "/ntlm/")])
            .env_remove("KRB5CCNAME"))
        .json(0);
    assert_eq!(report["hops"][0]["ntlm"]["legs"], "together");
    let ended = run(&mut trying(lab("NTLM_USER"), lab("NTLM_PASSWORD"), &[&url("APACHE_HTTP", "/ntlm/")]));
    assert_eq!(ended.verdict(0)[0], "No fault was found.");
}

#[test]
#[ignore = "needs the lab: tests/run"]
fn only_http2() {
    let server = lab("NGHTTPX");
    let ended = run(&mut doctor(&["-u", lab("NTLM_USER"), "--ca", lab("CA"), &format!("{server}/ntlm/")]));
    let [fails, next] = ended.verdict(67);
    assert_eq!(
        fails,
        format!(
            "{server} speaks only HTTP/2, and a login by NTLM is a connection's, which all requests share \
             there: no password gets in."
        )
    );
    assert!(next.contains("speak HTTP/1.1 too (ALPN http/1.1)"), "{next}");
    assert!(ended.stdout.contains("  TLS         1.3, with only HTTP/2\n"), "{}", ended.stdout);
    let ended = run(&mut doctor(&["--ticket", "--ca", lab("CA"), &format!("{server}/krb/")]));
    let [fails, next] = ended.verdict(67);
    assert_eq!(
        fails,
        format!("{server} speaks only HTTP/2, and this program logs in by Negotiate only over HTTP/1.1.")
    );
    assert!(next.contains("curl --negotiate"), "{next}");
}

#[test]
#[ignore = "needs the lab: tests/run"]
fn wrong_realm() {
    let page = url("APACHE_HTTP", "/krb/");
    let conf = lab("KRB5_CONFIG");
    let next = "Give the user with the right realm, such as alice@LAB.TEST, or name a KDC: --kdc \
                WRONG.TEST=HOST.";
    for mut command in
        [doctor(&["-u", "alice@WRONG.TEST", &page]), trying("alice@WRONG.TEST", "alice-pw", &[&page])]
    {
        let ended = run(&mut command);
        let sentence =
            format!("no KDC is known for the realm WRONG.TEST of alice@WRONG.TEST: it is not in {conf}.");
        assert_eq!(ended.verdict(67), [&sentence, next]);
    }
    // A name of Windows', where there is no NTLM.
    let ended = run(&mut doctor(&["-u", "LAB\\alice", &page]));
    let sentence = format!(
        "{} takes only Kerberos inside Negotiate, and LAB\\alice names no realm.",
        lab("APACHE_HTTP")
    );
    assert_eq!(ended.verdict(67), [&sentence, "Give the user with the realm: -u alice@LAB.TEST."]);
    // The server's.
    let conf = krb5_conf("krb5.conf", "  localhost = LAB.TEST\n", "  localhost = HEIMDAL.TEST\n");
    let ended = run(doctor(&[&page]).env("KRB5_CONFIG", &conf));
    let [fails, next] = ended.verdict(67);
    assert_eq!(
        fails,
        "krb5.conf puts HTTP/localhost into the realm HEIMDAL.TEST, and the KDC of LAB.TEST, which the \
         ticket is from, knows no way there."
    );
    assert!(next.contains("map the host to LAB.TEST"), "{next}");
}

#[test]
#[ignore = "needs the lab: tests/run"]
fn a_kdc_that_is_not_there() {
    let conf = krb5_conf("krb5-dead.conf", "  localhost = LAB.TEST\n", "  localhost = DEAD.TEST\n");
    let ended = run(doctor(&["--timeout", "3", &url("APACHE_HTTP", "/krb/")]).env("KRB5_CONFIG", &conf));
    let [fails, next] = ended.verdict(67);
    assert_eq!(fails, "no KDC of DEAD.TEST answers, the realm that krb5.conf puts the host into.");
    assert!(next.contains("krb5.conf: KDCs answer at port 88"), "{next}");
}

#[test]
#[ignore = "needs the lab: tests/run"]
fn who_is_not_trusted_gets_no_password() {
    let server = lab("APACHE_HTTPS");
    let ended =
        run(&mut trying(lab("BASIC_USER"), lab("BASIC_PASSWORD"), &["--json", &format!("{server}/basic/")]));
    let report = ended.json(60);
    assert_eq!((&report["fails"], &report["attempt"]), (&Value::from("certificate"), &Value::Null));
    // What it offers is looked at all the same.
    assert_eq!(report["hops"][0]["challenges"][0]["scheme"], "Basic");
}

#[test]
#[ignore = "needs the lab: tests/run"]
fn expired_password() {
    let user = "doctor-expired";
    administer("KADMIN", &["-q", &format!("addprinc +requires_preauth -pw old-pw {user}")]);
    administer("KADMIN", &["-q", &format!("modprinc -pwexpire yesterday {user}")]);
    let principal = format!("{user}@LAB.TEST");
    let ended = run(&mut trying(&principal, "old-pw", &[&url("APACHE_HTTP", "/krb/")]));
    assert_eq!(
        ended.verdict(67),
        [
            format!(
                "the KDC says that the password of {principal}, or the account, has expired; the server \
                 was not sent anything."
            ),
            format!("Change the password: kpasswd {principal}."),
        ]
    );
}

#[test]
#[ignore = "needs the lab: tests/run"]
fn locked_account() {
    let user = "doctor-locked";
    administer("KADMIN", &["-q", &format!("addprinc +requires_preauth -policy lockout -pw right-pw {user}")]);
    let principal = format!("{user}@LAB.TEST");
    let page = url("APACHE_HTTP", "/krb/");
    // Once each, and no more: the lockout comes at three.
    for refused in 1..=3 {
        let ended = run(&mut trying(&principal, "wrong-pw", &[&page]));
        let [fails, _] = ended.verdict(67);
        assert!(fails.contains(&format!("the KDC refused the password of {principal}")), "{fails}");
        let shown = administer("KADMIN", &["-q", &format!("getprinc {user}")]);
        assert!(shown.contains(&format!("Failed password attempts: {refused}\n")), "{shown}");
    }
    let ended = run(&mut trying(&principal, "right-pw", &[&page]));
    assert_eq!(
        ended.verdict(67),
        [
            &format!(
                "the KDC says that the account of {principal} is locked or disabled; the server was not \
                 sent anything."
            ),
            "Have it unlocked by whoever runs the realm, or wait until it is; trying again keeps it locked.",
        ]
    );
}

#[test]
#[ignore = "needs the lab: tests/run"]
fn by_ntlm_a_locked_account_looks_like_a_wrong_password() {
    administer("SAMBA_ADMIN", &["user-add", "doctor", "right-pw"]);
    let server = lab("WINBIND_HTTP");
    let page = format!("{server}/ntlm/");
    for password in ["wrong-pw", "wrong-pw", "wrong-pw", "right-pw"] {
        let ended = run(&mut trying("AD\\doctor", password, &[&page]));
        let [fails, next] = ended.verdict(67);
        assert_eq!(
            fails,
            format!(
                "{server} refused the login of AD\\doctor by Negotiate; a 401 does not tell whether the \
                 name or the password is wrong, the password has expired, or the account is locked."
            )
        );
        assert!(next.contains("ask whoever runs the directory"), "{next}");
    }
    // One attempt each, whatever else was offered.
    let attempts = administer("SAMBA_ADMIN", &["attempts", "doctor"]);
    let statuses: Vec<_> = attempts.lines().filter_map(|line| line.split(' ').nth(1)).collect();
    assert_eq!(
        statuses,
        [
            "NT_STATUS_WRONG_PASSWORD",
            "NT_STATUS_WRONG_PASSWORD",
            "NT_STATUS_WRONG_PASSWORD",
            "NT_STATUS_ACCOUNT_LOCKED_OUT"
        ]
    );
}

#[test]
#[ignore = "needs the lab: tests/run"]
fn digest_by_sha256_only() {
    let server = lab("LIGHTTPD_HTTP");
    let page = format!("{server}/sha256/");
    let report = run(&mut doctor(&["--json", &page])).json(0);
    let finding = &report["findings"][0];
    assert_eq!(finding["code"], "digest-without-md5");
    assert_eq!(
        finding["says"],
        format!(
            "{server} takes Digest only by SHA-256, which older clients do not know and answer with \
             another 401"
        )
    );
    assert_eq!(
        finding["next"],
        "Update the client that fails (curl before 7.57, and Windows' own Digest, know only MD5; this \
         program knows both), or have MD5 turned on at the server as well"
    );
    let ended = run(&mut trying(lab("BASIC_USER"), lab("BASIC_PASSWORD"), &[&page]));
    assert_eq!(ended.verdict(0)[0], "No fault was found.");
}

#[test]
#[ignore = "needs the lab: tests/run"]
fn basic_over_http() {
    let server = lab("APACHE_HTTP");
    for mut command in [
        doctor(&[&format!("{server}/basic/")]),
        trying(lab("BASIC_USER"), lab("BASIC_PASSWORD"), &[&format!("{server}/basic/")]),
    ] {
        let ended = run(&mut command);
        let [fails, next] = ended.verdict(67);
        assert_eq!(
            fails,
            format!(
                "{server} takes only Basic, which shows the password to whoever reads this connection \
                 (there is no TLS), so it was not sent."
            )
        );
        assert!(next.starts_with("Use https ("), "{next}");
    }
}

#[test]
#[ignore = "needs the lab: tests/run"]
fn dead_proxy() {
    let ended = run(&mut doctor(&["-x", "http://127.0.0.1:1", &url("APACHE_HTTPS", "/ntlm/")]));
    assert_eq!(
        ended.verdict(7),
        [
            "nobody answers at the proxy http://127.0.0.1:1: 127.0.0.1:1: Connection refused (os error \
             111).",
            "Check the proxy's address (--proxy, or the variables http_proxy, https_proxy and all_proxy), \
             or go without it: --noproxy HOST.",
        ]
    );
}

#[test]
#[ignore = "needs the lab: tests/run"]
fn through_a_proxy_to_the_server_behind_it() {
    let (proxy, page) = (lab("SQUID_ALL"), url("APACHE_HTTPS", "/ntlm/"));
    let report = run(&mut doctor(&["--json", "-x", proxy, &page])).json(0);
    assert_eq!(report["hops"].as_array().map(Vec::len), Some(1));
    assert_eq!(report["hops"][0]["ntlm"]["computer"], "LABPROXY");
    // A proxy that lets everybody through shows the server.
    let mut command =
        trying(lab("NTLM_USER"), lab("NTLM_PASSWORD"), &["-x", proxy, "--ca", lab("CA"), &page]);
    command.args(["-U", lab("NTLM_USER")]).env("LEGWORK_PROXY_PASSWORD", lab("NTLM_PASSWORD"));
    let ended = run(&mut command);
    assert_eq!(ended.verdict(0)[0], "No fault was found.");
}

#[test]
#[ignore = "needs the lab: tests/run"]
fn a_proxy_over_tls() {
    let (proxy, page) = (lab("SQUID_TLS"), url("APACHE_HTTPS", "/ntlm/"));
    let report = run(&mut doctor(&["--json", "-x", proxy, "--ca", lab("CA"), &page])).json(0);
    let hop = &report["hops"][0];
    assert_eq!((&hop["status"], &hop["tls"]["trusted"]), (&Value::from(407), &Value::from(true)));
    let report = run(&mut doctor(&["--json", "-x", proxy, &page])).json(60);
    assert_eq!(report["fails"], "certificate");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: tests/run"]
async fn a_tunnel_leads_to_the_server() {
    let proxy = Server::builder().tunnels().start().await.expect("a proxy");
    let (address, page) = (format!("http://{}", proxy.address()), url("APACHE_HTTPS", "/ntlm/"));
    let report = run(&mut doctor(&["--json", "-x", &address, "--ca", lab("CA"), &page])).json(0);
    let [through, server] = [&report["hops"][0], &report["hops"][1]];
    assert_eq!((&through["status"], &through["role"]), (&Value::from(200), &Value::from("proxy")));
    assert_eq!((&server["status"], &server["tls"]["trusted"]), (&Value::from(401), &Value::from(true)));
    assert_eq!(server["ntlm"]["legs"], "together");
    let mut command =
        trying(lab("NTLM_USER"), lab("NTLM_PASSWORD"), &["-x", &address, "--ca", lab("CA"), &page]);
    assert_eq!(run(&mut command).verdict(0)[0], "No fault was found.");
}

#[test]
#[ignore = "needs the lab: tests/run"]
fn challenges_that_end_their_connection_are_answered_on_another_one() {
    // HTTP/1.0, one request on each connection.
    let (proxy, page) = (lab("TINYPROXY"), url("APACHE_HTTPS", "/ntlm/"));
    let mut command =
        trying(lab("NTLM_USER"), lab("NTLM_PASSWORD"), &["-x", proxy, "--ca", lab("CA"), &page]);
    command.args(["--insecure-basic", "-U", lab("BASIC_USER")]);
    let ended = run(command.env("LEGWORK_PROXY_PASSWORD", lab("BASIC_PASSWORD")));
    assert_eq!(ended.verdict(0)[0], "No fault was found.");
    // `Connection: close` with each challenge.
    let page = url("WEBRICK", "/login");
    let ended = run(&mut trying(lab("BASIC_USER"), lab("BASIC_PASSWORD"), &[&page]));
    assert_eq!(ended.verdict(0)[0], "No fault was found.");
    let report = run(&mut trying(lab("BASIC_USER"), "wrong-pw", &["--json", &page])).json(67);
    assert_eq!(report["fails"], "password-refused");
}
