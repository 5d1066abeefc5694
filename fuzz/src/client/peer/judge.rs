//! What an honest server makes of credentials; and whether it should have got to see them.

use std::sync::Arc;
use std::time::UNIX_EPOCH;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http::{HeaderMap, HeaderValue, Method, Uri};
use legwork::mechanism::Mechanism;
use legwork::mechanism::ntlm::Ntlm;
use legwork::protection_space::Challenger;
use legwork::testing::{
    Accept, Acceptor, DigestAcceptor, Judge, Judgement, Presentation, ScramAcceptor, Users,
};
use legwork::unversioned::testing::{
    AuthenticateMessage, DigestVerdict, NtlmAcceptor, PresentedDigest, SpnegoAcceptor,
};

use super::super::setting::{Holder, Scheme, Site, USERS};
use super::super::stage::{Stage, Text};
use super::Peers;

/// What an honest server knows, on all of its connections.
pub(super) struct Honest {
    /// Whose passwords have changed.
    changed: [bool; USERS],
    users: Arc<Users>,
    digest: DigestAcceptor,
    scram: ScramAcceptor,
    challenges: u64,
    /// Whose logins by SCRAM are under way, by their `sid`.
    sids: Vec<(String, usize)>,
}

impl Honest {
    pub(super) fn new(site: &Site) -> Self {
        Self::knowing(site, [false; USERS])
    }

    fn knowing(site: &Site, changed: [bool; USERS]) -> Self {
        let mut users = Users::new();
        let mut digest = DigestAcceptor::new(&site.host);
        for (user, changed) in site.users.iter().zip(changed) {
            let is_right = user.is_right && !changed;
            let password = if is_right { user.password.clone() } else { "another".to_owned() };
            users = users.with(&user.name, password.clone());
            digest = digest.user(&user.name, password);
        }
        let users = Arc::new(users);
        let scram = ScramAcceptor::new(Arc::clone(&users), &site.host, [7; 32]).iterations(2);
        Self { changed, users, digest, scram, challenges: 0, sids: Vec::new() }
    }

    /// Passwords change in time.
    fn look_at_the_clock(&mut self, site: &Site, stage: &Stage) {
        let now = stage.now();
        let changed = std::array::from_fn(|user| site.users[user].changes_at.is_some_and(|at| at <= now));
        if changed != self.changed {
            *self = Self::knowing(site, changed);
        }
    }

    /// Whether the password that the client has of a user is right.
    fn knows(&self, site: &Site, user: usize) -> bool {
        let user = &site.users[user];
        self.users.password("", &user.name) == Some(user.password.as_str())
    }

    /// The challenges of each scheme.
    pub(super) fn challenges(&self, site: &Site, is_stale: bool) -> Vec<String> {
        let realm = &site.host;
        let now = tokio::time::Instant::now().into_std();
        let of = |scheme: &Scheme| match scheme {
            Scheme::Basic => vec![format!("Basic realm=\"{realm}\"")],
            Scheme::Bearer => vec![format!("Bearer realm=\"{realm}\"")],
            Scheme::Digest => self.digest.challenges(is_stale, now),
            Scheme::Scram => self.scram.challenges(),
            Scheme::Ntlm => vec!["NTLM".to_owned()],
            Scheme::Negotiate => vec!["Negotiate".to_owned()],
        };
        site.offers.iter().flat_map(of).collect()
    }
}

/// A request, as far as it is judged.
pub(super) struct Request<'a> {
    pub(super) method: &'a Method,
    /// The target as on the request line.
    pub(super) target: &'a str,
    pub(super) headers: &'a HeaderMap,
    pub(super) body: &'a [u8],
}

/// What one challenger knows of one connection.
#[derive(Default)]
pub(super) struct Login {
    acceptor: Option<Box<dyn Acceptor>>,
    user: Option<usize>,
}

/// What is to be answered.
pub(super) enum Verdict {
    /// Served as this user, or as anybody; with fields.
    Served(Option<usize>, Vec<(String, String)>),
    /// Challenged; with fields beside the challenges.
    Refused(Vec<String>, Vec<(String, String)>),
    Unreadable,
}

