//! `krb5.conf`: what the system's library reads, as far as it tells where a login leads.

use std::fs;
use std::path::{Path, PathBuf};

/// Files that include files, and so on.
pub(super) const MAX_DEPTH: u8 = 8;
/// In all: files that include each other would be read again and again, each time twice as often.
const MAX_FILES: usize = 256;
const MAX_OCTETS: u64 = 1024 * 1024;

/// The relations of all files, each with the names that lead to it.
#[derive(Debug, Default)]
pub(super) struct Configuration {
    pub(super) files: Vec<PathBuf>,
    relations: Vec<(Vec<String>, String)>,
}

impl Configuration {
    /// Reads the files that the library would read.
    pub(super) fn read() -> Self {
        let mut read = Self::default();
        match std::env::var_os("KRB5_CONFIG") {
            Some(paths) => std::env::split_paths(&paths).for_each(|path| read.file(&path, 0)),
            None => read.file(Path::new("/etc/krb5.conf"), 0),
        }
        read
    }

    fn file(&mut self, path: &Path, depth: u8) {
        // A device or a pipe would be read for ever.
        let is_file = fs::metadata(path).is_ok_and(|found| found.is_file() && found.len() <= MAX_OCTETS);
        if !is_file || self.files.len() == MAX_FILES {
            return;
        }
        let Ok(text) = fs::read(path) else { return };
        self.files.push(path.to_owned());
        self.text(&String::from_utf8_lossy(&text), depth);
    }

    /// Reads a file's text, which so many files have included.
    pub(super) fn text(&mut self, text: &str, depth: u8) {
        let mut path: Vec<String> = Vec::new();
        for line in text.lines().map(str::trim) {
            if line.is_empty() || line.starts_with(['#', ';']) {
                continue;
            }
            if let Some(included) = directive(line, "include") {
                if depth < MAX_DEPTH {
                    self.file(Path::new(included), depth + 1);
                }
            } else if let Some(folder) = directive(line, "includedir") {
                if depth < MAX_DEPTH {
                    included(Path::new(folder)).iter().for_each(|file| self.file(file, depth + 1));
                }
            } else if let Some(section) = line.strip_prefix('[') {
                path = vec![section.split(']').next().unwrap_or_default().trim().to_owned()];
            } else if line.starts_with('}') {
                path.truncate(path.len().saturating_sub(1).max(1));
            } else if let Some((name, value)) = line.split_once('=') {
                let (name, value) = (name.trim().trim_end_matches('*'), value.trim());
                if value.starts_with('{') {
                    path.push(name.to_owned());
                } else {
                    let names = path.iter().map(String::as_str).chain([name]).map(str::to_owned);
                    self.relations.push((names.collect(), value.trim_matches('"').to_owned()));
                }
            }
        }
    }

    fn values(&self, names: &[&str]) -> Vec<&str> {
        let found = |path: &[String]| path.iter().map(String::as_str).eq(names.iter().copied());
        self.relations.iter().filter(|(path, _)| found(path)).map(|(_, value)| value.as_str()).collect()
    }

    /// One of `[libdefaults]`; the first one counts.
    pub(super) fn setting(&self, name: &str) -> Option<&str> {
        self.values(&["libdefaults", name]).first().copied()
    }

    pub(super) fn is_on(&self, name: &str, otherwise: bool) -> bool {
        match self.setting(name) {
            Some(value) => {
                matches!(value.to_ascii_lowercase().as_str(), "true" | "yes" | "y" | "t" | "1" | "on")
            }
            None => otherwise,
        }
    }

    /// The realm that `[domain_realm]` puts a host into: by its own name, else by the nearest domain above it.
    pub(super) fn realm_of(&self, host: &str) -> Option<&str> {
        let host = host.trim_end_matches('.');
        let above = std::iter::successors(host.split_once('.'), |(_, domain)| domain.split_once('.'));
        let domains = above.flat_map(|(_, domain)| [format!(".{domain}"), domain.to_owned()]);
        std::iter::once(host.to_owned()).chain(domains).find_map(|name| self.domain(&name))
    }

