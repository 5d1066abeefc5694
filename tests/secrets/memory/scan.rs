//! Reading another process's memory.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;

use super::needles::{Needles, PIECE};

const PAGE: usize = 4096;

/// What was found, and how often, by needle and kind of memory.
#[derive(Default)]
pub(super) struct Found(BTreeMap<(String, String), Vec<String>>);

impl Found {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What was found any part of.
    pub(super) fn needles(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(|(needle, _)| needle.as_str())
    }

    /// How often any part of a needle was found.
    pub(super) fn count(&self, needle: &str) -> usize {
        self.0.iter().filter(|((name, _), _)| name == needle).map(|(_, places)| places.len()).sum()
    }
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for ((needle, memory), places) in &self.0 {
            write!(f, "\n    {needle}, {} parts in {memory}", places.len())?;
            for place in places.iter().take(3) {
                write!(f, "\n      {place}")?;
            }
        }
        Ok(())
    }
}

/// Looks for the needles in all memory that the process can write.
pub(super) fn look(process: u32, needles: &Needles) -> Found {
    // A thread that ends just now takes its stack away with it.
    let looks = std::iter::repeat_with(|| look_once(process, needles)).take(20);
    { looks }.find_map(Result::ok).expect("memory that it can write")
}

fn look_once(process: u32, needles: &Needles) -> io::Result<Found> {
    let maps = fs::read_to_string(format!("/proc/{process}/maps")).expect("a process of ours");
    let memory = File::open(format!("/proc/{process}/mem")).expect("a process of ours");
    let mut found = Found::default();
    for line in maps.lines() {
        let mut words = line.split_whitespace();
        let (Some(range), Some(rights), name) = (words.next(), words.next(), words.nth(3)) else {
            panic!("a mapping: {line}")
        };
        if !rights.contains('w') {
            continue;
        }
        let (start, end) = range.split_once('-').expect("a range");
        let [start, end] =
            [start, end].map(|address| usize::from_str_radix(address, 16).expect("an address"));
        let mut octets = vec![0; end - start];
        memory.read_exact_at(&mut octets, start as u64)?;
        let kind = name.unwrap_or("anonymous memory");
        look_in(&octets, needles, |needle, at| {
            let from = at.saturating_sub(48);
            let around = octets[from..(at + 64).min(octets.len())].escape_ascii();
            let place = format!("{:x}: {around}", start + at);
            found.0.entry((needle.to_owned(), kind.to_owned())).or_default().push(place);
        });
    }
    Ok(found)
}

fn look_in(octets: &[u8], needles: &Needles, mut on_hit: impl FnMut(&str, usize)) {
    let (zeros, mut at) = ([0; PAGE], 0);
    while at + PIECE <= octets.len() {
        if at % PAGE == 0 && octets[at..].starts_with(&zeros) {
            // A piece that ends in the page begins before it, and was looked at.
            at += PAGE;
            continue;
        }
        let end = (at / PAGE + 1) * PAGE;
        for at in at..end.min(octets.len() - PIECE + 1) {
            if let Some(needle) = needles.find(&octets[at..], &octets[..at]) {
                on_hit(needle, at);
            }
        }
        at = end;
    }
}
