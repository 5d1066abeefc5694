use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use http::Uri;
use zeroize::Zeroizing;

use crate::authorization::Authorization;
use crate::challenge::Challenge;
use crate::mechanism::{Binding, Expects, Initiate, Proves};
use crate::protection_space::{Challenger, Paths, ProtectionSpace};
use crate::scheme::charset::Charset;
use crate::scheme::{
    Acceptance, Continuation, Exchange, Knowledge, Proof, Reply, RequestContext, Scheme, SchemeError,
};
use crate::stack::{self, Depth};

const NAME: &str = "Basic";

/// The Basic scheme (RFC 7617): name and password, readable by anyone who reads the wire.
#[derive(Clone, Copy, Debug, Default)]
pub struct Basic {
    charset: Charset,
}

impl Basic {
    /// Creates Basic in UTF-8.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the encoding for challenges that name none.
    #[must_use]
    pub fn charset(mut self, charset: Charset) -> Self {
        self.charset = charset;
        self
    }
}

impl Scheme for Basic {
    fn name(&self) -> &'static str {
        NAME
    }

    fn binding(&self) -> Binding {
        Binding::Request
    }

    fn reveals_secret(&self) -> bool {
        true
    }

    fn needs_parameters(&self) -> bool {
        false
    }

    /// What lies beside the target and below it; with a proxy, all that goes through it (RFC 7617,
    /// section 2.2).
    fn paths(&self, _: &Challenge, space: &ProtectionSpace, target: &Uri) -> Paths {
        match space.challenger {
            Challenger::Origin => Paths::beside(target.path()),
            Challenger::Proxy => Paths::All,
        }
    }

    fn begin(&self, arguments: Initiate, knowledge: &Knowledge) -> Box<dyn Exchange> {
        Box::new(BasicExchange { charset: self.charset, asks_utf8: knowledge.of(), arguments })
    }
}

struct BasicExchange {
    charset: Charset,
    /// Whether the realm's last challenge said `charset="UTF-8"`: who speaks first has to know.
    asks_utf8: Arc<AtomicBool>,
    arguments: Initiate,
}

impl Exchange for BasicExchange {
    fn continuation(&self, _: &Challenge, _: bool) -> Continuation {
        Continuation::Refuses
    }

    fn respond(
        &mut self,
        challenge: Option<&Challenge>,
        _: RequestContext<'_>,
    ) -> Result<Reply, SchemeError> {
        if let Some(challenge) = challenge {
            let asks_utf8 =
                challenge.param_str("charset").is_some_and(|name| name.eq_ignore_ascii_case("utf-8"));
            self.asks_utf8.store(asks_utf8, Relaxed);
        }
        let Some((username, password)) = self.arguments.credentials.as_password() else {
            return Err(SchemeError::new(NAME, "it needs a password"));
        };
        let authorization = stack::wiped(Depth::Hash, || {
            let user_pass = user_pass(username, password.expose())?;
            let encoded = match self.charset {
                Charset::Latin1 if !self.asks_utf8.load(Relaxed) => latin1(&user_pass),
                Charset::Latin1 | Charset::Utf8 => user_pass,
            };
            Ok(Authorization::secret_token68(NAME, &encoded))
        });
        Ok(Reply::Send { authorization: authorization?, expects: Expects::Success, proves: Proves::Secret })
    }

    fn conclude(&mut self, _: Acceptance<'_>) -> Result<Reply, SchemeError> {
        Ok(Reply::Done(Proof {
            mechanism: NAME,
            principal: self.arguments.credentials.username().map(str::to_owned),
            mutual: false,
            binding: Binding::Request,
        }))
    }
}

/// `user-id:password`; the user name has no colon, and neither has control characters (RFC 7617,
/// section 2).
fn user_pass(username: &str, password: &str) -> Result<Zeroizing<Vec<u8>>, SchemeError> {
    if username.contains(':') {
        return Err(SchemeError::new(NAME, "a user name with a colon cannot be sent"));
    }
    if username.chars().chain(password.chars()).any(char::is_control) {
        return Err(SchemeError::new(NAME, "the user name or password has control characters"));
    }
    let mut text = Zeroizing::new(Vec::with_capacity(username.len() + 1 + password.len()));
    text.extend_from_slice(username.as_bytes());
    text.push(b':');
    text.extend_from_slice(password.as_bytes());
    Ok(text)
}

