//! A reader of JSON whose errors have no messages.

mod reader;

use std::fmt;

use serde::de::{self, Deserialize, Expected, Unexpected};

use reader::Reader;

/// The text is not what was expected. What exactly is wrong with it is not known: the server that
/// wrote it is of the same release.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unreadable;

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("unreadable properties")
    }
}

impl std::error::Error for Unreadable {}

/// Each method that is not written here would format its arguments.
impl de::Error for Unreadable {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self
    }

    fn invalid_type(_: Unexpected<'_>, _: &dyn Expected) -> Self {
        Self
    }

    fn invalid_value(_: Unexpected<'_>, _: &dyn Expected) -> Self {
        Self
    }

    fn invalid_length(_: usize, _: &dyn Expected) -> Self {
        Self
    }

    fn unknown_variant(_: &str, _: &'static [&'static str]) -> Self {
        Self
    }

    fn unknown_field(_: &str, _: &'static [&'static str]) -> Self {
        Self
    }

    fn missing_field(_: &'static str) -> Self {
        Self
    }

    fn duplicate_field(_: &'static str) -> Self {
        Self
    }
}

/// Reads properties that the server wrote as JSON.
///
/// # Errors
/// [`Unreadable`] if the text is no JSON, or another type.
pub fn from_str<'de, T: Deserialize<'de>>(text: &'de str) -> Result<T, Unreadable> {
    let mut reader = Reader::new(text);
    let value = T::deserialize(&mut reader)?;
    reader.end()?;
    Ok(value)
}

/// Writes nothing: the browser does not send properties.
///
/// # Errors
/// Never.
pub const fn to_string<T: ?Sized>(_: &T) -> Result<String, Unreadable> {
    Ok(String::new())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::{Deserialize, Serialize};

    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    enum Shape {
        Unit,
        New(i64),
        Pair(u8, String),
        Named { width: f64 },
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Wrapped(u32);

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Props {
        products: Vec<i64>,
        lines: Vec<(i64, i64, i64)>,
        text: String,
        letter: char,
        is_open: bool,
        most: Option<u32>,
        none: Option<u32>,
        unit: (),
        wrapped: Wrapped,
        by_name: BTreeMap<String, f64>,
        shapes: Vec<Shape>,
        large: u64,
    }

    fn props() -> Props {
        Props {
            products: vec![1, -2, i64::MIN, i64::MAX],
            lines: vec![(1, 2, 3)],
            text: "\"\\/\u{8}\u{c}\n\r\t\u{1}é字🎟\u{2028}</script>".to_owned(),
            letter: 'ß',
            is_open: true,
            most: Some(3),
            none: None,
            unit: (),
            wrapped: Wrapped(7),
            by_name: BTreeMap::from([("a b".to_owned(), 0.1), ("c".to_owned(), -1.5e-300)]),
            shapes: vec![
                Shape::Unit,
                Shape::New(-1),
                Shape::Pair(255, String::new()),
                Shape::Named { width: 1e21 },
            ],
            large: u64::MAX,
        }
    }

    #[test]
    fn what_serde_json_writes_is_read() {
        let text = serde_json::to_string(&props()).expect("it is written");
        assert_eq!(from_str::<Props>(&text), Ok(props()));
        let spread = serde_json::to_string_pretty(&props()).expect("it is written");
        assert_eq!(from_str::<Props>(&spread), Ok(props()));
    }

    #[test]
    fn escapes_of_every_kind_are_read() {
        let text = r#""\u0041\ud83c\udf9f\u00e9\/\b""#;
        assert_eq!(from_str::<String>(text).as_deref(), Ok("A🎟é/\u{8}"));
    }

    #[test]
    fn unknown_fields_are_skipped() {
        #[derive(Debug, PartialEq, Deserialize)]
        struct One {
            a: u8,
        }
        let text = r#"{"x":[{"y":"]}\""},null,-1.5e3],"a":1,"z":{}}"#;
        assert_eq!(from_str::<One>(text), Ok(One { a: 1 }));
    }

    #[test]
    fn every_other_text_is_unreadable() {
        for text in [
            "",
            "{",
            "[1",
            "[1,",
            "[1,]",
            "[1 2]",
            "\"a",
            "\"\\",
            "\"\\x\"",
            "\"\\u12\"",
            "\"\\ud800\"",
            "\"\\ud800\\u0041\"",
            "1 2",
            "-",
            "nul",
            "300",
            "[1}",
            "\"\n\"",
        ] {
            assert_eq!(from_str::<Vec<u8>>(text), Err(Unreadable), "{text}");
            assert_eq!(from_str::<String>(text), Err(Unreadable), "{text}");
        }
        for text in ["256", "-1", "1.5", "true", "null", "18446744073709551616"] {
            assert_eq!(from_str::<u8>(text), Err(Unreadable), "{text}");
        }
        assert_eq!(from_str::<Props>("{}"), Err(Unreadable));
        assert_eq!(from_str::<Shape>("\"Other\""), Err(Unreadable));
    }
}