impl Verdict {
    /// With more fields.
    pub(super) fn with(mut self, more: Vec<(String, String)>) -> Self {
        match &mut self {
            Self::Served(_, fields) | Self::Refused(_, fields) => fields.extend(more),
            Self::Unreadable => {}
        }
        self
    }
}

/// What credentials came to.
enum Outcome {
    Accepted(usize, Vec<(String, String)>),
    /// Of whom, if that is known, and whether the password was at fault.
    Refused(Option<usize>, bool, Option<Vec<String>>),
    Continued(Vec<String>),
    Unreadable,
}

impl Peers {
    /// What `site` makes of a request on a connection that it knows this of.
    pub(super) fn judge(
        &self,
        site: usize,
        challenger: Challenger,
        login: &mut Login,
        request: &Request<'_>,
    ) -> Verdict {
        let described = self.site(site);
        let mut honest = self.peers[site].honest.lock().expect("nobody panics");
        honest.look_at_the_clock(described, &self.stage);
        let mut fields = request.headers.get_all(challenger.authorization_field()).iter();
        let field = fields.next();
        if fields.next().is_some() {
            self.stage.wrong("two fields of credentials");
        }
        let path_is_open = challenger == Challenger::Origin && is_open(request.target);
        let refused = |honest: &Honest| Verdict::Refused(honest.challenges(described, false), Vec::new());
        let Some(field) = field else {
            login.acceptor = None;
            return match login.user {
                _ if path_is_open || described.offers.is_empty() => Verdict::Served(None, Vec::new()),
                Some(user) => Verdict::Served(Some(user), Vec::new()),
                None => refused(&honest),
            };
        };
        self.stage.note(|| format!("  {challenger:?}'s: {:.150}", field.to_str().unwrap_or_default()));
        let outcome = self.hear(site, challenger, &mut honest, login, request, field);
        if path_is_open || described.offers.is_empty() {
            return Verdict::Served(None, Vec::new());
        }
        match outcome {
            Outcome::Accepted(user, fields) => {
                self.stage.state().records.entry((site, user)).or_default().accepted += 1;
                Verdict::Served(Some(user), fields)
            }
            Outcome::Refused(user, by_password, challenges) => {
                login.user = None;
                if let (Some(user), true) = (user, by_password) {
                    let now = self.stage.now();
                    self.stage.note(|| format!("a wrong password of {}", described.users[user].name));
                    self.stage.state().records.entry((site, user)).or_default().wrong.push(now);
                }
                challenges.map_or_else(|| refused(&honest), |told| Verdict::Refused(told, Vec::new()))
            }
            Outcome::Continued(challenges) => Verdict::Refused(challenges, Vec::new()),
            Outcome::Unreadable => Verdict::Unreadable,
        }
    }

