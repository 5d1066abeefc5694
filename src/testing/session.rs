//! One connection's conversation: a request in, an answer out.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use http::header::{self, HeaderName, HeaderValue};
use http::{Request, Response, StatusCode, Uri, request};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use tokio::sync::watch;

use super::activity::Activity;
use super::answer::{PlannedAnswer, announce, challenges, refusal, sent_challenges, served, with_token};
use super::body::AnswerBody;
use super::guard::{Decision, Guard, Hearing, Rules};
use super::judge::Presentation;
use super::open::OpenConnection;
use super::page::Page;
use super::quirk::{Admission, Close, Effects, Facts, RefusalTiming, Version};
use super::report::{Leg, SeenAuthorization, Verdict};
use super::shared::{Command, ServerState};
use super::token::Presented;
use super::tunnel::TunnelEnd;
use super::upgraded::{echo, leave_to};
use super::wire::Trickle;
use crate::protection_space::Challenger;
use crate::service::{BoxError, origin_form};

const X_CONNECTION: HeaderName = HeaderName::from_static("x-connection");
const X_LEG: HeaderName = HeaderName::from_static("x-leg");
const X_BODY_OCTETS: HeaderName = HeaderName::from_static("x-body-octets");

/// The server's side of one connection.
pub(super) struct Session {
    shared: Arc<ServerState>,
    connection: usize,
    open: Arc<OpenConnection>,
    activity: Arc<Activity>,
    trickle: Trickle,
    commands: watch::Receiver<Command>,
    guards: Mutex<Guards>,
}

#[derive(Default)]
struct Guards {
    origin: Guard,
    proxy: Guard,
}

impl Guards {
    fn of(&mut self, challenger: Challenger) -> &mut Guard {
        match challenger {
            Challenger::Origin => &mut self.origin,
            Challenger::Proxy => &mut self.proxy,
        }
    }
}

/// The connection, or the stream, ends without an answer.
#[derive(Debug)]
pub(super) struct Unanswered(Option<BoxError>);

impl fmt::Display for Unanswered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the script leaves this request without an answer")
    }
}

impl std::error::Error for Unanswered {
    /// hyper looks here for the reason of the reset.
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.as_ref().map(|reason| &**reason as _)
    }
}

impl Session {
    pub(super) fn new(
        open: Arc<OpenConnection>,
        activity: Arc<Activity>,
        trickle: Trickle,
        commands: watch::Receiver<Command>,
    ) -> Self {
        let (shared, connection) = (open.shared.clone(), open.number);
        Self { shared, connection, open, activity, trickle, commands, guards: Mutex::default() }
    }

    /// Receives, decides, reports, waits, answers.
    pub(super) async fn serve(&self, request: Request<Incoming>) -> Result<Response<AnswerBody>, Unanswered> {
        let answering = self.activity.answering();
        let (mut head, body) = request.into_parts();
        let upgrade = head.extensions.remove::<OnUpgrade>();
        if head.version == http::Version::HTTP_2 {
            // Its absolute form is not a proxy's.
            head.uri = origin_form(&head.uri);
        }
        let leg = self.shared.recorder.began(self.connection, |number| seen(number, &head));
        let effects = self.shared.script.effects(&Facts {
            connection: self.connection,
            leg,
            method: &head.method,
            path: head.uri.path(),
        });

        let (mut answer, body_octets) = self.receive(&head, body, &effects, leg).await;
        match &mut answer {
            PlannedAnswer::Page { page: page @ Page::Tunnel, .. } => match self.tunnel(&head.uri).await {
                Ok(tunnel) => {
                    let upgrade = upgrade.expect("hyper lets every CONNECT upgrade");
                    tunnel.carry(upgrade, self.open.clone(), self.commands.clone());
                }
                Err(status) => *page = Page::Status(status),
            },
            PlannedAnswer::Page { page: page @ Page::Upgrade, fields, .. } => match upgrade {
                Some(upgrade) => {
                    fields.extend(switching(&head));
                    leave_to(upgrade, self.open.clone(), self.commands.clone(), echo);
                }
                None => *page = Page::Status(StatusCode::UPGRADE_REQUIRED),
            },
            PlannedAnswer::Page { .. } | PlannedAnswer::Refusal { .. } => {}
        }
        // After the decision, which is what a test waits for, and before anything of the answer.
        for gate in &effects.gates {
            gate.pass().await;
        }
        if effects.close == Some(Close::WithoutAnswer) {
            return Err(Unanswered(None));
        }
        #[cfg(feature = "http2")]
        if let Some(reset) = effects.reset {
            return Err(Unanswered(Some(h2::Error::from(h2::Reason::from(reset)).into())));
        }
        if let Some(pause) = effects.trickle {
            self.trickle.arm(pause);
        }
        if effects.close == Some(Close::Unannounced) || effects.version == Version::Http10 {
            answering.ends_the_connection();
        }
        let mut response = match answer {
            PlannedAnswer::Refusal { challenger, challenges, fields } => {
                let text = "The request lacks credentials that would do.\n";
                let body = AnswerBody::refusal(effects.refusal_body.clone(), text, answering);
                refusal(challenger, &challenges, fields, effects.challenges, body)
            }
            PlannedAnswer::Page { page: page @ (Page::Tunnel | Page::Upgrade), user, fields } => {
                served(page.status(), user, fields, AnswerBody::whole("", answering))
            }
            PlannedAnswer::Page { page, user, fields } => {
                let text = self.shared.page.clone();
                let (connection, name) = (self.connection, user.as_deref().unwrap_or("nobody"));
                let text = text.unwrap_or_else(|| {
                    format!("{name} on connection {connection}, leg {leg}, {body_octets} octets\n").into()
                });
                served(page.status(), user, fields, AnswerBody::whole(text, answering))
            }
        };
        // The report is complete before the client sees the answer, so that a test can look at it at once.
        self.finish(&mut response, leg, body_octets, &effects);
        Ok(response)
    }

