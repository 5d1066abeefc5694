//! The lab as a test sees it: addresses, users, clients, and the server's own account of what came.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, Response, Uri, Version};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use legwork::client::ClientBuilder;
use legwork::handshake::{AuthenticatorBuilder, Login, Outcome, Refusal, Why};
use legwork::mechanism::ntlm::Ntlm;
use legwork::scheme::{Negotiate, NtlmScheme, Scheme};
use legwork::service::BoxError;
use legwork::{Authenticator, Client, Credentials, Origin};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};

pub(crate) type Body = UnsyncBoxBody<Bytes, BoxError>;
pub(crate) type LabClient = Client<Body>;

/// Where the servers are and whom they know: the lines of `tests/lab/lab info`.
struct Lab {
    values: HashMap<String, String>,
    /// How long the access log was before the tests.
    log_began: usize,
}

impl Lab {
    /// The running lab.
    fn running() -> &'static Self {
        static LAB: LazyLock<Lab> = LazyLock::new(Lab::read);
        &LAB
    }

    fn read() -> Self {
        let path =
            std::env::var("LEGWORK_LAB").expect("LEGWORK_LAB is set: start these tests with tests/run");
        let text = std::fs::read_to_string(&path)
            .unwrap_or_else(|error| panic!("LEGWORK_LAB={path} cannot be read ({error}): is the lab up?"));
        let pairs = text.lines().filter_map(|line| line.split_once('='));
        let values: HashMap<_, _> = pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
        let realm = std::env::var("KRB5_CONFIG").unwrap_or_default();
        // A test's own process, which the test has started, may have another.
        let is_lab =
            realm.contains(&values["KRB5_CONFIG"]) || std::env::var_os("LEGWORK_IAKERB_TEST").is_some();
        assert!(
            cfg!(not(unix)) || is_lab,
            "KRB5_CONFIG={realm:?} is not the lab's, {:?} (tests/lab/README.md says how to start these tests)",
            values["KRB5_CONFIG"]
        );
        let log = values.get("APACHE_ACCESS_LOG").and_then(|log| std::fs::metadata(log).ok());
        Self { values, log_began: log.map_or(0, |log| log.len() as usize) }
    }

    /// One of the lab's values, such as `APACHE_HTTP` or `NTLM_USER`.
    fn value(&self, key: &str) -> &str {
        self.values.get(key).unwrap_or_else(|| panic!("the lab has no {key} (tests/lab/lab info lists all)"))
    }
}

/// A server, most often Apache at one of its two ports.
#[derive(Clone)]
pub(crate) struct Site {
    lab: &'static Lab,
    /// `http` or `https`; in each test's assertions, to tell which of the two it was.
    pub(crate) scheme: &'static str,
    address: String,
}

/// Apache over http and over https.
pub(crate) fn sites() -> [Site; 2] {
    ["APACHE_HTTP", "APACHE_HTTPS"].map(site)
}

/// The server of this name among the lab's values.
pub(crate) fn site(key: &str) -> Site {
    let lab = Lab::running();
    let address = lab.value(key).to_owned();
    Site { lab, scheme: if address.starts_with("https:") { "https" } else { "http" }, address }
}

impl Site {
    /// The same server under another name or address.
    pub(crate) fn at_host(&self, host: &str) -> Self {
        Self { address: self.address.replace("localhost", host), ..self.clone() }
    }

