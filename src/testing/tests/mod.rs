//! Conversations with the server, leg by leg, over real connections.

mod client;
mod conversations;
mod odd;
