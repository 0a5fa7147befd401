//! Order numbers, as the shop writes them and as people do.

use crate::model::text::{ascii_digits, clean_token};

/// Formats the order number that customers see.
pub fn number_of(order_id: i64) -> String {
    format!("DB-{order_id:06}")
}

/// Parses an order number as a person writes it: `DB-000068`, `db 68`, `#68`, `68`, in digits
/// of any script, with dashes of any length, with a full stop at its end.
pub fn id_of(typed: &str) -> Option<i64> {
    let typed = clean_token(&ascii_digits(typed)).to_ascii_uppercase();
    let digits = typed
        .trim_start_matches(['#', '№'])
        .trim_start_matches("DB")
        .trim_start_matches(is_separator)
        .trim_end_matches(['.', ',', ';']);
    // `parse` would accept a sign.
    let is_number = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    is_number.then(|| digits.parse().ok()).flatten()
}

fn is_separator(c: char) -> bool {
    matches!(
        c,
        '-' | '_' | ':' | '#' | '.' | '/' | '\u{2010}'..='\u{2015}' | '\u{2212}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_number_is_parsed_in_each_spelling() {
        for typed in [
            "DB-000068",
            "db 68",
            "#68",
            "68",
            " 68 ",
            "DB000068",
            "dB–68",
            "Db − 000 068",
            "# DB-68.",
            "DB#68",
            "№ 68",
            "ＤＢ－００００６８",
            "\u{200e}DB-\u{200b}000068\u{feff}",
            "٦٨",
            "۶۸",
            "६८",
        ] {
            assert_eq!(id_of(typed), Some(68), "{typed:?}");
        }
        assert_eq!(id_of(&number_of(1_234_567)), Some(1_234_567));
    }

    #[test]
    fn other_texts_are_no_numbers() {
        for typed in [
            "",
            "DB-",
            "#",
            "order",
            "6B8",
            "+68",
            "6.8",
            "68-69",
            "0x44",
            "99999999999999999999",
            "\0",
        ] {
            assert_eq!(id_of(typed), None, "{typed:?}");
        }
    }
}
