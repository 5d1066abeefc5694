//! The ticket cache: whose it is, and until when. Kinds other than files are the library's own affair.

use std::fs;
use std::path::Path;
use std::time::SystemTime;

use x509_cert::der::DateTime;

use crate::doctor::facts::Cache;
use crate::doctor::kerberos::ccache::contents;
use crate::doctor::kerberos::conf::Configuration;

const MAX_OCTETS: u64 = 4 * 1024 * 1024;

/// Looks at the cache that the library would take.
pub(super) fn look(configuration: &Configuration, now: SystemTime) -> Option<Cache> {
    let name = std::env::var("KRB5CCNAME").ok().or_else(|| default_name(configuration))?;
    let mut cache = Cache { name, found: false, principal: None, expires: None, expired: None, unread: None };
    let (kind, rest) = match cache.name.split_once(':') {
        Some((kind, rest)) if !kind.contains('/') => (kind, rest.to_owned()),
        _ => ("FILE", cache.name.clone()),
    };
    let path = match kind {
        "FILE" => rest,
        "DIR" => match in_folder(&rest) {
            Some(path) => path,
            None => return Some(cache),
        },
        kind => {
            cache.unread = Some(format!("caches of the kind {kind} are not read here: klist shows it"));
            return Some(cache);
        }
    };
    let Ok(found) = fs::metadata(&path) else { return Some(cache) };
    cache.found = true;
    if !found.is_file() || found.len() > MAX_OCTETS {
        cache.unread = Some("that is no ticket cache".to_owned());
        return Some(cache);
    }
    match fs::read(&path) {
        Ok(octets) => match contents(&octets) {
            Some((principal, end)) => {
                cache.principal = Some(principal);
                cache.expired = end.map(|end| end <= now);
                cache.expires = end.and_then(in_words);
            }
            None => cache.unread = Some("it is not in the format of MIT's and Heimdal's files".to_owned()),
        },
        Err(error) => cache.unread = Some(error.to_string()),
    }
    Some(cache)
}

/// The library's own default.
fn default_name(configuration: &Configuration) -> Option<String> {
    let uid = uid();
    match configuration.setting("default_ccache_name") {
        Some(name) => {
            let uid = uid?.to_string();
            let temp = std::env::var("TMPDIR").unwrap_or_else(|_| "/tmp".to_owned());
            Some(name.replace("%{uid}", &uid).replace("%{euid}", &uid).replace("%{TEMP}", &temp))
        }
        None => Some(format!("FILE:/tmp/krb5cc_{}", uid?)),
    }
}

/// This process's user, where `/proc` tells.
fn uid() -> Option<u32> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        fs::metadata("/proc/self").ok().map(|process| process.uid())
    }
    #[cfg(not(unix))]
    None
}

/// The primary cache of a collection in a folder.
fn in_folder(folder: &str) -> Option<String> {
    if let Some(file) = folder.strip_prefix(':') {
        return Some(file.to_owned());
    }
    let folder = Path::new(folder);
    let primary = fs::read_to_string(folder.join("primary"));
    let name = primary.as_deref().map_or("tkt", str::trim).to_owned();
    Some(folder.join(name).to_string_lossy().into_owned())
}

fn in_words(time: SystemTime) -> Option<String> {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    DateTime::from_unix_duration(since).ok().map(|time| time.to_string())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_time_is_told_in_utc() {
        let end = SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_651_200);
        assert_eq!(in_words(end).as_deref(), Some("2026-11-26T00:00:00Z"));
    }
}
