//! macOS's settings of the network that is in use: what `scutil --proxy` prints.

use super::{Found, NO_WPAD, at};

#[cfg(target_os = "macos")]
pub(super) fn read() -> Result<Found, String> {
    found(&super::printed("/usr/sbin/scutil", &["--proxy"])?)
}

/// Reads `KEY : VALUE` lines of the outermost dictionary, and the list of exceptions in it.
fn found(printed: &str) -> Result<Found, String> {
    let (mut depth, mut is_list) = (0, false);
    let (mut values, mut exceptions) = (Vec::new(), Vec::new());
    for line in printed.lines().map(str::trim) {
        let pair = line.split_once(" : ");
        match (line.ends_with('{'), pair) {
            (true, pair) => {
                depth += 1;
                is_list = depth == 2 && pair.is_some_and(|(key, _)| key == "ExceptionsList");
            }
            _ if line == "}" => (depth, is_list) = (depth - 1, false),
            (false, Some((key, value))) if depth == 1 => values.push((key, value)),
            (false, Some((_, value))) if is_list => exceptions.push(value.to_owned()),
            _ => {}
        }
    }
    if !printed.trim_start().starts_with("<dictionary>") {
        return Err("scutil says nothing of proxies that is known here".to_owned());
    }
    let value = |key: &str| values.iter().find(|(name, _)| *name == key).map_or("", |(_, value)| *value);
    let is_on = |kind: &str| value(&format!("{kind}Enable")) == "1";
    if is_on("ProxyAutoConfig") && !value("ProxyAutoConfigURLString").is_empty() {
        let url = value("ProxyAutoConfigURLString").to_owned();
        return Ok(Found { pac: Some(url), ..Found::default() });
    }
    if is_on("ProxyAutoDiscovery") {
        return Err(NO_WPAD.to_owned());
    }
    let proxy = |kind: &str| {
        let there = is_on(kind).then(|| at(value(&format!("{kind}Proxy")), value(&format!("{kind}Port"))));
        there.flatten()
    };
    if value("ExcludeSimpleHostnames") == "1" {
        exceptions.push("<local>".to_owned());
    }
    Ok(Found { pac: None, http: proxy("HTTP"), https: proxy("HTTPS"), socks: proxy("SOCKS"), exceptions })
}

#[cfg(test)]
mod tests {
    use super::super::tests::way;
    use super::*;

    // Put together by hand in the form of what Macs have printed: there is none here to record it from.
    const MANUAL: &str = include_str!("printed/scutil-manual.txt");

    #[test]
    fn each_kind_is_understood() {
        let settings = found(MANUAL).and_then(Found::settings).expect("settings");
        assert_eq!(settings.left_out, [""; 0]);
        for (uri, expected) in [
            ("http://wiki.example", Some("http://proxy.corp.example:3128")),
            ("https://wiki.example", Some("http://secure.corp.example:8443")),
            ("http://printer.local", None),
            ("http://169.254.7.8", None),
            ("http://10.1.2.3", None),
            ("https://wiki", None),
        ] {
            assert_eq!(way(&settings, uri).as_deref(), expected, "{uri}");
        }
        let auto = MANUAL.replace("ProxyAutoConfigEnable : 0", "ProxyAutoConfigEnable : 1");
        assert_eq!(found(&auto).expect("a file").pac.as_deref(), Some("http://old.corp.example/proxy.pac"));
        let wpad = MANUAL.replace("ProxyAutoDiscoveryEnable : 0", "ProxyAutoDiscoveryEnable : 1");
        assert!(found(&wpad).expect_err("WPAD").contains("--pac"));
        let none = "<dictionary> {\n  HTTPEnable : 0\n  HTTPProxy : a\n}\n";
        assert_eq!(found(none).expect("none"), Found::default());
        found("").expect_err("nothing");
    }
}
