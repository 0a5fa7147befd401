//! Formats and parses times, always in UTC.

use time::{
    OffsetDateTime, format_description::well_known::Rfc3339, macros::format_description,
};

/// Formats a time for data, in RFC 3339: `2026-12-12T12:12:05.25Z`.
pub fn in_rfc3339(at: OffsetDateTime) -> String {
    at.to_offset(time::UtcOffset::UTC)
        .format(&Rfc3339)
        .unwrap_or_default()
}

/// Formats a time for people, as `2026-12-12 12:12 UTC`.
pub fn in_utc(at: OffsetDateTime) -> String {
    at.to_offset(time::UtcOffset::UTC)
        .format(format_description!(
            "[year]-[month]-[day] [hour]:[minute] UTC"
        ))
        .unwrap_or_default()
}

/// Formats the time of day, with seconds: `12:12:12 UTC`.
pub fn time_in_utc(at: OffsetDateTime) -> String {
    at.to_offset(time::UtcOffset::UTC)
        .format(format_description!("[hour]:[minute]:[second] UTC"))
        .unwrap_or_default()
}

/// Parses a UTC time as a person or a browser writes it: `2026-12-12 12:12` or `2026-12-12T12:12`.
pub fn parse_utc(text: &str) -> Option<OffsetDateTime> {
    let text = text.trim_end_matches(" UTC").replace('T', " ");
    let format = format_description!("[year]-[month]-[day] [hour]:[minute]");
    Some(
        time::PrimitiveDateTime::parse(&text, format)
            .ok()?
            .assume_utc(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_accepted_format_parses_to_the_same_time() {
        for text in [
            "2026-12-12 12:12 UTC",
            "2026-12-12T12:12",
            "2026-12-12 12:12",
        ] {
            assert_eq!(
                parse_utc(text).map(in_utc).as_deref(),
                Some("2026-12-12 12:12 UTC")
            );
        }
        assert_eq!(parse_utc("tomorrow"), None);
    }

    #[test]
    fn a_time_for_data_is_in_utc_and_keeps_its_fractions() {
        let at = time::macros::datetime!(2026-12-12 13:12:05.25 +1);
        assert_eq!(in_rfc3339(at), "2026-12-12T12:12:05.25Z");
    }
}
