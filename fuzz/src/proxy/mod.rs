//! Any text as the URI of a proxy: `legwork::client::proxy` finds the proxy, the user and the password
//! that a plain second reader finds, or the same error, and shows nothing of user and password.

mod plain;
#[cfg(test)]
mod tests;

use std::error::Error;

use legwork::Credentials;
use legwork::client::proxy::{Proxies, Proxy};

/// Panics if anything is wrong. Says whether the text names a proxy, if it is text at all.
pub fn check(input: &[u8]) -> Option<bool> {
    let text = std::str::from_utf8(input).ok()?;
    let found = text.parse::<Proxy>();
    let (origin, userinfo) = match plain::read(text) {
        Ok(read) => read,
        Err(expected) => {
            let error = found.expect_err("the plain reader finds none");
            assert_eq!(error, expected, "{text:?}");
            // The expected one was made without the text.
            assert_eq!(format!("{error} {error:?}"), format!("{expected} {expected:?}"));
            assert_eq!(error.source().map(ToString::to_string), expected.source().map(ToString::to_string));
            return Some(false);
        }
    };
    let nobodys = Proxy::new(origin);
    let expected = match userinfo {
        Some((username, password)) => nobodys.clone().credentials(Credentials::password(username, password)),
        None => nobodys.clone(),
    };
    let found = found.expect("the plain reader finds one");
    // Not by `assert_eq`, whose message has no passwords to compare.
    assert!(found == expected, "{text:?}");
    assert_eq!(format!("{found} {found:?}"), format!("{nobodys} {nobodys:?}"));
    let (found, nobodys) = (Proxies::all(found), Proxies::all(nobodys));
    assert_eq!(format!("{found:?}"), format!("{nobodys:?}"));
    Some(true)
}
