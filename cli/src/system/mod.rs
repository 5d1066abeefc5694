//! The proxies of the system's settings, as its browsers take them.

#[cfg(any(all(unix, not(target_os = "macos")), test))]
mod gnome;
#[cfg(any(all(unix, not(target_os = "macos")), test))]
mod kde;
#[cfg(any(target_os = "macos", test))]
mod macos;
#[cfg(any(windows, test))]
mod windows;

use std::process::Command;

use legwork::client::proxy::{Proxies, Proxy};

use crate::chain::chain;
use crate::output::visible;

/// What the system says.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) choice: Choice,
    /// What of it could not be understood, and changes nothing but for a few hosts: a sentence for each.
    pub(crate) left_out: Vec<String>,
}

#[derive(Debug)]
pub(crate) enum Choice {
    Proxies(Box<Proxies>),
    /// The URL of a PAC file.
    Pac(String),
}

/// Reads the settings as they are now; programs of the system may be run for that.
///
/// # Errors
///
/// A sentence for the user. To go on without would send requests past the proxy.
pub(crate) fn settings() -> Result<Settings, String> {
    of_the_desktop()?.settings()
}

#[cfg(all(unix, not(target_os = "macos")))]
fn of_the_desktop() -> Result<Found, String> {
    let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    let desktop = variable("XDG_CURRENT_DESKTOP").unwrap_or_default();
    let is_kde = desktop.to_string_lossy().split(':').any(|name| name.eq_ignore_ascii_case("KDE"));
    if is_kde { kde::read(variable) } else { gnome::read() }
}

#[cfg(target_os = "macos")]
fn of_the_desktop() -> Result<Found, String> {
    macos::read()
}

#[cfg(windows)]
fn of_the_desktop() -> Result<Found, String> {
    windows::read()
}

/// What settings say, whichever system's.
#[derive(Debug, Default, PartialEq, Eq)]
struct Found {
    /// The URL of a PAC file. It goes before the rest.
    pac: Option<String>,
    /// Proxies by the origin's scheme: a host and a port, or a URL.
    http: Option<String>,
    https: Option<String>,
    socks: Option<String>,
    /// Hosts that need none.
    exceptions: Vec<String>,
}

impl Found {
    fn settings(self) -> Result<Settings, String> {
        let mut left_out = Vec::new();
        if let Some(url) = self.pac {
            return Ok(Settings { choice: Choice::Pac(url), left_out });
        }
        let is_whole = self.http.is_some() && self.https.is_some();
        if let Some(socks) = self.socks.filter(|_| !is_whole) {
            return Err(format!(
                "the system's settings name {}, which speaks SOCKS: that is not supported",
                visible(&socks)
            ));
        }
        let parse = |proxy: Option<String>| {
            proxy.map(|proxy| proxy.parse::<Proxy>()).transpose().map_err(|error| {
                // Without the text, which may have a password in it.
                format!("the system's settings name a proxy that cannot be used: {}", chain(&error))
            })
        };
        let mut proxies = Proxies::none().with_http(parse(self.http)?).with_https(parse(self.https)?);
        for exception in self.exceptions {
            match as_listed(&exception) {
                Some(entry) => proxies = proxies.except(&entry),
                None => left_out.push(format!(
                    "the system's settings except {} from their proxies, which cannot be said here: it goes through them",
                    visible(&exception)
                )),
            }
        }
        Ok(Settings { choice: Choice::Proxies(Box::new(proxies)), left_out })
    }
}

