//! Looks at each hop on the way. Nothing that is secret is sent.

use std::time::SystemTime;

use http::header::{HeaderName, HeaderValue, LOCATION, SERVER, VIA};
use http::{Method, Request, Uri, Version};
use legwork::Origin;
use legwork::protection_space::Challenger;

use crate::doctor::facts::{Failure, FailureKind, Hop, Legs, Ntlm, Role, Tls};
use crate::doctor::lane::{First, Lane, Settings};
use crate::doctor::wire::{self, Answer, Connection, H2, HTTP1, NoTls, Stream};
use crate::doctor::{certificate, clock, ntlm, offer};

type Empty = http_body_util::Empty<bytes::Bytes>;

/// What is to be looked at.
pub(crate) struct Examination<'a> {
    pub(crate) uri: &'a Uri,
    pub(crate) origin: &'a Origin,
    pub(crate) proxy: Option<&'a Origin>,
    pub(crate) settings: &'a Settings,
}

impl Hop {
    fn new(role: Role, origin: &Origin) -> Self {
        Self {
            role,
            origin: origin.to_string(),
            addresses: Vec::new(),
            reached: None,
            error: None,
            tls: None,
            protocol: None,
            status: None,
            location: None,
            server: None,
            via: None,
            clock_ahead_seconds: None,
            kept: None,
            challenge_fields: Vec::new(),
            challenges: Vec::new(),
            malformed: Vec::new(),
            proxy_support: false,
            ntlm: None,
        }
    }

    fn note(&mut self, answer: &Answer, challenger: Challenger) {
        let proxy_support = answer.headers.get_all("proxy-support");
        self.status = Some(answer.status.as_u16());
        self.protocol = Some(format!("{:?}", answer.version));
        let location = answer.field(LOCATION).filter(|_| answer.status.is_redirection());
        self.location = location.map(|location| location.split('?').next().unwrap_or_default().to_owned());
        self.server = answer.field(SERVER);
        self.via = answer.field(VIA);
        self.clock_ahead_seconds = clock::of(answer);
        self.kept = (answer.version != Version::HTTP_2).then_some(answer.kept);
        self.proxy_support = proxy_support
            .into_iter()
            .any(|value| value.as_bytes().eq_ignore_ascii_case(b"Session-Based-Authentication"));
        offer::note(self, challenger, answer);
    }
}

