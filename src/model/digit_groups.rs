//! Whole numbers with thousands separators.

/// Inserts a comma between each two groups of three digits: `1234567` becomes `1,234,567`.
pub fn group_digits(digits: &str) -> String {
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::group_digits;

    #[test]
    fn groups_have_three_digits() {
        for (digits, expected) in [
            ("", ""),
            ("0", "0"),
            ("123", "123"),
            ("1234", "1,234"),
            ("123456", "123,456"),
            ("1234567", "1,234,567"),
        ] {
            assert_eq!(group_digits(digits), expected);
        }
    }
}
