//! Windows' settings of the user (Internet Options): what `reg query` prints. The registry is asked by a program, since its
//! functions are C's.

use super::Found;

const USERS: &str = r"HKCU\Software\Microsoft\Windows\CurrentVersion\Internet Settings";
#[cfg(windows)]
const MACHINES: &str = r"HKLM\Software\Microsoft\Windows\CurrentVersion\Internet Settings";
#[cfg(windows)]
const POLICY: &str = r"HKLM\Software\Policies\Microsoft\Windows\CurrentVersion\Internet Settings";

#[cfg(windows)]
pub(super) fn read() -> Result<Found, String> {
    let root = std::env::var_os("SystemRoot").unwrap_or_else(|| r"C:\Windows".into());
    let reg = std::path::Path::new(&root).join(r"System32\reg.exe");
    let query = |key| super::printed(&reg.to_string_lossy(), &["query", key]);
    // An administrator can give all users the machine's.
    let is_machines =
        query(POLICY).is_ok_and(|printed| value(&printed, "ProxySettingsPerUser") == Some("0x0"));
    let key = if is_machines { MACHINES } else { USERS };
    found(&query(key)?)
}

/// The data of a value, in a line such as `    ProxyEnable    REG_DWORD    0x1`.
fn value<'a>(printed: &'a str, name: &str) -> Option<&'a str> {
    printed.lines().find_map(|line| {
        let data = line.trim().strip_prefix(name)?.trim_start();
        let (kind, data) = data.split_once(char::is_whitespace)?;
        kind.starts_with("REG_").then(|| data.trim())
    })
}

fn found(printed: &str) -> Result<Found, String> {
    if !printed.contains("Internet Settings") {
        return Err(format!("reg.exe says nothing of {USERS}"));
    }
    if let Some(url) = value(printed, "AutoConfigURL").filter(|url| !url.is_empty()) {
        return Ok(Found { pac: Some(url.to_owned()), ..Found::default() });
    }
    if value(printed, "ProxyEnable") != Some("0x1") {
        return Ok(Found::default());
    }
    let mut found = Found::default();
    // One for all, or one for each scheme: http=a:80;https=b:443;socks=c:1080.
    let servers = value(printed, "ProxyServer").unwrap_or_default();
    for server in servers.split([';', ' ']).map(str::trim).filter(|server| !server.is_empty()) {
        match server.split_once('=') {
            None => (found.http, found.https) = (Some(server.to_owned()), Some(server.to_owned())),
            Some(("http", server)) => found.http = Some(server.to_owned()),
            Some(("https", server)) => found.https = Some(server.to_owned()),
            Some(("socks", server)) => found.socks = Some(server.to_owned()),
            Some(_) => {}
        }
    }
    let exceptions = value(printed, "ProxyOverride").unwrap_or_default().split([';', ' ']);
    found.exceptions =
        exceptions.map(str::trim).filter(|entry| !entry.is_empty()).map(str::to_owned).collect();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::super::tests::way;
    use super::*;

    // Put together by hand in the form of what Windows has printed.
    const MANUAL: &str = include_str!("printed/reg-query.txt");

    #[test]
    fn each_kind_is_understood() {
        let settings = found(MANUAL).and_then(Found::settings).expect("settings");
        assert!(settings.left_out[0].contains("*intra*") && settings.left_out.len() == 1, "{settings:?}");
        for (uri, expected) in [
            ("http://wiki.example", Some("http://proxy.corp.example:3128")),
            ("https://wiki.example", Some("http://proxy.corp.example:3128")),
            ("https://a.corp.example", None),
            ("http://10.1.2.3", None),
            ("http://192.168.2.3", None),
            ("http://wiki", None),
        ] {
            assert_eq!(way(&settings, uri).as_deref(), expected, "{uri}");
        }
        let server = |server| {
            let printed = MANUAL.replace("REG_SZ    proxy.corp.example:3128", &format!("REG_SZ    {server}"));
            found(&printed).expect("settings")
        };
        let apart = server("http=a:80;https=http://b:443;ftp=c:21");
        assert_eq!((apart.http.as_deref(), apart.https.as_deref()), (Some("a:80"), Some("http://b:443")));
        server("socks=s:1080").settings().expect_err("SOCKS");
        let off = MANUAL.replace("ProxyEnable    REG_DWORD    0x1", "ProxyEnable    REG_DWORD    0x0");
        assert_eq!(found(&off).expect("none"), Found::default());
        let auto = format!("{off}    AutoConfigURL    REG_SZ    http://wpad.corp.example/proxy.pac\r\n");
        assert_eq!(found(&auto).expect("a file").pac.as_deref(), Some("http://wpad.corp.example/proxy.pac"));
        found("").expect_err("nothing");
    }
}
