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

#[cfg(test)]
mod tests {
    use super::*;

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
