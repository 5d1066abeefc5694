//! Reads the files in `tests/vectors/`.
//!
//! ```text
//! # a comment that names the source
//! [section]
//! name = "text"
//! other = 00ff
//!     00ff            an indented line goes on
//! ```

use std::collections::BTreeMap;

/// The values of a file by `section.name`.
pub(crate) struct Vectors(BTreeMap<String, String>);

impl Vectors {
    pub(crate) fn read(file: &str) -> Self {
        let (mut values, mut section, mut last) = (BTreeMap::<String, String>::new(), "", String::new());
        for line in file.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
                section = name;
            } else if let Some(more) = line.strip_prefix("    ") {
                values.get_mut(&last).expect("a line to go on from").push_str(more);
            } else {
                let (name, value) = line.split_once('=').expect("name = value");
                last = format!("{section}.{}", name.trim());
                values.insert(last.clone(), value.trim().to_owned());
            }
        }
        Self(values)
    }

    pub(crate) fn sections(&self) -> Vec<&str> {
        let mut sections: Vec<_> = self.0.keys().filter_map(|key| Some(key.rsplit_once('.')?.0)).collect();
        sections.dedup();
        sections
    }

    pub(crate) fn text(&self, name: &str) -> &str {
        self.value(name).trim_matches('"')
    }

    pub(crate) fn octets(&self, name: &str) -> Vec<u8> {
        self.optional(name).unwrap_or_else(|| panic!("{name}"))
    }

    pub(crate) fn array<const N: usize>(&self, name: &str) -> [u8; N] {
        self.octets(name).try_into().unwrap_or_else(|_| panic!("{name} has not {N} octets"))
    }

    pub(crate) fn optional(&self, name: &str) -> Option<Vec<u8>> {
        let digits = self.0.get(name)?.as_bytes();
        let octet = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
        Some(digits.chunks(2).map(|pair| octet(pair).unwrap_or_else(|| panic!("hex in {name}"))).collect())
    }

    fn value(&self, name: &str) -> &str {
        self.0.get(name).unwrap_or_else(|| panic!("{name}"))
    }
}
