/// What a token was made with, and so what a refusal of it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums)]
pub enum Proves {
    /// Nothing that anybody holds: a first message that only opens the conversation.
    Nothing,
    /// The secret: a refusal counts as a wrong password.
    Secret,
    /// The secret, for a KDC behind the server, which relays what the KDC says to it (IAKERB): that is the
    /// verdict, and a challenge without it says nothing.
    Relayed,
    /// A ticket that a KDC has granted: a refusal says nothing about the password.
    Ticket {
        /// The KDC was asked just now, so that it has taken the password.
        is_new: bool,
    },
}
