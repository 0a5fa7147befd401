//! Formats and parses times, always in UTC; [`super::local_time`] does so in the shop's time zone.

use std::ops::RangeInclusive;

use time::{
    OffsetDateTime, PrimitiveDateTime, format_description::well_known::Rfc3339,
    macros::format_description,
};

use crate::model::ShopError;

/// The years that a field accepts. A year outside of them is a typing error, and PostgreSQL cannot
/// store every year that a browser sends.
const FIELD_YEARS: RangeInclusive<i32> = 2000..=2199;

/// Returns Unix milliseconds; a fraction of one is cut off.
pub fn as_ms(at: OffsetDateTime) -> i64 {
    let ms = at.unix_timestamp_nanos().div_euclid(1_000_000);
    i64::try_from(ms).unwrap_or(i64::MAX)
}

/// Returns Unix milliseconds; a fraction of one counts as one. A sale never starts before its
/// start, whatever fraction a row has.
pub fn as_ms_up(at: OffsetDateTime) -> i64 {
    let is_whole = at.nanosecond().is_multiple_of(1_000_000);
    as_ms(at).saturating_add(i64::from(!is_whole))
}

/// The time of Unix milliseconds. A number that is no time of the calendar is its beginning: it
/// can only result from a manual change of the database.
pub fn from_ms(ms: i64) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(ms) * 1_000_000)
        .unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

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

/// Parses a date and a time without a zone as a person or a browser writes it: `2026-12-12 12:12`,
/// `2026-12-12T12:12`, or with seconds.
pub fn parse_local(text: &str) -> Option<PrimitiveDateTime> {
    let text = text.replace('T', " ");
    let minutes = format_description!("[year]-[month]-[day] [hour]:[minute]");
    let seconds = format_description!("[year]-[month]-[day] [hour]:[minute]:[second]");
    PrimitiveDateTime::parse(&text, minutes)
        .or_else(|_| PrimitiveDateTime::parse(&text, seconds))
        .ok()
}

/// Parses a time in RFC 3339, with any offset.
pub fn parse_rfc3339(text: &str) -> Option<OffsetDateTime> {
    OffsetDateTime::parse(text.trim(), &Rfc3339).ok()
}

/// Checks the year of the date field `field`.
///
/// # Errors
/// [`ShopError::FieldsInvalid`] for a year outside of 2000 to 2199.
pub fn check_field(field: &str, at: Option<OffsetDateTime>) -> Result<(), ShopError> {
    let year = at.map(|at| at.to_offset(time::UtcOffset::UTC).year());
    if year.is_none_or(|year| FIELD_YEARS.contains(&year)) {
        return Ok(());
    }
    let (first, last) = (FIELD_YEARS.start(), FIELD_YEARS.end());
    Err(ShopError::field_invalid(
        field,
        format!("Enter a year from {first} to {last}."),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_accepts_only_years_of_this_era() {
        for (year, expected) in [
            (-9999, false),
            (0, false),
            (1999, false),
            (2000, true),
            (2199, true),
            (2200, false),
            (9999, false),
        ] {
            let at = time::Date::from_ordinal_date(year, 1).map(|day| day.midnight().assume_utc());
            assert_eq!(check_field("at", at.ok()).is_ok(), expected, "{year}");
        }
        assert_eq!(check_field("at", None), Ok(()));
    }

    #[test]
    fn each_accepted_format_parses_to_the_same_time() {
        for text in [
            "2026-12-12T12:12",
            "2026-12-12 12:12",
            "2026-12-12T12:12:00",
            "2026-12-12 12:12:00",
        ] {
            assert_eq!(
                parse_local(text)
                    .map(|at| in_utc(at.assume_utc()))
                    .as_deref(),
                Some("2026-12-12 12:12 UTC"),
                "{text}"
            );
        }
        for text in [
            "tomorrow",
            "",
            "\0",
            "2026-01-01",
            "2026-02-30T00:00",
            "+12026-01-01T00:00",
            "2026-12-12T12:12Z",
            "2026-12-12T24:00",
        ] {
            assert_eq!(parse_local(text), None, "{text:?}");
        }
    }

    #[test]
    fn milliseconds_are_cut_off_and_come_back() {
        let at = time::macros::datetime!(2026-12-12 12:12:05.250999 UTC);
        assert_eq!(in_rfc3339(from_ms(as_ms(at))), "2026-12-12T12:12:05.25Z");
        assert_eq!(as_ms_up(at), as_ms(at) + 1);
        assert_eq!(as_ms_up(from_ms(as_ms(at))), as_ms(at));
        let before_1970 = from_ms(-1);
        assert_eq!(as_ms(before_1970), -1);
        assert_eq!(from_ms(i64::MAX), OffsetDateTime::UNIX_EPOCH);
        assert_eq!(
            parse_rfc3339("2026-12-12T13:12:05.25+01:00").map(as_ms),
            Some(as_ms(at))
        );
        for text in ["2026-12-12", "2026-12-12T12:12:00", "now", ""] {
            assert_eq!(parse_rfc3339(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_time_for_data_is_in_utc_and_keeps_its_fractions() {
        let at = time::macros::datetime!(2026-12-12 13:12:05.25 +1);
        assert_eq!(in_rfc3339(at), "2026-12-12T12:12:05.25Z");
    }
}