impl Examination<'_> {
    /// Looks at the proxy, if there is one, and at the origin as far as it can be reached.
    pub(crate) async fn run(&self) -> Vec<Hop> {
        let mut hops = Vec::new();
        let lane = match self.proxy {
            Some(proxy) => {
                let (hop, lane) = self.proxy(proxy).await;
                hops.push(hop);
                lane
            }
            None => None,
        };
        if self.proxy.is_none() || lane.is_some() {
            hops.push(self.origin(lane).await);
        }
        hops
    }

    async fn proxy(&self, proxy: &Origin) -> (Hop, Option<Lane>) {
        let mut hop = Hop::new(Role::Proxy, proxy);
        let Some(first) = self.first(&mut hop, proxy).await else { return (hop, None) };
        let to_proxy = Lane::Forward(first.clone());
        let Some(connection) = self.connection(&mut hop, &to_proxy, proxy).await else { return (hop, None) };
        match self.ask_proxy(connection).await {
            Ok((answer, is_open)) => {
                if answer.status.as_u16() == 407 || self.origin.is_secure() {
                    hop.note(&answer, Challenger::Proxy);
                }
                if answer.status.as_u16() == 407 {
                    hop.ntlm = self.ntlm(&hop, &to_proxy, Challenger::Proxy).await;
                    return (hop, None);
                }
                if !is_open && self.origin.is_secure() {
                    let says = format!("it answers {} and opens no tunnel", answer.status);
                    hop.error = Some(Failure::new(FailureKind::Tunnel, says));
                    return (hop, None);
                }
                let lane = match self.origin.is_secure() {
                    true => Lane::Tunnel(first, self.origin.clone()),
                    false => Lane::Forward(first),
                };
                (hop, Some(lane))
            }
            Err(failure) => {
                hop.error = Some(failure);
                (hop, None)
            }
        }
    }

    /// The proxy's answer to the request as a client would send it; and whether a tunnel is open.
    async fn ask_proxy(&self, mut connection: Connection) -> Result<(Answer, bool), Failure> {
        let timeout = self.settings.timeout;
        if self.origin.is_secure() {
            let (answer, tunnel) = connection.tunnel(self.origin, timeout).await?;
            return Ok((answer, tunnel.is_some()));
        }
        let answer = connection.exchange(self.request(true, None), timeout).await?;
        Ok((answer, false))
    }

    async fn origin(&self, lane: Option<Lane>) -> Hop {
        let mut hop = Hop::new(Role::Origin, self.origin);
        let lane = match lane {
            Some(lane) => lane,
            None => match self.first(&mut hop, self.origin).await {
                Some(first) => Lane::Direct(first),
                None => return hop,
            },
        };
        let Some(mut connection) = self.connection(&mut hop, &lane, self.origin).await else { return hop };
        let timeout = self.settings.timeout;
        let request = self.request_on(&connection, &lane, None);
        let mut answer = connection.exchange(request, timeout).await;
        // A server may take any protocol in the handshake, and none but HTTP/2 after it.
        let takes_http2 = hop.tls.as_ref().is_some_and(|tls| tls.http2);
        if answer.is_err() && takes_http2 && !connection.is_http2() {
            if let Ok(mut connection) = self.http2(&lane).await {
                answer = connection.exchange(self.request_on(&connection, &lane, None), timeout).await;
                if let (Ok(_), Some(tls)) = (&answer, &mut hop.tls) {
                    tls.http1 = false;
                }
            }
        }
        match answer {
            Ok(answer) => hop.note(&answer, Challenger::Origin),
            Err(failure) => hop.error = Some(failure),
        }
        if hop.tls.as_ref().is_none_or(|tls| tls.http1) {
            hop.ntlm = self.ntlm(&hop, &lane, Challenger::Origin).await;
        }
        hop
    }

    /// The first address of a host that answers.
    async fn first(&self, hop: &mut Hop, origin: &Origin) -> Option<First> {
        let timeout = self.settings.timeout;
        let found = match wire::addresses(origin.host(), origin.port(), timeout).await {
            Ok(found) => {
                hop.addresses = found.iter().map(|address| address.ip().to_string()).collect();
                wire::connect(&found, timeout).await
            }
            Err(failure) => Err(failure),
        };
        match found {
            Ok((_, address)) => {
                hop.reached = Some(address.to_string());
                Some(First { origin: origin.clone(), address })
            }
            Err(failure) => {
                hop.error = Some(failure);
                None
            }
        }
    }

    /// A connection to the end of the lane; by HTTP/1.1 where that is possible.
    async fn connection(&self, hop: &mut Hop, lane: &Lane, end: &Origin) -> Option<Connection> {
        let connection = match end.is_secure() {
            true => self.secure(hop, lane).await,
            false => lane.open(self.settings).await,
        };
        connection.map_err(|failure| hop.error = Some(failure)).ok()
    }

    async fn secure(&self, hop: &mut Hop, lane: &Lane) -> Result<Connection, Failure> {
        let settings = self.settings;
        // To a proxy this program speaks HTTP/1.1.
        let protocols: &[&[u8]] = if hop.role == Role::Proxy { &[HTTP1] } else { &[H2, HTTP1] };
        let (stream, distrust) = lane.handshake(settings, protocols).await.map_err(NoTls::into_failure)?;
        let certificate = wire::certificate(&stream);
        let session = stream.get_ref().1;
        let chosen = session.alpn_protocol().map(<[u8]>::to_vec);
        let bindings = certificate.as_deref().map(certificate::channel_bindings);
        let tls = hop.tls.insert(Tls {
            version: session.protocol_version().map(|version| {
                version.as_str().map_or_else(|| format!("{version:?}"), |name| name.replace("TLSv1_", "1."))
            }),
            certificate: certificate.as_deref().and_then(certificate::read),
            trusted: distrust.is_none(),
            distrust,
            http1: chosen.as_deref() != Some(H2),
            http2: chosen.as_deref() == Some(H2),
            channel_bindings: bindings.clone().and_then(Result::ok),
            no_channel_bindings: bindings.and_then(Result::err),
        });
        if !tls.http2 {
            return Connection::http1(Stream::new(stream), settings.timeout).await;
        }
        drop(stream);
        match lane.handshake(settings, &[HTTP1]).await {
            Ok((stream, _)) if stream.get_ref().1.alpn_protocol() != Some(H2) => {
                tls.http1 = true;
                Connection::http1(Stream::new(stream), settings.timeout).await
            }
            _ => self.http2(lane).await,
        }
    }

    async fn http2(&self, lane: &Lane) -> Result<Connection, Failure> {
        let (stream, _) = lane.handshake(self.settings, &[H2]).await.map_err(NoTls::into_failure)?;
        Connection::http2(Stream::new(stream), self.settings.timeout).await
    }

    fn request_on(
        &self,
        connection: &Connection,
        lane: &Lane,
        authorization: Option<(HeaderName, HeaderValue)>,
    ) -> Request<Empty> {
        match connection.is_http2() {
            false => self.request(lane.forwards(), authorization),
            true => wire::request(Method::GET, self.uri.clone(), None, authorization),
        }
    }

    fn request(&self, is_whole: bool, authorization: Option<(HeaderName, HeaderValue)>) -> Request<Empty> {
        let host = self.uri.authority().map(|authority| {
            // Without the user.
            authority.as_str().rsplit('@').next().unwrap_or_default().to_owned()
        });
        let target = match is_whole {
            true => self.uri.clone(),
            false => self
                .uri
                .path_and_query()
                .and_then(|path| path.as_str().parse().ok())
                .unwrap_or_else(|| Uri::from_static("/")),
        };
        wire::request(Method::GET, target, host.as_deref(), authorization)
    }

    /// Sends NTLM's first message where it may be understood.
    async fn ntlm(&self, hop: &Hop, lane: &Lane, challenger: Challenger) -> Option<Ntlm> {
        if !hop.is_challenge() || !(hop.offers("NTLM") || hop.offers("Negotiate")) {
            return None;
        }
        let message = ntlm::negotiate()?;
        let by_ntlm = ("NTLM", message.clone());
        let by_negotiate = ("Negotiate", ntlm::list(Some(&message)));
        let (scheme, token) = if hop.offers("NTLM") { by_ntlm } else { by_negotiate };
        let mut talk = Talk { examination: self, lane, challenger, scheme, connection: None };
        let begun = talk.say(&token).await?;
        let challenge = begun.token.as_deref().and_then(ntlm::challenge)?;
        let mut told = ntlm::read(challenge, scheme, SystemTime::now());
        if !begun.kept {
            told.legs = Legs::Closed;
            return Some(told);
        }
        let again = talk.say(&token).await;
        let again = again.and_then(|said| said.token);
        let Some(other) = again.as_deref().and_then(ntlm::challenge) else {
            // It remembers the first one.
            told.legs = Legs::Together;
            return Some(told);
        };
        let other = ntlm::read(other, scheme, SystemTime::now());
        told.legs = if (&other.computer, &other.dns_computer) != (&told.computer, &told.dns_computer) {
            Legs::Apart
        } else if hop.offers("Negotiate") {
            self.continued(lane, challenger, &message).await
        } else {
            Legs::PerhapsApart
        };
        Some(told)
    }

    /// Whether the server remembers the list of mechanisms that it has picked from.
    async fn continued(&self, lane: &Lane, challenger: Challenger, message: &[u8]) -> Legs {
        let scheme = "Negotiate";
        let mut talk = Talk { examination: self, lane, challenger, scheme, connection: None };
        match talk.say(&ntlm::list(None)).await {
            Some(picked) if picked.kept && picked.token.as_deref().is_some_and(ntlm::goes_on) => {}
            _ => return Legs::PerhapsApart,
        }
        let said = talk.say(&ntlm::continued(message)).await;
        match said.and_then(|said| said.token).as_deref().and_then(ntlm::challenge) {
            Some(_) => Legs::Together,
            None => Legs::Apart,
        }
    }
}

/// A handshake's legs on one connection.
struct Talk<'a> {
    examination: &'a Examination<'a>,
    lane: &'a Lane,
    challenger: Challenger,
    scheme: &'static str,
    connection: Option<Connection>,
}

struct Said {
    token: Option<Vec<u8>>,
    kept: bool,
}

impl Talk<'_> {
    async fn say(&mut self, token: &[u8]) -> Option<Said> {
        let Self { examination, lane, challenger, scheme, .. } = self;
        let settings = examination.settings;
        let connection = match &mut self.connection {
            Some(open) => open,
            none => none.insert(lane.open(settings).await.ok()?),
        };
        let value = HeaderValue::from_str(&ntlm::field_value(scheme, token)).ok()?;
        let field = Some((challenger.authorization_field(), value));
        let request = match challenger {
            Challenger::Proxy if examination.origin.is_secure() => {
                wire::connect_request(examination.origin, field).ok()?
            }
            _ => examination.request_on(connection, lane, field),
        };
        let answer = connection.exchange(request, settings.timeout).await.ok()?;
        Some(Said { token: ntlm::token(&answer, *challenger, scheme), kept: answer.kept })
    }
}
