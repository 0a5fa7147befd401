//! What a person means by a text that they typed or pasted. Invisible characters come with copied
//! text; they cannot be seen, so they do not count.
//!
//! A few of them change what is seen, and stay where they do: joiners in scripts that need them
//! (Persian, the Indian scripts, emoji), and variation selectors and tags after the character that
//! they belong to.

/// What a character is for a reader.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Visible,
    /// White space of any kind; a line break is [`Kind::Break`].
    Space,
    Break,
    /// Changes the character before it, or how it connects to the next one.
    Attached,
    Invisible,
}

const fn kind(c: char) -> Kind {
    match c {
        '\n' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}' => Kind::Break,
        ' '
        | '\t'
        | '\u{b}'
        | '\u{c}'
        | '\u{a0}'
        | '\u{1680}'
        | '\u{2000}'..='\u{200a}'
        | '\u{202f}'
        | '\u{205f}'
        | '\u{2800}'
        | '\u{3000}' => Kind::Space,
        // Joiners, Mongolian and other variation selectors, tags of flags.
        '\u{200c}'
        | '\u{200d}'
        | '\u{180b}'..='\u{180d}'
        | '\u{180f}'
        | '\u{fe00}'..='\u{fe0f}'
        | '\u{e0020}'..='\u{e007f}'
        | '\u{e0100}'..='\u{e01ef}' => Kind::Attached,
        '\0'..='\u{1f}'
        | '\u{7f}'..='\u{9f}'
        | '\u{ad}'
        | '\u{34f}'
        | '\u{61c}'
        | '\u{115f}'
        | '\u{1160}'
        | '\u{17b4}'
        | '\u{17b5}'
        | '\u{180e}'
        | '\u{200b}'
        | '\u{200e}'
        | '\u{200f}'
        | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{3164}'
        | '\u{feff}'
        | '\u{ffa0}'
        | '\u{fff0}'..='\u{fffb}'
        | '\u{1bca0}'..='\u{1bca3}'
        | '\u{1d173}'..='\u{1d17a}'
        | '\u{e0000}'..='\u{e001f}'
        | '\u{e0080}'..='\u{e00ff}'
        | '\u{e01f0}'..='\u{e0fff}' => Kind::Invisible,
        _ => Kind::Visible,
    }
}

/// The digit zero of each script that writes numbers with decimal digits of its own; the other nine
/// follow it.
const DIGIT_ZEROS: [char; 21] = [
    // Arabic, Persian and Urdu, N'Ko.
    '\u{660}', '\u{6f0}', '\u{7c0}',
    // Devanagari, Bengali, Gurmukhi, Gujarati, Odia, Tamil, Telugu, Kannada, Malayalam, Sinhala.
    '\u{966}', '\u{9e6}', '\u{a66}', '\u{ae6}', '\u{b66}', '\u{be6}', '\u{c66}', '\u{ce6}',
    '\u{d66}', '\u{de6}',
    // Thai, Lao, Tibetan, Burmese, Shan, Khmer, Mongolian, Balinese.
    '\u{e50}', '\u{ed0}', '\u{f20}', '\u{1040}', '\u{1090}', '\u{17e0}', '\u{1810}', '\u{1b50}',
];

/// True for a character whose script, or whose emoji, uses joiners.
const fn uses_joiners(c: char) -> bool {
    matches!(c,
        '\u{600}'..='\u{10ff}'
        | '\u{1200}'..='\u{1dff}'
        | '\u{2190}'..='\u{2bff}'
        | '\u{a800}'..='\u{abff}'
        | '\u{fb50}'..='\u{fdff}'
        | '\u{fe0f}'
        | '\u{fe70}'..='\u{feff}'
        | '\u{10a00}'..='\u{11fff}'
        | '\u{1f000}'..='\u{1faff}')
}

/// True for the Indian scripts, in which a word may end with a joiner.
const fn ends_with_joiners(c: char) -> bool {
    matches!(c, '\u{900}'..='\u{dff}')
}

/// Removes invisible characters, turns every kind of space and line break into a plain space, and
/// trims. A text of nothing but invisible characters is empty.
pub fn clean(text: &str) -> String {
    cleaned(text, ' ').trim().to_owned()
}

/// The same for a text of several lines: line breaks stay, as `\n`.
pub fn clean_lines(text: &str) -> String {
    let text = text.replace("\r\n", "\n");
    cleaned(&text, '\n').trim().to_owned()
}

/// The same as [`clean`] for a code, a number or an address of the internet: it contains no spaces,
/// no joiners, and no full-width forms of ASCII characters.
pub fn clean_token(text: &str) -> String {
    text.chars()
        .map(narrow)
        .filter(|c| kind(*c) == Kind::Visible)
        .collect()
}

/// Removes the quotation marks around a text that was copied with them: `"SAVE10"`, `„SAVE10“`.
pub fn unquote(text: &str) -> &str {
    const QUOTES: &[char] = &[
        '"', '\'', '`', '´', '‘', '’', '‚', '‛', '“', '”', '„', '‟', '«', '»', '‹', '›', '「',
        '」', '『', '』', '＂', '＇',
    ];
    text.trim_matches(QUOTES)
}

