//! Searches all that the library says for the password, for whatever stands for it, and for what went over the wire.
//!
//! Collected are `Debug` in both forms and `Display` of the values that a program holds before a login, during one and after it, errors
//! with their sources, recordings, spans and events of every level, those of the crates beneath too, and messages of panics.

mod said;
mod types;

use std::sync::Arc;
use std::time::SystemTime;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http::{Method, Request, Uri};
use http_body_util::Full;
use legwork::challenge::Challenges;
use legwork::client::LogOut;
use legwork::client::proxy::{Proxies, Proxy};
use legwork::client::redirect::{FollowRedirectsLayer, Redirects};
use legwork::credentials::{
    BearerTokens, CredentialsChain, CredentialsProvider, CredentialsQuery, EnvironmentCredentials, Netrc,
    ProxyCredentials, Secret, credentials_fn,
};
use legwork::handshake::{Identity, Outcome, Refusal};
use legwork::mechanism::kerberos::Kerberos;
use legwork::mechanism::ntlm::Ntlm;
use legwork::mechanism::{Initiate, Mechanism, Moment};
use legwork::protection_space::Challenger;
use legwork::scheme::scram::ScramHash;
use legwork::scheme::{RequestContext, Schemes, Scram};
use legwork::service::{BoxError, ConnectionInfo, Environment, LegReport, Observer, Recorder};
use legwork::testing::{Close, Quirk, When};
use legwork::unversioned::Entropy;
use legwork::unversioned::digest::{
    ClientNonce, DigestChallenge, DigestPolicy, DigestRequest, DigestSession,
};
use legwork::unversioned::handshake::{Handshake, StepJob, SystemMoments};
use legwork::unversioned::scram::{ScramExchange, ScramMemory, ScramStep, derive_keys};
use legwork::{Authenticator, Client as LegworkClient, Credentials, Origin};

use self::said::Said;
use crate::clients::{AnyClient, Client, Kind};
use crate::schemes::{Peer, Scheme, random_text, utf16};
use crate::tapped::spellings;

/// As long as chance cannot write it, and with characters that URIs and header fields write otherwise.
fn password() -> String {
    format!("{}/%:@+ {}", random_text(12), random_text(12))
}

/// The texts that give a password away.
fn spelled(password: &str) -> Vec<String> {
    let percent = password.bytes().map(|octet| match octet.is_ascii_alphanumeric() {
        true => char::from(octet).to_string(),
        false => format!("%{octet:02X}"),
    });
    let mut texts = vec![password.to_owned(), percent.collect()];
    texts.extend([password.as_bytes(), &utf16(password)].into_iter().flat_map(spellings));
    for before in 0..3 {
        // The first and the last group have octets of the neighbours.
        let text = BASE64_STANDARD.encode(["_".repeat(before).as_str(), password].concat());
        texts.push(text[4..text.len() - 4].to_owned());
    }
    // Halves of it, which a cut text may have.
    texts.extend([&password[..12], &password[password.len() - 12..]].map(str::to_owned));
    texts
}

fn search(name: &str, said: &Said, secrets: impl IntoIterator<Item = String>) {
    let traced = said.traced();
    for secret in secrets {
        assert!(!traced.contains(&secret), "{name}: {secret} in a trace or a panic");
        if let Some((what, text)) = said.texts().find(|(_, text)| text.contains(&secret)) {
            panic!("{name}: {secret} in {what}: {text}");
        }
    }
}

/// How a login ends, and what is made of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    LoggedIn,
    Refused,
    /// The server closes the connection in place of each answer to a proof.
    Broken,
}

