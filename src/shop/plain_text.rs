//! What a person meant to type: text without invisible characters, with plain digits and letters.

/// Returns `typed` without surrounding white space and without characters that cannot be seen, and
/// with the full-width forms of Asian keyboards as ordinary ASCII.
pub fn plain(typed: &str) -> String {
    let visible: String = typed
        .chars()
        .filter(|c| !is_invisible(*c))
        .map(narrow)
        .collect();
    visible.trim().to_owned()
}

/// Returns true for characters that take no space: joiners, marks of direction, byte order marks.
/// They come with text that was copied from a page or a message.
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}'
        | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}')
}

/// Returns the ordinary form of a full-width character.
fn narrow(c: char) -> char {
    match c {
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(c) - 0xfee0).unwrap_or(c),
        '\u{3002}' | '\u{ff61}' => '.',
        '\u{3000}' => ' ',
        _ => c,
    }
}

#[cfg(test)]
mod tests {
    use super::plain;

    #[test]
    fn invisible_characters_are_removed_and_wide_ones_narrowed() {
        assert_eq!(plain("\u{feff} a\u{200b}b\u{ad}c \u{200f}"), "abc");
        assert_eq!(plain("ＤＢ－０６８　"), "DB-068");
        assert_eq!(plain("ann＠example。com"), "ann@example.com");
        assert_eq!(plain("\u{200b}"), "");
        assert_eq!(plain("Zoë Müller"), "Zoë Müller", "letters stay");
    }
}