    fn hear(
        &self,
        site: usize,
        challenger: Challenger,
        honest: &mut Honest,
        login: &mut Login,
        request: &Request<'_>,
        field: &HeaderValue,
    ) -> Outcome {
        let described = self.site(site);
        let Ok(text) = field.to_str() else { return Outcome::Unreadable };
        let (scheme, token) = text.split_once(' ').unwrap_or((text, ""));
        let user_of = |octets: &[u8]| {
            let text = Text::of(octets);
            described.users.iter().position(|user| text.contains(&user.name))
        };
        match scheme {
            "Basic" => {
                let Ok(pair) = BASE64_STANDARD.decode(token) else { return Outcome::Unreadable };
                self.may_be_shown(site, Scheme::Basic);
                let Some(user) = user_of(&pair) else { return Outcome::Refused(None, false, None) };
                let name = &described.users[user].name;
                let right = honest.users.password("", name).map(|password| format!("{name}:{password}"));
                match right.is_some_and(|right| right.as_bytes() == pair) {
                    true => Outcome::Accepted(user, Vec::new()),
                    false => Outcome::Refused(Some(user), true, None),
                }
            }
            "Bearer" => {
                self.may_be_shown(site, Scheme::Bearer);
                let user = described.users.iter().position(|user| user.password == token);
                let is_right = user.is_some_and(|user| honest.knows(described, user));
                match user {
                    Some(user) if is_right => Outcome::Accepted(user, Vec::new()),
                    user => Outcome::Refused(user, true, None),
                }
            }
            "Digest" => {
                let now = tokio::time::Instant::now().into_std();
                let presented =
                    PresentedDigest::new(request.method, request.target, field).with_content(request.body);
                match honest.digest.judge(&presented, now) {
                    DigestVerdict::Accepted(accepted) => {
                        let Some(user) = user_of(accepted.user().as_bytes()) else {
                            return Outcome::Unreadable;
                        };
                        let info = accepted.info(b"");
                        let info = info.map(|info| (challenger.info_field().to_string(), info));
                        Outcome::Accepted(user, info.into_iter().collect())
                    }
                    DigestVerdict::Stale => {
                        Outcome::Refused(None, false, Some(honest.challenges(described, true)))
                    }
                    DigestVerdict::Unreadable => Outcome::Unreadable,
                    DigestVerdict::Refused { why } => {
                        let user = user_of(text.as_bytes());
                        let by_password = user.is_some_and(|user| !honest.knows(described, user));
                        self.stage.note(|| format!("Digest refused: {why}"));
                        Outcome::Refused(user, by_password, None)
                    }
                }
            }
            "SCRAM-SHA-256" => {
                let target: Uri = request.target.parse().unwrap_or_default();
                let presentation = Presentation::new(token, field, request.method, &target, request.body);
                match honest.scram.judge(&presentation) {
                    Judgement::Accepted { user, info } => {
                        let Some(user) = user_of(user.as_bytes()) else { return Outcome::Unreadable };
                        let info = info.map(|info| (challenger.info_field().to_string(), info));
                        Outcome::Accepted(user, info.into_iter().collect())
                    }
                    Judgement::Continued { challenge } => {
                        let first = quoted(token, "data").and_then(|data| BASE64_STANDARD.decode(data).ok());
                        let user = first.and_then(|first| user_of(&first));
                        honest.sids.extend(quoted(&challenge, "sid").map(str::to_owned).zip(user));
                        Outcome::Continued(vec![challenge])
                    }
                    Judgement::Refused { why, challenges } => {
                        self.stage.note(|| format!("SCRAM refused: {why}"));
                        let sid = quoted(token, "sid");
                        let known = honest.sids.iter().find(|(known, _)| Some(known.as_str()) == sid);
                        let user = known.map(|(_, user)| *user);
                        let by_password = user.is_some_and(|user| !honest.knows(described, user));
                        Outcome::Refused(user, by_password, challenges)
                    }
                    Judgement::Unreadable => Outcome::Unreadable,
                }
            }
            "NTLM" | "Negotiate" => {
                let Ok(octets) = BASE64_STANDARD.decode(token) else { return Outcome::Unreadable };
                let kind = ntlm(&octets).map(|message| message[8]);
                if kind == Some(1) || login.acceptor.is_none() {
                    honest.challenges += 1;
                    let ntlm = NtlmAcceptor::new(
                        Arc::clone(&honest.users),
                        honest.challenges.to_be_bytes(),
                        UNIX_EPOCH,
                    );
                    login.acceptor = Some(match scheme {
                        "NTLM" => Box::new(ntlm),
                        _ => Box::new(SpnegoAcceptor::new(Ntlm::new().oid(), Box::new(ntlm))),
                    });
                }
                let message = ntlm(&octets).and_then(|message| AuthenticateMessage::parse(message).ok());
                let user = message.as_ref().and_then(|message| user_of(message.user().as_bytes()));
                let Some(mut acceptor) = login.acceptor.take() else { return Outcome::Unreadable };
                let challenge = |token: Vec<u8>| format!("{scheme} {}", BASE64_STANDARD.encode(token));
                match acceptor.step(&octets) {
                    Accept::Continue(token) => {
                        login.acceptor = Some(acceptor);
                        Outcome::Continued(vec![challenge(token)])
                    }
                    Accept::Accepted { user, token, .. } => {
                        let Some(user) = user_of(user.as_bytes()) else { return Outcome::Unreadable };
                        login.user = Some(user);
                        let token =
                            token.map(|token| (challenger.challenge_field().to_string(), challenge(token)));
                        Outcome::Accepted(user, token.into_iter().collect())
                    }
                    Accept::Refused { why, token } => {
                        self.stage.note(|| format!("NTLM refused: {why}"));
                        let by_password = user.is_some_and(|user| !honest.knows(described, user));
                        Outcome::Refused(user, by_password, token.map(|token| vec![challenge(token)]))
                    }
                }
            }
            other => {
                self.stage.wrong(format!("credentials by {other}"));
                Outcome::Unreadable
            }
        }
    }

