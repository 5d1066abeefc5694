//! Any text as a list of hosts that need no proxy, and a URI: `legwork::client::proxy` finds an exception
//! where a plain second reading finds one.

mod plain;
#[cfg(test)]
mod tests;

use http::Uri;
use legwork::Origin;
use legwork::client::proxy::{Proxies, Proxy};

/// Panics if anything is wrong. The input is the list, a line feed, and the URI of a request. Says
/// whether the list has its host, if they are text and a URI with an origin.
pub fn check(input: &[u8]) -> Option<bool> {
    let (list, uri) = std::str::from_utf8(input).ok()?.rsplit_once('\n')?;
    let uri: Uri = uri.parse().ok()?;
    let origin = Origin::from_uri(&uri).ok()?;
    let expected = plain::contains(list, origin.host(), origin.port());

    let proxy = Proxy::new("http://proxy.example:3128".parse().expect("an origin"));
    let needs_none = |proxies: &Proxies| proxies.of(&uri).expect("the proxy is one").is_none();
    let found = needs_none(&Proxies::all(proxy.clone()).except(list));
    assert_eq!(found, expected, "{list:?} {uri}");
    // A list may come in parts, and more entries take none away.
    let in_parts = list.split(',').fold(Proxies::all(proxy), Proxies::except);
    assert_eq!(needs_none(&in_parts), expected, "{list:?} {uri}");
    assert!(needs_none(&in_parts.except("*")), "{list:?} {uri}");
    Some(found)
}
