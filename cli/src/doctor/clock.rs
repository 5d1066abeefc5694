//! Other clocks beside this machine's.

use std::time::SystemTime;

use http::header::DATE;

use crate::doctor::wire::Answer;

/// How many seconds one time is ahead of the other; negative where it is behind.
pub(crate) fn ahead(theirs: SystemTime, ours: SystemTime) -> i64 {
    let seconds = |duration: std::time::Duration| i64::try_from(duration.as_secs()).unwrap_or(i64::MAX);
    match theirs.duration_since(ours) {
        Ok(ahead) => seconds(ahead),
        Err(behind) => -seconds(behind.duration()),
    }
}

/// How far a server's clock is ahead, by its `Date`: to the second, and a moment late.
pub(crate) fn of(answer: &Answer) -> Option<i64> {
    let date = answer.headers.get(DATE)?.to_str().ok()?;
    Some(ahead(httpdate::parse_http_date(date).ok()?, answer.at))
}

/// A span of time for a reader, rounded.
pub(crate) fn span(seconds: i64) -> String {
    match seconds.unsigned_abs() {
        1 => "1 second".to_owned(),
        seconds @ 0..=119 => format!("{seconds} seconds"),
        seconds @ 120..=7199 => format!("{} minutes", (seconds + 30) / 60),
        seconds @ 7200..=172_799 => format!("{} hours", (seconds + 1800) / 3600),
        seconds => format!("{} days", seconds.saturating_add(43_200) / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    #[test]
    fn a_difference_has_a_sign() {
        let (earlier, later) = (UNIX_EPOCH, UNIX_EPOCH + Duration::from_secs(3600));
        assert_eq!((ahead(later, earlier), ahead(earlier, later), ahead(later, later)), (3600, -3600, 0));
        assert_eq!(
            (span(3599), span(-400), span(1)),
            ("60 minutes".into(), "7 minutes".into(), "1 second".into())
        );
    }
}
