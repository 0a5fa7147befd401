//! Text in HTML and XML, where the view macro does not write or does not escape it.

/// Escapes a text for HTML and XML, in an element or in a quoted attribute.
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            // XML has no way to write the other control characters, and no page needs them.
            c if c.is_control() && !matches!(c, '\n' | '\t' | '\r') => {}
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_character_of_a_text_has_a_meaning() {
        assert_eq!(
            escape("</textarea>\"&'\0\u{1b}\n字"),
            "&lt;/textarea&gt;&quot;&amp;&#39;\n字"
        );
    }
}
