//! Circles: of files, and of modules that lie beside each other.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::imports::Imports;
use crate::tree::Tree;

/// Which files an import is between.
type Edge = (usize, usize);

/// Each circle, by a shortest way around it.
pub fn faults(tree: &Tree, imports: &Imports) -> Vec<String> {
    let between_files: BTreeMap<Edge, Edge> = imports.keys().map(|&edge| (edge, edge)).collect();
    let mut faults: Vec<_> =
        circles(&between_files).iter().map(|circle| describe(tree, imports, circle, "files")).collect();
    for folder in folders(tree) {
        let mut between_modules = BTreeMap::new();
        for &(from, to) in imports.keys() {
            if let (Some(one), Some(other)) = (inside(tree, folder, from), inside(tree, folder, to)) {
                if one != other {
                    between_modules.entry((one, other)).or_insert((from, to));
                }
            }
        }
        let what = format!("modules of {}", [&["crate".to_owned()], folder].concat().join("::"));
        for circle in circles(&between_modules) {
            if !is_circle_of_files(&circle) {
                faults.push(describe(tree, imports, &circle, &what));
            }
        }
    }
    faults
}

/// One circle of each set of nodes that all lead to each other, as the edges that it is made of.
fn circles<N: Copy + Ord>(edges: &BTreeMap<(N, N), Edge>) -> Vec<(usize, Vec<Edge>)> {
    let nodes: BTreeSet<N> = edges.keys().flat_map(|&(from, to)| [from, to]).collect();
    let reached: BTreeMap<N, BTreeMap<N, N>> = nodes.iter().map(|&node| (node, reach(edges, node))).collect();
    let mut found = Vec::new();
    let mut seen: BTreeSet<N> = BTreeSet::new();
    for &node in &nodes {
        if seen.contains(&node) || !reached[&node].contains_key(&node) {
            continue;
        }
        let together: Vec<N> = nodes
            .iter()
            .copied()
            .filter(|other| leads(&reached, node, *other) && leads(&reached, *other, node))
            .collect();
        seen.extend(&together);
        let ways = together.iter().map(|&start| way_around(&reached[&start], start));
        let shortest = ways.min_by_key(Vec::len).expect("a circle has nodes");
        found.push((together.len(), shortest.into_iter().map(|edge| edges[&edge]).collect()));
    }
    found
}

fn leads<N: Ord>(reached: &BTreeMap<N, BTreeMap<N, N>>, from: N, to: N) -> bool {
    reached[&from].contains_key(&to)
}

/// All nodes that can be reached, each with the one before it on a shortest way.
fn reach<N: Copy + Ord>(edges: &BTreeMap<(N, N), Edge>, start: N) -> BTreeMap<N, N> {
    let mut before = BTreeMap::new();
    let mut queue = VecDeque::from([start]);
    while let Some(node) = queue.pop_front() {
        for &(from, to) in edges.keys() {
            if from == node && !before.contains_key(&to) {
                before.insert(to, node);
                queue.push_back(to);
            }
        }
    }
    before
}

fn way_around<N: Copy + Ord>(before: &BTreeMap<N, N>, start: N) -> Vec<(N, N)> {
    let mut way = Vec::new();
    let mut node = start;
    loop {
        let previous = before[&node];
        way.push((previous, node));
        node = previous;
        if node == start {
            way.reverse();
            return way;
        }
    }
}

/// The modules that have modules in them.
fn folders(tree: &Tree) -> BTreeSet<&[String]> {
    tree.files.iter().filter_map(|file| file.module.split_last().map(|(_, folder)| folder)).collect()
}

/// The module directly inside of a folder that a file belongs to; the folder's own file has no name.
fn inside<'a>(tree: &'a Tree, folder: &[String], file: usize) -> Option<&'a str> {
    let rest = tree.files[file].module.strip_prefix(folder)?;
    Some(rest.first().map_or("", String::as_str))
}

fn is_circle_of_files((_, circle): &(usize, Vec<Edge>)) -> bool {
    circle.iter().zip(circle.iter().cycle().skip(1)).all(|(one, next)| one.1 == next.0)
}

