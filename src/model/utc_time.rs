//! Times as text: RFC 3339 in data, shorter on pages.

/// Shortens a time in RFC 3339 and in UTC for people: `2026-12-12T12:12:05.25Z` becomes
/// `2026-12-12 12:12 UTC`. Any other text is returned as it is.
pub fn shorten_rfc3339(time: &str) -> String {
    match (time.get(..10), time.get(10..11), time.get(11..16)) {
        (Some(day), Some("T"), Some(minute)) if time.ends_with('Z') => {
            format!("{day} {minute} UTC")
        }
        _ => time.to_owned(),
    }
}

/// Formats milliseconds since 1970 for people, as `2026-12-12 12:12 UTC`.
pub fn format_unix_ms(unix_ms: i64) -> String {
    let (day, minute) = day_and_minute(unix_ms);
    format!("{day} {minute} UTC")
}

/// Formats milliseconds since 1970 for data, to the minute: `2026-12-12T12:12Z`.
pub fn unix_ms_in_rfc3339(unix_ms: i64) -> String {
    let (day, minute) = day_and_minute(unix_ms);
    format!("{day}T{minute}Z")
}

fn day_and_minute(unix_ms: i64) -> (String, String) {
    let minutes = unix_ms.div_euclid(60_000);
    let (year, month, day) = civil_date(minutes.div_euclid(1_440));
    let minute_of_day = minutes.rem_euclid(1_440);
    (
        format!("{year:04}-{month:02}-{day:02}"),
        format!("{:02}:{:02}", minute_of_day / 60, minute_of_day % 60),
    )
}

/// Converts days since 1970 into year, month and day of the Gregorian calendar, by counting in eras
/// of 400 years that begin on the first of March.
fn civil_date(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn milliseconds_are_formatted_to_the_minute() {
        for (unix_ms, expected) in [
            (0, "1970-01-01 00:00 UTC"),
            (-1, "1969-12-31 23:59 UTC"),
            (951_782_399_999, "2000-02-28 23:59 UTC"),
            (951_782_400_000, "2000-02-29 00:00 UTC"),
            (1_797_077_525_250, "2026-12-12 12:12 UTC"),
            (4_107_542_399_999, "2100-02-28 23:59 UTC"),
            (4_107_542_400_000, "2100-03-01 00:00 UTC"),
        ] {
            assert_eq!(format_unix_ms(unix_ms), expected);
        }
        assert_eq!(unix_ms_in_rfc3339(1_797_077_525_250), "2026-12-12T12:12Z");
    }

    #[test]
    fn a_time_in_utc_is_shortened_to_its_minute() {
        for (time, expected) in [
            ("2026-12-12T12:12:05.123456Z", "2026-12-12 12:12 UTC"),
            ("2026-12-12T12:12:05Z", "2026-12-12 12:12 UTC"),
            ("2026-12-12T12:12:05+01:00", "2026-12-12T12:12:05+01:00"),
            ("", ""),
            ("heute, früh", "heute, früh"),
        ] {
            assert_eq!(shorten_rfc3339(time), expected);
        }
    }
}
