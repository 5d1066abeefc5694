//! The order of the layers.

use crate::imports::Imports;
use crate::tree::Tree;

/// From the bottom up. A module imports from lower layers only, but the lowest layer's modules from each other.
const LAYERS: [&[&str]; 7] = [
    &[
        "authorization",
        "challenge",
        "channel_bindings",
        "credentials",
        "der",
        "protection_space",
        "stack",
        "token68",
    ],
    &["mechanism"],
    &["scheme"],
    &["handshake"],
    &["service"],
    &["client", "testing"],
    &["unversioned"],
];

/// What is imported from where it must not be.
pub fn faults(tree: &Tree, imports: &Imports) -> Vec<String> {
    let upward = imports.iter().filter_map(|(&(from, to), import)| {
        let [from, to] = [from, to].map(|file| &tree.files[file]);
        let why = match (from.module.first(), to.module.first()) {
            (_, None) => "what others import is defined elsewhere".to_owned(),
            (None, Some(_)) => return None,
            (Some(own), Some(other)) => match (layer(own), layer(other)) {
                (_, None) => format!("`{other}` has no layer"),
                _ if own == other => return None,
                (Some(own), Some(other)) if own > other || own == 0 && other == 0 => return None,
                _ => format!("`{other}` is not below `{own}`"),
            },
        };
        Some(format!("{}:{} imports {} ({}): {why}", from.path, import.line, to.path, import.path))
    });
    upward.collect()
}

fn layer(module: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| layer.contains(&module))
}
