//! What a challenger demands of one request, as far as the request has found out.

use http::StatusCode;

/// What a challenger demands of one request. It goes along when the request moves to another
/// connection, so that it is found out once.
///
/// What was remembered or declared may be wrong: a first message that nobody asked for is a hint,
/// and costs a request legs at the most, never its answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Demand {
    /// Nothing is known but what is remembered or declared of the challenger.
    #[default]
    Unknown,
    /// A login: the request was challenged.
    Login,
    /// Nothing: a first message that nobody had asked for was not answered by a challenge.
    Nothing,
    /// A login, and the request is to ask for another challenge, since it is not known whether that of the
    /// last response still holds.
    LoginAskedAnew,
    /// A login, in answer to the challenge that the request asked for.
    LatestLogin,
    /// A login, and yet it took the first message for the request itself.
    Contradictory,
}

impl Demand {
    /// The request was challenged.
    pub(super) fn challenged(self) -> Self {
        match self {
            Self::Unknown | Self::Nothing | Self::Login => Self::Login,
            Self::LoginAskedAnew | Self::LatestLogin => Self::LatestLogin,
            Self::Contradictory => Self::Contradictory,
        }
    }

    /// A first message was answered, and not by a challenge.
    pub(super) fn let_through(self) -> Self {
        match self {
            Self::Unknown | Self::Nothing => Self::Nothing,
            Self::Login | Self::LoginAskedAnew | Self::LatestLogin | Self::Contradictory => {
                Self::Contradictory
            }
        }
    }

    /// Whether a body that was held back is to follow an answer with this status, which is no challenge. A
    /// success is not the answer to a request whose body the server has not seen. Any other answer is,
    /// where the server has asked for the leg; where it has not, the hint was wrong.
    pub(super) fn body_follows(self, status: StatusCode) -> bool {
        match self {
            Self::Unknown | Self::Nothing => true,
            Self::Login | Self::LoginAskedAnew | Self::LatestLogin | Self::Contradictory => {
                status.is_success()
            }
        }
    }

    /// Whether the request was challenged.
    pub(super) fn is_for_login(self) -> bool {
        matches!(self, Self::Login | Self::LoginAskedAnew | Self::LatestLogin)
    }

    /// Whether the request goes without a login until it is challenged.
    pub(super) fn is_for_nothing(self) -> bool {
        matches!(self, Self::Nothing | Self::LoginAskedAnew | Self::Contradictory)
    }
}

/// What both challengers of a connection demand of one request.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Demands {
    pub(super) origin: Demand,
    pub(super) proxy: Demand,
}

/// How a request begins at a challenger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FirstLeg {
    /// It speaks first, where something is known of the challenger, and waits for its turn to.
    Speaks,
    /// It speaks first, unless it would have to wait: its other login holds back a trial.
    SpeaksAtOnce,
    /// Its leg carried nothing for the challenger, and has been answered.
    Listens,
}
