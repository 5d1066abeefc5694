//! What lies behind an error.

use std::error::Error;
use std::io;

/// The error and its causes, outermost first. An `io::Error` hides the one that it was made of: its
/// `source` is that one's.
pub(super) fn causes<'a>(
    error: &'a (dyn Error + 'static),
) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| {
        let hidden = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        hidden.map(|error| error as &(dyn Error + 'static)).or_else(|| error.source())
    })
}