async fn says_nothing(scheme: Scheme, client: Client, ending: Ending) -> Said {
    let name = format!("{scheme:?} over {client:?}, {ending:?}");
    let mut said = Said::new();
    let bearer = scheme == Scheme::Bearer;
    let password = if bearer { random_text(40) } else { password() };
    let known = if ending == Ending::Refused { random_text(40) } else { password.clone() };
    let peer = Peer::start(scheme, &known, |server| match ending {
        Ending::Broken => server.quirk_when(When::leg(scheme.proof()), Quirk::Close(Close::Unannounced)),
        Ending::LoggedIn | Ending::Refused => server,
    });
    let peer = peer.await;
    let recorder = Recorder::new();
    let environment = Environment::tokio().observer(recorder.clone());
    let credentials = scheme.credentials(password.clone());
    let kerberos = scheme.kerberos(peer.kdc_address());
    let authenticator = scheme.authenticator(&peer.origin(), kerberos.clone(), credentials.clone());
    let mut client = AnyClient::new(client, peer.origin(), authenticator.clone(), environment.clone());

    for turn in 0..2 {
        match client.send().await {
            Ok(response) => {
                let expected = if ending == Ending::Refused { 401 } else { 200 };
                assert_eq!(response.status(), expected, "{name}: {}", recorder.recording());
                said.debug("response", &response);
                if let Some(outcome) = response.extensions().get::<Outcome>() {
                    say_outcome(&mut said, outcome);
                } else {
                    assert!(turn == 1, "{name}");
                }
            }
            Err(error) => {
                assert_eq!(ending, Ending::Broken, "{name}: {error}");
                said.debug("error kind", error.kind());
                said.error("error", &error);
            }
        }
        match &client.kind {
            Kind::Plain(client) => said.debug("client", client),
            Kind::Reqwest(client) => said.debug("client", client),
            Kind::Layer { layer, service } => {
                said.debug("layer", layer);
                service.iter().for_each(|service| said.debug("connection", &**service));
            }
        }
        // The layer's is of no use after a login that has failed.
        client.close_idle();
    }
    said.debug("kerberos", &kerberos);
    said.debug("credentials", &credentials);
    said.debug("authenticator", &authenticator);
    said.debug("environment", &environment);
    said.debug("identity", &authenticator.identity());
    let recording = recorder.take();
    assert!(recording.legs().next().is_some(), "{name}");
    for event in recording.events() {
        said.debug("event", event);
        said.debug("event's kind", &event.kind);
    }
    recording.legs().for_each(|leg| said.debug("leg", leg));
    said.debug("recorder", &recorder);
    said.shown("recording", &recording);
    said.text("recording, mermaid", recording.mermaid().to_string());
    said.text("recording, page", recording.page().to_string());

    let wire = peer.tokens();
    assert!(!wire.is_empty() || ending != Ending::LoggedIn, "{name}");
    let keys = peer.keys(&password).into_iter();
    let keys = keys.flat_map(|(_, key)| [spellings(&key), Vec::from_iter(String::from_utf8(key))].concat());
    search(&name, &said, spelled(&password).into_iter().chain(keys));
    // What the server says of itself is the caller's to see.
    said.forget("response");
    search(&name, &said, wire);
    said
}

fn say_outcome(said: &mut Said, outcome: &Outcome) {
    said.debug("outcome", outcome);
    match outcome {
        Outcome::LoggedIn(login) => said.debug("login", login),
        Outcome::Refused(refusal) => say_refusal(said, refusal),
        _ => {}
    }
}

fn say_refusal(said: &mut Said, refusal: &Refusal) {
    said.shown("refusal", refusal);
    for tried in &refusal.tried {
        said.debug("tried", tried);
        said.shown("why", &tried.why);
    }
}

