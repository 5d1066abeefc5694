//! What a PAC file answers: the ways to an origin, in the order in which they are tried.

use std::fmt;

use legwork::Origin;

/// A way that was named.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Named {
    Direct,
    /// Spoken to over TLS if its scheme is `https`.
    Proxy(Origin),
}

/// More are not looked at.
const ENTRIES: usize = 16;

/// Reads a list such as `PROXY cache.example:3128; HTTPS safe.example; DIRECT`. Beside the ways that can be gone, what is left
/// out. An empty list is the straight way (so Netscape's specification has it); one of which nothing can be understood is an
/// error, and no way at all.
pub(super) fn parse(list: &str) -> Result<(Vec<Named>, Vec<Skipped>), Skipped> {
    let (mut ways, mut skipped) = (Vec::new(), Vec::new());
    let entries = list.split(';').map(str::trim).filter(|entry| !entry.is_empty());
    for entry in entries.take(ENTRIES) {
        match named(entry) {
            Ok(way) if ways.contains(&way) => {}
            Ok(way) => ways.push(way),
            Err(why) => skipped.push(why),
        }
    }
    match (ways.is_empty(), skipped.is_empty()) {
        (true, true) => Ok((vec![Named::Direct], skipped)),
        (true, false) => Err(skipped.swap_remove(0)),
        (false, _) => Ok((ways, skipped)),
    }
}

fn named(entry: &str) -> Result<Named, Skipped> {
    let skipped =
        |why| Skipped { entry: crate::output::visible(&entry.chars().take(80).collect::<String>()), why };
    let (kind, host) = entry.split_once(|c: char| c.is_ascii_whitespace()).unwrap_or((entry, ""));
    let (kind, host) = (kind.to_ascii_uppercase(), host.trim());
    let scheme = match kind.as_str() {
        "DIRECT" if host.is_empty() => return Ok(Named::Direct),
        "PROXY" | "HTTP" => "http",
        "HTTPS" => "https",
        "SOCKS" | "SOCKS4" | "SOCKS5" => return Err(skipped(Why::Socks)),
        _ => return Err(skipped(Why::Unknown)),
    };
    // A user with a password would be the file's, and not the gateway's.
    if host.is_empty() || host.contains(['@', '/', '?', '#']) || host.contains(char::is_whitespace) {
        return Err(skipped(Why::NoHost));
    }
    let origin = format!("{scheme}://{host}").parse().map_err(|_| skipped(Why::NoHost))?;
    Ok(Named::Proxy(origin))
}

/// An entry that is no way.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Skipped {
    entry: String,
    why: Why,
}

#[derive(Debug, PartialEq, Eq)]
enum Why {
    Socks,
    Unknown,
    NoHost,
}

impl fmt::Display for Skipped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let why = match self.why {
            Why::Socks => "SOCKS is not supported",
            Why::Unknown => "neither PROXY, HTTPS nor DIRECT",
            Why::NoHost => "host:port is missing behind it",
        };
        write!(f, "the PAC file names \"{}\": {why}", self.entry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ways(list: &str) -> Vec<String> {
        let (ways, _) = parse(list).unwrap_or_else(|why| panic!("{list}: {why}"));
        let shown = |way| match way {
            Named::Direct => "straight".to_owned(),
            Named::Proxy(origin) => origin.to_string(),
        };
        ways.into_iter().map(shown).collect()
    }

    #[test]
    fn a_list_is_read_in_its_order() {
        for (list, expected) in [
            ("DIRECT", &["straight"][..]),
            ("", &["straight"]),
            (" ; ;", &["straight"]),
            ("PROXY a.example:3128", &["http://a.example:3128"]),
            ("PROXY a.example", &["http://a.example"]),
            ("HTTPS a.example", &["https://a.example"]),
            ("HTTPS a.example:8443;DIRECT", &["https://a.example:8443", "straight"]),
            (
                "  proxy\ta.example:1 ;\n https b:2;; direct ;",
                &["http://a.example:1", "https://b:2", "straight"],
            ),
            ("HTTP [2001:db8::1]:3128", &["http://[2001:db8::1]:3128"]),
            ("PROXY a:1; PROXY b:1; PROXY a:1", &["http://a:1", "http://b:1"]),
            ("SOCKS s:1080; PROXY a:1", &["http://a:1"]),
            ("PROXY a:99999; QUIC q:1; DIRECT", &["straight"]),
        ] {
            assert_eq!(ways(list), expected, "{list:?}");
        }
        let many: String = (0..100).map(|n| format!("PROXY p{n}:1;")).collect();
        assert_eq!(ways(&many).len(), ENTRIES);
    }

    #[test]
    fn what_is_left_out_is_told_and_nothing_is_no_way() {
        let (_, skipped) = parse("SOCKS5 s:1080; DIRECT").expect("a way");
        assert_eq!(skipped[0].to_string(), "the PAC file names \"SOCKS5 s:1080\": SOCKS is not supported");
        for (list, why) in [
            ("SOCKS s:1080", "SOCKS"),
            ("garbage", "neither"),
            ("DIRECT now", "neither"),
            ("PROXY", "missing"),
            ("PROXY :3128", "missing"),
            ("PROXY carol:pw@a:1", "missing"),
            ("PROXY http://a:1", "missing"),
            ("PROXY a:1 b:2", "missing"),
            ("null", "neither"),
            ("undefined", "neither"),
        ] {
            let skipped = parse(list).expect_err(list);
            assert!(skipped.to_string().contains(why), "{list}: {skipped}");
        }
        let shown = parse("\u{1b}[31m\u{202e}").expect_err("no way").to_string();
        assert!(!shown.contains('\u{1b}') && !shown.contains('\u{202e}'), "{shown}");
    }
}