    /// One of the lab's values.
    pub(crate) fn value(&self, key: &str) -> &'static str {
        self.lab.value(key)
    }

    /// How often the KDC has been given a wrong password for this user.
    pub(crate) fn passwords_refused(&self, user: &str) -> usize {
        let log = std::fs::read_to_string(self.value("KDC_LOG")).expect("the KDC's log");
        let refused = format!(" PREAUTH_FAILED: {user} for ");
        log.lines().filter(|line| line.contains(&refused)).count()
    }

    pub(crate) fn uri(&self, target: &str) -> Uri {
        format!("{}{target}", self.address).parse().expect("an absolute URI")
    }

    pub(crate) fn origin(&self) -> Origin {
        self.address.parse().expect("an origin")
    }

    /// The lab's user with the password of that name.
    pub(crate) fn credentials(&self, user: &str, password: &str) -> Credentials {
        Credentials::password(self.lab.value(user), self.lab.value(password))
    }

    /// An NTLM user.
    pub(crate) fn carol(&self) -> Credentials {
        self.credentials("NTLM_USER", "NTLM_PASSWORD")
    }

    /// Another one, whose password is not ASCII.
    pub(crate) fn dave(&self) -> Credentials {
        self.credentials("NTLM_USER_UTF8", "NTLM_PASSWORD_UTF8")
    }

    /// A user of Basic.
    pub(crate) fn user(&self) -> Credentials {
        self.credentials("BASIC_USER", "BASIC_PASSWORD")
    }

    /// Another one, whose name and password are not ASCII.
    pub(crate) fn jaeger(&self) -> Credentials {
        self.credentials("BASIC_USER_UTF8", "BASIC_PASSWORD_UTF8")
    }

    /// Carol with a password that is not hers.
    pub(crate) fn not_carol(&self) -> Credentials {
        Credentials::password(self.carol().username().expect("a name"), "not-her-pw")
    }

    /// Starts an authenticator that holds these credentials for the site.
    pub(crate) fn authenticator(&self, credentials: Credentials) -> AuthenticatorBuilder {
        builder().credentials(self.origin(), credentials)
    }

    /// The same twice: by all schemes, of which Negotiate is answered, with NTLM inside, and by NTLM
    /// alone.
    pub(crate) fn by_each_scheme(
        &self,
        credentials: Credentials,
    ) -> [(&'static str, AuthenticatorBuilder); 2] {
        let ntlm: Arc<dyn Scheme> = Arc::new(NtlmScheme::new(Ntlm::new()));
        let authenticator = || self.authenticator(credentials.clone());
        [("Negotiate", authenticator()), ("NTLM", authenticator().schemes([ntlm]))]
    }

    pub(crate) fn client(&self, credentials: Credentials) -> LabClient {
        self.client_with(self.authenticator(credentials))
    }

    /// A client that trusts the lab's authorities and nobody else.
    pub(crate) fn client_with(&self, authenticator: AuthenticatorBuilder) -> LabClient {
        self.build(Client::builder(authenticator.build()))
    }

    pub(crate) fn build(&self, client: ClientBuilder) -> LabClient {
        client.build_with_tls(self.tls())
    }

    /// Trusts the lab's authorities, and the one certificate that they sign by SHA-1.
    pub(crate) fn tls(&self) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        let authorities = CertificateDer::pem_file_iter(self.lab.value("CA_BUNDLE")).expect("a file");
        for authority in authorities {
            roots.add(authority.expect("PEM")).expect("a certificate");
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let versions = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .expect("ring knows them");
        if self.address == self.lab.value("BINDINGS_RSA1") {
            let verifier = Arc::new(SignedBySha1(provider.signature_verification_algorithms));
            return versions.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth();
        }
        versions.with_root_certificates(roots).with_no_client_auth()
    }

    /// What Apache's access log says of the connections whose requests' targets end in `?mark` and
    /// something else, once there are `at_least` so many requests. The same port may have served
    /// several of them in turn.
    pub(crate) async fn connections(&self, mark: &str, at_least: usize) -> Vec<Vec<Logged>> {
        let log = self.log_of(|line| line.mark.starts_with(mark), |log| log.len() >= at_least).await;
        let mut ports = HashMap::<_, Vec<Vec<_>>>::new();
        for line in log {
            let connections = ports.entry(line.port).or_default();
            match connections.last_mut() {
                Some(connection) if !line.is_first => connection.push(line),
                _ => connections.push(vec![line]),
            }
        }
        ports.into_values().flatten().collect()
    }

    /// What Apache's access log says of the requests whose target ends in `?mark`, once there are
    /// `at_least` so many.
    pub(crate) async fn log(&self, mark: &str, at_least: usize) -> Vec<Logged> {
        self.log_where(mark, |log| log.len() >= at_least).await
    }

    /// The same, once it is `complete`: a line is written a moment after its response.
    pub(crate) async fn log_where(&self, mark: &str, complete: impl Fn(&[Logged]) -> bool) -> Vec<Logged> {
        self.log_of(|line| line.mark == mark, complete).await
    }

    async fn log_of(
        &self,
        is_wanted: impl Fn(&Logged) -> bool,
        complete: impl Fn(&[Logged]) -> bool,
    ) -> Vec<Logged> {
        let begun = Instant::now();
        loop {
            tokio::time::sleep(Duration::from_millis(20)).await;
            let log = std::fs::read_to_string(self.lab.value("APACHE_ACCESS_LOG")).expect("an access log");
            // Behind what earlier runs have left there.
            let logged: Vec<_> =
                log[self.lab.log_began..].lines().map(Logged::parse).filter(&is_wanted).collect();
            if complete(&logged) {
                return logged;
            }
            assert!(begun.elapsed() < Duration::from_secs(10), "only {logged:?}");
        }
    }
}

/// Starts an authenticator with our own mechanisms, on Windows too.
pub(crate) fn builder() -> AuthenticatorBuilder {
    Authenticator::builder().negotiate(Negotiate::ntlm()).ntlm(NtlmScheme::new(Ntlm::new()))
}

/// Takes a certificate that is signed by SHA-1, which rustls does not verify; what the server signs
/// with its key is verified all the same.
#[derive(Debug)]
struct SignedBySha1(WebPkiSupportedAlgorithms);

