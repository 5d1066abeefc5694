//! How far a transfer has come, in one line that is written over and over.

use std::fmt;
use std::io::{self, Write};
use std::time::{Duration, Instant};

/// How often the line is written.
const EVERY: Duration = Duration::from_millis(100);
/// Columns of the bar.
const BAR: usize = 24;

/// A line on stderr, which has to be a terminal. It ends when this is dropped.
pub(super) struct Progress {
    verb: &'static str,
    total: Option<u64>,
    done: u64,
    begun: Instant,
    written: Option<Instant>,
}

impl Progress {
    pub(super) fn new(verb: &'static str, total: Option<u64>) -> Self {
        Self { verb, total, done: 0, begun: Instant::now(), written: None }
    }

    /// So many octets more.
    pub(super) fn advance(&mut self, octets: u64) {
        self.done += octets;
        let now = Instant::now();
        if self.written.is_none_or(|written| now - written >= EVERY) {
            self.written = Some(now);
            self.write('\r');
        }
    }

    fn write(&self, end: char) {
        let line =
            Line { verb: self.verb, total: self.total, done: self.done, elapsed: self.begun.elapsed() };
        // Whatever was longer there before is wiped. Nobody may want to read it.
        let _ = write!(io::stderr(), "{line}\u{1b}[K{end}");
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.written.is_some() {
            self.write('\n');
        }
    }
}

struct Line {
    verb: &'static str,
    total: Option<u64>,
    done: u64,
    elapsed: Duration,
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { verb, total, done, elapsed } = self;
        let seconds = elapsed.as_secs_f64();
        let speed = if seconds > 0.0 { *done as f64 / seconds } else { 0.0 };
        write!(f, "{verb} ")?;
        if let Some(total) = total.filter(|total| *total > 0) {
            let part = (*done as f64 / total as f64).min(1.0);
            let full = (part * BAR as f64) as usize;
            write!(f, "[{:=<full$}{:rest$}] {:3.0} %  ", "", "", (part * 100.0).floor(), rest = BAR - full)?;
        }
        write!(f, "{}", Octets(*done as f64))?;
        if let Some(total) = total {
            write!(f, " of {}", Octets(*total as f64))?;
        }
        write!(f, "  {}/s", Octets(speed))?;
        match total {
            Some(total) if done < total && speed > 0.0 => {
                let left = (total - done) as f64 / speed;
                write!(f, "  {} left", Clock(left.ceil() as u64))
            }
            _ => write!(f, "  {}", Clock(elapsed.as_secs())),
        }
    }
}

struct Octets(f64);

impl fmt::Display for Octets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut number = self.0;
        for unit in ["B", "KiB", "MiB", "GiB"] {
            if number < 1024.0 {
                let digits = usize::from(unit != "B");
                return write!(f, "{number:.digits$} {unit}");
            }
            number /= 1024.0;
        }
        write!(f, "{number:.1} TiB")
    }
}

struct Clock(u64);

impl fmt::Display for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            seconds @ ..3600 => write!(f, "{}:{:02}", seconds / 60, seconds % 60),
            seconds => write!(f, "{}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(done: u64, total: Option<u64>, seconds: u64) -> String {
        Line { verb: "upload", total, done, elapsed: Duration::from_secs(seconds) }.to_string()
    }

    #[test]
    fn the_line_tells_how_far_how_fast_and_how_long() {
        assert_eq!(
            line(3 << 20, Some(12 << 20), 2),
            "upload [======                  ]  25 %  3.0 MiB of 12.0 MiB  1.5 MiB/s  0:06 left"
        );
        assert_eq!(
            line(10, Some(10), 3661),
            "upload [========================] 100 %  10 B of 10 B  0 B/s  1:01:01"
        );
        assert_eq!(line(2048, None, 1), "upload 2.0 KiB  2.0 KiB/s  0:01");
    }

    #[test]
    fn no_numbers_are_out_of_its_reach() {
        assert_eq!(line(0, Some(0), 0), "upload 0 B of 0 B  0 B/s  0:00");
        assert!(line(0, Some(u64::MAX), 0).contains("  0 %"));
        assert!(line(1, Some(u64::MAX), 1_000_000).contains("left"));
        assert!(line(u64::MAX, Some(1), 1).contains("100 %"));
    }
}
