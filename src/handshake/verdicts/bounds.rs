use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);

/// How often credentials are tried, and how long they rest after refusals.
///
/// A directory locks an account after some wrong passwords, 3 to 10 as a rule, and forgets them only
/// when a window of 15 to 30 minutes has passed since the *last* one. The defaults stay below that. What
/// counts as a refusal, and what as accepted, is said in
/// [`lockout_guard`](crate::handshake::AuthenticatorBuilder::lockout_guard).
///
/// ```
/// use std::time::Duration;
///
/// use legwork::handshake::{Authenticator, LockoutBounds};
///
/// // A directory that locks at the third wrong password, and forgets them within half an hour.
/// let mut bounds = LockoutBounds::default();
/// bounds.strong_pauses = vec![Duration::from_secs(32 * 60)];
/// bounds.weak_pauses = bounds.strong_pauses.clone();
/// bounds.undecided_pauses = bounds.strong_pauses.clone();
/// (bounds.refusals, bounds.undecided_accepted) = (2, 2);
/// let authenticator = Authenticator::builder().lockout_bounds(bounds).build();
/// # let _ = authenticator;
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LockoutBounds {
    /// Of credentials that were never accepted: how many refusals, logins without an answer, and
    /// logins under way there may be over all origins. At so many refusals they are not sent again
    /// until they change, or [`forget_refusals`](crate::handshake::Authenticator::forget_refusals) is
    /// called. In one protection space, the first refusal does that. Default: 2.
    pub unproven: u32,
    /// Of credentials that were accepted before: how many strong refusals begin a pause. A refusal is
    /// strong where they were accepted with the same method on the same path. Default: 2.
    pub strong_refusals: u32,
    /// The same where a server refused and then accepted the same path: one of its backends is
    /// sick. Default: 5.
    pub sick_refusals: u32,
    /// How many refusals in all, with logins without an answer, begin a pause of what was not accepted
    /// before on its path. Default: 3.
    pub refusals: u32,
    /// How many logins in a row may end without an answer before a pause: the connection was lost,
    /// or the caller gave up. Default: 2.
    pub undecided: u32,
    /// The same of credentials that were accepted before. Default: 3.
    pub undecided_accepted: u32,
    /// How long the pauses after strong refusals are, one after the other; the last one repeats.
    /// Default: 5 and 32 minutes. A directory that locks at 3 needs 32 minutes at once.
    pub strong_pauses: Vec<Duration>,
    /// How long the pauses after other refusals are. Default: 1, 4, 16 and 32 minutes.
    pub weak_pauses: Vec<Duration>,
    /// How long the pauses after logins without an answer are. Default: 30 seconds, 5 and 32 minutes.
    pub undecided_pauses: Vec<Duration>,
    /// How long the pause is once a KDC has said that the account is locked. Default: 15 minutes.
    pub locked_pause: Duration,
    /// After this long without a login, the next one is sent on its own, and the others wait until it
    /// succeeds. Default: 10 s.
    pub quiet: Duration,
    /// How long the others wait for the answer to a login that was sent on its own. Then one more may go,
    /// or, of credentials that were accepted before, as many again as are out. Default: 5 s; logins by
    /// RADIUS or with a second factor need more.
    pub unanswered: Duration,
    /// How long a request waits for others that try its credentials; then it is answered as in a
    /// pause. Default: 30 s.
    pub patience: Duration,
}

impl Default for LockoutBounds {
    fn default() -> Self {
        Self {
            unproven: 2,
            strong_refusals: 2,
            sick_refusals: 5,
            refusals: 3,
            undecided: 2,
            undecided_accepted: 3,
            strong_pauses: vec![5 * MINUTE, 32 * MINUTE],
            weak_pauses: vec![MINUTE, 4 * MINUTE, 16 * MINUTE, 32 * MINUTE],
            undecided_pauses: vec![Duration::from_secs(30), 5 * MINUTE, 32 * MINUTE],
            locked_pause: 15 * MINUTE,
            quiet: Duration::from_secs(10),
            unanswered: Duration::from_secs(5),
            patience: Duration::from_secs(30),
        }
    }
}
