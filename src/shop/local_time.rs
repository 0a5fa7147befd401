//! Times in the shop's time zone, in which an administrator reads and plans.
//!
//! When the clocks go forward, an hour of local times does not exist; such a time is refused. When
//! they go back, an hour occurs twice; such a time means the first. A time that is shown with its
//! zone, as in `2026-10-25 02:30 CEST`, has only one meaning.

use jiff::{
    Timestamp,
    civil::DateTime,
    tz::{AmbiguousOffset, TimeZone},
};
use time::{OffsetDateTime, PrimitiveDateTime};

use super::moment;
use crate::model::ShopError;

/// The name of a zone, for people.
pub fn name(zone: &TimeZone) -> String {
    zone.iana_name().unwrap_or("UTC").to_owned()
}

/// Formats a time for people, as `2026-12-12 13:12 CET`, with seconds if it has any.
pub fn in_zone(zone: &TimeZone, at: OffsetDateTime) -> String {
    let Some((stamp, local)) = localize(zone, at) else {
        return moment::in_utc(at);
    };
    let info = zone.to_offset_info(stamp);
    format!("{} {}", written(local, ' '), info.abbreviation())
}

/// Formats a time for a date field of a form, as `2026-12-12T13:12`, with seconds if it has any.
pub fn for_field(zone: &TimeZone, at: OffsetDateTime) -> String {
    localize(zone, at).map_or_else(String::new, |(_, local)| written(local, 'T'))
}

fn localize(zone: &TimeZone, at: OffsetDateTime) -> Option<(Timestamp, DateTime)> {
    let stamp = Timestamp::from_millisecond(moment::as_ms(at)).ok()?;
    Some((stamp, zone.to_datetime(stamp)))
}

fn written(local: DateTime, separator: char) -> String {
    let mut text = format!(
        "{:04}-{:02}-{:02}{separator}{:02}:{:02}",
        local.year(),
        local.month(),
        local.day(),
        local.hour(),
        local.minute()
    );
    if local.second() != 0 {
        text.push_str(&format!(":{:02}", local.second()));
    }
    text
}

/// Parses the date field `field` of a form, as a time in the zone. A browser sends it without a
/// zone. An empty field is `None`. Text that shows the `current` time means exactly that time: the
/// field shows neither its milliseconds nor which of two equal local times it is.
///
/// # Errors
/// [`ShopError::FieldsInvalid`] for text that is no time, for a time that does not exist because
/// the clocks go forward, and for the errors of [`moment::check_field`].
pub fn parse_field(
    zone: &TimeZone,
    field: &str,
    text: &str,
    current: Option<OffsetDateTime>,
) -> Result<Option<OffsetDateTime>, ShopError> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(None);
    }
    let local = moment::parse_local(text).ok_or_else(|| {
        ShopError::field_invalid(field, "Enter a date and time, as in 2026-12-12 12:12.")
    })?;
    // A browser may add or leave out seconds that are zero.
    let shows = |at: &OffsetDateTime| moment::parse_local(&for_field(zone, *at)) == Some(local);
    if let Some(current) = current.filter(shows) {
        return Ok(Some(current));
    }
    moment::check_field(field, Some(local.assume_utc()))?;
    in_utc(zone, local)
        .map(Some)
        .map_err(|message| ShopError::field_invalid(field, message))
}

/// Converts a local time; the error is a sentence.
fn in_utc(zone: &TimeZone, local: PrimitiveDateTime) -> Result<OffsetDateTime, String> {
    let civil = civil(local).ok_or("Enter another date.")?;
    let ambiguous = zone.to_ambiguous_timestamp(civil);
    if matches!(ambiguous.offset(), AmbiguousOffset::Gap { .. }) {
        return Err(format!(
            "This time does not exist in {}: the clocks go forward then. Choose an earlier or a later one.",
            name(zone)
        ));
    }
    let stamp = ambiguous.compatible().map_err(|_| "Enter another date.")?;
    Ok(moment::from_ms(stamp.as_millisecond()))
}

