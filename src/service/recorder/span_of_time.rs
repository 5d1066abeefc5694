//! Moments and spans of time in words.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::der::civil;

/// `0.4 ms`, `12 ms`, `1.25 s`.
pub(super) fn span(time: Duration) -> String {
    let milliseconds = time.as_secs_f64() * 1000.0;
    match milliseconds {
        ..9.95 => format!("{milliseconds:.1} ms"),
        ..999.5 => format!("{milliseconds:.0} ms"),
        _ => format!("{:.2} s", time.as_secs_f64()),
    }
}

/// `2026-11-28 16:05:09 UTC`.
pub(super) fn date(time: SystemTime) -> String {
    let seconds = time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let (days, of_day) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = civil(days);
    let (hour, minute, second) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
    format!("{year}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02} UTC")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_has_as_many_places_as_one_reads() {
        let of = |microseconds| span(Duration::from_micros(microseconds));
        assert_eq!([of(40), of(9_940), of(9_960), of(250_400)], ["0.0 ms", "9.9 ms", "10 ms", "250 ms"]);
        assert_eq!([of(999_600), of(61_250_000)], ["1.00 s", "61.25 s"]);
    }

    #[test]
    fn dates_know_leap_years() {
        let of = |seconds| date(UNIX_EPOCH + Duration::from_secs(seconds));
        assert_eq!(of(0), "1970-01-01 00:00:00 UTC");
        assert_eq!(of(951_782_400), "2000-02-29 00:00:00 UTC");
        assert_eq!(of(1_709_251_199), "2024-02-29 23:59:59 UTC");
        assert_eq!(of(1_709_251_200), "2024-03-01 00:00:00 UTC");
        assert_eq!(of(4_107_542_400), "2100-03-01 00:00:00 UTC");
    }

    #[test]
    fn hours_minutes_and_seconds_are_told_apart() {
        let at = |seconds| date(UNIX_EPOCH + Duration::from_secs(seconds));
        assert_eq!(at(86_400 + 3 * 3_600 + 25 * 60 + 45), "1970-01-02 03:25:45 UTC");
        assert_eq!(at(23 * 3_600 + 59 * 60 + 1), "1970-01-01 23:59:01 UTC");
    }
}
