//! GeneralizedTime in whole seconds, as DER and Kerberos have it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::der::{Malformed, Reader};

/// GeneralizedTime.
const GENERALIZED_TIME: u8 = 0x18;
/// The last second of the year 9999.
const LAST: u64 = 253_402_300_799;

/// A time in whole seconds since 1970, up to the year 9999.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct GeneralizedTime(u64);

impl GeneralizedTime {
    /// Reads `YYYYMMDDhhmmssZ` (X.690, section 11.7; RFC 4120, section 5.2.3).
    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let malformed = reader.malformed("a time that is not YYYYMMDDhhmmssZ");
        let text = reader.value(GENERALIZED_TIME)?;
        let Some(digits) = text.strip_suffix(b"Z").filter(|digits| digits.len() == 14) else {
            return Err(malformed);
        };
        if !digits.iter().all(u8::is_ascii_digit) {
            return Err(malformed);
        }
        let number = |range: std::ops::Range<usize>| {
            digits[range].iter().fold(0, |number: i64, digit| number * 10 + i64::from(digit - b'0'))
        };
        let (year, month, day) = (number(0..4), number(4..6), number(6..8));
        let (hour, minute, second) = (number(8..10), number(10..12), number(12..14));
        if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
            return Err(malformed);
        }
        // 60 is a leap second.
        if hour > 23 || minute > 59 || second > 60 {
            return Err(malformed);
        }
        let seconds = days_since_1970(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second;
        match u64::try_from(seconds) {
            Ok(seconds @ ..=LAST) => Ok(Self(seconds)),
            _ => Err(malformed),
        }
    }

    /// The time as the system has it.
    pub(crate) fn to_system(self) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(self.0)
    }
}

/// Days in the Gregorian calendar, by years that begin in March.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days_before_month = (153 * month + 2) / 5;
    year * 365 + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + days_before_month + day
        - 1
        - 719_468
}

/// Year, month and day, so many days after 1970 began: the way back of `days_since_1970`.
pub(crate) fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let (month, carry) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    (era * 400 + year_of_era + carry, month, day)
}

/// What writes times, which only our own Kerberos does.
#[cfg(feature = "kerberos")]
mod write {
    use super::*;
    use crate::der::Writer;

    const DAY: u64 = 86_400;

    impl GeneralizedTime {
        /// So many seconds since 1970, at most up to the year 9999.
        pub(crate) fn from_unix(seconds: u64) -> Self {
            Self(seconds.min(LAST))
        }

        /// Seconds since 1970.
        pub(crate) fn unix(self) -> u64 {
            self.0
        }

        /// A time of the system as whole seconds and microseconds.
        pub(crate) fn of(time: SystemTime) -> (Self, u32) {
            let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
            (Self::from_unix(since.as_secs()), since.subsec_micros())
        }

        /// Writes it.
        pub(crate) fn write(self, writer: &mut Writer) {
            let (year, month, day) = civil(self.0 / DAY);
            let (hour, minute, second) = (self.0 % DAY / 3_600, self.0 % 3_600 / 60, self.0 % 60);
            let pairs = [year / 100, year % 100, month, day, hour, minute, second];
            let mut text = *b"YYYYMMDDhhmmssZ";
            for (digits, number) in text.chunks_exact_mut(2).zip(pairs) {
                digits.copy_from_slice(&[b'0' + (number / 10) as u8, b'0' + (number % 10) as u8]);
            }
            writer.value(GENERALIZED_TIME, &text);
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn times_are_written_and_read_back_on_every_day_of_400_years() {
            for day in 0..146_097 + 1 {
                let time = GeneralizedTime::from_unix(day * DAY + day % DAY);
                let mut writer = Writer::with_room(17);
                time.write(&mut writer);
                let octets = writer.finish();
                let mut reader = Reader::new(&octets).expect("within the limit");
                assert_eq!(GeneralizedTime::read(&mut reader), Ok(time));
                assert_eq!(reader.finish(), Ok(()));
            }
        }

        #[test]
        fn a_day_has_24_hours_and_perhaps_a_leap_second() {
            let read = |time: &str| {
                let octets = [&[GENERALIZED_TIME, 15], time.as_bytes()].concat();
                GeneralizedTime::read(&mut Reader::new(&octets).expect("within the limit")).is_ok()
            };
            for (time, is_one) in [
                ("20261126235959Z", true),
                ("20261126235960Z", true),
                ("20261126240000Z", false),
                ("20261126236000Z", false),
                ("20261126235961Z", false),
                ("20261100000000Z", false),
                ("20261132000000Z", false),
                ("20260026000000Z", false),
                ("20261326000000Z", false),
            ] {
                assert_eq!(read(time), is_one, "{time}");
            }
        }

        #[test]
        fn a_time_reads_as_the_calendar_has_it() {
            let mut writer = Writer::with_room(17);
            GeneralizedTime::from_unix(1_795_651_200).write(&mut writer);
            assert_eq!(writer.finish(), b"\x18\x0f20261126000000Z");
            let (time, microseconds) =
                GeneralizedTime::of(UNIX_EPOCH + Duration::from_micros(1_795_651_200_000_017));
            assert_eq!((time.unix(), microseconds), (1_795_651_200, 17));
            assert_eq!(GeneralizedTime::from_unix(u64::MAX).unix(), 253_402_300_799);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_counted_over_leap_years() {
        assert_eq!(days_since_1970(1970, 1, 1), 0);
        assert_eq!(days_since_1970(2000, 2, 29), 11_016);
        assert_eq!(days_since_1970(2026, 11, 26), 20_783);
        assert_eq!(days_since_1970(2100, 3, 1), 47_541);
    }
}
