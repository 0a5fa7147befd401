//! The month in which a card expires, in every way in which people and browsers write it.

use super::text::{ascii_digits, clean};

/// Returns the expiry as a payment provider expects it, such as `12/30`, or `None` if `typed` names
/// no month of the years 2000 to 2099.
///
/// Accepted are a month and a year with anything but letters between them (`1/30`, `12 / 2030`,
/// `12-30`, `12.2030`), the year first if it has four digits (`2030-12`), digits alone (`1230`,
/// `122030`, `130`), and a month by its English name (`Dec 2030`). Digits may be of any
/// script.
pub fn parse_card_expiry(typed: &str) -> Option<String> {
    let typed = clean(&ascii_digits(typed));
    let (month, year) = match groups(&typed)?.as_slice() {
        [digits] => split(digits)?,
        [first, second] => ordered(first, second)?,
        _ => return None,
    };
    ((1..=12).contains(&month) && year <= 99).then(|| format!("{month:02}/{year:02}"))
}

/// Splits a text into its groups of digits; the name of a month is the group of its number. Returns
/// `None` if it contains another word.
fn groups(typed: &str) -> Option<Vec<String>> {
    let mut groups = Vec::new();
    let mut word = String::new();
    for c in typed.chars().chain([' ']) {
        let continues = word
            .chars()
            .next_back()
            .is_some_and(|last| last.is_ascii_digit() == c.is_ascii_digit() && c.is_alphanumeric());
        if !continues && !word.is_empty() {
            groups.push(group(&word)?);
            word.clear();
        }
        if c.is_alphanumeric() {
            word.push(c);
        }
    }
    Some(groups)
}

fn group(word: &str) -> Option<String> {
    const MONTHS: [&str; 12] = [
        "january",
        "february",
        "march",
        "april",
        "may",
        "june",
        "july",
        "august",
        "september",
        "october",
        "november",
        "december",
    ];
    if word.bytes().all(|b| b.is_ascii_digit()) {
        return Some(word.to_owned());
    }
    let word = word.to_lowercase();
    let index = MONTHS
        .iter()
        .position(|month| word.len() >= 3 && month.starts_with(&word))?;
    Some((index + 1).to_string())
}

/// Splits digits without a separator: month, then year, or a year of four digits first.
fn split(digits: &str) -> Option<(u32, u32)> {
    match digits.len() {
        3 => ordered(&digits[..1], &digits[1..]),
        4 => ordered(&digits[..2], &digits[2..]),
        5 => ordered(&digits[..1], &digits[1..]),
        6 => ordered(&digits[..2], &digits[2..])
            .filter(|(month, _)| (1..=12).contains(month))
            .or_else(|| ordered(&digits[..4], &digits[4..])),
        _ => None,
    }
}

/// Returns month and year, without the century, of two groups of digits.
fn ordered(first: &str, second: &str) -> Option<(u32, u32)> {
    let (month, year) = match (first.len(), second.len()) {
        (1..=2, 2 | 4) => (first, second),
        (4, 1..=2) => (second, first),
        _ => return None,
    };
    let year = match year.len() {
        4 => year.strip_prefix("20")?,
        _ => year,
    };
    Some((month.parse().ok()?, year.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::parse_card_expiry;

    #[test]
    fn each_spelling_of_a_month_is_understood() {
        for typed in [
            "12/30",
            "12/2030",
            "1230",
            "122030",
            "12 / 30",
            " 12 / 2030 ",
            "12-30",
            "12-2030",
            "12.30",
            "12.2030",
            "12 30",
            "12\\30",
            "12|30",
            "12–30",
            "12⁄30",
            "12'30",
            "12,30",
            "2030-12",
            "2030/12",
            "203012",
            "１２／３０",
            "１２３０",
            "١٢/٣٠",
            "۱۲/۳۰",
            "१२/३०",
            "٢٠٣٠-١٢",
            "12\u{200b}/\u{a0}30",
            "1\u{200b}2/30",
            "12//30",
            "Dec 2030",
            "december 30",
            "dec-30",
            "Dec30",
        ] {
            assert_eq!(
                parse_card_expiry(typed).as_deref(),
                Some("12/30"),
                "{typed:?}"
            );
        }
        for typed in [
            "1/30", "01/30", "130", "0130", "1/2030", "12030", "012030", "2030-1", "2030-01",
        ] {
            assert_eq!(
                parse_card_expiry(typed).as_deref(),
                Some("01/30"),
                "{typed:?}"
            );
        }
        assert_eq!(parse_card_expiry("10/20").as_deref(), Some("10/20"));
        assert_eq!(
            parse_card_expiry("2020").as_deref(),
            None,
            "there is no month 20"
        );
        assert_eq!(parse_card_expiry("102020").as_deref(), Some("10/20"));
    }

    #[test]
    fn what_is_no_month_is_refused() {
        for typed in [
            "",
            " ",
            "/",
            "12",
            "30",
            "12/3",
            "13/30",
            "0/30",
            "00/30",
            "30/12",
            "12/1930",
            "12/2130",
            "12/30/2030",
            "12/31/30",
            "1234567",
            "12/203",
            "-12-",
            "é/30",
            "12/3o",
            "ma 30",
            "soon",
            "١٣/٣٠",
        ] {
            assert_eq!(parse_card_expiry(typed), None, "{typed:?}");
        }
    }
}
