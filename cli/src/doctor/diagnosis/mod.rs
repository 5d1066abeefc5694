//! From what was found to what is wrong, and to the next thing to try.

mod case;
mod choice;
mod connection;
mod exit;
mod next;
mod outcome;
mod subject;
mod tickets;
mod way;

pub(crate) use self::case::Case;
pub(crate) use self::exit::exit;
pub(crate) use self::subject::Subject;
