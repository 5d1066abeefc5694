//! One login, where the user has asked for it.
//!
//! A password is sent once at most: by one scheme, on one connection, and a lost connection is not made again. A proxy on
//! the way that wants a login of its own gets the proxy's password first, and if that is refused, the origin's stays here.
//! So no more than one wrong password leaves this program. A ticket is no password: if a server refuses one over TLS, it
//! is shown once more without channel bindings, which tells whether they are why.

use std::time::Duration;

use bytes::Bytes;
use http::Uri;
use http_body_util::Empty;
use legwork::channel_bindings::ChannelBindingsUse;
use legwork::client::proxy::Proxies;
use legwork::handshake::{LockoutBounds, Login, PauseCause, ProxyOutcome, Refusal, Why};
use legwork::protection_space::Challenger;
use legwork::service::{Environment, Limits, Recorder, Recording};
use legwork::{Client, Origin, Outcome};
use rustls::ClientConfig;

use crate::account::Who;
use crate::advice::{self, Advice};
use crate::doctor::facts::{Attempt, AttemptResult, Role, With};
use crate::policy::Policy;

/// What to log in at, and how.
pub(crate) struct Trial<'a> {
    pub(crate) uri: &'a Uri,
    pub(crate) origin: &'a Origin,
    pub(crate) policy: &'a Policy,
    pub(crate) proxies: Option<Proxies>,
    pub(crate) tls: ClientConfig,
    /// Whether the server speaks nothing else.
    pub(crate) http2: bool,
    /// Whether NTLM inside Negotiate is not taken there: its failure would hide that of Kerberos.
    pub(crate) without_ntlm: bool,
    /// How often it may begin again on another connection: where a challenge ends its own.
    pub(crate) restarts: u32,
    /// How many legs a login may take, where more would send the password again.
    pub(crate) max_legs: Option<u32>,
    pub(crate) timeout: Duration,
}

/// What came of it, with the words for the user where it failed.
pub(crate) struct Tried {
    pub(crate) attempt: Attempt,
    pub(crate) advice: Option<Advice>,
}

impl Trial<'_> {
    /// Logs in with these credentials.
    pub(crate) async fn run(&self, who: &Who) -> Tried {
        let with = match who {
            Who::Known(credentials) if credentials.as_ambient().is_some() => With::Ticket,
            _ => With::Password,
        };
        let mut tried = self.once(who, with, ChannelBindingsUse::WhereKnown).await;
        let is_denied = matches!(tried.attempt.result, AttemptResult::Denied | AttemptResult::Refused);
        if with == With::Ticket && is_denied && self.origin.is_secure() {
            let again = self.once(who, with, ChannelBindingsUse::Off).await;
            tried.attempt.without_channel_bindings = Some(again.attempt.result == AttemptResult::LoggedIn);
        }
        tried
    }

    async fn once(&self, who: &Who, with: With, bindings: ChannelBindingsUse) -> Tried {
        let builder =
            self.policy.authenticator(self.origin).channel_bindings(bindings).lockout_bounds(once());
        let builder = if self.without_ntlm { builder.without_ntlm() } else { builder };
        let builder = match self.max_legs {
            Some(legs) => builder.max_legs(legs),
            None => builder,
        };
        let authenticator = match who {
            Who::Nobody => builder,
            Who::Known(credentials) => builder.credentials(self.origin.clone(), credentials.clone()),
            Who::Netrc(netrc) => builder.provider(netrc.clone()),
        };
        let recorder = Recorder::new();
        let limits = Limits::default().restarts(self.restarts).leg_timeout(self.timeout);
        let client = Client::builder(authenticator.build())
            .environment(Environment::tokio().limits(limits).observer(recorder.clone()))
            .connect_timeout(self.timeout);
        let client = match &self.proxies {
            Some(proxies) => client.proxies(proxies.clone()),
            None => client,
        };
        let client = if self.http2 { client.http2() } else { client };
        let client: Client<Empty<Bytes>> = client.build_with_tls(self.tls.clone());
        let mut attempt = Attempt::new(with);
        // Nobody has given that option: it is this program that leaves NTLM out.
        let is_ours = self.without_ntlm && !self.policy.shuts_ntlm_out();
        // Legs, and a KDC, have timeouts of their own; a server that trickles one answer after the other has this one.
        let Ok(answer) = tokio::time::timeout(self.timeout * 4, client.get(self.uri.clone())).await else {
            attempt.says = Some("the login took too long".to_owned());
            return Tried { attempt, advice: None };
        };
        match answer {
            Ok(response) => {
                attempt.status = Some(response.status().as_u16());
                let extensions = response.extensions();
                let outcome = extensions.get::<Outcome>();
                let outcome =
                    outcome.or(extensions.get::<ProxyOutcome>().map(|ProxyOutcome(outcome)| outcome));
                let mut advice = attempt.note(outcome, login_in(&recorder.recording()), self.origin);
                if let Some(Outcome::Refused(refusal)) = outcome {
                    let said = advice::on_refused_answer(refusal, response.headers());
                    attempt.says = Some(said.wrong.clone());
                    advice = Some(said);
                }
                if is_ours {
                    advice = advice.map(Advice::without_ntlm);
                    attempt.says = advice.as_ref().map(|advice| advice.wrong.clone());
                }
                Tried { attempt, advice }
            }
            Err(error) => {
                let refusal = advice::refusal_behind(&error);
                let advice = match refusal {
                    Some(refusal) => attempt.refused(refusal),
                    None => advice::on_error(&error),
                };
                let advice = if is_ours { advice.without_ntlm() } else { advice };
                attempt.says = Some(advice.wrong.clone());
                Tried { attempt, advice: Some(advice) }
            }
        }
    }
}

