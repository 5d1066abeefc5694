//! Whole logins as values: a world with a KDC, and servers that read tickets and carry messages.

mod direct;
mod recorded;
mod relayed;
mod shared;
mod world;
