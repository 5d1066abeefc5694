//! Logins by Kerberos: with tickets, keytabs and passwords, and when there are none.

use std::process::Command;
use std::sync::Arc;

use legwork::credentials::{Ambient, Credentials, CredentialsFuture, CredentialsProvider, CredentialsQuery};
use legwork::handshake::{AuthenticatorBuilder, HandshakeError, Outcome, Why};
use legwork::mechanism::gssapi::Gssapi;
use legwork::mechanism::ntlm::Ntlm;
use legwork::mechanism::spnego::Spnego;
use legwork::mechanism::{Delegation, MutualAuthentication};
use legwork::scheme::{Negotiate, Schemes};
use legwork::service::{Environment, ErrorKind};
use legwork::testing::{Accept, Acceptor, Offer, Server};
use legwork::{Authenticator, Client, Origin};
use tokio::task::JoinSet;

use crate::support::*;

impl Site {
    /// What the KDC's administrator is told.
    pub(crate) fn kadmin(&self, question: &str) -> String {
        let kadmin = Command::new(self.value("KADMIN")).args(["-q", question]).output().expect("kadmin runs");
        String::from_utf8(kadmin.stdout).expect("UTF-8")
    }

    /// How many tickets the KDC has granted this user.
    pub(crate) fn tickets_granted(&self, user: &str) -> usize {
        let log = std::fs::read_to_string(self.value("KDC_LOG")).expect("the KDC's log");
        let user = format!(" {user} for ");
        log.lines().filter(|line| line.contains(" ISSUE: ") && line.contains(&user)).count()
    }
}

/// Alice with her tickets, as a user who stays who she is.
fn alice(site: &Site) -> Credentials {
    Credentials::ambient(Ambient::new().cache(site.value("CCACHE")).stable())
}

/// Alice's name and password.
fn alice_by_password(site: &Site) -> Credentials {
    site.credentials("KRB5_USER", "KRB5_PASSWORD")
}

