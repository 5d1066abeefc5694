//! What a request is answered with, and what goes wrong with it.

use std::fmt;
use std::time::Duration;

use h2::Reason;
use http::Method;
use legwork::protection_space::Challenger;

use super::super::setting::{Manner, Way};
use super::Peers;
use super::judge::Verdict;

/// No answer takes longer, from the request's last octet to its own.
pub(in super::super) const LONGEST: Duration = Duration::from_secs(45);

/// An answer, before it is octets.
pub(super) struct Answer {
    pub(super) pause: Duration,
    pub(super) interim: usize,
    pub(super) interim_pause: Duration,
    pub(super) status: u16,
    pub(super) fields: Vec<(String, String)>,
    pub(super) content: Vec<u8>,
    /// Between head and content.
    pub(super) content_pause: Duration,
    pub(super) framing: Framing,
    pub(super) end: End,
    /// After so many octets the connection is closed, or reset.
    pub(super) cut: Option<(usize, bool)>,
    /// After each octet.
    pub(super) trickle: Duration,
    /// Octets that nobody has asked for.
    pub(super) extra: &'static [u8],
    /// In place of the head.
    pub(super) garbage: bool,
    /// What ends the stream, over HTTP/2, or the connection.
    pub(super) reset: Option<Reason>,
    pub(super) goes_away: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    Length,
    Chunked,
    Trailers,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Keep,
    Announced,
    Unannounced,
    Http10,
    /// It is kept for a while.
    Later,
}

/// What is out of the ordinary.
impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} with {} octets, {:?}, {:?}", self.status, self.content.len(), self.framing, self.end)?;
        for (name, value) in &self.fields {
            write!(f, ", {name}: {value:.60}")?;
        }
        for (what, pause) in
            [("", self.pause), (" before the content", self.content_pause), (" each", self.trickle)]
        {
            if !pause.is_zero() {
                write!(f, ", {pause:?}{what}")?;
            }
        }
        if self.interim > 0 {
            write!(f, ", {} interim answers", self.interim)?;
        }
        if let Some((at, resets)) = self.cut {
            write!(f, ", {} at {at}", if resets { "reset" } else { "closed" })?;
        }
        if let Some(reason) = self.reset {
            write!(f, ", {reason:?}")?;
        }
        let flags =
            [(!self.extra.is_empty(), "extra octets"), (self.garbage, "garbage"), (self.goes_away, "GOAWAY")];
        flags.into_iter().filter(|(is, _)| *is).try_for_each(|(_, what)| write!(f, ", {what}"))
    }
}

/// What a request is to its answer.
pub(super) struct About<'a> {
    pub(super) site: usize,
    pub(super) challenger: Challenger,
    pub(super) number: Option<u32>,
    pub(super) method: &'a Method,
    pub(super) target: &'a str,
    pub(super) has_credentials: bool,
}

impl Peers {
    pub(super) fn answer(&self, about: &About<'_>, verdict: Verdict) -> Answer {
        let script = self.stage.script();
        let site = self.site(about.site);
        let challenged = about.challenger.status().as_u16();
        let (mut status, mut fields) = match verdict {
            Verdict::Served(_, fields) if about.target.ends_with("/missing") => (404, fields),
            Verdict::Served(_, fields) => (200, fields),
            Verdict::Unreadable => (400, Vec::new()),
            Verdict::Refused(challenges, fields) => {
                (challenged, [self.lines(about.challenger, challenges), fields].concat())
            }
        };
        let is_over = self.stage.state().is_over;
        if self.stage.setting().way == Way::Forwarded && about.challenger == Challenger::Origin {
            fields.push(("proxy-support".to_owned(), "Session-Based-Authentication".to_owned()));
        }
        if !is_over && site.manner == Manner::ChallengesForEver && status == 200 && !site.offers.is_empty() {
            let honest = self.peers[about.site].honest.lock().expect("nobody panics");
            (status, fields) = (challenged, self.lines(about.challenger, honest.challenges(site, false)));
        }
        let mut answer = Answer {
            pause: match site.manner {
                Manner::Slow(pause) if !is_over => pause,
                _ => Duration::ZERO,
            },
            interim: 0,
            interim_pause: Duration::ZERO,
            status,
            fields,
            content: Vec::new(),
            content_pause: Duration::ZERO,
            framing: if script.yes() { Framing::Chunked } else { Framing::Length },
            end: match site.manner {
                Manner::ClosesAlways if !is_over => End::Announced,
                _ => End::Keep,
            },
            cut: None,
            trickle: Duration::ZERO,
            extra: b"",
            garbage: false,
            reset: None,
            goes_away: false,
        };
        let mut length =
            script.choose(&[0, 0, 100, if self.stage.setting().is_narrow() { 300 } else { 5_000 }]);
        let faults = if self.stage.goes_wrong() { 1 + usize::from(self.stage.goes_wrong()) } else { 0 };
        if faults > 0 && about.has_credentials {
            *self.stage.state().doubts.entry(about.site).or_default() += 1;
        }
        for _ in 0..faults {
            self.spoil(about, &mut answer, &mut length);
        }
        self.remember(about, &answer);
        self.fill(about, &mut answer, length);
        answer
    }

    fn lines(&self, challenger: Challenger, challenges: Vec<String>) -> Vec<(String, String)> {
        let name = challenger.challenge_field();
        challenges.into_iter().map(|challenge| (name.to_string(), challenge)).collect()
    }