/// A login without an answer is not made again on another connection, as the library would, once.
fn once() -> LockoutBounds {
    const LONG: Duration = Duration::from_secs(3600);
    let mut bounds = LockoutBounds::default();
    (bounds.unproven, bounds.undecided, bounds.undecided_accepted) = (1, 1, 1);
    (bounds.strong_refusals, bounds.sick_refusals, bounds.refusals) = (1, 1, 1);
    bounds.strong_pauses = vec![LONG];
    bounds.weak_pauses = vec![LONG];
    bounds.undecided_pauses = vec![LONG];
    bounds.unanswered = LONG;
    bounds
}

impl Attempt {
    fn new(with: With) -> Self {
        Self {
            with,
            user: None,
            result: AttemptResult::Undecided,
            role: None,
            status: None,
            scheme: None,
            mechanism: None,
            principal: None,
            mutual: false,
            legs: None,
            says: None,
            without_channel_bindings: None,
        }
    }

    /// Whom the login was sent to, where the library has no verdict, counts as well.
    fn note(
        &mut self,
        outcome: Option<&Outcome>,
        sent_to: Option<Challenger>,
        origin: &Origin,
    ) -> Option<Advice> {
        match outcome {
            Some(Outcome::LoggedIn(login)) => {
                self.logged_in(login);
                None
            }
            Some(Outcome::Refused(refusal)) => Some(self.refused(refusal)),
            _ => match sent_to {
                None => {
                    self.result = AttemptResult::NotAsked;
                    None
                }
                Some(challenger) => Some(self.no_verdict(challenger, origin)),
            },
        }
    }

    fn logged_in(&mut self, login: &Login) {
        self.result = AttemptResult::LoggedIn;
        self.role = Some(role(login.challenger));
        self.scheme = Some(login.scheme.to_owned());
        self.mechanism = Some(login.mechanism);
        self.principal.clone_from(&login.principal);
        self.mutual = login.mutual;
        self.legs = Some(login.legs);
    }

    fn no_verdict(&mut self, challenger: Challenger, origin: &Origin) -> Advice {
        self.role = Some(role(challenger));
        let status = self.status.unwrap_or_default();
        let who = match challenger {
            Challenger::Origin => origin.to_string(),
            Challenger::Proxy => "the proxy".to_owned(),
        };
        let advice = advice::without_verdict(&who, status);
        self.says = Some(advice.wrong.clone());
        advice
    }

    fn refused(&mut self, refusal: &Refusal) -> Advice {
        self.role = Some(role(refusal.challenger));
        self.legs = Some(refusal.legs);
        self.mutual = refusal.mutual;
        if let Some(tried) = advice::telling(refusal) {
            self.scheme = Some(tried.scheme.clone());
            self.result = result(&tried.why, self.with);
        } else {
            self.result = AttemptResult::CannotStart;
        }
        let advice = advice::on_refusal(refusal);
        self.says = Some(advice.wrong.clone());
        advice
    }
}

/// Whom a login was sent to last. NTLM's first message is none yet: nobody's name and no password is in it.
fn login_in(recording: &Recording) -> Option<Challenger> {
    let sent = recording.legs().flat_map(|leg| &leg.authorization);
    sent.filter(|token| token.kind != "NTLM NEGOTIATE").last().map(|token| token.challenger)
}

fn role(challenger: Challenger) -> Role {
    match challenger {
        Challenger::Origin => Role::Origin,
        Challenger::Proxy => Role::Proxy,
    }
}

fn result(why: &Why, with: With) -> AttemptResult {
    match why {
        Why::Refused(Some(words)) if words.contains("has expired") && with == With::Password => {
            AttemptResult::Expired
        }
        Why::Refused(Some(words)) if words.contains("locked or disabled") => AttemptResult::Locked,
        Why::Refused(_) => AttemptResult::Refused,
        Why::Denied => AttemptResult::Denied,
        Why::Paused(pause) if pause.cause == PauseCause::Locked => AttemptResult::Locked,
        Why::Undecided(_) | Why::Paused(_) => AttemptResult::Undecided,
        _ => AttemptResult::CannotStart,
    }
}
