//! What a login is driven through.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, SystemTime};

use crate::channel_bindings::ChannelBindings;
use crate::credentials::Credentials;
use crate::mechanism::kerberos::Kerberos;
use crate::mechanism::kerberos::crypto::EncryptionType;
use crate::mechanism::kerberos::exchange::Carried;
use crate::mechanism::kerberos::exchange::tests::kdc::{self, Kdc};
use crate::mechanism::kerberos::gss::iakerb::IakerbHeader;
use crate::mechanism::kerberos::gss::{Token, TokenId};
use crate::mechanism::kerberos::server::{Accepted, BindingsRule, Service};
use crate::mechanism::{
    Awaited, ErrorKind, Established, Expects, Initiate, Inquiry, KdcInquiry, Mechanism, MechanismError,
    Moment, Proves, SecurityContext, Step,
};

pub(super) const WWW: &str = "HTTP/www.lab.test";
pub(super) const WIKI: &str = "HTTP/wiki.lab.test";

/// A handle that knows the realm's KDC.
pub(super) fn kerberos() -> Kerberos {
    Kerberos::new().kdc(kdc::REALM, ["kdc.lab.test"])
}

pub(super) fn alice() -> Credentials {
    Credentials::password("alice@LAB.TEST", "alice-pw")
}

pub(super) fn to(target_name: &str) -> Initiate {
    Initiate::new(target_name, alice())
}

pub(super) fn bindings() -> ChannelBindings {
    ChannelBindings::tls_server_end_point(&[9; 32])
}

/// A KDC, and a clock.
pub(super) struct World {
    pub(super) kdc: Kdc,
    pub(super) now: SystemTime,
    seed: u32,
}

/// A login under way.
pub(super) enum Login {
    Asks(KdcInquiry, Box<dyn SecurityContext>),
    Waits(Awaited, Box<dyn SecurityContext>),
    Sends { token: Vec<u8>, expects: Expects, proves: Proves, context: Box<dyn SecurityContext> },
    Done(Option<Vec<u8>>, Established),
}

impl World {
    pub(super) fn new() -> Self {
        Self::with(EncryptionType::Aes256Sha1)
    }

    pub(super) fn with(etype: EncryptionType) -> Self {
        Self { kdc: Kdc::new(etype), now: kdc::now(), seed: 0 }
    }

    /// Time passes, for the KDC too.
    pub(super) fn wait(&mut self, duration: Duration) {
        self.now += duration;
        self.kdc.clock += duration;
    }

    pub(super) fn moment(&mut self) -> Moment {
        self.seed += 1;
        let mut octets = [0; 32];
        octets[..4].copy_from_slice(&self.seed.to_be_bytes());
        Moment::new(self.now, octets)
    }

    pub(super) fn begin(
        &mut self,
        mechanism: &dyn Mechanism,
        arguments: Initiate,
    ) -> Result<Login, MechanismError> {
        mechanism.initiate(arguments, self.moment()).step(None).map(Login::of)
    }

    /// Tells a login what it has asked for.
    pub(super) fn tell(
        &mut self,
        context: Box<dyn SecurityContext>,
        answer: Result<Vec<u8>, MechanismError>,
    ) -> Result<Login, MechanismError> {
        context.consulted(answer, self.moment()).map(Login::of)
    }

    /// What the KDC says.
    pub(super) fn answer(&mut self, message: &[u8]) -> Vec<u8> {
        self.kdc.answer(message)
    }

    /// The messages to the KDC so far: to get a first ticket, and one for a service.
    pub(super) fn counted(&self) -> (usize, usize) {
        (self.kdc.counts.as_requests, self.kdc.counts.tgs_requests)
    }

    /// Asks the KDC until the login has something else to do.
    pub(super) fn ask(&mut self, login: Result<Login, MechanismError>) -> Result<Login, MechanismError> {
        self.ask_noting(login, &mut Vec::new())
    }

    pub(super) fn ask_noting(
        &mut self,
        mut login: Result<Login, MechanismError>,
        proved: &mut Vec<Proves>,
    ) -> Result<Login, MechanismError> {
        while let Ok(Login::Asks(inquiry, context)) = login {
            proved.push(inquiry.proves);
            let answer = self.answer(&inquiry.message);
            login = self.tell(context, Ok(answer));
        }
        login
    }