impl ServerCertVerifier for SignedBySha1 {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.0)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.0)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_schemes()
    }
}

/// One request, as the access log has it.
#[derive(Debug)]
pub(crate) struct Logged {
    pub(crate) port: u16,
    /// The octets that came over the wire for it, TLS and all.
    pub(crate) octets: u64,
    /// Whether it is its connection's first.
    is_first: bool,
    pub(crate) mark: String,
    pub(crate) status: u16,
}

impl Logged {
    /// `port=49152 reused=0 in=231 GET /ntlm/?mark 401 user=-`
    fn parse(line: &str) -> Self {
        let mut fields = line.split(' ');
        let mut field = |prefix: &str| {
            let field = fields.next().and_then(|field| field.strip_prefix(prefix));
            field.unwrap_or_else(|| panic!("{line:?} has no {prefix}"))
        };
        let port = field("port=").parse().expect("a port");
        let is_first = field("reused=") == "0";
        let octets = field("in=").parse().expect("a number of octets");
        field("");
        let mark = field("").split_once('?').map_or("", |(_, mark)| mark).to_owned();
        Self { port, octets, is_first, mark, status: field("").parse().expect("a status") }
    }
}

/// The statuses in the order of the log.
pub(crate) fn statuses(log: &[Logged]) -> Vec<u16> {
    log.iter().map(|line| line.status).collect()
}

pub(crate) fn full(octets: impl Into<Bytes>) -> Body {
    Full::new(octets.into()).map_err(BoxError::from).boxed_unsync()
}

pub(crate) fn get(uri: Uri) -> Request<Body> {
    Request::get(uri).body(Body::default()).expect("a request")
}

pub(crate) fn post(uri: Uri, body: Body) -> Request<Body> {
    Request::post(uri).body(body).expect("a request")
}

/// A response that has been read to its end.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) status: u16,
    pub(crate) version: Version,
    /// `X-Remote-User`: whom the server served.
    pub(crate) user: String,
    /// `X-Peer-Port`: the connection; 0 at lighttpd, which does not say it.
    pub(crate) port: u16,
    /// `X-Delegated`: whether the user's tickets came along.
    #[cfg_attr(not(unix), expect(dead_code, reason = "there is no Kerberos but on unix"))]
    pub(crate) delegated: bool,
    /// `X-Channel-Bindings`: whether the login was `bound`.
    pub(crate) bindings: String,
    pub(crate) text: String,
    pub(crate) outcome: Option<Outcome>,
}

impl Page {
    pub(crate) async fn get(client: &Client<Body>, uri: Uri) -> Self {
        Self::of(client, get(uri)).await
    }

    pub(crate) async fn read<B>(response: Response<B>) -> Self
    where
        B: http_body::Body<Data = Bytes, Error: std::fmt::Debug>,
    {
        let (mut head, body) = response.into_parts();
        let field = |name| head.headers.get(name).map(http::HeaderValue::as_bytes).unwrap_or_default();
        let text = |octets: &[u8]| String::from_utf8(octets.to_vec()).expect("UTF-8");
        let user = text(field("x-remote-user"));
        let delegated = field("x-delegated") == b"yes";
        let bindings = text(field("x-channel-bindings"));
        let port = text(field("x-peer-port")).parse().unwrap_or_default();
        let outcome = head.extensions.remove();
        let (status, version) = (head.status.as_u16(), head.version);
        let octets = body.collect().await.expect("a body").to_bytes();
        Self { status, version, user, port, delegated, bindings, text: text(&octets), outcome }
    }

    pub(crate) fn login(&self) -> &Login {
        match &self.outcome {
            Some(Outcome::LoggedIn(login)) => login,
            _ => panic!("no login: {self:?}"),
        }
    }

    pub(crate) fn refusal(&self) -> &Refusal {
        self.refusal_by(&[401])
    }

    /// The refusal, with one of these statuses.
    pub(crate) fn refusal_by(&self, statuses: &[u16]) -> &Refusal {
        match &self.outcome {
            Some(Outcome::Refused(refusal)) if statuses.contains(&self.status) => refusal,
            _ => panic!("no refusal: {self:?}"),
        }
    }

    pub(crate) fn schemes_tried(&self) -> Vec<&str> {
        self.refusal().tried.iter().map(|tried| tried.scheme.as_str()).collect()
    }

    /// Why this scheme did not log in.
    pub(crate) fn why(&self, scheme: &str) -> &Why {
        let tried = self.refusal().tried.iter().find(|tried| tried.scheme == scheme);
        &tried.unwrap_or_else(|| panic!("{scheme} is not in {self:?}")).why
    }

    /// Reads what a client's request has come to.
    pub(crate) async fn of(client: &Client<Body>, request: Request<Body>) -> Self {
        Self::read(client.request(request).await.expect("a response")).await
    }
}
