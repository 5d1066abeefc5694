//! Which public types there are: none is to be forgotten.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// Public types that the tests do not ask, since they hold no secret and nothing that carries one.
const HOLD_NOTHING: &str = include_str!("hold_nothing.txt");

/// That each public type has been asked, or is in the list, and that the list names no others.
pub(super) fn all_are_known(asked: &BTreeSet<&'static str>) {
    let listed: BTreeSet<_> =
        HOLD_NOTHING.lines().filter(|line| !line.starts_with('#')).flat_map(str::split_whitespace).collect();
    let mut public = BTreeSet::new();
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    collect(&sources, &mut public);
    assert!(public.len() > 150, "{public:?}");
    let unknown =
        public.iter().filter(|name| !asked.contains(name.as_str()) && !listed.contains(name.as_str()));
    let unknown = Vec::from_iter(unknown);
    assert!(unknown.is_empty(), "neither asked nor listed: {unknown:?}");
    let gone =
        Vec::from_iter(listed.iter().filter(|name| !public.contains(**name) || asked.contains(**name)));
    assert!(gone.is_empty(), "listed and not public, or asked all the same: {gone:?}");
}

/// What is `pub` is public: the lint `unreachable_pub` sees to that.
fn collect(folder: &Path, public: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            collect(&path, public);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).expect("a source");
            let lines = text.lines().filter_map(|line| {
                let line = line.trim_start();
                line.strip_prefix("pub struct ").or_else(|| line.strip_prefix("pub enum "))
            });
            let ends = |character: char| !character.is_alphanumeric() && character != '_';
            public.extend(lines.filter_map(|line| line.split(ends).next()).map(str::to_owned));
        }
    }
}
