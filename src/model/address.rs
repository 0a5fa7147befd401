//! Texts in the addresses of pages.

/// Percent-encodes a text as one segment of a path: a slug may be any text, also one with spaces,
/// slashes and question marks.
pub fn path_segment(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_') {
            encoded.push(byte.into());
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_contains_only_characters_that_need_no_encoding() {
        for (text, expected) in [
            ("desk-lamp_2.0", "desk-lamp_2.0"),
            ("a b+c/d?e#f%", "a%20b%2Bc%2Fd%3Fe%23f%25"),
            ("Küche", "K%C3%BCche"),
            ("\"><script>", "%22%3E%3Cscript%3E"),
            ("e\u{301}", "e%CC%81"),
            ("قهوة", "%D9%82%D9%87%D9%88%D8%A9"),
            ("", ""),
        ] {
            assert_eq!(path_segment(text), expected);
        }
    }
}
