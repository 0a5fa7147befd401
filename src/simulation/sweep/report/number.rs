//! Formats numbers for people.

use crate::model::digit_groups::group_digits;

/// Formats a number with about three significant digits: `0.4`, `87.2`, `1,490`, `74.1k`.
pub fn short(value: f64) -> String {
    match value {
        0.0 => "0".to_owned(),
        small if small < 99.95 => format!("{small:.1}"),
        large if large < 9_999.5 => grouped(large),
        huge if huge < 99_950.0 => format!("{:.1}k", huge / 1_000.0),
        huge => format!("{:.0}k", huge / 1_000.0),
    }
}

/// Formats milliseconds with two, one or no decimals, depending on the size.
pub fn ms(value: f64) -> String {
    match value {
        small if small < 9.995 => format!("{small:.2}"),
        middle if middle < 99.95 => format!("{middle:.1}"),
        large => grouped(large),
    }
}

/// Formats a whole number with thousands separators.
pub fn grouped(value: f64) -> String {
    group_digits(&format!("{value:.0}"))
}

/// Formats a number of units with thousands separators.
#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
pub fn units(units: i64) -> String {
    grouped(units as f64)
}

/// Formats the share of `part` in `whole`, for example `12 %`.
pub fn share(part: u64, whole: u64) -> String {
    match (part, whole) {
        (0, _) => "0".to_owned(),
        (_, 0) => "–".to_owned(),
        (part, whole) => {
            #[expect(clippy::cast_precision_loss, reason = "at most some million attempts")]
            let percent = part as f64 / whole as f64 * 100.0;
            if percent < 0.1 {
                "< 0.1 %".to_owned()
            } else if percent < 10.0 {
                format!("{percent:.1} %")
            } else {
                format!("{percent:.0} %")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_keep_the_digits_that_matter() {
        for (value, expected) in [
            (0.0, "0"),
            (0.44, "0.4"),
            (87.16, "87.2"),
            (99.97, "100"),
            (1_490.2, "1,490"),
            (9_999.7, "10.0k"),
            (74_120.0, "74.1k"),
            (140_400.0, "140k"),
        ] {
            assert_eq!(short(value), expected);
        }
        assert_eq!(grouped(1_234_567.0), "1,234,567");
        assert_eq!(
            [share(0, 0), share(1, 8), share(3, 90_000)],
            ["0", "12 %", "< 0.1 %"]
        );
        assert_eq!(
            [ms(0.4567), ms(12.34), ms(1_234.0)],
            ["0.46", "12.3", "1,234"]
        );
    }
}