/// Returns a number with its digits, and the full-width forms around them, in ASCII: a keyboard
/// types the decimal digits of its own script. It is not for an address of the internet, in which
/// they are other characters.
pub fn ascii_digits(text: &str) -> String {
    text.chars()
        .map(narrow)
        .map(|c| ascii_digit(c).unwrap_or(c))
        .collect()
}

/// Returns the ASCII form of a decimal digit of another script.
fn ascii_digit(c: char) -> Option<char> {
    let value = DIGIT_ZEROS.iter().find_map(|zero| {
        u32::from(c)
            .checked_sub(u32::from(*zero))
            .filter(|value| *value < 10)
    })?;
    char::from_digit(value, 10)
}

/// Returns the ASCII character of a full-width one (`１`, or the full stop of East Asian keyboards),
/// and any other character as it is.
fn narrow(c: char) -> char {
    match c {
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(c) - 0xfee0).unwrap_or(c),
        '\u{3002}' | '\u{ff61}' => '.',
        '\u{3000}' => ' ',
        _ => c,
    }
}

fn cleaned(text: &str, line_break: char) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        match kind(c) {
            Kind::Visible => out.push(c),
            Kind::Space => out.push(' '),
            Kind::Break => out.push(line_break),
            Kind::Invisible => {}
            Kind::Attached => {
                let next = rest.clone().find(|next| kind(*next) != Kind::Invisible);
                if changes_what_is_seen(c, out.chars().next_back(), next) {
                    out.push(c);
                }
            }
        }
    }
    out
}

/// True if the attached character `c` belongs to the character before it.
fn changes_what_is_seen(c: char, before: Option<char>, next: Option<char>) -> bool {
    let Some(before) = before.filter(|before| !before.is_ascii()) else {
        return false;
    };
    match c {
        '\u{200c}' | '\u{200d}' => {
            uses_joiners(before) && (next.is_some_and(uses_joiners) || ends_with_joiners(before))
        }
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invisible_characters_do_not_count() {
        for (typed, meant) in [
            ("\u{feff}Ann\u{200b} Bu\u{ad}yer\u{a0}", "Ann Buyer"),
            ("\u{202e}Ann\u{202c}", "Ann"),
            ("Ann\u{7}\0", "Ann"),
            ("Ann\tBuyer\r", "Ann Buyer"),
            ("\u{200d}A\u{200c}nn\u{fe0f}", "Ann"),
            ("\u{200b}\u{feff}\u{2060}\u{3164}\u{a0}\u{3000}", ""),
            ("山田\u{3000}太郎", "山田 太郎"),
            ("Zoë O’Hara-Łuksza", "Zoë O’Hara-Łuksza"),
        ] {
            assert_eq!(clean(typed), meant, "{typed:?}");
        }
    }

    #[test]
    fn what_changes_the_picture_stays() {
        for name in [
            "می\u{200c}خواهم",
            "ക്\u{200d}",
            "👩\u{200d}👧",
            "❤\u{fe0f}",
            "葛\u{e0100}城",
            "🏴\u{e0067}\u{e0062}\u{e0065}\u{e006e}\u{e0067}\u{e007f}",
        ] {
            assert_eq!(clean(name), name, "{name:?}");
        }
    }

    #[test]
    fn lines_stay_only_where_they_are_wanted() {
        assert_eq!(clean("a\r\nb"), "a  b");
        assert_eq!(clean_lines("\u{200b}a\r\nb\n"), "a\nb");
    }

    #[test]
    fn a_token_has_no_spaces_and_no_full_width_characters() {
        assert_eq!(clean_token(" ＳＡＶＥ\u{200d}\u{a0}１0\n"), "SAVE10");
        assert_eq!(clean_token("ＤＢ－０６８\u{3000}"), "DB-068");
        for address in ["ann@\u{200b}example.com", "ann＠example。com"] {
            assert_eq!(clean_token(address), "ann@example.com");
        }
    }

    #[test]
    fn digits_of_every_script_are_digits() {
        for typed in [
            "0123456789",
            "０１２３４５６７８９",
            "٠١٢٣٤٥٦٧٨٩",
            "۰۱۲۳۴۵۶۷۸۹",
            "०१२३४५६७८९",
            "০১২৩৪৫৬৭৮৯",
            "๐๑๒๓๔๕๖๗๘๙",
            "០១២៣៤៥៦៧៨៩",
        ] {
            assert_eq!(ascii_digits(typed), "0123456789", "{typed}");
        }
        for zero in DIGIT_ZEROS {
            assert!(zero.is_numeric(), "{zero:?}");
            let before = char::from_u32(u32::from(zero) - 1);
            assert_eq!(before.and_then(ascii_digit), None, "{zero:?}");
            let after = char::from_u32(u32::from(zero) + 10);
            assert_eq!(after.and_then(ascii_digit), None, "{zero:?}");
        }
        // Other numerals have another value in their place.
        for text in ["½ ② 十 Ⅳ x", "ann@example.com"] {
            assert_eq!(ascii_digits(text), text);
        }
    }

    #[test]
    fn quotes_around_a_text_are_removed() {
        for quoted in [
            "\"SAVE10\"",
            "„SAVE10“",
            "'SAVE10'",
            "«SAVE10»",
            "SAVE10",
            "`SAVE10",
        ] {
            assert_eq!(unquote(quoted), "SAVE10");
        }
    }
}
