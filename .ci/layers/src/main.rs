//! Checks how the library's files import each other: no circles, and nothing from a layer above.
//!
//! What counts as an import is where the imported item is *defined*, whatever re-exports lead there: through a
//! `mod.rs`, `use` in all its forms, paths inside of functions and of macros. Tests (`#[cfg(test)]`) do not count.

mod circles;
mod imports;
mod layers;
mod tree;

use std::path::PathBuf;
use std::process::ExitCode;

use crate::tree::Tree;

fn main() -> ExitCode {
    let source = PathBuf::from(std::env::args().nth(1).unwrap_or_else(|| "src".to_owned()));
    let tree = match Tree::read(|path| std::fs::read_to_string(source.join(path)).ok()) {
        Ok(tree) => tree,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
    };
    let imports = imports::of(&tree);
    let mut faults = layers::faults(&tree, &imports);
    faults.extend(circles::faults(&tree, &imports));
    faults.iter().for_each(|fault| println!("{fault}"));
    println!("{} files, {} imports, {} faults", tree.files.len(), imports.len(), faults.len());
    if faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