    async fn tunnel(&self, target: &Uri) -> Result<TunnelEnd, StatusCode> {
        match self.shared.tunnels {
            true => TunnelEnd::to(target).await,
            false => Err(StatusCode::NOT_IMPLEMENTED),
        }
    }

    /// Reads the content and decides, or the other way round; gives the octets read by then.
    async fn receive(
        &self,
        head: &request::Parts,
        body: Incoming,
        effects: &Effects,
        leg: usize,
    ) -> (PlannedAnswer, u64) {
        let reading = count(body, self.shared.clone(), self.connection, leg);
        match effects.refusal {
            RefusalTiming::AfterTheBody => {
                let (octets, content) = reading.await;
                (self.decide(head, effects, leg, &content), octets)
            }
            RefusalTiming::Early => match self.decide(head, effects, leg, b"") {
                page @ PlannedAnswer::Page { .. } => (page, reading.await.0),
                refusal @ PlannedAnswer::Refusal { .. } => {
                    // Reading would send `100 Continue`, to which the refusal is the alternative.
                    if !head.headers.contains_key(header::EXPECT) {
                        tokio::spawn(reading);
                    }
                    (refusal, 0)
                }
            },
        }
    }

    /// Whether the request gets in; no IO from here on.
    fn decide(&self, head: &request::Parts, effects: &Effects, leg: usize, content: &[u8]) -> PlannedAnswer {
        let page = Page::of(&head.method, head.uri.path());
        let (mut user, mut fields) = (None, Vec::new());
        if effects.admission == Admission::Everyone || page == Page::Public {
            return PlannedAnswer::Page { page, user, fields };
        }

        // A proxy passes it on in another form.
        let passed_on = origin_form(&head.uri);
        let mut guards = self.guards.lock().unwrap_or_else(PoisonError::into_inner);
        let mut last = None;
        for challenger in self.shared.challengers(&head.uri) {
            let offers = self.shared.offers(challenger);
            let field = head.headers.get(challenger.authorization_field());
            let rules = Rules {
                offers,
                users: &self.shared.users,
                effects,
                acceptor: &|offer| self.shared.acceptor(offer),
                request: head,
                target: match challenger {
                    Challenger::Proxy => &head.uri,
                    Challenger::Origin => &passed_on,
                },
                content,
            };
            let Hearing { decision, seen } = guards.of(challenger).hear(field, &rules);
            if seen.is_some() {
                self.report(leg, challenger, seen);
            }
            let challenges = match decision {
                Decision::Admit { user: name, proof } => {
                    user = Some(name);
                    guards.of(challenger).leave(effects.persistence.or(proof.persistence()));
                    last = Some((challenger, announce(challenger, proof, offers, effects, &mut fields)));
                    continue;
                }
                Decision::Continue(token) => match with_token(offers, &token, effects.challenge_fault) {
                    Some(challenge) => vec![challenge],
                    None => challenges(offers, None),
                },
                Decision::Demand(token) => {
                    let told =
                        token.and_then(|token| Some((token.offer, vec![with_token(offers, &token, None)?])));
                    challenges(offers, told)
                }
                Decision::Challenge { challenge } => vec![challenge],
                Decision::Reject => {
                    return PlannedAnswer::Page {
                        page: Page::Status(StatusCode::BAD_REQUEST),
                        user: None,
                        fields,
                    };
                }
                Decision::Tell { offer, challenges: told } => challenges(offers, Some((offer, told))),
            };
            // What a proxy that is content says of its login; a token among the challenges would be taken for its refusal.
            fields.retain(|(name, _)| *name == Challenger::Proxy.info_field());
            return PlannedAnswer::Refusal { challenger, challenges, fields };
        }
        let denied = page == Page::Denied || effects.admission == Admission::NobodyAnyMore;
        if let (true, Some((challenger, token))) = (denied, last) {
            return PlannedAnswer::Refusal {
                challenger,
                challenges: challenges(self.shared.offers(challenger), token),
                fields: Vec::new(),
            };
        }
        self.shared.recorder.on_leg(self.connection, leg, |leg| leg.user.clone_from(&user));
        PlannedAnswer::Page { page, user, fields }
    }

