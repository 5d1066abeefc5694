//! What Linux tells of a process.

use std::fs;

/// Resident memory.
pub(crate) fn resident_kibibytes(process: u32) -> Option<f64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    resident.split_whitespace().next()?.parse().ok()
}

/// Processor time so far, of its own and of the system for it.
pub(crate) fn cpu_seconds(process: u32) -> Option<f64> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // Behind the name, which may hold anything: the 14th and 15th field of all, in ticks of 10 ms.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut ticks = fields.split_whitespace().skip(11).map(str::parse::<f64>);
    Some((ticks.next()?.ok()? + ticks.next()?.ok()?) / 100.0)
}

/// A process and all that it has started.
#[cfg(target_os = "linux")]
pub(crate) fn tree(process: u32) -> Vec<u32> {
    let mut of_tree = vec![process];
    let parents: Vec<_> = processes().filter_map(|process| Some((process, parent(process)?))).collect();
    let mut next = 0;
    while let Some(&process) = of_tree.get(next) {
        of_tree.extend(parents.iter().filter(|(_, parent)| *parent == process).map(|(child, _)| child));
        next += 1;
    }
    of_tree
}

/// What processes take of the memory: of what several share, each its part (PSS).
#[cfg(target_os = "linux")]
pub(crate) fn proportional_kibibytes(processes: &[u32]) -> u64 {
    processes.iter().filter_map(|process| proportional_kibibytes_of_one(*process)).sum()
}

#[cfg(target_os = "linux")]
fn processes() -> impl Iterator<Item = u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

#[cfg(target_os = "linux")]
fn parent(process: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(target_os = "linux")]
fn proportional_kibibytes_of_one(process: u32) -> Option<u64> {
    let rollup = fs::read_to_string(format!("/proc/{process}/smaps_rollup")).ok()?;
    let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"))?;
    line.split_whitespace().next()?.parse().ok()
}
