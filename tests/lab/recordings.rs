//! What of a login is shown to whoever looks on: at each scheme's server, no secret.

use std::io;
use std::sync::{Arc, Mutex};

use legwork::client::proxy::{Proxies, Proxy};
use legwork::handshake::AuthenticatorBuilder;
use legwork::mechanism::kerberos::Kerberos;
use legwork::scheme::{Basic, Digest, Negotiate, NtlmScheme, Schemes};
use legwork::service::{Environment, Recorder};
use legwork::{Client, Credentials, Origin};
use tracing_subscriber::fmt::MakeWriter;

use crate::support::*;
use crate::tapped::{Tapped, spellings};

/// A login at a server of the lab.
struct Way {
    name: &'static str,
    /// The server among the lab's values.
    server: &'static str,
    path: &'static str,
    credentials: fn(&Site) -> Credentials,
    password: &'static str,
    schemes: fn(&Site) -> Schemes,
}

fn alice(site: &Site) -> Credentials {
    site.credentials("KRB5_USER", "KRB5_PASSWORD")
}

fn with_kdc(site: &Site) -> Kerberos {
    Kerberos::new().kdc(site.value("KRB5_REALM"), [site.value("KRB5_KDC")])
}

const AT_ORIGINS: [Way; 6] = [
    Way {
        name: "Basic",
        server: "APACHE_HTTP",
        path: "/basic/",
        credentials: Site::user,
        password: "BASIC_PASSWORD",
        schemes: |_| Basic::default().into(),
    },
    Way {
        name: "Digest",
        server: "APACHE_HTTP",
        path: "/digest/",
        credentials: Site::user,
        password: "BASIC_PASSWORD",
        schemes: |_| Digest::default().into(),
    },
    Way {
        name: "NTLM",
        server: "APACHE_HTTP",
        path: "/ntlm/",
        credentials: Site::carol,
        password: "NTLM_PASSWORD",
        schemes: |_| NtlmScheme::default().into(),
    },
    Way {
        name: "NTLM within Negotiate",
        server: "APACHE_HTTP",
        path: "/mixed/",
        credentials: Site::carol,
        password: "NTLM_PASSWORD",
        schemes: |_| Negotiate::ntlm().into(),
    },
    Way {
        name: "Kerberos",
        server: "APACHE_HTTP",
        path: "/krb/",
        credentials: alice,
        password: "KRB5_PASSWORD",
        schemes: |site| Negotiate::kerberos(with_kdc(site)).into(),
    },
    Way {
        name: "IAKERB",
        server: "IAKERB",
        path: "/iakerb/",
        credentials: alice,
        password: "KRB5_PASSWORD",
        schemes: |_| Negotiate::kerberos_or_iakerb(Kerberos::new()).into(),
    },
];

const AT_PROXIES: [Way; 4] = [
    Way { server: "SQUID_BASIC", path: "/", ..AT_ORIGINS[0] },
    Way { server: "SQUID_DIGEST", path: "/", ..AT_ORIGINS[1] },
    Way { server: "SQUID_NTLM", path: "/", ..AT_ORIGINS[2] },
    Way { server: "SQUID_NEGOTIATE", path: "/", ..AT_ORIGINS[4] },
];

/// What the spans of the crate `tracing` have written.
#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl io::Write for Written {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("no panic").write(octets)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Written {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

/// Logs in twice on one connection, with a tap between the client and the server that asks for the login, and searches what is
/// shown of it for whatever the tap saw, and for the password.
async fn shows_no_secret(
    way: &Way,
    site: &Site,
    client: impl FnOnce(&Tapped, Environment) -> LabClient,
    target: impl FnOnce(&Tapped) -> String,
) {
    let written = Written::default();
    let spans = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_span_events(tracing_subscriber::fmt::format::FmtSpan::FULL)
        .with_writer(written.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(spans);
    let name = way.name;
    let server: Origin = site.value(way.server).parse().expect("an origin");
    let tapped = Tapped::before(format!("{}:{}", server.host(), server.port())).await;
    let recorder = Recorder::new();
    let client = client(&tapped, Environment::tokio().observer(recorder.clone()));
    let target = target(&tapped);
    for _ in 0..2 {
        let page = Page::get(&client, target.parse().expect("a URI")).await;
        assert_eq!(page.status, 200, "{name} at {}: {page:?}\n{}", way.server, recorder.recording());
    }
    let recording = recorder.take();
    let shown = format!("{recording}\n{}\n{}\n{recording:?}", recording.mermaid(), recording.page());
    let spans = String::from_utf8(written.0.lock().expect("no panic").clone()).expect("UTF-8");
    // It tells connections, legs and times.
    for part in ["connection 1", " ms", if way.path == "/" { "407 " } else { "401 " }] {
        assert!(recording.to_string().contains(part), "{name}: no {part:?} in {recording}");
    }
    for part in ["legwork.request", "a leg was answered", "connection=1", "elapsed="] {
        assert!(spans.contains(part), "{name}: no {part:?} in {spans}");
    }
    let on_the_wire = tapped.secrets();
    assert!(!on_the_wire.is_empty(), "{name}");
    let password = site.value(way.password);
    let utf16: Vec<u8> = password.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let user = (way.credentials)(site);
    let pair = format!("{}:{password}", user.username().unwrap_or_default());
    let of_the_password = [password.as_bytes(), &utf16, pair.as_bytes()].into_iter().flat_map(spellings);
    for secret in on_the_wire.into_iter().chain(of_the_password).chain([password.to_owned()]) {
        assert!(!shown.contains(&secret), "{name} at {}: {secret} in {shown}", way.server);
        assert!(!spans.contains(&secret), "{name} at {}: {secret} in {spans}", way.server);
    }
}

/// For the address of the tap there are no tickets.
fn log_in(way: &Way, site: &Site, tapped: &Tapped) -> AuthenticatorBuilder {
    builder()
        .schemes((way.schemes)(site))
        .target_name(tapped.origin.clone(), "HTTP/localhost")
        .dangerous_secrets_over_plain_http(true)
        .dangerous_secrets_to_plain_http_proxies(true)
}

#[tokio::test]
#[ignore = "needs the lab: tests/run"]
async fn a_login_at_an_origin_is_shown_without_secrets() {
    for way in AT_ORIGINS {
        let site = site("APACHE_HTTP");
        let client = |tapped: &Tapped, environment| {
            let credentials = (way.credentials)(&site);
            let authenticator = log_in(&way, &site, tapped).credentials(tapped.origin.clone(), credentials);
            site.build(Client::builder(authenticator.build()).environment(environment))
        };
        shows_no_secret(&way, &site, client, |tapped| format!("{}{}?key=not-shown", tapped.origin, way.path))
            .await;
    }
}

#[tokio::test]
#[ignore = "needs the lab: tests/run"]
async fn a_login_at_a_proxy_is_shown_without_secrets() {
    for way in AT_PROXIES {
        let site = site("APACHE_HTTP");
        let client = |tapped: &Tapped, environment| {
            let credentials = (way.credentials)(&site);
            let authenticator =
                log_in(&way, &site, tapped).proxy_credentials(tapped.origin.clone(), credentials);
            let proxies = Proxies::all(Proxy::new(tapped.origin.clone()));
            site.build(Client::builder(authenticator.build()).environment(environment).proxies(proxies))
        };
        shows_no_secret(&way, &site, client, |_| site.uri("/").to_string()).await;
    }
}