fn latin1(utf8: &Zeroizing<Vec<u8>>) -> Zeroizing<Vec<u8>> {
    let mut encoded = Zeroizing::new(Vec::with_capacity(utf8.len()));
    for character in std::str::from_utf8(utf8).expect("made of two strings").chars() {
        match u8::try_from(u32::from(character)) {
            Ok(octet) => encoded.push(octet),
            Err(_) => return utf8.clone(),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use http::{Method, Uri};

    use super::*;
    use crate::challenge::Challenges;
    use crate::credentials::Credentials;
    use crate::mechanism::FixedMoment;

    const NOW: FixedMoment = FixedMoment(SystemTime::UNIX_EPOCH);

    fn answer(scheme: Basic, challenge: &str, username: &str, password: &str) -> Result<String, SchemeError> {
        let challenges = Challenges::from_value(challenge.as_bytes());
        let mut exchange = scheme.begin(
            Initiate::new("HTTP/host", Credentials::password(username, password)),
            &Knowledge::default(),
        );
        let reply = exchange.respond(
            challenges.iter().next(),
            RequestContext::new(&Method::GET, &Uri::from_static("/"), false, &NOW),
        )?;
        let Reply::Send { authorization, .. } = reply else { panic!("{reply:?}") };
        Ok(authorization.into_value().to_str().expect("ASCII").to_owned())
    }

    #[test]
    fn the_encoding_that_a_challenge_asked_for_holds_for_later_logins_in_its_realm() {
        let knowledge = Knowledge::default();
        let (uri, challenges) =
            (Uri::from_static("/"), Challenges::from_value(b"Basic realm=x, charset=UTF-8"));
        let answer = |challenge| {
            let arguments = Initiate::new("HTTP/host", Credentials::password("test", "123£"));
            let mut exchange = Basic::new().charset(Charset::Latin1).begin(arguments, &knowledge);
            match exchange.respond(challenge, RequestContext::new(&Method::GET, &uri, false, &NOW)) {
                Ok(Reply::Send { authorization, .. }) => authorization.into_value(),
                reply => panic!("{reply:?}"),
            }
        };
        assert_eq!(answer(challenges.iter().next()), "Basic dGVzdDoxMjPCow==");
        assert_eq!(answer(None), "Basic dGVzdDoxMjPCow==");
    }

    #[test]
    fn a_proxys_challenge_speaks_for_all_that_goes_through_it() {
        let challenges = Challenges::from_value(b"Basic realm=x");
        let challenge = challenges.iter().next().expect("a challenge");
        let paths = |challenger| {
            let space = ProtectionSpace::new(challenger, "https://host".parse().expect("an origin"), None);
            Basic::new().paths(challenge, &space, &Uri::from_static("http://host.example/a/b"))
        };
        assert_eq!(paths(Challenger::Proxy), Paths::All);
        assert_eq!(paths(Challenger::Origin), Paths::beside("/a/"));
    }

    #[test]
    fn answers_the_examples_of_rfc_7617() {
        let plain = answer(Basic::new(), "Basic realm=\"WallyWorld\"", "Aladdin", "open sesame");
        assert_eq!(plain.expect("an answer"), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
        let utf8 = answer(
            Basic::new().charset(Charset::Latin1),
            "Basic realm=\"foo\", charset=\"UTF-8\"",
            "test",
            "123£",
        );
        assert_eq!(utf8.expect("an answer"), "Basic dGVzdDoxMjPCow==");
    }

    #[test]
    fn latin1_is_for_servers_that_name_no_charset() {
        let latin1 = answer(Basic::new().charset(Charset::Latin1), "Basic realm=x", "test", "123£");
        assert_eq!(latin1.expect("an answer"), "Basic dGVzdDoxMjOj");
        let beyond = answer(Basic::new().charset(Charset::Latin1), "Basic realm=x", "t", "€");
        assert_eq!(beyond.expect("an answer"), "Basic dDrigqw=");
    }

    #[test]
    fn what_cannot_be_sent_is_an_error_without_the_secret() {
        for (username, password) in [("a:b", "secret-pw"), ("a", "secret-pw\n")] {
            let error = answer(Basic::new(), "Basic realm=x", username, password).expect_err("an error");
            assert!(!error.to_string().contains("secret-pw"), "{error}");
        }
    }

    #[test]
    fn credentials_without_a_password_cannot_serve() {
        let token = Credentials::bearer_token("a-token");
        let mut exchange = Basic::new().begin(Initiate::new("HTTP/host", token), &Knowledge::default());
        let (uri, method) = (Uri::from_static("/"), Method::GET);
        let error =
            exchange.respond(None, RequestContext::new(&method, &uri, false, &NOW)).expect_err("none");
        assert_eq!(error.to_string(), "Basic: it needs a password");
    }
}
