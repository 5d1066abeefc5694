//! What the client's process holds when it has closed its connections.

use std::fs;
use std::time::{Duration, Instant};

use tokio::runtime::Handle;

use crate::allocations;
use crate::asked::Tally;
use crate::clients::Clients;

/// How long what was closed may take to end.
const PATIENCE: Duration = Duration::from_secs(20);
/// What is looked at this often has ended when it has not changed for that many looks.
const LOOK: Duration = Duration::from_millis(2);
const LOOKS: usize = 50;

/// What is remembered is bounded, but grows for a while: of passwords at each origin, of Digest's logins, and most slowly of
/// Kerberos' users with their tickets, where one with a new password is another.
const HEAP_GROWTH: usize = 1024 * 1024;
/// The allocator's own, beside that.
const RESIDENT_GROWTH: usize = 16 * 1024 * 1024;

#[derive(Default)]
pub(crate) struct Figures(Vec<Row>);

#[derive(Clone, Copy, Debug)]
struct Row {
    heap: usize,
    resident: usize,
    descriptors: usize,
    tasks: usize,
}

impl Figures {
    /// Adds a row, of now that no request is under way.
    pub(crate) async fn take(&mut self, clients: &Clients, tally: &Tally) -> Result<(), String> {
        until(|| clients.connections().0 == clients.connections().1)
            .await
            .map_err(|()| format!("connections that are in use by nobody: {:?}", clients.connections()))?;
        let (connections, _) = clients.connections();
        clients.close_idle();
        until(|| clients.connections().0 == 0)
            .await
            .map_err(|()| format!("connections that do not close: {:?}", clients.connections()))?;
        settled().await;
        let row = Row::now();
        if self.0.is_empty() {
            println!(
                "{:>10}{:>13}{:>12}{:>14}{:>13}{:>8}",
                "requests", "connections", "heap, KiB", "resident, KiB", "descriptors", "tasks"
            );
        }
        println!(
            "{:>10}{connections:>13}{:>12}{:>14}{:>13}{:>8}",
            tally.requests(),
            row.heap / 1024,
            row.resident / 1024,
            row.descriptors,
            row.tasks
        );
        self.0.push(row);
        Ok(())
    }

    /// Compares the last row with that behind the first tenth.
    pub(crate) fn are_flat(&self) -> Result<(), String> {
        let ([_, first, ..], Some(last)) = (&self.0[..], self.0.last()) else { return Ok(()) };
        let is_flat = last.heap <= first.heap + HEAP_GROWTH
            && last.resident <= first.resident + RESIDENT_GROWTH
            && last.descriptors <= first.descriptors
            && last.tasks <= first.tasks;
        match is_flat {
            true => Ok(()),
            false => Err(format!("it grows: {first:?}, {last:?}")),
        }
    }
}

impl Row {
    fn now() -> Self {
        // The second number is the resident pages.
        let statm = fs::read_to_string("/proc/self/statm").unwrap_or_default();
        let pages: usize = statm.split(' ').nth(1).and_then(|pages| pages.parse().ok()).unwrap_or_default();
        Self {
            heap: allocations::octets(),
            resident: pages * 4096,
            descriptors: fs::read_dir("/proc/self/fd").map_or(0, Iterator::count),
            tasks: Handle::current().metrics().num_alive_tasks(),
        }
    }
}

async fn until(holds: impl Fn() -> bool) -> Result<(), ()> {
    let begun = Instant::now();
    while !holds() {
        if begun.elapsed() > PATIENCE {
            return Err(());
        }
        tokio::time::sleep(LOOK).await;
    }
    Ok(())
}

/// Nobody tells when the tasks of closed connections have ended.
async fn settled() {
    let (mut last, mut looks) = (None, 0);
    while looks < LOOKS {
        tokio::time::sleep(LOOK).await;
        let now = Row::now();
        let now = (now.descriptors, now.tasks);
        looks = if last == Some(now) { looks + 1 } else { 0 };
        last = Some(now);
    }
}
