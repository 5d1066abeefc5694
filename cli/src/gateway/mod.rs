//! `legwork gateway`: logs in for programs that cannot, at the proxies that want it.

mod access;
mod answer;
mod arguments;
mod body;
mod command;
mod connection;
mod counts;
mod fields;
mod files;
mod listener;
mod octets;
mod origin;
#[cfg(not(feature = "pac"))]
#[path = "no_pac.rs"]
mod pac;
#[cfg(feature = "pac")]
mod pac;
mod proxy;
mod readiness;
mod relay;
mod server;
mod signals;
mod status;
#[cfg(test)]
mod tests;

pub(crate) use self::arguments::Arguments;
pub(crate) use self::command::run;
