//! KDE's settings: the file `kioslaverc`.

#[cfg(all(unix, not(target_os = "macos")))]
use std::ffi::OsString;
#[cfg(all(unix, not(target_os = "macos")))]
use std::path::PathBuf;

#[cfg(all(unix, not(target_os = "macos")))]
use crate::chain::chain;

use super::{Found, NO_WPAD};

/// Reads the user's own file. Where there is none, nobody has set anything.
#[cfg(all(unix, not(target_os = "macos")))]
pub(super) fn read(variable: impl Fn(&'static str) -> Option<OsString>) -> Result<Found, String> {
    let folder = variable("XDG_CONFIG_HOME")
        .map(PathBuf::from)
        .or_else(|| variable("HOME").map(|home| PathBuf::from(home).join(".config")))
        .ok_or("neither XDG_CONFIG_HOME nor HOME is set, so that KDE's settings cannot be found")?;
    let file = folder.join("kioslaverc");
    match std::fs::read_to_string(&file) {
        Ok(text) => found(&text),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Found::default()),
        Err(error) => Err(format!("cannot read {}: {}", file.display(), chain(&error))),
    }
}

fn found(text: &str) -> Result<Found, String> {
    let mut lines = text.lines().map(str::trim);
    let group: Vec<(&str, &str)> = lines
        .by_ref()
        .skip_while(|line| *line != "[Proxy Settings]")
        .skip(1)
        .take_while(|line| !line.starts_with('['))
        .filter_map(|line| line.split_once('='))
        // httpProxy[$e] may have variables in it, which browsers leave as they are.
        .map(|(key, value)| (key.split('[').next().unwrap_or_default().trim(), value.trim()))
        .collect();
    let value = |key: &str| group.iter().find(|(name, _)| *name == key).map_or("", |(_, value)| *value);
    // Before the port there is a blank.
    let proxy = |key: &str| Some(value(key).replace(' ', ":")).filter(|proxy| !proxy.is_empty());
    match value("ProxyType") {
        "" | "0" => Ok(Found::default()),
        "1" if value("ReversedException") == "true" => {
            Err("KDE's settings list the hosts that are to go through a proxy, and not those that are not: that is not supported"
                .to_owned())
        }
        "1" => Ok(Found {
            pac: None,
            http: proxy("httpProxy"),
            https: proxy("httpsProxy"),
            socks: proxy("socksProxy"),
            exceptions: value("NoProxyFor")
                .split([',', ' '])
                .filter(|entry| !entry.is_empty())
                .map(str::to_owned)
                .collect(),
        }),
        "2" => match value("Proxy Config Script") {
            "" => Err("KDE's settings want a PAC file, and name none".to_owned()),
            url => Ok(Found { pac: Some(url.to_owned()), ..Found::default() }),
        },
        "3" => Err(NO_WPAD.to_owned()),
        "4" => Err("KDE's settings are those of the environment: leave out --system-proxies".to_owned()),
        other => Err(format!("KDE's settings are not understood: ProxyType={other:?}")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::way;
    use super::*;

    // Written by kwriteconfig5 5.103.
    const MANUAL: &str = include_str!("printed/kioslaverc.txt");

    #[test]
    fn each_type_is_understood() {
        let settings = found(MANUAL).and_then(Found::settings).expect("settings");
        for (uri, expected) in [
            ("http://wiki.example", Some("http://proxy.corp.example:3128")),
            ("https://wiki.example", Some("http://proxy.corp.example:3128")),
            ("https://a.corp.example", None),
            ("http://10.1.2.3", None),
            ("http://localhost:8080", None),
        ] {
            assert_eq!(way(&settings, uri).as_deref(), expected, "{uri}");
        }
        let of_type = |kind| found(&MANUAL.replace("ProxyType=1", &format!("ProxyType={kind}")));
        assert_eq!(of_type(0).expect("none"), Found::default());
        assert_eq!(of_type(2).expect("a file").pac.as_deref(), Some("file:///etc/proxy.pac"));
        assert!(of_type(3).expect_err("WPAD").contains("--pac"));
        assert!(of_type(4).expect_err("the environment").contains("--system-proxies"));
        of_type(7).expect_err("unknown");
        found(&MANUAL.replace("ReversedException=false", "ReversedException=true")).expect_err("reversed");
        assert_eq!(found("[Other]\nProxyType=1\n").expect("none"), Found::default());
    }

    #[test]
    fn keys_end_with_their_group_and_may_be_marked() {
        let text = "[$Version]\nupdate=1\n[Proxy Settings]\nhttpProxy[$e]=http://a.example 1\nProxyType=1\n\n[Other]\nhttpsProxy=b 2\n";
        let found = found(text).expect("settings");
        assert_eq!((found.http.as_deref(), found.https), (Some("http://a.example:1"), None));
    }
}
