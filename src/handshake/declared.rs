//! What the caller says that origins and proxies want.

use std::collections::HashMap;

use crate::credentials::{OriginPatterns, Pattern};
use crate::protection_space::{Challenger, Origin};

/// The schemes that are declared, by their registered names.
#[derive(Default)]
pub(super) struct Declared {
    exactly: HashMap<(Challenger, Origin), &'static str>,
    by_pattern: Vec<(Challenger, Pattern, &'static str)>,
}

impl Declared {
    pub(super) fn insert(&mut self, at: Challenger, origins: OriginPatterns, scheme: &'static str) {
        for pattern in origins.into_patterns() {
            match pattern {
                Pattern::Origin(origin) => {
                    self.exactly.insert((at, origin), scheme);
                }
                pattern => self.by_pattern.push((at, pattern, scheme)),
            }
        }
    }

    /// The scheme by the closest name; of equally close ones, by the last.
    pub(super) fn find(&self, at: Challenger, origin: &Origin) -> Option<&'static str> {
        if !self.exactly.is_empty() {
            if let Some(scheme) = self.exactly.get(&(at, origin.clone())) {
                return Some(scheme);
            }
        }
        let covering = self.by_pattern.iter().filter(|(challenger, ..)| *challenger == at);
        let covering =
            covering.filter_map(|(_, pattern, scheme)| Some((pattern.closeness(origin)?, *scheme)));
        covering.max_by_key(|(closeness, _)| *closeness).map(|(_, scheme)| scheme)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn declared(entries: &[(&str, &'static str)]) -> Declared {
        let mut declared = Declared::default();
        for (origins, scheme) in entries {
            declared.insert(Challenger::Origin, origins.parse().expect("patterns"), scheme);
        }
        declared
    }

    #[track_caller]
    fn finds(declared: &Declared, origin: &str, expected: Option<&str>) {
        let origin = origin.parse().expect("an origin");
        assert_eq!(declared.find(Challenger::Origin, &origin), expected, "{origin}");
        assert_eq!(declared.find(Challenger::Proxy, &origin), None, "{origin}");
    }

    #[test]
    fn all_hosts_of_a_domain_are_declared_at_once_and_the_closest_name_wins_in_any_order() {
        let mut entries = [
            ("https://files.corp.example", "Digest"),
            ("files.corp.example", "Basic"),
            ("*.old.corp.example, https://*.older.corp.example", "NTLM"),
            ("*.corp.example", "Negotiate"),
        ];
        for _ in 0..entries.len() {
            entries.rotate_left(1);
            let declared = declared(&entries);
            finds(&declared, "https://files.corp.example", Some("Digest"));
            finds(&declared, "https://files.corp.example:8443", Some("Basic"));
            finds(&declared, "http://files.corp.example", Some("Basic"));
            finds(&declared, "http://a.old.corp.example:81", Some("NTLM"));
            finds(&declared, "https://a.older.corp.example", Some("NTLM"));
            finds(&declared, "http://a.older.corp.example", Some("Negotiate"));
            finds(&declared, "https://mail.corp.example", Some("Negotiate"));
            for other in
                ["https://corp.example", "https://evilcorp.example", "https://corp.example.evil.test"]
            {
                finds(&declared, other, None);
            }
        }
    }

    #[test]
    fn the_last_of_equally_close_ones_counts() {
        finds(
            &declared(&[("*.example", "NTLM"), ("*.example", "Digest")]),
            "https://a.example",
            Some("Digest"),
        );
        let twice = declared(&[("https://a.example", "NTLM"), ("https://a.example", "Digest")]);
        finds(&twice, "https://a.example", Some("Digest"));
        finds(&declared(&[("", "NTLM")]), "https://a.example", None);
    }
}