/// An exception in the words of `no_proxy`. Windows writes networks as `10.*`, macOS as `169.254/16`.
fn as_listed(entry: &str) -> Option<String> {
    let entry = entry.trim();
    let entry = entry.split_once("://").map_or(entry, |(_, host)| host);
    let octets = |text: &str| -> Option<Vec<u8>> { text.split('.').map(|part| part.parse().ok()).collect() };
    let padded = |mut octets: Vec<u8>| {
        octets.resize(4, 0);
        octets.iter().map(ToString::to_string).collect::<Vec<_>>().join(".")
    };
    if let Some((network, prefix)) = entry.split_once('/') {
        let short = octets(network).filter(|octets| octets.len() < 4);
        return Some(short.map_or(entry.to_owned(), |octets| format!("{}/{prefix}", padded(octets))));
    }
    let start = entry.trim_end_matches(['*', '.']);
    if start.len() < entry.len() && entry.ends_with('*') {
        if let Some(octets) = octets(start).filter(|octets| octets.len() < 4) {
            let prefix = 8 * octets.len();
            return Some(format!("{}/{prefix}", padded(octets)));
        }
    }
    let name = entry.strip_prefix("*.").unwrap_or(entry);
    let is_plain = entry == "*" || !name.is_empty() && !name.contains('*');
    is_plain.then(|| entry.to_owned())
}

/// What a program of the system prints.
fn printed(program: &str, arguments: &[&str]) -> Result<String, String> {
    let output =
        Command::new(program).args(arguments).stdin(std::process::Stdio::null()).output().map_err(
            |error| format!("the system's settings cannot be read by {program}: {}", chain(&error)),
        )?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let said = said.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
        return Err(format!(
            "the system's settings cannot be read: {program} ended with {}: {}",
            output.status,
            visible(said)
        ));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// What is said of settings that leave the search to the program.
#[cfg(any(unix, test))]
const NO_WPAD: &str = "the system's settings have the network tell where its PAC file is (WPAD), which is not done here, since anybody \
                       in it could answer: name the file by --pac";

/// A proxy, where there is a host.
#[cfg(any(unix, test))]
fn at(host: &str, port: &str) -> Option<String> {
    let host =
        if host.contains(':') && !host.starts_with('[') { format!("[{host}]") } else { host.to_owned() };
    match port {
        "" | "0" => (!host.is_empty()).then_some(host),
        port => (!host.is_empty()).then(|| format!("{host}:{port}")),
    }
}

#[cfg(test)]
mod tests {
    use http::Uri;

    use super::*;

    /// Which proxy a URI goes through.
    pub(super) fn way(settings: &Settings, uri: &'static str) -> Option<String> {
        let Choice::Proxies(proxies) = &settings.choice else { panic!("{settings:?}") };
        proxies.of(&Uri::from_static(uri)).expect("usable").map(ToString::to_string)
    }

    #[test]
    fn exceptions_are_said_in_other_words() {
        for (written, listed) in [
            ("10.*", Some("10.0.0.0/8")),
            ("10.*.*.*", Some("10.0.0.0/8")),
            ("192.168.*", Some("192.168.0.0/16")),
            ("169.254/16", Some("169.254.0.0/16")),
            ("10.0.0.0/8", Some("10.0.0.0/8")),
            ("*.corp.example", Some("*.corp.example")),
            ("<local>", Some("<local>")),
            ("https://wiki.example:8443", Some("wiki.example:8443")),
            ("*", Some("*")),
            ("::1", Some("::1")),
            ("*intra*", None),
            ("intra*", None),
            ("", None),
        ] {
            assert_eq!(as_listed(written).as_deref(), listed, "{written}");
        }
    }

    #[test]
    fn a_proxy_that_cannot_be_used_is_no_reason_to_go_straight() {
        let found = Found { socks: Some("s.example:1080".to_owned()), ..Found::default() };
        assert!(found.settings().expect_err("no proxy").contains("s.example:1080"));
        let found = Found { http: Some("http://carol:s3cret@".to_owned()), ..Found::default() };
        let why = found.settings().expect_err("no proxy");
        assert!(why.contains("cannot be used") && !why.contains("s3cret"), "{why}");
        let both = Found {
            http: Some("a:1".to_owned()),
            https: Some("b:2".to_owned()),
            socks: Some("s:3".to_owned()),
            ..Found::default()
        };
        let settings = both.settings().expect("proxies");
        assert_eq!(way(&settings, "https://x.example").as_deref(), Some("http://b:2"));
    }
}