fn civil(local: PrimitiveDateTime) -> Option<DateTime> {
    let signed = |part: u8| i8::try_from(part).ok();
    DateTime::new(
        i16::try_from(local.year()).ok()?,
        signed(local.month().into())?,
        signed(local.day())?,
        signed(local.hour())?,
        signed(local.minute())?,
        signed(local.second())?,
        0,
    )
    .ok()
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    fn berlin() -> TimeZone {
        TimeZone::get("Europe/Berlin").unwrap_or(TimeZone::UTC)
    }

    fn parse(text: &str) -> Result<Option<OffsetDateTime>, ShopError> {
        parse_field(&berlin(), "from", text, None)
    }

    fn message(text: &str) -> String {
        let error = parse(text).err();
        let message = error.as_ref().and_then(|error| error.field_message("from"));
        message.unwrap_or_default().to_owned()
    }

    #[test]
    fn a_local_time_has_the_offset_of_its_season() {
        assert_eq!(parse(" "), Ok(None));
        let winter = datetime!(2026-12-12 11:12 UTC);
        assert_eq!(parse("2026-12-12T12:12"), Ok(Some(winter)));
        assert_eq!(in_zone(&berlin(), winter), "2026-12-12 12:12 CET");
        let summer = datetime!(2026-07-01 10:00:30 UTC);
        assert_eq!(parse(" 2026-07-01 12:00:30 "), Ok(Some(summer)));
        assert_eq!(in_zone(&berlin(), summer), "2026-07-01 12:00:30 CEST");
        assert_eq!(for_field(&berlin(), summer), "2026-07-01T12:00:30");
        assert_eq!(in_zone(&TimeZone::UTC, winter), "2026-12-12 11:12 UTC");
    }

    #[test]
    fn a_time_that_the_clocks_skip_is_refused() {
        for text in ["2026-03-29T02:00", "2026-03-29T02:59:59"] {
            assert!(
                message(text).contains("does not exist in Europe/Berlin"),
                "{text}"
            );
        }
        for (text, expected) in [
            ("2026-03-29T01:59", datetime!(2026-03-29 00:59 UTC)),
            ("2026-03-29T03:00", datetime!(2026-03-29 01:00 UTC)),
        ] {
            assert_eq!(parse(text), Ok(Some(expected)), "{text}");
        }
    }

    #[test]
    fn a_time_that_occurs_twice_means_the_first_unless_it_is_the_current_one() {
        let (first, second) = (
            datetime!(2026-10-25 00:30 UTC),
            datetime!(2026-10-25 01:30 UTC),
        );
        assert_eq!(parse("2026-10-25T02:30"), Ok(Some(first)));
        assert_eq!(in_zone(&berlin(), first), "2026-10-25 02:30 CEST");
        assert_eq!(in_zone(&berlin(), second), "2026-10-25 02:30 CET");
        let shown = for_field(&berlin(), second);
        assert_eq!(
            parse_field(&berlin(), "from", &shown, Some(second)),
            Ok(Some(second))
        );
        let with_seconds = format!("{shown}:00");
        assert_eq!(
            parse_field(&berlin(), "from", &with_seconds, Some(second)),
            Ok(Some(second))
        );
        let exact = datetime!(2026-12-12 11:12:00.123456 UTC);
        let shown = for_field(&berlin(), exact);
        assert_eq!(
            parse_field(&berlin(), "from", &shown, Some(exact)),
            Ok(Some(exact))
        );
    }

    #[test]
    fn text_that_is_no_time_of_this_era_is_refused() {
        for text in [
            "tomorrow",
            "\0",
            "2026-01-01",
            "2026-02-30T00:00",
            "12/12/2026 12:12",
        ] {
            assert!(message(text).contains("as in"), "{text:?}");
        }
        for text in [
            "-9999-01-01T00:00",
            "0000-01-01T00:00",
            "1999-12-31T23:59",
            "2200-01-01T00:00",
        ] {
            assert!(message(text).contains("from 2000 to 2199"), "{text:?}");
        }
    }
}
