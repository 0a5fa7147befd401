//! Formats and parses times, always in UTC.

use std::ops::RangeInclusive;

use time::{OffsetDateTime, format_description::well_known::Rfc3339, macros::format_description};

use crate::model::ShopError;

/// The years that a field accepts. A year outside of them is a typing error, and PostgreSQL cannot
/// store every year that a browser sends.
const FIELD_YEARS: RangeInclusive<i32> = 2000..=2199;

/// Returns Unix milliseconds; a fraction of one is cut off.
pub fn as_ms(at: OffsetDateTime) -> i64 {
    let ms = at.unix_timestamp_nanos().div_euclid(1_000_000);
    i64::try_from(ms).unwrap_or(i64::MAX)
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

/// Parses the date field `field` of a form, as a time in UTC. A browser sends it without a zone. An
/// empty field is `None`.
///
/// # Errors
/// [`ShopError::FieldsInvalid`] for text that is no time, and for the errors of [`check_field`].
pub fn parse_field(field: &str, text: &str) -> Result<Option<OffsetDateTime>, ShopError> {
    let at = match text.trim() {
        "" => return Ok(None),
        text => parse_utc(text).ok_or_else(|| {
            ShopError::field_invalid(
                field,
                "Please enter a date and time, as in 2026-12-12 12:12.",
            )
        })?,
    };
    check_field(field, Some(at))?;
    Ok(Some(at))
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
        format!("Please enter a year from {first} to {last}."),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_field_accepts_only_years_of_this_era() {
        let parse = |text| parse_field("ends_at", text);
        assert_eq!(parse(" "), Ok(None));
        for text in ["2000-01-01T00:00", "2199-12-31 23:59"] {
            assert!(matches!(parse(text), Ok(Some(_))), "{text}");
        }
        let far = ShopError::field_invalid("ends_at", "Please enter a year from 2000 to 2199.");
        for text in [
            "-9999-01-01T00:00",
            "-0001-06-01T00:00",
            "0000-01-01T00:00",
            "1999-12-31T23:59",
            "2200-01-01T00:00",
            "9999-12-31T23:59",
        ] {
            assert_eq!(parse(text), Err(far.clone()), "{text}");
        }
        for text in ["+12026-01-01T00:00", "2026-02-30T00:00", "2026-01-01", "\0"] {
            let error = parse(text).err();
            let message = error
                .as_ref()
                .and_then(|error| error.field_message("ends_at"));
            assert!(
                message.is_some_and(|message| message.contains("as in")),
                "{text}"
            );
        }
    }

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
