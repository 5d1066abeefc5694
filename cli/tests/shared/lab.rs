//! The lab: where its servers are and whom they know.

use std::collections::HashMap;
use std::sync::LazyLock;

/// One of the lab's values, such as `APACHE_HTTP`: the lines of `tests/lab/lab info`.
pub(crate) fn lab(key: &str) -> &'static str {
    static LAB: LazyLock<HashMap<String, String>> = LazyLock::new(|| {
        let path =
            std::env::var("LEGWORK_LAB").expect("LEGWORK_LAB is set: start these tests with tests/run");
        let text = std::fs::read_to_string(&path)
            .unwrap_or_else(|error| panic!("LEGWORK_LAB={path} cannot be read ({error}): is the lab up?"));
        let pairs = text.lines().filter_map(|line| line.split_once('='));
        pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
    });
    LAB.get(key).unwrap_or_else(|| panic!("the lab has no {key} (tests/lab/lab info lists all)"))
}