fn describe(tree: &Tree, imports: &Imports, (size, circle): &(usize, Vec<Edge>), what: &str) -> String {
    let mut text = format!("circle of {size} {what}:");
    for edge in circle {
        let [from, to] = [edge.0, edge.1].map(|file| &tree.files[file].path);
        let import = &imports[edge];
        text.push_str(&format!("\n  {from}:{} imports {to} ({})", import.line, import.path));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{imports, layers};

    /// What is said of these files.
    fn of(files: &[(&str, &str)]) -> Vec<String> {
        let read = |path: &str| files.iter().find(|file| file.0 == path).map(|file| file.1.to_owned());
        let tree = Tree::read(read).expect("files that can be parsed");
        let imports = imports::of(&tree);
        [layers::faults(&tree, &imports), faults(&tree, &imports)].concat()
    }

    /// What is said where `der/a.rs` imports of `der/b.rs` and has this text.
    fn with(text: &str) -> Vec<String> {
        of(&[
            ("lib.rs", "mod der;"),
            ("der/mod.rs", "mod a; mod b; pub use b::B as Renamed; pub use b::*;"),
            ("der/a.rs", text),
            (
                "der/b.rs",
                "use crate::der::a::A; pub struct B(A); pub fn b() {} macro_rules! made { () => {} } pub(crate) use made;",
            ),
        ])
    }

    #[test]
    fn a_circle_is_found_whatever_the_form_of_the_import() {
        for text in [
            "use crate::der::b::B; pub struct A;",
            "use super::b::{B, b as other}; pub struct A;",
            "use crate::{der::{b::{self, B}}}; pub struct A;",
            "use self::super::b; pub struct A;",
            "use crate::der::Renamed; pub struct A;",
            "use super::Renamed as Other; pub struct A;",
            "use super::B; pub struct A;",
            "pub use super::b as other; pub struct A;",
            "pub struct A; fn a() { super::b::b() }",
            "pub struct A; fn a() { use crate::der::b::B; }",
            "pub struct A; impl From<crate::der::B> for A {}",
            "pub struct A; fn a() { assert!(crate::der::b::b() == ()) }",
            "pin_project! { pub struct A { b: super::b::B } }",
            "use super::b::made; pub struct A;",
            "pub struct A; mod within { use super::super::b::B; }",
            "#[cfg(any(test, feature = \"b\"))] use super::b::B; pub struct A;",
        ] {
            let found = with(text);
            assert!(
                found.len() == 1 && found[0].contains("der/a.rs:1 imports der/b.rs"),
                "{text}: {found:?}"
            );
        }
    }

    #[test]
    fn what_is_no_import_makes_no_circle() {
        for text in [
            "pub struct A;",
            "/// [`B`](crate::der::b::B)\npub struct A;",
            "pub(in crate::der) struct A;",
            "pin_project! { pub(in crate::der) struct A { a: u8 } }",
            "use b::B; pub struct A;",
            "use ::der::b::B; pub struct A;",
            "pub struct A; #[cfg(test)] mod tests { use super::super::b::B; }",
            "pub struct A; #[cfg(all(test, unix))] use super::b::B;",
            "pub struct A; impl A { #[cfg(test)] fn a() { super::b::b() } }",
        ] {
            assert_eq!(with(text), [""; 0], "{text}");
        }
    }

    #[test]
    fn a_folder_and_a_file_beside_it_make_a_circle_too() {
        let found = of(&[
            ("lib.rs", "mod der;"),
            ("der/mod.rs", "mod one; mod other;"),
            ("der/one/mod.rs", "mod up; pub mod down;"),
            ("der/one/up.rs", "use crate::der::other::Other;"),
            ("der/one/down.rs", "pub struct Down;"),
            ("der/other.rs", "use crate::der::one::down::Down; pub struct Other(Down);"),
        ]);
        let said = "circle of 2 modules of crate::der:\n  \
                    der/one/up.rs:1 imports der/other.rs (crate::der::other::Other)\n  \
                    der/other.rs:1 imports der/one/down.rs (crate::der::one::down::Down)";
        assert_eq!(found, [said]);
    }

    #[test]
    fn a_module_imports_from_below_only() {
        let found = of(&[
            ("lib.rs", "mod der; mod scheme; mod client; mod testing; mod new; pub struct Crate;"),
            ("der.rs", "use crate::scheme::Scheme;"),
            ("scheme.rs", "pub struct Scheme; use crate::Crate;"),
            ("client.rs", "pub struct Client; use crate::scheme::Scheme; use crate::new::New;"),
            ("testing.rs", "use crate::client::Client;"),
            ("new.rs", "pub struct New;"),
        ]);
        let files: Vec<_> = found.iter().map(|fault| fault.split(" (").next().unwrap_or_default()).collect();
        let expected = [
            "der.rs:1 imports scheme.rs",
            "scheme.rs:1 imports lib.rs",
            "client.rs:1 imports new.rs",
            "testing.rs:1 imports client.rs",
        ];
        assert_eq!(files, expected);
        assert!(found[2].ends_with("`new` has no layer"), "{found:?}");
    }
}