    /// Nobody is served as somebody else.
    pub(super) fn check_user(&self, site: usize, headers: &HeaderMap, verdict: &Verdict) {
        let Verdict::Served(Some(user), _) = verdict else { return };
        let told = headers.get("x-as").and_then(|value| value.to_str().ok()?.split_once('-'));
        let Some((own_site, own_user)) = told else { return };
        let setting = self.stage.setting();
        let is_own = own_site == site.to_string() && own_user == user.to_string();
        // By a redirect, it is whoever the authenticator has.
        let is_everybodys = setting.holder != Holder::Requests && *user == 0;
        if !is_own && !(is_everybodys && (setting.follows || own_user == "0")) {
            self.stage.wrong(format!("a request of {own_site}-{own_user} is served as {site}-{user}"));
        }
    }

    /// A scheme that shows the secret has to have been offered, to whom may see it.
    fn may_be_shown(&self, site: usize, scheme: Scheme) {
        let setting = self.stage.setting();
        let is_secure = setting.is_secure && !self.is_proxy(site);
        if !is_secure && !setting.is_daring {
            self.stage.wrong(format!("{scheme:?} over plain http"));
        }
    }

    /// Nobody sees what is for somebody else.
    pub(super) fn look_for_secrets(&self, site: usize, head: &[u8], request: &Request<'_>) {
        let proxy = self.stage.setting().origins.len();
        let mut others = Vec::new();
        for (name, value) in request.headers {
            let own = match name.as_str() {
                "authorization" => Some(site),
                "proxy-authorization" => Some(proxy),
                _ => None,
            };
            let value = value.as_bytes();
            others.extend(self.stage.foreign(own, value));
            let tokens = value.split(|octet| !(octet.is_ascii_alphanumeric() || b"+/=".contains(octet)));
            let decoded = tokens.filter_map(|token| BASE64_STANDARD.decode(token).ok());
            others.extend(decoded.filter_map(|octets| self.stage.foreign(own, &octets)));
        }
        others.extend(self.stage.foreign(None, request.target.as_bytes()));
        others.extend(self.stage.foreign(None, request.body));
        // By each scheme but two, the password stays at home.
        let shows = request.headers.iter().any(|(name, value)| {
            name.as_str().ends_with("authorization") && (value.as_bytes().starts_with(b"Bearer "))
        });
        let head = Text::of(head);
        let passwords = self.stage.setting().sites().flat_map(|site| &site.users).map(|user| &user.password);
        others.extend(passwords.filter(|password| !shows && head.contains(password)).cloned());
        for other in others {
            self.stage.wrong(format!("{other} is told to {}", self.site(site).host));
        }
    }
}

/// Whether anybody may have it.
pub(super) fn is_open(target: &str) -> bool {
    target.ends_with("/open")
}

/// The value of a parameter in quotes.
fn quoted<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(&format!("{name}=\""))?;
    rest.split_once('"').map(|(value, _)| value)
}

/// The NTLM message in a token, bare or within SPNEGO.
fn ntlm(octets: &[u8]) -> Option<&[u8]> {
    let at = octets.windows(8).position(|window| window == b"NTLMSSP\0")?;
    octets.get(at..).filter(|message| message.len() > 12)
}