    fn report(&self, leg: usize, challenger: Challenger, seen: Option<SeenAuthorization>) {
        self.shared.recorder.on_leg(self.connection, leg, |leg| match challenger {
            Challenger::Origin => leg.authorization = seen,
            Challenger::Proxy => leg.proxy_authorization = seen,
        });
    }

    /// What all answers have in common, and the report.
    fn finish(&self, response: &mut Response<AnswerBody>, leg: usize, body_octets: u64, effects: &Effects) {
        if effects.version == Version::Http10 {
            *response.version_mut() = http::Version::HTTP_10;
        }
        let fields = response.headers_mut();
        fields.insert(X_CONNECTION, self.connection.into());
        fields.insert(X_LEG, leg.into());
        fields.insert(X_BODY_OCTETS, body_octets.into());
        if effects.close == Some(Close::Announced) {
            fields.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        for (name, value) in &effects.fields {
            fields.append(name, value.clone());
        }
        let challenges = sent_challenges(response.headers());
        self.shared.recorder.on_leg(self.connection, leg, |leg| {
            (leg.status, leg.challenges) = (Some(response.status()), challenges);
        });
    }
}

/// The fields that name the protocol which the connection changes to: the one asked for.
fn switching(head: &request::Parts) -> [(HeaderName, String); 2] {
    let protocol = head.headers.get(header::UPGRADE).and_then(|value| value.to_str().ok());
    [(header::CONNECTION, "upgrade".to_owned()), (header::UPGRADE, protocol.unwrap_or_default().to_owned())]
}

/// A request as the report has it, without what is secret in it.
fn seen(number: usize, head: &request::Parts) -> Leg {
    let mut headers = head.headers.clone();
    for challenger in [Challenger::Origin, Challenger::Proxy] {
        headers.remove(challenger.authorization_field());
    }
    // Until somebody looks at it.
    let ignored = |challenger: Challenger| {
        let field = head.headers.get(challenger.authorization_field())?;
        Some(SeenAuthorization::new(&Presented::parse(field), Verdict::Ignored))
    };
    let length = head.headers.get(header::CONTENT_LENGTH);
    Leg {
        number,
        method: head.method.clone(),
        target: head.uri.to_string(),
        version: head.version,
        headers,
        authorization: ignored(Challenger::Origin),
        proxy_authorization: ignored(Challenger::Proxy),
        content_length: length.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()),
        body_octets: 0,
        status: None,
        challenges: Vec::new(),
        user: None,
    }
}

/// Reads a request's content and keeps its length; of the content its beginning, if a judge wants to
/// see it.
async fn count(
    mut body: Incoming,
    shared: Arc<ServerState>,
    connection: usize,
    leg: usize,
) -> (u64, Vec<u8>) {
    let (mut total, mut content) = (0, Vec::new());
    let kept = if shared.has_judge() { Presentation::MAX_CONTENT } else { 0 };
    while let Some(Ok(frame)) = body.frame().await {
        let data = frame.data_ref().map_or(&[][..], |data| data);
        content.extend_from_slice(&data[..data.len().min(kept - content.len())]);
        let octets = data.len() as u64;
        total += octets;
        shared.recorder.on_leg(connection, leg, |leg| leg.body_octets += octets);
    }
    (total, content)
}
