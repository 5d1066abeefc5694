//! What holds for every mechanism, with whoever accepts on the other side.

use std::sync::Arc;
use std::time::SystemTime;

use legwork::Credentials;
use legwork::mechanism::{
    Binding, ErrorKind, Established, Expects, Initiate, Mechanism, MechanismError, Moment,
    MutualAuthentication, SecurityContext, Step,
};
use legwork::testing::{Accept, Acceptor};
use legwork::unversioned::handshake::StepJob;

/// A mechanism, its peer, and who can log in there.
pub(crate) struct Pair {
    pub(crate) mechanism: Arc<dyn Mechanism>,
    pub(crate) acceptor: Box<dyn Fn() -> Box<dyn Acceptor>>,
    pub(crate) target_name: &'static str,
    pub(crate) right: Credentials,
    pub(crate) wrong: Credentials,
    /// The mechanism in the end, and what its login is bound to.
    pub(crate) established: (&'static str, Binding),
}

/// A login that both sides agree on.
struct LoggedIn {
    user: String,
    established: Established,
    legs: usize,
    theirs: Option<Box<dyn legwork::mechanism::MessageIntegrity>>,
}

pub(crate) fn moment() -> Moment {
    Moment::new(SystemTime::now(), [7; 32])
}

impl Pair {
    /// Runs all of it.
    pub(crate) fn check(&self) {
        self.the_right_credentials_log_in();
        self.a_later_login_is_as_the_first();
        self.wrong_credentials_do_not();
        self.steps_run_on_any_thread();
        self.codes_of_integrity_hold_both_ways();
        self.what_is_no_token_is_an_error();
        self.an_answer_cut_anywhere_is_an_error_or_goes_on();
        self.no_answer_is_an_error();
        self.letting_in_before_anything_is_proven_is_an_error();
        self.a_bearer_token_is_no_credential();
        self.required_mutual_authentication_is_had_or_refused();
        self.nothing_tells_the_password();
    }

    fn arguments(&self) -> Initiate {
        Initiate::new(self.target_name, self.right.clone()).with_integrity(true)
    }

    fn first(&self, arguments: Initiate) -> Result<Step, MechanismError> {
        self.mechanism.initiate(arguments, moment()).step(None)
    }

    fn log_in(&self, arguments: Initiate) -> Result<LoggedIn, MechanismError> {
        let mut acceptor = (self.acceptor)();
        let mut step = self.first(arguments)?;
        for legs in 1..=8 {
            let (token, context, expects) = match step {
                Step::Continue { token, context, expects, .. } => (token, Some(context), expects),
                Step::Complete { token: Some(token), established } => {
                    return match acceptor.step(&token) {
                        Accept::Accepted { user, integrity: theirs, .. } => {
                            Ok(LoggedIn { user, established, legs, theirs })
                        }
                        other => Err(refused(other)),
                    };
                }
                other => panic!("there is nothing to send: {other:?}"),
            };
            let context = context.expect("it continues");
            match acceptor.step(&token) {
                Accept::Continue(answer) => step = context.step(Some(&answer))?,
                Accept::Accepted { user, token, integrity: theirs } => {
                    assert_eq!(expects, Expects::Success, "the request could have gone with it");
                    let established = finish(context, token.as_deref())?;
                    return Ok(LoggedIn { user, established, legs, theirs });
                }
                refusal => return Err(refused(refusal)),
            }
        }
        panic!("a login without end");
    }

    fn the_right_credentials_log_in(&self) {
        let login = self.log_in(self.arguments()).expect("the right credentials");
        assert!(same_user(&login.user, &self.right), "{} is let in", login.user);
        assert_eq!((login.established.mechanism, login.established.binding), self.established);
        assert!(login.legs <= 3);
        let principal = login.established.principal.as_deref();
        assert!(
            self.right
                .username()
                .is_none_or(|name| principal.is_some_and(|it| it.eq_ignore_ascii_case(name)))
        );
    }

    fn a_later_login_is_as_the_first(&self) {
        let first = self.log_in(self.arguments()).expect("the first").legs;
        for _ in 0..5 {
            assert_eq!(self.log_in(self.arguments()).expect("another").legs, first);
        }
    }

    fn wrong_credentials_do_not(&self) {
        let wrong = Initiate::new(self.target_name, self.wrong.clone());
        let error = self.log_in(wrong).err().expect("the wrong credentials");
        assert!(
            matches!(error.kind(), ErrorKind::Refused | ErrorKind::WrongPassword | ErrorKind::Credentials),
            "{error:?}"
        );
        assert!(self.log_in(self.arguments()).is_ok(), "the right ones do as before");
    }

