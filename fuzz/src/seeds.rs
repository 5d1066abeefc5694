//! The seeds of a target: `fuzz/seeds/<target>/`.

use std::fs;
use std::path::Path;

/// The seeds in the order of their names, each with its name.
pub(crate) fn of(target: &str) -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds").join(target);
    let files = fs::read_dir(folder).expect("the seeds are beside the crate");
    let mut seeds: Vec<_> = files
        .map(|file| file.expect("a file"))
        .map(|file| {
            (file.file_name().into_string().expect("ASCII"), fs::read(file.path()).expect("readable"))
        })
        .collect();
    seeds.sort();
    seeds
}

/// The seeds with each octet in turn damaged in its lowest bit, its highest, and all.
pub(crate) fn damaged(target: &str) -> impl Iterator<Item = Vec<u8>> {
    of(target).into_iter().flat_map(|(_, input)| {
        let places = (0..input.len()).flat_map(|at| [0x01, 0x80, 0xff].map(|damage| (at, damage)));
        places.map(move |(at, damage)| {
            let mut damaged = input.clone();
            damaged[at] ^= damage;
            damaged
        })
    })
}
