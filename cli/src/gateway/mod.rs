//! `legwork gateway`: logs in for programs that cannot, at the proxies that want it.

mod arguments;
mod command;
mod files;
mod proxy;
mod signals;
#[cfg(test)]
mod tests;

pub(crate) use self::arguments::Arguments;
pub(crate) use self::command::run;
