//! The name and the note that an administrator gives to a run.

use super::{FieldError, ShopError};

/// The longest name of a run, in characters.
pub const RUN_NAME_LEN_MAX: usize = 80;
/// The longest note about a run, in characters.
pub const RUN_NOTE_LEN_MAX: usize = 280;

/// The name and the note of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunLabel {
    /// One line; `None` if the run has the title of its plan.
    pub name: Option<String>,
    /// May have several lines; `None` if there is none.
    pub note: Option<String>,
}

impl RunLabel {
    /// Parses the fields `name` and `note` of a form. Control characters and repeated spaces are
    /// removed; an empty field is none.
    ///
    /// # Errors
    /// [`ShopError::FieldsInvalid`] if a text is too long.
    pub fn parse(name: &str, note: &str) -> Result<Self, ShopError> {
        let name = one_line(name);
        let lines: Vec<_> = note.lines().map(one_line).collect();
        let note = lines.join("\n").trim().to_owned();
        let limits = [
            ("name", &name, RUN_NAME_LEN_MAX),
            ("note", &note, RUN_NOTE_LEN_MAX),
        ];
        let errors: Vec<_> = limits
            .into_iter()
            .filter(|(_, text, most)| text.chars().count() > *most)
            .map(|(field, text, most)| {
                let length = text.chars().count();
                let message = format!("Use at most {most} characters, not {length}.");
                FieldError::new(field, message)
            })
            .collect();
        if !errors.is_empty() {
            return Err(ShopError::FieldsInvalid(errors));
        }
        let unless_empty = |text: String| (!text.is_empty()).then_some(text);
        Ok(Self {
            name: unless_empty(name),
            note: unless_empty(note),
        })
    }
}

fn one_line(text: &str) -> String {
    let words = text.split(|c: char| c.is_whitespace() || c.is_control());
    let words: Vec<_> = words.filter(|word| !word.is_empty()).collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_line_and_a_note_keeps_its_lines() {
        let label = RunLabel::parse("  Team\tA\u{0}\r\n 3 ", "one\r\n two  three\u{7}\n\n");
        let label = label.expect("both fit");
        assert_eq!(label.name.as_deref(), Some("Team A 3"));
        assert_eq!(label.note.as_deref(), Some("one\ntwo three"));
        assert_eq!(RunLabel::parse(" ", "\n\u{0}"), Ok(RunLabel::default()));
    }

    #[test]
    fn a_text_that_is_too_long_is_rejected_beside_its_field() {
        let long = |most: usize| "ä".repeat(most + 1);
        let (name, note) = (long(RUN_NAME_LEN_MAX), long(RUN_NOTE_LEN_MAX));
        let error = RunLabel::parse(&name, &note).expect_err("both are too long");
        for field in ["name", "note"] {
            let message = error
                .field_message(field)
                .expect("each field has a message");
            assert!(message.contains("at most"), "{message}");
        }
        let longest = "ä".repeat(RUN_NAME_LEN_MAX);
        let label = RunLabel::parse(&longest, "").expect("it fits");
        assert_eq!(label.name, Some(longest));
    }
}