/// Kerberos in our SPNEGO, alone and with NTLM; the system's SPNEGO; and Kerberos' own tokens.
fn by_each_carrier() -> [(&'static str, Negotiate); 4] {
    [
        ("Kerberos in SPNEGO", Negotiate::kerberos(Gssapi::kerberos())),
        ("Kerberos or NTLM in SPNEGO", Negotiate::kerberos_or_ntlm(Gssapi::kerberos())),
        ("the system's SPNEGO", Negotiate::new(Gssapi::spnego())),
        ("bare Kerberos", Negotiate::new(Gssapi::kerberos())),
    ]
}

fn kerberos(site: &Site, credentials: Credentials) -> AuthenticatorBuilder {
    site.authenticator(credentials).negotiate(Negotiate::kerberos(Gssapi::kerberos()))
}

#[tokio::test]
#[ignore = "needs the lab: tests/run"]
async fn a_ticket_logs_in_in_two_legs_and_then_in_one() {
    for site in sites() {
        for (i, (carrier, negotiate)) in by_each_carrier().into_iter().enumerate() {
            let mark = format!("krb-{}-{i}", site.scheme);
            let client = site.client_with(site.authenticator(alice(&site)).negotiate(negotiate));
            let page = Page::get(&client, site.uri(&format!("/krb/?{mark}"))).await;
            assert_eq!((page.status, page.user.as_str()), (200, "alice@LAB.TEST"), "{carrier}: {page:?}");
            let login = page.login();
            assert_eq!(
                (login.scheme, login.mechanism, login.legs),
                ("Negotiate", "Kerberos", 2),
                "{carrier}"
            );
            assert_eq!(login.principal.as_deref(), Some("alice@LAB.TEST"), "{carrier}");
            assert!(login.mutual, "{carrier}: the server proves who it is");

            for _ in 0..3 {
                let again = Page::get(&client, site.uri(&format!("/krb/two.html?{mark}"))).await;
                assert_eq!((again.status, again.port), (200, page.port), "{carrier}: {again:?}");
            }
            assert_eq!(statuses(&site.log(&mark, 5).await), [401, 200, 200, 200, 200], "{carrier}");
        }
    }
}

#[tokio::test]
#[ignore = "needs the lab: tests/run"]
async fn where_the_server_picks_kerberos_after_all_both_sides_sign_the_list() {
    // NTLM is offered first, and the server does not take it: the library's codes protect the list then (RFC 4178,
    // section 5), or somebody in between could have put the weaker mechanism first.
    for site in sites() {
        let spnego = Spnego::new(vec![Arc::new(Ntlm::new()), Arc::new(Gssapi::kerberos())]);
        let client =
            site.client_with(site.authenticator(alice_by_password(&site)).negotiate(Negotiate::new(spnego)));
        let page = Page::get(&client, site.uri("/krb-bound/")).await;
        assert_eq!((page.status, page.user.as_str()), (200, "alice@LAB.TEST"), "{page:?}");
        let login = page.login();
        assert_eq!((login.scheme, login.mechanism), ("Negotiate", "Kerberos"));
        assert!(login.mutual && login.legs > 2, "{login:?}");
    }
}

#[tokio::test]
#[ignore = "needs the lab: tests/run"]
async fn a_known_origin_takes_one_round_trip() {
    for site in sites() {
        let mark = format!("known-{}", site.scheme);
        let authenticator =
            kerberos(&site, alice(&site)).declare(site.origin(), "Negotiate").expect("a known scheme");
        let page = Page::get(&site.client_with(authenticator), site.uri(&format!("/krb/?{mark}"))).await;
        assert_eq!((page.status, page.login().legs), (200, 1), "{page:?}");
        assert_eq!(statuses(&site.log(&mark, 1).await), [200]);
    }
}

#[tokio::test]
#[ignore = "needs the lab: tests/run"]
async fn with_ntlm_shut_out_kerberos_logs_in_and_nothing_else_is_tried() {
    for site in sites() {
        for (carrier, negotiate) in by_each_carrier() {
            for credentials in [alice(&site), alice_by_password(&site)] {
                let builder = site.authenticator(credentials).negotiate(negotiate.clone()).without_ntlm();
                let client = site.client_with(builder);
                for target in ["/krb/", "/krb-bound/", "/mixed/"] {
                    let page = Page::get(&client, site.uri(target)).await;
                    let user = (page.status, page.user.as_str());
                    assert_eq!(user, (200, "alice@LAB.TEST"), "{carrier}: {page:?}");
                }
            }
            // Without a KDC for her, and at a server that takes nothing else.
            let builder = site.authenticator(site.carol()).negotiate(negotiate.clone()).without_ntlm();
            let page = Page::get(&site.client_with(builder), site.uri("/ntlm/")).await;
            let Why::CannotStart(words) = page.why("Negotiate") else { panic!("{carrier}: {page:?}") };
            assert!(words.contains("user@REALM"), "{carrier}: {words}");
            let Why::NtlmShutOut { left } = page.why("NTLM") else { panic!("{carrier}: {page:?}") };
            assert!(left.contains(&"Negotiate") && !left.contains(&"NTLM"), "{left:?}");
        }
        // What is set by default is Kerberos then.
        let default = Authenticator::builder().credentials(site.origin(), alice_by_password(&site));
        let page = Page::get(&site.client_with(default.without_ntlm()), site.uri("/mixed/")).await;
        assert_eq!((page.status, page.login().mechanism), (200, "Kerberos"), "{page:?}");
    }
}

/// The octets of a request that carries no ticket stay below this.
const WITHOUT_TICKET: u64 = 700;

#[tokio::test]
#[ignore = "needs the lab: tests/run"]
async fn a_login_for_the_connection_spares_later_requests_their_tickets() {
    for site in sites() {
        let mark = format!("bound-{}", site.scheme);
        let client = site.client_with(kerberos(&site, alice(&site)));
        for _ in 0..3 {
            let page = Page::get(&client, site.uri(&format!("/krb-bound/?{mark}"))).await;
            assert_eq!((page.status, page.user.as_str()), (200, "alice@LAB.TEST"), "{page:?}");
        }
        let log = site.log(&mark, 4).await;
        assert_eq!(statuses(&log), [401, 200, 200, 200], "{mark}");
        assert!(log[1].octets > WITHOUT_TICKET, "{log:?}");
        assert!(log[2..].iter().all(|line| line.octets < WITHOUT_TICKET), "{log:?}");
    }
}

// curl's rule for SSPI
#[tokio::test]
#[ignore = "needs the lab: tests/run"]
async fn whoever_the_system_knows_logs_in_for_each_request() {
    for site in sites() {
        let mark = format!("whoever-{}", site.scheme);
        let somebody = Credentials::ambient(Ambient::new().cache(site.value("CCACHE")));
        let client = site.client_with(kerberos(&site, somebody));
        for _ in 0..3 {
            let page = Page::get(&client, site.uri(&format!("/krb-bound/?{mark}"))).await;
            assert_eq!((page.status, page.user.as_str()), (200, "alice@LAB.TEST"), "{page:?}");
        }
        let log = site.log(&mark, 4).await;
        assert_eq!(statuses(&log), [401, 200, 200, 200], "{mark}");
        assert!(log[1..].iter().all(|line| line.octets > WITHOUT_TICKET), "{log:?}");
    }
}

#[tokio::test]
#[ignore = "needs the lab: tests/run"]
async fn a_login_for_a_session_is_made_by_each_request_without_its_cookie() {
    for site in sites() {
        let mark = format!("session-{}", site.scheme);
        let client = site.client_with(kerberos(&site, alice(&site)));
        for _ in 0..3 {
            let page = Page::get(&client, site.uri(&format!("/krb-session/?{mark}"))).await;
            assert_eq!((page.status, page.user.as_str()), (200, "alice@LAB.TEST"), "{page:?}");
        }
        assert_eq!(statuses(&site.log(&mark, 4).await), [401, 200, 200, 200], "{mark}");
    }
}

#[tokio::test]
#[ignore = "needs the lab: tests/run"]
async fn a_password_gets_its_ticket_without_kinit_and_keeps_it() {
    for site in sites() {
        for (carrier, negotiate) in by_each_carrier() {
            let before = site.tickets_granted("erin@LAB.TEST");
            let erin = site.credentials("KRB5_USER_COUNTED", "KRB5_PASSWORD_COUNTED");
            let authenticator = site.authenticator(erin).negotiate(negotiate).build();
            for _ in 0..3 {
                // A new client, and so a new connection; the tickets are the authenticator's.
                let client = site.build(Client::builder(authenticator.clone()));
                let page = Page::get(&client, site.uri("/krb/")).await;
                assert_eq!((page.status, page.user.as_str()), (200, "erin@LAB.TEST"), "{page:?}");
                assert_eq!(page.login().principal.as_deref(), Some("erin@LAB.TEST"));
            }
            let granted = site.tickets_granted("erin@LAB.TEST") - before;
            // One for the KDC, and another one for the system's SPNEGO; one for the server.
            let wanted = if carrier == "the system's SPNEGO" { 3 } else { 2 };
            assert_eq!(granted, wanted, "{carrier}");
        }
    }
}

#[tokio::test]
#[ignore = "needs the lab: tests/run"]
async fn a_keytab_and_the_default_cache_log_in() {
    for site in sites() {
        for ambient in [
            Ambient::new(),
            Ambient::new().principal("alice@LAB.TEST"),
            Ambient::new().client_keytab(site.value("KEYTAB_ALICE")),
            Ambient::new().principal("alice@LAB.TEST").client_keytab(site.value("KEYTAB_ALICE")),
            Ambient::new().principal("alice@LAB.TEST").cache(site.value("CCACHE")),
        ] {
            let client = site.client_with(kerberos(&site, Credentials::ambient(ambient.clone())));
            let page = Page::get(&client, site.uri("/krb/")).await;
            assert_eq!((page.status, page.user.as_str()), (200, "alice@LAB.TEST"), "{ambient:?}: {page:?}");
        }
    }
}

/// Bob's credentials from each place but the default cache, which is alice's.
fn bob_from_each_place(site: &Site) -> Vec<Credentials> {
    let ambient = Ambient::new;
    let bob = || ambient().principal("bob@LAB.TEST");
    let ambient = [
        ambient().cache(site.value("CCACHE_BOB")),
        bob().cache(site.value("CCACHE_BOB")),
        ambient().client_keytab(site.value("KEYTAB_BOB")),
        bob().client_keytab(site.value("KEYTAB_BOB")),
    ];
    let passwords = ["bob@LAB.TEST", "bob", "bob@lab.test", "lab.test\\bob"]
        .map(|name| Credentials::password(name, site.value("KRB5_PASSWORD_BOB")));
    ambient.into_iter().map(Credentials::ambient).chain(passwords).collect()
}

#[tokio::test]
#[ignore = "needs the lab: tests/run"]
async fn the_user_asked_for_logs_in_though_the_default_cache_is_another_users() {
    for site in sites() {
        for (carrier, negotiate) in by_each_carrier() {
            for credentials in bob_from_each_place(&site) {
                let authenticator = site.authenticator(credentials.clone()).negotiate(negotiate.clone());
                let client = site.client_with(authenticator);
                let page = Page::get(&client, site.uri("/krb/")).await;
                let user = (page.status, page.user.as_str());
                assert_eq!(user, (200, "bob@LAB.TEST"), "{carrier}, {credentials:?}: {page:?}");
                assert_eq!(page.login().principal.as_deref(), Some("bob@LAB.TEST"), "{credentials:?}");
                let again = Page::get(&client, site.uri("/krb/two.html")).await;
                let user = (again.status, again.user.as_str());
                assert_eq!(user, (200, "bob@LAB.TEST"), "{carrier}, {credentials:?}: {again:?}");
            }
        }
    }
}

#[tokio::test]
#[ignore = "needs the lab: tests/run"]
async fn a_principal_whose_cache_is_not_the_primary_one_logs_in() {
    for site in sites() {
        for (carrier, negotiate) in by_each_carrier() {
            for user in ["bob@LAB.TEST", "bob", "alice@LAB.TEST"] {
                let ambient = Ambient::new().principal(user).cache(site.value("CCACHES"));
                let authenticator =
                    site.authenticator(Credentials::ambient(ambient)).negotiate(negotiate.clone());
                let page = Page::get(&site.client_with(authenticator), site.uri("/krb/")).await;
                let principal = page.login().principal.as_deref();
                assert_eq!((page.status, principal), (200, Some(page.user.as_str())), "{carrier}, {user}");
                assert!(page.user.starts_with(user), "{carrier}, {user}: {page:?}");
            }
        }
    }
}

#[tokio::test]
#[ignore = "needs the lab: tests/run"]
async fn a_principal_without_a_ticket_in_the_named_place_sends_nothing() {
    for site in sites() {
        let alice = || Ambient::new().principal("alice@LAB.TEST");
        for (i, (carrier, negotiate)) in by_each_carrier().into_iter().enumerate() {
            for (j, ambient) in [
                alice().cache(site.value("CCACHE_BOB")),
                alice().client_keytab(site.value("KEYTAB_BOB")),
                Ambient::new().principal("carol@LAB.TEST").cache(site.value("CCACHES")),
                Ambient::new().principal("carol@LAB.TEST"),
            ]
            .into_iter()
            .enumerate()
            {
                let mark = format!("nobody-{}-{i}-{j}", site.scheme);
                let credentials = Credentials::ambient(ambient.clone());
                let authenticator = site.authenticator(credentials).negotiate(negotiate.clone());
                let page =
                    Page::get(&site.client_with(authenticator), site.uri(&format!("/krb/?{mark}"))).await;
                let why = page.why("Negotiate");
                assert!(matches!(why, Why::CannotStart(_)), "{carrier}, {ambient:?}: {why:?}");
                assert_eq!(statuses(&site.log(&mark, 1).await), [401], "{carrier}, {ambient:?}");
            }
        }
    }
}

// Run in a process of its own, for whose user the library has an NTLM password: carol's.
#[tokio::test]
#[ignore = "needs the lab: tests/run"]
async fn a_principal_is_not_exchanged_for_the_systems_ntlm_user() {
    const CHILD: &str = "LEGWORK_LAB_HAS_AN_NTLM_USER";
    let site = site("APACHE_HTTP");
    if std::env::var_os(CHILD).is_none() {
        let users = std::path::Path::new(site.value("APACHE_ACCESS_LOG")).with_file_name("ntlm_users");
        let child = Command::new(std::env::current_exe().expect("this program"))
            .args([
                "--include-ignored",
                "--exact",
                "kerberos::a_principal_is_not_exchanged_for_the_systems_ntlm_user",
            ])
            .env(CHILD, "1")
            .env("NTLM_USER_FILE", users)
            .output()
            .expect("this program runs");
        assert!(child.status.success(), "{}", String::from_utf8_lossy(&child.stdout));
        return;
    }
    let client = |credentials| {
        // By the host's name: NTLM cannot take a Kerberos principal for a target.
        let gssapi = Gssapi::spnego().canonicalize_as_configured();
        site.client_with(site.authenticator(credentials).negotiate(Negotiate::new(gssapi)))
    };
    for credentials in bob_from_each_place(&site) {
        let page = Page::get(&client(credentials.clone()), site.uri("/ntlm/")).await;
        assert_eq!((page.status, page.user.as_str()), (401, ""), "{credentials:?}: {page:?}");
    }
    // Where nobody is named it may be carol, and the outcome says so.
    let page = Page::get(&client(Credentials::ambient(Ambient::new())), site.uri("/ntlm/")).await;
    let login = page.login();
    assert_eq!((page.status, page.user.as_str(), login.mechanism), (200, "LAB\\carol", "NTLM"), "{page:?}");
    assert_eq!(login.principal.as_deref(), Some("LAB\\carol"), "not alice, whose ticket was of no use");
}

#[tokio::test]
#[ignore = "needs the lab: tests/run"]
async fn heimdals_library_logs_in_as_mits_does() {
    let heimdal = || Negotiate::kerberos(Gssapi::kerberos().with_library("libgssapi.so.3"));
    for site in sites() {
        for path in ["/krb/", "/krb-bound/"] {
            let carol = Credentials::password("carol@LAB.TEST", site.value("NTLM_PASSWORD"));
            let client = site.client_with(site.authenticator(carol).negotiate(heimdal()));
            for _ in 0..2 {
                let page = Page::get(&client, site.uri(path)).await;
                assert_eq!((page.status, page.user.as_str()), (200, "carol@LAB.TEST"), "{page:?}");
            }
        }
        for (user, wanted) in [
            ("carol@LAB.TEST", "refused the password"),
            ("mallory@LAB.TEST", "does not know mallory@LAB.TEST"),
        ] {
            let client = site.client_with(
                site.authenticator(Credentials::password(user, "not-the-pw")).negotiate(heimdal()),
            );
            let page = Page::get(&client, site.uri("/krb/")).await;
            match page.why("Negotiate") {
                Why::Refused(Some(why)) | Why::CannotStart(why) => assert!(why.contains(wanted), "{why}"),
                why => panic!("{why:?}"),
            }
        }
    }
}

// Run in a process of its own: Heimdal does not read where MIT's configuration has the default cache.
#[tokio::test]
#[ignore = "needs the lab: tests/run"]
async fn heimdals_spnego_takes_the_default_cache_and_says_what_it_does_not_take() {
    const CHILD: &str = "LEGWORK_LAB_HAS_A_DEFAULT_CACHE";
    let site = site("APACHE_HTTP");
    if std::env::var_os(CHILD).is_none() {
        let test = "kerberos::heimdals_spnego_takes_the_default_cache_and_says_what_it_does_not_take";
        let child = Command::new(std::env::current_exe().expect("this program"))
            .args(["--include-ignored", "--exact", test])
            .env(CHILD, "1")
            .env("KRB5CCNAME", site.value("CCACHE"))
            .output()
            .expect("this program runs");
        assert!(child.status.success(), "{}", String::from_utf8_lossy(&child.stdout));
        return;
    }
    let client = |credentials| {
        let heimdal = Gssapi::spnego().with_library("libgssapi.so.3");
        site.client_with(site.authenticator(credentials).negotiate(Negotiate::new(heimdal)))
    };
    let page = Page::get(&client(Credentials::ambient(Ambient::new())), site.uri("/krb/")).await;
    assert_eq!((page.status, page.user.as_str()), (200, "alice@LAB.TEST"), "{page:?}");
    assert_eq!(page.login().principal.as_deref(), Some("alice@LAB.TEST"));
    for (credentials, wanted) in [
        (Credentials::password("carol@LAB.TEST", site.value("NTLM_PASSWORD")), "SPNEGO cannot use"),
        (Credentials::ambient(Ambient::new().principal("alice@LAB.TEST")), "SPNEGO cannot use"),
        (Credentials::ambient(Ambient::new().principal("bob@LAB.TEST")), "no ticket"),
        (Credentials::ambient(Ambient::new().cache(site.value("CCACHE_BOB"))), "a named ticket cache"),
    ] {
        let page = Page::get(&client(credentials), site.uri("/krb/")).await;
        let why = page.why("Negotiate");
        assert!(matches!(why, Why::CannotStart(why) if why.contains(wanted)), "{wanted}: {why:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: tests/run"]
async fn sixty_four_tasks_at_once_log_in_past_the_servers_replay_cache() {
    for site in sites() {
        for path in ["/krb/", "/krb-bound/", "/mixed/"] {
            let client = site.client_with(kerberos(&site, alice_by_password(&site)));
            let mut tasks = JoinSet::new();
            for _ in 0..64 {
                let (client, uri) = (client.clone(), site.uri(path));
                tasks.spawn(async move {
                    for _ in 0..5 {
                        let page = Page::get(&client, uri.clone()).await;
                        assert_eq!((page.status, page.user.as_str()), (200, "alice@LAB.TEST"), "{page:?}");
                    }
                });
            }
            while let Some(done) = tasks.join_next().await {
                done.expect("no task fails");
            }
        }
    }
}

// px 234
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: tests/run"]
async fn a_wrong_password_reaches_the_kdc_once_whatever_the_number_of_requests() {
    for site in sites() {
        for negotiate in [Negotiate::kerberos_or_ntlm(Gssapi::kerberos()), Negotiate::new(Gssapi::spnego())] {
            site.kadmin("modprinc -unlock lockme");
            let wrong = Credentials::password(site.value("KRB5_USER_LOCKABLE"), "not-the-pw");
            let client = site.client_with(site.authenticator(wrong).negotiate(negotiate));
            let mut tasks = JoinSet::new();
            for _ in 0..256 {
                let (client, uri) = (client.clone(), site.uri("/mixed/"));
                tasks.spawn(async move { Page::get(&client, uri).await });
            }
            while let Some(page) = tasks.join_next().await {
                let page = page.expect("no task fails");
                match page.why("Negotiate") {
                    Why::Refused(Some(why)) => assert!(why.contains("refused the password"), "{why}"),
                    Why::RefusedBefore => {}
                    why => panic!("{why:?}"),
                }
            }
            let account = site.kadmin("getprinc lockme");
            assert!(account.contains("Failed password attempts: 1\n"), "{account}");
        }
    }
}

#[tokio::test]
#[ignore = "needs the lab: tests/run"]
async fn who_cannot_log_in_is_told_why_and_what_to_do() {
    for site in sites() {
        let ambient = |cache: &str| Credentials::ambient(Ambient::new().cache(site.value(cache)));
        let password = |user: &str| Credentials::password(user, "any-pw");
        let cases = [
            (ambient("CCACHE_NONE"), "no ticket: run kinit"),
            (ambient("CCACHE_EXPIRED"), "has expired: run kinit"),
            (password("mallory@LAB.TEST"), "the KDC does not know mallory@LAB.TEST"),
            (password("alice@NOWHERE.TEST"), "no KDC is known for the realm of alice@NOWHERE.TEST"),
            (password("LAB\\alice"), "Kerberos wants user@REALM"),
            (site.credentials("KRB5_USER_SKEWED", "KRB5_PASSWORD_SKEWED"), "clock skew"),
        ];
        for (credentials, wanted) in cases {
            let client = site.client_with(
                kerberos(&site, credentials).mutual_authentication(MutualAuthentication::Required),
            );
            let page = Page::get(&client, site.uri("/krb/")).await;
            match page.why("Negotiate") {
                Why::CannotStart(why) => assert!(why.contains(wanted), "{wanted}: {why}"),
                why => panic!("{wanted}: {why:?}"),
            }
        }
    }
}

#[tokio::test]
#[ignore = "needs the lab: tests/run"]
async fn the_kdcs_answer_about_the_server_names_it() {
    for site in sites() {
        let cases = [
            (
                kerberos(&site, alice(&site)).target_name(site.origin(), "HTTP/nobody.lab.test"),
                "HTTP/nobody.lab.test",
            ),
            (kerberos(&site, alice(&site)).target_name_with_port(true), "HTTP/localhost:18"),
        ];
        for (authenticator, target) in cases {
            let page = Page::get(&site.client_with(authenticator), site.uri("/krb/")).await;
            match page.why("Negotiate") {
                Why::CannotStart(why) => {
                    assert!(
                        why.contains("server not found in the KDC's database") && why.contains(target),
                        "{why}"
                    );
                }
                why => panic!("{target}: {why:?}"),
            }
        }
    }
}

// A KRB-ERROR in a 401
#[tokio::test]
#[ignore = "needs the lab: tests/run"]
async fn a_server_that_cannot_take_the_ticket_says_why() {
    for site in sites() {
        for (carrier, negotiate) in by_each_carrier() {
            let authenticator = site.authenticator(alice(&site)).negotiate(negotiate);
            let authenticator = authenticator.target_name(site.origin(), "HTTP/nokey.lab.test");
            let page = Page::get(&site.client_with(authenticator), site.uri("/krb/")).await;
            match page.why("Negotiate") {
                Why::Refused(Some(why)) => {
                    assert!(why.contains("the ticket is for another server"), "{carrier}: {why}")
                }
                why => panic!("{carrier}: {why:?}"),
            }
        }
    }
    let skewed = site("APACHE_SKEWED");
    for (carrier, negotiate) in by_each_carrier() {
        let authenticator = skewed.authenticator(alice(&skewed)).negotiate(negotiate);
        let page = Page::get(&skewed.client_with(authenticator), skewed.uri("/krb/")).await;
        let Why::Refused(Some(why)) = page.why("Negotiate") else { panic!("{carrier}: {page:?}") };
        let seconds = why.split_once("clock skew of ").and_then(|(_, rest)| rest.split_once(" s:"));
        let seconds: u32 =
            seconds.and_then(|(seconds, _)| seconds.parse().ok()).unwrap_or_else(|| panic!("{why}"));
        assert!((3_590..=3_610).contains(&seconds), "{carrier}: {why}");
    }
    // The KDC has taken the password: what the server says is no verdict on it.
    let client = skewed.client_with(kerberos(&skewed, alice_by_password(&skewed)));
    for _ in 0..2 {
        let page = Page::get(&client, skewed.uri("/krb/")).await;
        let why = page.why("Negotiate");
        assert!(matches!(why, Why::Refused(Some(why)) if why.contains("clock skew of ")), "{why:?}");
    }
}

// dotnet 51980, 36644; corefx 33426
#[tokio::test]
#[ignore = "needs the lab: tests/run"]
async fn an_address_literal_is_a_target_of_its_own_and_a_host_field_changes_nothing() {
    for site in sites() {
        let literal = site.at_host("127.0.0.1");
        let page =
            Page::get(&literal.client_with(kerberos(&literal, alice(&site))), literal.uri("/krb/")).await;
        assert_eq!((page.status, page.user.as_str()), (200, "alice@LAB.TEST"), "{page:?}");

        let mut request = get(site.uri("/krb/"));
        request.headers_mut().insert("host", http::HeaderValue::from_static("nokey.lab.test"));
        let page = Page::of(&site.client_with(kerberos(&site, alice(&site))), request).await;
        assert_eq!((page.status, page.user.as_str()), (200, "alice@LAB.TEST"), "{page:?}");
    }
}

// curl CVE-2011-2192, CVE-2023-27536
#[tokio::test]
#[ignore = "needs the lab: tests/run"]
async fn tickets_are_delegated_only_where_it_is_asked_for_and_the_realm_allows_it() {
    for site in sites() {
        // The realm trusts HTTP/localhost with it, and not HTTP/127.0.0.1.
        for (host, delegation, delegated) in [
            ("localhost", Delegation::Off, false),
            ("localhost", Delegation::ByPolicy, true),
            ("localhost", Delegation::On, true),
            ("127.0.0.1", Delegation::Off, false),
            ("127.0.0.1", Delegation::ByPolicy, false),
            ("127.0.0.1", Delegation::On, true),
        ] {
            let site = site.at_host(host);
            let authenticator = kerberos(&site, alice(&site)).delegation(site.origin(), delegation);
            let page = Page::get(&site.client_with(authenticator), site.uri("/deleg/")).await;
            assert_eq!((page.status, page.delegated), (200, delegated), "{host} {delegation:?}");
        }
    }
}

// Run in a process of its own with a Kerberos configuration that looks hosts up.
#[tokio::test]
#[ignore = "needs the lab: tests/run"]
async fn a_host_is_looked_up_only_where_it_is_asked_for() {
    const CHILD: &str = "LEGWORK_LAB_LOOKS_HOSTS_UP";
    let site = site("APACHE_HTTP");
    if std::env::var_os(CHILD).is_none() {
        let folder = tempfile(&site);
        std::fs::write(&folder, "[libdefaults]\n dns_canonicalize_hostname = true\n rdns = true\n")
            .expect("a file");
        let configuration = format!("{}:{}", folder.display(), site.value("KRB5_CONFIG"));
        let child = std::process::Command::new(std::env::current_exe().expect("this program"))
            .args([
                "--include-ignored",
                "--exact",
                "kerberos::a_host_is_looked_up_only_where_it_is_asked_for",
            ])
            .env(CHILD, "1")
            .env("KRB5_CONFIG", configuration)
            .output()
            .expect("this program runs");
        assert!(child.status.success(), "{}", String::from_utf8_lossy(&child.stdout));
        return;
    }
    // 127.0.0.1 is looked up as localhost, whose service the realm trusts with delegation.
    let site = site.at_host("127.0.0.1");
    let looked_up = Gssapi::kerberos().canonicalize_as_configured();
    for (gssapi, delegated) in [(Gssapi::kerberos(), false), (looked_up, true)] {
        let authenticator = site
            .authenticator(alice(&site))
            .negotiate(Negotiate::new(gssapi))
            .delegation(site.origin(), Delegation::ByPolicy);
        let page = Page::get(&site.client_with(authenticator), site.uri("/deleg/")).await;
        assert_eq!((page.status, page.delegated), (200, delegated), "{page:?}");
    }
}

fn tempfile(site: &Site) -> std::path::PathBuf {
    let configuration = std::path::Path::new(site.value("KRB5_CONFIG"));
    configuration.with_file_name("looks_hosts_up.conf")
}

// ambient single sign-on
#[tokio::test]
#[ignore = "needs the lab: tests/run"]
async fn the_systems_tickets_go_to_the_listed_origins_alone() {
    for site in sites() {
        let ambient = || Ambient::new().cache(site.value("CCACHE"));
        let authenticator = |patterns: &str| {
            let allowed = patterns.parse().expect("patterns");
            Authenticator::builder()
                .negotiate(Negotiate::kerberos(Gssapi::kerberos()))
                .ambient(ambient(), allowed)
        };
        for (i, patterns) in ["", "https://localhost", "*.localhost"].into_iter().enumerate() {
            let mark = format!("unlisted-{}-{i}", site.scheme);
            let client = site.client_with(authenticator(patterns));
            let page = Page::get(&client, site.uri(&format!("/krb/?{mark}"))).await;
            assert_eq!(page.why("Negotiate"), &Why::NoCredentials, "{patterns}");
            assert_eq!(statuses(&site.log(&mark, 1).await), [401], "{patterns}: nothing was sent");
        }
        for patterns in ["localhost", "*", &site.origin().to_string()] {
            let page = Page::get(&site.client_with(authenticator(patterns)), site.uri("/krb/")).await;
            assert_eq!((page.status, page.user.as_str()), (200, "alice@LAB.TEST"), "{patterns}: {page:?}");
        }
    }
}

#[tokio::test]
#[ignore = "needs the lab: tests/run"]
async fn without_a_ticket_negotiate_goes_on_with_ntlm_where_that_is_allowed() {
    for site in sites() {
        let no_library = || Gssapi::kerberos().with_library("/nonexistent/libgssapi.so");
        let (dave, password) = (site.dave(), "dave");
        let (_, secret) = dave.as_password().expect("a password");
        let unknown = Credentials::password(password, secret.expose());
        for (why, negotiate, credentials) in [
            ("an unknown principal", Negotiate::kerberos_or_ntlm(Gssapi::kerberos()), unknown),
            ("a NetBIOS domain", Negotiate::kerberos_or_ntlm(Gssapi::kerberos()), site.dave()),
            ("no library", Negotiate::kerberos_or_ntlm(no_library()), site.dave()),
        ] {
            let client = site.client_with(site.authenticator(credentials.clone()).negotiate(negotiate));
            let page = Page::get(&client, site.uri("/mixed/")).await;
            assert_eq!((page.status, page.login().mechanism), (200, "NTLM"), "{why}: {page:?}");

            // NTLM is neither allowed in Negotiate nor as a scheme.
            let mark = format!("no-ntlm-{}-{}", site.scheme, why.len());
            let authenticator = site
                .authenticator(credentials)
                .schemes(Schemes::new())
                .negotiate(Negotiate::new(no_library()));
            let page =
                Page::get(&site.client_with(authenticator), site.uri(&format!("/mixed/?{mark}"))).await;
            assert!(matches!(page.why("Negotiate"), Why::CannotStart(_)), "{why}: {page:?}");
            assert_eq!(page.why("NTLM"), &Why::Unsupported);
            assert_eq!(statuses(&site.log(&mark, 1).await), [401], "{why}: nothing was sent");
        }
    }
}

#[tokio::test]
#[ignore = "needs the lab: tests/run"]
async fn a_server_without_kerberos_picks_ntlm_from_the_list() {
    for site in sites() {
        // Known to the KDC as well as to the server's NTLM.
        let carol = Credentials::password("carol", site.value("NTLM_PASSWORD"));
        let authenticator =
            || site.authenticator(carol.clone()).negotiate(Negotiate::kerberos_or_ntlm(Gssapi::kerberos()));
        for (path, mechanism, user) in
            [("/mixed/", "Kerberos", "carol@LAB.TEST"), ("/ntlm/", "NTLM", "carol")]
        {
            let page = Page::get(&site.client_with(authenticator()), site.uri(path)).await;
            assert_eq!((page.status, page.user.as_str()), (200, user), "{path}: {page:?}");
            assert_eq!(page.login().mechanism, mechanism, "{path}");
        }
    }
}

#[tokio::test]
#[ignore = "needs the lab: tests/run"]
async fn a_ticket_logs_in_where_other_schemes_are_offered_too() {
    for site in sites() {
        for path in ["/mixed/", "/all/", "/joined/"] {
            let client = site.client_with(kerberos(&site, alice(&site)));
            for _ in 0..2 {
                let page = Page::get(&client, site.uri(path)).await;
                assert_eq!((page.status, page.user.as_str()), (200, "alice@LAB.TEST"), "{path}: {page:?}");
                assert_eq!(page.text, format!("hello from {}\n", path.trim_end_matches('/')));
            }
        }
    }
}

/// A server that lets everybody in, with this token as its proof of who it is.
struct Pretends(Option<&'static [u8]>);

impl Acceptor for Pretends {
    fn step(&mut self, _: &[u8]) -> Accept {
        let token = self.0.map(<[u8]>::to_vec);
        Accept::Accepted { user: "anybody".to_owned(), token, integrity: None }
    }
}

/// An AP-REP in its frame, encrypted with nobody's key.
const NO_PROOF: &[u8] = b"\x60\x3c\x06\x09\x2a\x86\x48\x86\xf7\x12\x01\x02\x02\x02\x00\
    \x6f\x2d\x30\x2b\xa0\x03\x02\x01\x05\xa1\x03\x02\x01\x0f\xa2\x1f\x30\x1d\xa0\x03\x02\x01\x12\
    \xa2\x16\x04\x14\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10\x11\x12\x13\x14";

// Apache HttpClient CVE-2026-40542, AsyncHttpClient 2235
#[tokio::test]
#[ignore = "needs the lab: tests/run"]
async fn a_server_that_cannot_prove_itself_is_found_out_as_the_rule_says() {
    let site = site("APACHE_HTTP");
    for (rule, proof, delivered) in [
        (MutualAuthentication::Off, Some(NO_PROOF), true),
        (MutualAuthentication::Off, None, true),
        (MutualAuthentication::Preferred, Some(NO_PROOF), false),
        (MutualAuthentication::Preferred, None, true),
        (MutualAuthentication::Required, Some(NO_PROOF), false),
        (MutualAuthentication::Required, None, false),
    ] {
        for (carrier, negotiate) in by_each_carrier() {
            let server = Server::builder().offer(Offer::custom("Negotiate", move || Pretends(proof)));
            let server = server.start().await.expect("a server");
            let origin = Origin::from_uri(&server.uri("/")).expect("an origin");
            let authenticator = Authenticator::builder()
                .negotiate(negotiate)
                .credentials(origin.clone(), alice(&site))
                .target_name(origin, "HTTP/localhost")
                .mutual_authentication(rule)
                .build();
            let result = site.build(Client::builder(authenticator)).request(get(server.uri("/"))).await;
            match result {
                Ok(response) => {
                    assert!(delivered, "{rule:?} {proof:?} {carrier}");
                    let outcome = response.extensions().get::<Outcome>();
                    assert!(
                        matches!(outcome, Some(Outcome::LoggedIn(login)) if !login.mutual),
                        "{outcome:?}"
                    );
                }
                Err(error) => {
                    assert!(!delivered, "{rule:?} {proof:?} {carrier}: {error:?}");
                    let kind = error.kind();
                    let is_about_the_proof =
                        matches!(kind, ErrorKind::Handshake(HandshakeError::FinalToken(_)));
                    assert!(is_about_the_proof, "{rule:?} {proof:?} {carrier}: {error:?}");
                }
            }
        }
    }
}

/// Tickets for Negotiate, a password for Basic.
struct TicketOrPassword {
    tickets: Credentials,
    password: Credentials,
}

impl CredentialsProvider for TicketOrPassword {
    fn credentials(&self, query: CredentialsQuery<'_>) -> CredentialsFuture {
        let credentials = match query.scheme {
            "Negotiate" => self.tickets.clone(),
            _ => self.password.clone(),
        };
        Box::pin(std::future::ready(Ok(Some(credentials))))
    }
}

// curl 876/1384, dotnet 119298
#[tokio::test]
#[ignore = "needs the lab: tests/run"]
async fn without_a_ticket_the_next_scheme_is_tried() {
    for site in sites().into_iter().filter(|site| site.scheme == "https") {
        let provider = TicketOrPassword {
            tickets: Credentials::ambient(Ambient::new().cache(site.value("CCACHE_NONE"))),
            password: Credentials::password("alice", site.value("KRB5_PASSWORD")),
        };
        let authenticator =
            Authenticator::builder().negotiate(Negotiate::kerberos(Gssapi::kerberos())).provider(provider);
        let page = Page::get(&site.client_with(authenticator), site.uri("/krb-basic/")).await;
        assert_eq!((page.status, page.login().scheme), (200, "Basic"), "{page:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: tests/run"]
async fn a_kdc_that_never_answers_stalls_nobody_else() {
    use std::time::Duration;

    use legwork::client::BlockingSteps;

    for site in sites() {
        // It takes connections and leaves them be, until the test is over.
        let kdc =
            std::net::TcpListener::bind(site.value("KRB5_KDC_DEAD")).expect("nobody else listens there");
        let stuck = Credentials::password(site.value("KRB5_USER_DEAD"), "any-pw");
        let negotiate = Negotiate::kerberos_or_ntlm(Gssapi::kerberos());
        let authenticator = site.authenticator(site.carol()).schemes(Schemes::new()).negotiate(negotiate);
        let steps = BlockingSteps::new(4, Duration::from_secs(2));
        let client = site.build(
            Client::builder(authenticator.build())
                .max_per_origin(128)
                .environment(Environment::tokio().blocking(steps)),
        );
        let mark = format!("stalled-{}", site.scheme);

        let mut others = JoinSet::new();
        let mut stalled = JoinSet::new();
        for _ in 0..64 {
            let (client, mut request) = (client.clone(), get(site.uri(&format!("/mixed/?{mark}"))));
            request.extensions_mut().insert(stuck.clone());
            stalled.spawn(async move { Page::of(&client, request).await });
        }
        for _ in 0..64 {
            let (client, uri) = (client.clone(), site.uri(&format!("/ntlm/?others-{mark}")));
            others.spawn(async move { Page::get(&client, uri).await });
        }
        while let Some(page) = others.join_next().await {
            let page = page.expect("no task fails");
            assert_eq!((page.status, page.user.as_str()), (200, "LAB\\carol"), "{page:?}");
            assert!(stalled.try_join_next().is_none(), "the others are done before the first gives up");
        }
        while let Some(page) = stalled.join_next().await {
            match page.expect("no task fails").why("Negotiate") {
                Why::CannotStart(why) => assert!(why.contains("no answer within 2s"), "{why}"),
                why => panic!("{why:?}"),
            }
        }
        assert_eq!(statuses(&site.log(&mark, 64).await), [401; 64], "{mark}: nothing else was sent");
        drop(kdc);
    }
}
