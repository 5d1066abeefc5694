//! GNOME's settings, which other desktops keep as well: what `gsettings` prints of `org.gnome.system.proxy`.

use super::{Found, NO_WPAD, at};

const SCHEMA: &str = "org.gnome.system.proxy";

#[cfg(all(unix, not(target_os = "macos")))]
pub(super) fn read() -> Result<Found, String> {
    found(&super::printed("gsettings", &["list-recursively", SCHEMA])?)
}

/// Reads `SCHEMA KEY VALUE` lines. Users and passwords of theirs are left where they are.
fn found(printed: &str) -> Result<Found, String> {
    let value = |child: &str, key: &str| {
        let start = format!("{SCHEMA}{child} {key} ");
        printed.lines().find_map(|line| line.strip_prefix(&start))
    };
    let text =
        |child: &str, key: &str| value(child, key).and_then(|value| texts(value).pop()).unwrap_or_default();
    let proxy = |child: &str| at(&text(child, "host"), value(child, "port").unwrap_or_default().trim());
    match text("", "mode").as_str() {
        "none" => Ok(Found::default()),
        "auto" => match text("", "autoconfig-url") {
            url if url.is_empty() => Err(NO_WPAD.to_owned()),
            url => Ok(Found { pac: Some(url), ..Found::default() }),
        },
        "manual" => Ok(Found {
            pac: None,
            http: proxy(".http"),
            https: proxy(".https"),
            socks: proxy(".socks"),
            exceptions: value("", "ignore-hosts").map(texts).unwrap_or_default(),
        }),
        mode => Err(format!("gsettings says nothing of proxies that is known here: mode {mode:?}")),
    }
}

/// The texts in a value, as GVariant writes them: `'a'`, `"it's"`, `['a', 'b']`.
fn texts(value: &str) -> Vec<String> {
    let mut texts = Vec::new();
    let mut characters = value.chars();
    while let Some(quote) = characters.find(|c| matches!(c, '\'' | '"')) {
        let mut text = String::new();
        while let Some(c) = characters.next() {
            match c {
                c if c == quote => break,
                '\\' => text.extend(characters.next()),
                c => text.push(c),
            }
        }
        texts.push(text);
    }
    texts
}

#[cfg(test)]
mod tests {
    use super::super::tests::way;
    use super::*;

    // Written by gsettings 2.74, with `GSETTINGS_BACKEND=keyfile`.
    const NONE: &str = include_str!("printed/gsettings-none.txt");
    const MANUAL: &str = include_str!("printed/gsettings-manual.txt");
    const AUTO: &str = include_str!("printed/gsettings-auto.txt");

    #[test]
    fn each_mode_is_understood() {
        let settings = found(NONE).and_then(Found::settings).expect("settings");
        assert_eq!(way(&settings, "http://wiki.example"), None);
        let settings = found(MANUAL).and_then(Found::settings).expect("settings");
        assert_eq!(settings.left_out, [""; 0]);
        for (uri, expected) in [
            ("http://wiki.example", Some("http://proxy.corp.example:3128")),
            ("https://wiki.example", Some("http://secure.corp.example:8443")),
            ("https://a.corp.example", None),
            ("http://127.1.2.3", None),
            ("http://[::1]", None),
            ("http://it's", None),
        ] {
            assert_eq!(way(&settings, uri).as_deref(), expected, "{uri}");
        }
        let auto = found(AUTO).expect("settings");
        assert_eq!(auto.pac.as_deref(), Some("http://wpad.corp.example/proxy.pac"));
    }

    #[test]
    fn what_is_not_understood_is_no_reason_to_go_straight() {
        let auto = MANUAL.replace("'manual'", "'auto'");
        assert!(found(&auto).expect_err("no file").contains("--pac"));
        for text in ["", "org.gnome.system.proxy mode 'other'", "mode 'none'"] {
            found(text).expect_err(text);
        }
        assert_eq!(texts(r"['a\'b', unquoted, 'c"), ["a'b", "c"]);
    }
}