    fn domain(&self, name: &str) -> Option<&str> {
        let is_it = |path: &[String]| match path {
            [section, domain] => section == "domain_realm" && domain.eq_ignore_ascii_case(name),
            _ => false,
        };
        self.relations.iter().find(|(path, _)| is_it(path)).map(|(_, realm)| realm.as_str())
    }

    /// The KDCs that are named for a realm.
    pub(super) fn kdcs(&self, realm: &str) -> Vec<&str> {
        self.values(&["realms", realm, "kdc"])
    }
}

fn directive<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    let rest = line.strip_prefix(name)?;
    rest.starts_with([' ', '\t']).then(|| rest.trim())
}

/// The files of a folder that count: by letters, digits, `-` and `_`, or ending in `.conf`.
fn included(folder: &Path) -> Vec<PathBuf> {
    let is_plain = |name: &str| name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'));
    let counts = |name: &str| is_plain(name) || (name.ends_with(".conf") && !name.starts_with('.'));
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut files: Vec<_> = entries
        .filter(|entry| entry.file_name().to_str().is_some_and(counts))
        .map(|entry| entry.path())
        .collect();
    files.sort();
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_includes_itself_is_read_a_bounded_number_of_times() {
        let path = std::env::temp_dir().join(format!("legwork-conf-{}", std::process::id()));
        let itself = format!("include {}\n", path.display());
        fs::write(&path, itself.repeat(10)).expect("a file");
        let mut configuration = Configuration::default();
        configuration.file(&path, 0);
        fs::remove_file(&path).expect("it is there");
        assert_eq!(configuration.files.len(), MAX_FILES);
    }

    fn read(text: &str) -> Configuration {
        let mut configuration = Configuration::default();
        configuration.text(text, MAX_DEPTH);
        configuration
    }

    const TEXT: &str = "
        # a comment
        [libdefaults]
          default_realm = CORP.EXAMPLE
          default_realm = SECOND.EXAMPLE
          dns_lookup_kdc = false
        [realms]
          CORP.EXAMPLE = {
            kdc = dc1.corp.example
            kdc = dc2.corp.example:1088
            auth_to_local_names = {
              a = b
            }
            kdc = tcp/dc3.corp.example
          }
          OTHER.EXAMPLE = {
            kdc = dc9.other.example
          }
        [domain_realm]
          .corp.example = CORP.EXAMPLE
          www.corp.example = OTHER.EXAMPLE
          corp.example = ROOT.EXAMPLE
        ";

    #[test]
    fn the_first_default_counts_and_all_kdcs() {
        let read = read(TEXT);
        assert_eq!(read.setting("default_realm"), Some("CORP.EXAMPLE"));
        assert!(!read.is_on("dns_lookup_kdc", true) && read.is_on("rdns", true));
        let kdcs = read.kdcs("CORP.EXAMPLE");
        assert_eq!(kdcs, ["dc1.corp.example", "dc2.corp.example:1088", "tcp/dc3.corp.example"]);
        assert!(read.kdcs("corp.example").is_empty());
    }

    #[test]
    fn a_host_has_the_realm_of_its_longest_match() {
        let read = read(TEXT);
        assert_eq!(read.realm_of("www.corp.example"), Some("OTHER.EXAMPLE"));
        assert_eq!(read.realm_of("WIKI.corp.example."), Some("CORP.EXAMPLE"));
        assert_eq!(read.realm_of("corp.example"), Some("ROOT.EXAMPLE"));
        assert_eq!(read.realm_of("example"), None);
    }

    #[test]
    fn what_makes_no_sense_is_passed_over() {
        let read = read("}\n}\nx = {\ny\n[\n[ab\n= =\n[realms]\n}\n A = { \nkdc = k\n");
        assert_eq!(read.kdcs("A"), ["k"]);
    }
}