async fn no_login_says_a_secret(client: Client) {
    for scheme in Scheme::ALL {
        for ending in [Ending::LoggedIn, Ending::Refused, Ending::Broken] {
            says_nothing(scheme, client, ending).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_secret_is_said_over_hyper() {
    no_login_says_a_secret(Client::Hyper).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_secret_is_said_over_legacy() {
    no_login_says_a_secret(Client::Legacy).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_secret_is_said_over_reqwest() {
    no_login_says_a_secret(Client::Reqwest).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_secret_is_said_by_the_layer() {
    no_login_says_a_secret(Client::Layer).await;
}

/// What a program holds that has a secret, and what it is told where one is of no use.
fn values(said: &mut Said, password: &str) {
    let origin: Origin = "https://wiki.example".parse().expect("an origin");
    let carol = Credentials::password("carol", password);
    let token = Credentials::bearer_token(password);
    said.debug("secret", &Secret::new(password));
    said.debug("credentials", &carol);
    said.debug("token", &token);
    said.debug("proxy credentials", &ProxyCredentials(carol.clone()));
    said.debug("log out", &LogOut::from(carol.clone()));
    said.error(
        "unusable token",
        &Credentials::try_bearer_token(format!("{password}\n")).expect_err("a line's end"),
    );
    let query = CredentialsQuery::new(Challenger::Origin, &origin, "Basic", None).with_refused(Some(&carol));
    said.debug("query", &query);
    let mut request = Request::new(());
    request.extensions_mut().insert(carol.clone());
    said.debug("request", &request);

    let netrc =
        format!("machine wiki.example login carol password {password}\nmachine x password \"{password}");
    match Netrc::parse(netrc.as_bytes()) {
        Ok(netrc) => {
            said.debug("netrc", &netrc);
            netrc.unusable().iter().for_each(|error| said.error("netrc", error));
        }
        Err(error) => said.error("netrc", &error),
    }
    let netrc = format!("machine wiki.example login carol password {}", password.replace(' ', "_"));
    let netrc = Netrc::parse(netrc.as_bytes()).expect("a good one");
    said.debug("netrc", &netrc);
    said.debug("netrc's", &netrc.find(&origin).expect("an entry"));
    said.debug("chain", &CredentialsChain::new().then(netrc));
    let fetched = Secret::new(password);
    let fetch = move || {
        let token = fetched.clone();
        async move { Ok(token) }
    };
    said.debug("bearer tokens", &BearerTokens::new(origin.clone(), fetch));
    said.debug("environment", &EnvironmentCredentials::new(origin.clone(), "U", "P"));

    let written = password.bytes().map(|octet| format!("%{octet:02X}")).collect::<String>();
    let proxy: Proxy = format!("http://carol:{written}@proxy.example:3128").parse().expect("a proxy");
    said.debug("proxy", &proxy);
    said.debug("proxies", &Proxies::all(proxy));
    for unusable in [
        format!("http://carol:{written}@"),
        format!("ftp://carol:{written}@proxy.example"),
        format!("http://carol:%{password}@x"),
    ] {
        said.error("unusable proxy", &unusable.parse::<Proxy>().expect_err("no proxy"));
    }
    for unusable in [format!("ftp://carol:{written}@wiki.example"), format!("https://carol:{password}@")] {
        said.error("unusable origin", &unusable.parse::<Origin>().expect_err("no origin"));
    }

    let builder =
        || Authenticator::builder().credentials(origin.clone(), carol.clone()).provider(Told(carol.clone()));
    said.debug("builder", &builder());
    let authenticator = builder().build();
    said.debug("authenticator", &authenticator);
    said.debug("client builder", &LegworkClient::builder(authenticator.clone()));
    let layer =
        legwork::service::AuthenticateLayer::new(authenticator.clone(), ConnectionInfo::new(origin.clone()));
    said.debug("layer", &layer);
    said.debug("redirects", &FollowRedirectsLayer::<Full<Bytes>>::new(Redirects::default()));
    let identity: Identity = authenticator.identity();
    said.debug("identity", &identity);
    let target = Uri::from_static("/");
    let context = RequestContext::new(&Method::GET, &target, false, &SystemMoments);
    let mut handshake = Handshake::new(authenticator, Challenger::Origin, origin, None);
    said.debug("action", &handshake.begin(&identity, context));
    said.debug("handshake", &handshake);
}

/// The steps of the schemes and mechanisms themselves.
fn steps(said: &mut Said, password: &str) {
    let carol = Credentials::password("carol", password);
    let moment = || Moment::new(SystemTime::now(), [7; 32]);
    let arguments = Initiate::new("HTTP/wiki.example", carol.clone());
    said.debug("arguments", &arguments);
    for mechanism in
        [Arc::new(Ntlm::new()) as Arc<dyn Mechanism>, Arc::new(Kerberos::new().kdc("X", ["127.0.0.1:1"]))]
    {
        let job = StepJob::initiate(mechanism, arguments.clone());
        said.debug("job", &job);
        said.debug("moment", &moment());
        said.debug("stepped", &job.run(moment()));
    }
    said.debug("entropy", &Entropy::new([7; 32]));
    said.debug("nonce", &ClientNonce::new(Entropy::new([7; 32])));
    said.debug("schemes", &Schemes::default());

    let challenges = Challenges::from_value(b"Digest realm=\"lab\", nonce=\"n1\", qop=\"auth\"");
    let challenge =
        DigestChallenge::strongest(&challenges, &DigestPolicy::new()).expect("good").expect("one");
    let session = DigestSession::new(carol.clone(), DigestPolicy::new(), &challenge).expect("a session");
    let cnonce = ClientNonce::new(Entropy::new([7; 32]));
    let (authorization, sent) =
        session.authorize(&DigestRequest::new(&Method::GET, "/page", false), cnonce).expect("an answer");
    said.debug("digest challenge", &challenge);
    said.debug("digest session", &session);
    said.debug("digest sent", &sent);
    said.debug("authorization", &authorization);
    let unusable = Credentials::password("car:ol", password);
    said.error(
        "digest",
        &DigestSession::new(unusable, DigestPolicy::new(), &challenge).expect_err("a colon"),
    );

    said.debug("scram keys", &derive_keys(ScramHash::Sha256, &Secret::new(password), b"salt", 4096));
    let memory = Arc::new(ScramMemory::new());
    let mut exchange = ScramExchange::new(&Scram::new(), carol.clone(), moment(), Arc::clone(&memory));
    let challenges = Challenges::from_value(b"SCRAM-SHA-256 realm=\"lab\"");
    let step = exchange.respond(challenges.iter().next()).expect("a message");
    said.debug("scram step", &step);
    let ScramStep::Send { authorization, .. } = step else { panic!("the first message") };
    let value = authorization.into_value();
    let data = value.to_str().expect("text").rsplit("data=").next().expect("data");
    let first = BASE64_STANDARD.decode(data.trim_matches('"')).expect("base64");
    let nonce = String::from_utf8(first).expect("text").rsplit("r=").next().expect("a nonce").to_owned();
    let server_first = BASE64_STANDARD.encode(format!("r={nonce}more,s=c2FsdA==,i=4096"));
    let challenge = format!("SCRAM-SHA-256 sid=1, data={server_first}");
    let step = exchange.respond(Challenges::from_value(challenge.as_bytes()).iter().next()).expect("a step");
    said.debug("scram step", &step);
    if let ScramStep::Derive(derivation) = step {
        said.debug("derivation", &derivation);
        let client_final = derivation.run();
        said.debug("client final", &client_final);
        said.debug("scram step", &exchange.resume(client_final).expect("a message"));
    }
    said.debug("scram exchange", &exchange);
    said.debug("scram memory", &memory);
    said.error("scram", &exchange.conclude(None).expect_err("no signature"));
}

#[test]
fn no_value_says_a_secret() {
    let password = password();
    let mut said = Said::new();
    values(&mut said, &password);
    steps(&mut said, &password);
    search("values", &said, spelled(&password));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_public_type_is_asked_or_holds_nothing() {
    let mut said = Said::new();
    values(&mut said, "password/%:@+ password");
    steps(&mut said, "password/%:@+ password");
    let mut types = said.types().clone();
    for client in [Client::Hyper, Client::Layer] {
        for ending in [Ending::LoggedIn, Ending::Refused, Ending::Broken] {
            types.extend(says_nothing(Scheme::Ntlm, client, ending).await.types());
        }
    }
    types::all_are_known(&types);
}

/// A provider of the caller's own.
struct Told(Credentials);

impl CredentialsProvider for Told {
    fn credentials(&self, _: CredentialsQuery<'_>) -> legwork::credentials::CredentialsFuture {
        let carol = self.0.clone();
        Box::pin(async move { Ok(Some(carol)) })
    }
}

/// An observer that panics as soon as it is told of something.
struct Panicking;

impl Observer for Panicking {
    fn leg(&self, leg: &LegReport) {
        panic!("the observer fails at {leg:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_panic_in_what_the_caller_gave_says_no_secret() {
    for scheme in [Scheme::Basic, Scheme::Ntlm, Scheme::DigestMd5, Scheme::ScramSha256] {
        let password = password();
        let mut said = Said::new();
        let peer = Peer::start(scheme, &password, |server| server).await;
        let observed = Environment::tokio().observer(Panicking);
        let held = scheme.credentials(password.clone());
        let failing =
            credentials_fn(move |query: CredentialsQuery<'_>| -> std::future::Ready<Result<_, BoxError>> {
                panic!("the provider fails at {query:?}, which would have got {held:?}")
            });
        let asked =
            Authenticator::builder().dangerous_secrets_over_plain_http(true).provider(failing).build();
        let holding =
            scheme.authenticator(&peer.origin(), Kerberos::new(), scheme.credentials(password.clone()));
        for (authenticator, environment) in [(asked, Environment::tokio()), (holding, observed)] {
            let mut client = AnyClient::new(Client::Hyper, peer.origin(), authenticator, environment);
            let error = tokio::spawn(async move { client.send().await }).await.expect_err("it panics");
            said.error("panic", &error);
        }
        let traced = said.traced();
        assert!(
            traced.contains("the provider fails at") && traced.contains("the observer fails at"),
            "{traced}"
        );
        search("panics", &said, spelled(&password).into_iter().chain(peer.tokens()));
    }
}
