//! What a world is made of, drawn before anything happens in it.

use std::time::Duration;

use legwork::Credentials;

use super::script::Script;

/// Which client it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Hyper,
    Legacy,
    Layer,
}

/// How it gets to the origins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    Straight,
    /// By a proxy that passes requests on, for plain http.
    Forwarded,
    /// Through a proxy by `CONNECT`.
    Tunnelled,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scheme {
    Basic,
    Digest,
    Ntlm,
    Negotiate,
    Scram,
    Bearer,
}

const OFFERS: [&[Scheme]; 12] = [
    &[Scheme::Basic],
    &[Scheme::Digest],
    &[Scheme::Ntlm],
    &[Scheme::Negotiate, Scheme::Ntlm],
    &[Scheme::Scram],
    &[Scheme::Bearer],
    &[Scheme::Ntlm, Scheme::Basic],
    &[Scheme::Digest, Scheme::Basic],
    &[Scheme::Negotiate, Scheme::Ntlm, Scheme::Digest, Scheme::Basic],
    &[Scheme::Scram, Scheme::Digest],
    &[Scheme::Negotiate],
    &[],
];

pub(super) const USERS: usize = 2;

/// An origin, or a proxy.
#[derive(Clone, Debug)]
pub(super) struct Site {
    pub(super) host: String,
    pub(super) offers: &'static [Scheme],
    pub(super) users: [User; USERS],
    /// Whether it challenges anew whatever it is shown, closes after each answer, or does both at times.
    pub(super) manner: Manner,
}

#[derive(Clone, Debug)]
pub(super) struct User {
    pub(super) name: String,
    /// The one that the client has.
    pub(super) password: String,
    pub(super) is_right: bool,
    /// From then on another one is right.
    pub(super) changes_at: Option<Duration>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manner {
    Honest,
    ChallengesForEver,
    ClosesAlways,
    /// Each answer takes this long.
    Slow(Duration),
}

/// How the requests know who they are from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Holder {
    /// Each request has credentials of its own.
    Requests,
    /// The authenticator has those of the first user of each site.
    Authenticator,
    /// The same, by a provider.
    Provider,
}

#[derive(Clone, Debug)]
pub(super) struct Setting {
    pub(super) kind: Kind,
    pub(super) way: Way,
    pub(super) http2: bool,
    pub(super) is_secure: bool,
    /// Whether secrets may be shown where it is not.
    pub(super) is_daring: bool,
    pub(super) origins: Vec<Site>,
    pub(super) proxy: Option<Site>,
    pub(super) holder: Holder,
    pub(super) follows: bool,
    pub(super) places: usize,
    pub(super) tasks: usize,
    pub(super) requests: usize,
    /// How often something goes wrong, of 256.
    pub(super) odds: u8,
    pub(super) gives_up: bool,
    pub(super) buffer: usize,
}

impl Setting {
    pub(super) fn draw(script: &Script) -> Self {
        let kind = script.choose(&[Kind::Hyper, Kind::Legacy, Kind::Layer, Kind::Hyper]);
        let ways: &[Way] = match kind {
            Kind::Hyper => &[Way::Straight, Way::Forwarded, Way::Tunnelled],
            Kind::Legacy => &[Way::Straight, Way::Tunnelled],
            Kind::Layer => &[Way::Straight],
        };
        let way = script.choose(ways);
        let http2 = kind == Kind::Hyper && way != Way::Forwarded && script.yes();
        // A scheme that is not secure cannot agree on HTTP/2.
        let is_secure = http2 || (way != Way::Forwarded && !script.yes());
        let odds = script.choose(&[0, 8, 32, 32, 96]);
        let lasts = odds > 0;
        let origins =
            (0..1 + script.below(2)).map(|at| Site::draw(script, &format!("origin{at}.test"), lasts));
        let origins: Vec<_> = origins.collect();
        let proxy = (way != Way::Straight).then(|| Site::draw(script, "proxy.test", lasts));
        Self {
            kind,
            way,
            http2,
            is_secure,
            is_daring: script.yes(),
            origins,
            proxy,
            holder: script.choose(&[Holder::Requests, Holder::Authenticator, Holder::Provider]),
            follows: kind != Kind::Layer && script.yes(),
            places: 1 + script.below(3),
            tasks: 1 + script.below(4),
            requests: 1 + script.below(4),
            odds,
            gives_up: lasts && script.yes(),
            // The settings of HTTP/2 are written by both before either reads.
            buffer: script.choose(&[4096, 65_536, 64, 1]).max(if http2 { 1_024 } else { 1 }),
        }
    }

    /// All sites, the proxy last.
    pub(super) fn sites(&self) -> impl Iterator<Item = &Site> {
        self.origins.iter().chain(&self.proxy)
    }

    pub(super) fn url(&self, site: usize, path: &str) -> String {
        let scheme = if self.is_secure { "https" } else { "http" };
        format!("{scheme}://{}{path}", self.origins[site].host)
    }

    /// Whether connections take few octets at a time, so that many of them cost much.
    pub(super) fn is_narrow(&self) -> bool {
        self.buffer < 1_024
    }

    /// Whether nothing goes wrong that the client could not be told of.
    pub(super) fn is_calm(&self) -> bool {
        self.odds == 0
    }
}

impl Site {
    fn draw(script: &Script, host: &str, lasts: bool) -> Self {
        let offers = script.choose(&OFFERS);
        let user = |number: usize| User {
            // Long enough to be in nothing else.
            name: format!("user{number}-of-{host}"),
            password: format!("secret{number}-of-{host}"),
            is_right: !script.happens(64),
            changes_at: (lasts && script.happens(32)).then(|| script.choose(&Self::CHANGES)),
        };
        let users = [user(0), user(1)];
        let manner = match lasts && script.happens(64) {
            false => Manner::Honest,
            true => script.choose(&[
                Manner::ChallengesForEver,
                Manner::ClosesAlways,
                Manner::Slow(Duration::from_secs(3)),
                Manner::Slow(Duration::from_secs(7)),
            ]),
        };
        Self { host: host.to_owned(), offers, users, manner }
    }

    const CHANGES: [Duration; 3] =
        [Duration::from_secs(1), Duration::from_secs(20), Duration::from_secs(400)];

    /// What the client has of a user.
    pub(super) fn credentials(&self, user: usize) -> Credentials {
        let User { name, password, .. } = &self.users[user];
        match self.offers {
            [Scheme::Bearer] => Credentials::bearer_token(password.clone()),
            _ => Credentials::password(name.clone(), password.clone()),
        }
    }

    /// Whether a right password gets in.
    pub(super) fn lets_in(&self, may_show: bool, shares_connections: bool) -> bool {
        self.offers.is_empty()
            || self.offers.iter().any(|scheme| match scheme {
                Scheme::Basic | Scheme::Bearer => may_show,
                Scheme::Digest | Scheme::Scram => true,
                Scheme::Ntlm | Scheme::Negotiate => !shares_connections,
            })
    }
}