    fn steps_run_on_any_thread(&self) {
        let job = StepJob::initiate(Arc::clone(&self.mechanism), self.arguments());
        assert_eq!(job.may_block(), self.mechanism.may_block());
        let step = std::thread::spawn(|| job.run(moment()).into_result()).join().expect("no panic");
        let Ok(Step::Continue { token, context, .. }) = step else { return };
        let mut acceptor = (self.acceptor)();
        let Accept::Continue(answer) = acceptor.step(&token) else { return };
        let step = std::thread::spawn(move || context.step(Some(&answer))).join().expect("no panic");
        let (Step::Continue { token, .. } | Step::Complete { token: Some(token), .. }) =
            step.expect("a step")
        else {
            panic!("a last token");
        };
        assert!(matches!(acceptor.step(&token), Accept::Accepted { .. }));
    }

    fn codes_of_integrity_hold_both_ways(&self) {
        let LoggedIn { established, theirs, .. } = self.log_in(self.arguments()).expect("a login");
        let (Some(mut ours), Some(mut theirs)) = (established.integrity, theirs) else { return };
        for message in [b"one".as_slice(), b"another"] {
            theirs.verify(message, &ours.mic(message).expect("a code")).expect("holds");
            ours.verify(message, &theirs.mic(message).expect("a code")).expect("holds");
        }
        let code = theirs.mic(b"one").expect("a code");
        assert_eq!(ours.verify(b"two", &code).expect_err("of another message").kind(), ErrorKind::BadMic);
    }

    fn what_is_no_token_is_an_error(&self) {
        for garbage in
            [&b"no token of any kind"[..], &[0; 64], b"NTLMSSP\0", &[0xff; 3000], &[0x60, 0x84, 0xff]]
        {
            let Ok(Step::Continue { context, .. }) = self.first(self.arguments()) else { return };
            assert!(context.step(Some(garbage)).is_err(), "{garbage:?}");
        }
    }

    fn an_answer_cut_anywhere_is_an_error_or_goes_on(&self) {
        let answer = || {
            let Ok(Step::Continue { token, context, .. }) = self.first(self.arguments()) else { return None };
            match (self.acceptor)().step(&token) {
                Accept::Continue(answer) => Some((answer, context)),
                _ => None,
            }
        };
        let Some((whole, _)) = answer() else { return };
        // Every length of a system's is a process under wine: a few say as much.
        let stride = if self.mechanism.may_block() { 17 } else { 1 };
        for length in (0..whole.len()).step_by(stride) {
            let (cut, context) = answer().expect("as before");
            // What is cut off may be padding, or names that nobody needs.
            let _ = context.step(Some(&cut[..length.min(cut.len())]));
        }
    }

    fn no_answer_is_an_error(&self) {
        let Ok(Step::Continue { context, .. }) = self.first(self.arguments()) else { return };
        assert_eq!(context.step(None).expect_err("nothing to step with").kind(), ErrorKind::MissingToken);
    }

    fn letting_in_before_anything_is_proven_is_an_error(&self) {
        let Ok(Step::Continue { context, expects, .. }) = self.first(self.arguments()) else { return };
        if expects == Expects::Challenge {
            assert!(context.finish_without_token().is_err());
        }
    }

    fn a_bearer_token_is_no_credential(&self) {
        let token = Credentials::bearer_token("a-token");
        let error = self.first(Initiate::new(self.target_name, token)).expect_err("no password");
        assert_eq!(error.kind(), ErrorKind::Credentials, "{error}");
    }

    fn required_mutual_authentication_is_had_or_refused(&self) {
        let arguments = self.arguments().with_mutual_authentication(MutualAuthentication::Required);
        match self.log_in(arguments) {
            Ok(login) => assert!(login.established.mutual, "{}", login.established.mechanism),
            Err(error) => assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}"),
        }
    }

    fn nothing_tells_the_password(&self) {
        let Some((_, password)) = self.right.as_password() else { return };
        let mut told = format!("{:?} {:?}", self.mechanism, self.arguments());
        if let Ok(step) = self.first(self.arguments()) {
            told = format!("{told} {step:?}");
        }
        if let Ok(login) = self.log_in(self.arguments()) {
            told = format!("{told} {:?}", login.established);
        }
        assert!(!told.contains(password.expose()), "{told}");
    }
}

/// The server let us in.
fn finish(context: Box<dyn SecurityContext>, token: Option<&[u8]>) -> Result<Established, MechanismError> {
    let Some(token) = token else { return context.finish_without_token() };
    match context.step(Some(token))? {
        Step::Complete { token: None, established } => Ok(established),
        other => panic!("the server is through, we are not: {other:?}"),
    }
}

fn refused(accept: Accept) -> MechanismError {
    match accept {
        Accept::Refused { why, .. } => MechanismError::new(ErrorKind::Refused, why),
        other => panic!("neither let in nor refused: {other:?}"),
    }
}

/// Acceptors tell users with their domain, without it, with a realm, or not at all.
fn same_user(user: &str, credentials: &Credentials) -> bool {
    let bare = |name: &str| {
        let name = name.rsplit_once('\\').map_or(name, |(_, user)| user);
        name.split('@').next().unwrap_or_default().to_lowercase()
    };
    user.is_empty() || credentials.username().is_none_or(|name| bare(name) == bare(user))
}