    /// Something goes wrong.
    fn spoil(&self, about: &About<'_>, answer: &mut Answer, length: &mut usize) {
        let script = self.stage.script();
        let challenge_field = about.challenger.challenge_field().to_string();
        match script.below(24) {
            0 => answer.cut = Some((script.below(400), false)),
            1 => answer.cut = Some((script.below(400), true)),
            2 => answer.cut = Some((0, script.yes())),
            3 => answer.trickle = Duration::from_millis(script.choose(&[1, 10])),
            4 => answer.pause = Duration::from_secs(script.choose(&[1, 6, 31, 40])),
            5 => {
                let statuses =
                    [200, 401, 407, 403, 500, 502, 503, 204, 304, 400, 408, 413, 417, 421, 429, 404];
                answer.status = script.choose(&statuses);
                if !matches!(answer.status, 401 | 407) {
                    answer.fields.clear();
                }
            }
            6 => {
                let last = self.peers[about.site].last_challenge.lock().expect("nobody panics").clone();
                if let Some(last) = last {
                    answer.status = about.challenger.status().as_u16();
                    answer.fields = vec![(challenge_field, last)];
                }
            }
            7 => {
                let at = script.below(4);
                // Not in the name of another site: there is none but those of this world.
                if let Some((_, value)) = answer.fields.get_mut(at).filter(|(name, _)| name != "location") {
                    // Not in what the client's randomness has a part in: that would change the course.
                    let at = script.below(256) % value.len().clamp(1, 40);
                    value.replace_range(at..=at, script.choose(&["A", "=", "\"", ",", " ", ""]));
                }
            }
            8 => answer.extra = b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nn=none;",
            9 => {
                answer.interim = script.choose(&[1, 3, 20, 400]);
                let pauses = [Duration::ZERO, Duration::from_millis(30)];
                answer.interim_pause = script.choose(&pauses);
            }
            10 => answer.framing = Framing::Trailers,
            11 => answer.end = End::Announced,
            12 => answer.end = End::Http10,
            13 => answer.end = End::Unannounced,
            14 => *length = if self.stage.setting().is_narrow() { 2_000 } else { 100_000 },
            15 => answer.content_pause = Duration::from_secs(script.choose(&[1, 4, 6, 40])),
            16 => answer.garbage = true,
            17 => answer.end = End::Later,
            18 => {
                let origins = &self.stage.setting().origins;
                let to = script.below(origins.len());
                answer.status = script.choose(&[302, 303, 307]);
                answer.fields = vec![("location".to_owned(), self.stage.setting().url(to, "/moved"))];
            }
            19 => {
                let honest = self.peers[about.site].honest.lock().expect("nobody panics");
                let stale = honest.challenges(self.site(about.site), true);
                let odd: [Vec<String>; 8] = [
                    stale,
                    vec!["Digest realm=\"lab\", nonce=\"abc\", stale=true".to_owned()],
                    vec![
                        "Digest realm=\"another\", nonce=\"abc\"".to_owned(),
                        "Basic realm=\"another\"".to_owned(),
                    ],
                    vec![format!("Basic realm=\"{}\"", "x".repeat(3_000))],
                    vec!["Basic realm=\"lab\"".to_owned(); 40],
                    vec!["Negotiate TlRMTVNTUAACAAAA".to_owned(), "NTLM".to_owned()],
                    vec!["NTLM".to_owned()],
                    vec!["Frobnicate".to_owned()],
                ];
                answer.status = about.challenger.status().as_u16();
                answer.fields = self.lines(about.challenger, script.choose(&odd));
            }
            20 => {
                let odd = [("persistent-auth", "false"), ("persistent-auth", "true"), ("proxy-support", "x")];
                let (name, value) = script.choose(&odd);
                answer.fields.push((name.to_owned(), value.to_owned()));
            }
            21 => {
                let (from, to) = match answer.status {
                    401 => ("www-authenticate", "proxy-authenticate"),
                    _ => ("proxy-authenticate", "www-authenticate"),
                };
                for (name, _) in &mut answer.fields {
                    if name == from {
                        *name = to.to_owned();
                    }
                }
                answer.status = if answer.status == 401 { 407 } else { 401 };
            }
            22 => {
                let reasons = [
                    Reason::REFUSED_STREAM,
                    Reason::HTTP_1_1_REQUIRED,
                    Reason::INTERNAL_ERROR,
                    Reason::CANCEL,
                    Reason::ENHANCE_YOUR_CALM,
                ];
                answer.reset = Some(script.choose(&reasons));
            }
            _ => answer.goes_away = true,
        }
    }

    /// What counts in what is sent.
    fn remember(&self, about: &About<'_>, answer: &Answer) {
        let challenged = about.challenger.status().as_u16();
        let first = answer.fields.iter().find(|(name, _)| name.ends_with("-authenticate"));
        if let Some((_, challenge)) = first {
            *self.peers[about.site].last_challenge.lock().expect("nobody panics") = Some(challenge.clone());
        }
        if about.has_credentials && answer.status != challenged {
            let users = 0..self.site(about.site).users.len();
            let mut state = self.stage.state();
            for user in users {
                state.records.entry((about.site, user)).or_default().was_let_in = true;
            }
        }
    }

    /// The content says whose answer it is, and which.
    fn fill(&self, about: &About<'_>, answer: &mut Answer, length: usize) {
        let number = {
            let mut counts = self.counts();
            counts.answers += 1;
            counts.answers
        };
        let Some(request) = about.number else { return };
        let has_content = !matches!(answer.status, 204 | 304) && about.method != Method::HEAD;
        if has_content {
            answer.content = format!("n={request};a={number};").into_bytes();
            answer.content.resize(answer.content.len() + length, b'.');
        }
        self.stage.state().answers.entry(request).or_default().push(answer.content.clone());
        // Octet by octet, it still ends.
        let octets = answer.content.len() + 1_000;
        let longest = LONGEST / u32::try_from(2 * octets).unwrap_or(u32::MAX);
        answer.trickle = answer.trickle.min(longest);
    }
}
