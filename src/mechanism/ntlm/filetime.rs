//! Time as Windows counts it (MS-DTYP 2.3.3).

use std::time::{Duration, SystemTime};

/// Tenths of microseconds since 1601, little-endian (MS-DTYP 2.3.3); zero before that.
pub(crate) fn filetime(time: SystemTime) -> [u8; 8] {
    const FROM_1601_TO_1970: u64 = 116_444_736_000_000_000;
    let tenths = |duration: Duration| u64::try_from(duration.as_nanos() / 100).unwrap_or(u64::MAX);
    let since_1601 = match time.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(after) => FROM_1601_TO_1970.saturating_add(tenths(after)),
        Err(before) => FROM_1601_TO_1970.saturating_sub(tenths(before.duration())),
    };
    since_1601.to_le_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_time_from_1601() {
        let number = |time| u64::from_le_bytes(filetime(time));
        let year_1601 = SystemTime::UNIX_EPOCH - Duration::from_secs(11_644_473_600);
        assert_eq!(number(year_1601), 0);
        if let Some(before) = year_1601.checked_sub(Duration::from_secs(1)) {
            assert_eq!(number(before), 0, "where the system can say so; Windows cannot");
        }
        assert_eq!(number(SystemTime::UNIX_EPOCH), 116_444_736_000_000_000);
        assert_eq!(number(SystemTime::UNIX_EPOCH + Duration::from_nanos(1_999)), 116_444_736_000_000_019);
    }
}