    /// A whole login at a service that proves itself.
    pub(super) fn log_in(
        &mut self,
        mechanism: &dyn Mechanism,
        arguments: Initiate,
    ) -> Result<Established, MechanismError> {
        let login = self.begin(mechanism, arguments);
        let (token, _, _, context) = self.ask(login)?.sends();
        let accepted = self.accept(&token, Carried::Kerberos);
        match context.step(accepted.token.as_deref())? {
            Step::Complete { token: None, established } => Ok(established),
            step => panic!("{step:?}"),
        }
    }

    /// What the service says that a token is for.
    pub(super) fn accept(&self, token: &[u8], carried: Carried<'_>) -> Accepted {
        self.accept_by(&self.kdc.service(token), token, carried)
    }

    /// The same where the service wants to have [`bindings`].
    pub(super) fn accept_bound(&self, token: &[u8], carried: Carried<'_>) -> Accepted {
        let rule = BindingsRule::Required(bindings());
        self.accept_by(&self.kdc.service(token).with_bindings(rule), token, carried)
    }

    pub(super) fn accept_by(&self, service: &Service, token: &[u8], carried: Carried<'_>) -> Accepted {
        let accepted = service.accept(token, carried, &Moment::new(self.now, [4; 32]));
        accepted.unwrap_or_else(|rejected| panic!("{}", rejected.why))
    }

    /// A server carries a message.
    pub(super) fn relay(&mut self, token: &[u8]) -> Vec<u8> {
        let token = Token::decode(token).expect("a token");
        assert_eq!(token.id, TokenId::IakerbProxy);
        let (header, message) = IakerbHeader::split(token.message).expect("a header");
        assert_eq!(header.target_realm, kdc::REALM);
        let answer = self.answer(message);
        let (first, further) = self.counted();
        let cookie = format!("cookie {}", first + further);
        IakerbHeader { target_realm: header.target_realm, cookie: Some(cookie.as_bytes()) }.token(&answer)
    }
}

impl Login {
    pub(super) fn of(step: Step) -> Self {
        match step {
            Step::Consult { inquiry: Inquiry::Kdc(inquiry), context } => Self::Asks(inquiry, context),
            Step::Consult { inquiry: Inquiry::Another(awaited), context } => Self::Waits(awaited, context),
            Step::Continue { token, context, expects, proves } => {
                Self::Sends { token, expects, proves, context }
            }
            Step::Complete { token, established } => Self::Done(token, established),
        }
    }

    #[track_caller]
    pub(super) fn asks(self) -> (KdcInquiry, Box<dyn SecurityContext>) {
        let Self::Asks(inquiry, context) = self else { panic!("{}", self.name()) };
        (inquiry, context)
    }

    #[track_caller]
    pub(super) fn waits(self) -> (Awaited, Box<dyn SecurityContext>) {
        let Self::Waits(awaited, context) = self else { panic!("{}", self.name()) };
        (awaited, context)
    }

    #[track_caller]
    pub(super) fn sends(self) -> (Vec<u8>, Expects, Proves, Box<dyn SecurityContext>) {
        let Self::Sends { token, expects, proves, context } = self else { panic!("{}", self.name()) };
        (token, expects, proves, context)
    }

    #[track_caller]
    pub(super) fn done(self) -> (Option<Vec<u8>>, Established) {
        let Self::Done(token, established) = self else { panic!("{}", self.name()) };
        (token, established)
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Asks(..) => "it asks a KDC",
            Self::Waits(..) => "it waits for another login",
            Self::Sends { .. } => "it sends a token",
            Self::Done(..) => "it is done",
        }
    }
}

/// The error of a login that has none to show.
#[track_caller]
pub(super) fn failed(login: Result<Login, MechanismError>) -> MechanismError {
    match login {
        Ok(login) => panic!("{}", login.name()),
        Err(error) => error,
    }
}

pub(super) fn silent() -> Result<Vec<u8>, MechanismError> {
    Err(MechanismError::new(ErrorKind::Unavailable, "no KDC answers"))
}

/// Counts how often it wakes somebody.
#[derive(Default)]
pub(super) struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Woken {
    pub(super) fn times(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// What a wait has come to, so far.
pub(super) fn poll(awaited: &mut Awaited, woken: &Arc<Woken>) -> Poll<Result<(), MechanismError>> {
    let waker = Waker::from(Arc::clone(woken));
    pin!(awaited).poll(&mut Context::from_waker(&waker))
}
