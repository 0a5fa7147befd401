//! Countries: their codes, their names, and whether an address there has a postal code.

mod table;

use table::COUNTRIES;

/// Whether addresses of a country have a postal code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PostalCode {
    Absent,
    Optional,
    Required,
}

impl PostalCode {
    /// The value of the list's `data-postal` attribute, which the page's script reads.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Absent => "absent",
            Self::Optional => "optional",
            Self::Required => "required",
        }
    }
}

/// A country, or a territory that has a code of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Country {
    /// ISO 3166-1, two letters.
    pub code: &'static str,
    /// In English.
    pub name: &'static str,
    pub postal_code: PostalCode,
    /// Separated by spaces; `#` is a digit, `@` a letter, `*` either, and anything else is itself.
    /// Empty if none is known.
    shapes: &'static str,
    /// A postal code of the country; empty if none is known.
    pub postal_example: &'static str,
    /// True if an address names a city.
    pub has_city: bool,
}

impl Country {
    const fn new(
        code: &'static str,
        name: &'static str,
        postal_code: PostalCode,
        shapes: &'static str,
        postal_example: &'static str,
        has_city: bool,
    ) -> Self {
        Self {
            code,
            name,
            postal_code,
            shapes,
            postal_example,
            has_city,
        }
    }

    /// True if `typed` may be a postal code of this country, however it is spaced, and with or
    /// without the letters of the country before its digits (`D-26133`).
    pub fn accepts_postal_code(&self, typed: &str) -> bool {
        let typed: String = typed
            .chars()
            .filter(char::is_ascii_alphanumeric)
            .map(|c| c.to_ascii_uppercase())
            .collect();
        let digits = typed.trim_start_matches(|c: char| c.is_ascii_uppercase());
        let has_country = typed.len() - digits.len() <= 3;
        self.shapes.is_empty()
            || self.shapes.split(' ').any(|shape| {
                fits(&typed, shape)
                    || (has_country && shape.starts_with('#') && fits(digits, shape))
            })
    }
}

fn fits(typed: &str, shape: &str) -> bool {
    let fits_one = |(c, kind): (char, char)| match kind {
        '#' => c.is_ascii_digit(),
        '@' => c.is_ascii_uppercase(),
        '*' => c.is_ascii_alphanumeric(),
        literal => c == literal,
    };
    typed.len() == shape.len() && typed.chars().zip(shape.chars()).all(fits_one)
}

/// All countries, in the order of their names.
pub const fn all() -> &'static [Country] {
    COUNTRIES
}

/// Names that people and browsers use besides the one of the list.
const OTHER_NAMES: &[(&str, &str)] = &[
    ("UK", "GB"),
    ("Great Britain", "GB"),
    ("England", "GB"),
    ("Scotland", "GB"),
    ("Wales", "GB"),
    ("Northern Ireland", "GB"),
    ("USA", "US"),
    ("United States of America", "US"),
    ("Deutschland", "DE"),
    ("Österreich", "AT"),
    ("Schweiz", "CH"),
    ("Suisse", "CH"),
    ("Svizzera", "CH"),
    ("España", "ES"),
    ("Italia", "IT"),
    ("België", "BE"),
    ("Belgique", "BE"),
    ("Nederland", "NL"),
    ("Holland", "NL"),
    ("The Netherlands", "NL"),
    ("Danmark", "DK"),
    ("Norge", "NO"),
    ("Sverige", "SE"),
    ("Suomi", "FI"),
    ("Polska", "PL"),
    ("Czech Republic", "CZ"),
    ("Turkey", "TR"),
    ("Russian Federation", "RU"),
    ("Republic of Korea", "KR"),
    ("Hong Kong SAR", "HK"),
];

/// Finds a country by its code or its name, in any case.
pub fn find(typed: &str) -> Option<&'static Country> {
    let typed = super::text::clean(typed).to_lowercase();
    let is_typed = |name: &str| name.to_lowercase() == typed;
    let by_code = |code: &str| COUNTRIES.iter().find(|country| country.code == code);
    COUNTRIES
        .iter()
        .find(|country| is_typed(country.code) || is_typed(country.name))
        .or_else(|| {
            let other = OTHER_NAMES.iter().find(|(name, _)| is_typed(name))?;
            by_code(other.1)
        })
}

/// Returns the name of the country with this code. Orders from before countries were a list contain
/// any text, which is returned as it is.
pub fn name_of(stored: &str) -> &str {
    let known = COUNTRIES.iter().find(|country| country.code == stored);
    known.map_or(stored, |country| country.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_country_is_found_by_code_and_name() {
        for typed in [
            "GB",
            "gb",
            "United Kingdom",
            " united\u{a0}kingdom\u{200b}",
            "UK",
            "England",
        ] {
            assert_eq!(
                find(typed).map(|country| country.code),
                Some("GB"),
                "{typed}"
            );
        }
        for typed in ["", "Testland", "G", "U"] {
            assert_eq!(find(typed), None, "{typed}");
        }
        assert_eq!(name_of("HK"), "Hong Kong");
        assert_eq!(name_of("Atlantis"), "Atlantis");
    }

    #[test]
    fn the_table_says_which_countries_have_postal_codes() {
        let kind = |code| find(code).map(|country| country.postal_code);
        for code in ["HK", "AE", "PA", "AO"] {
            assert_eq!(kind(code), Some(PostalCode::Absent), "{code}");
        }
        assert_eq!(kind("IE"), Some(PostalCode::Optional));
        for code in ["DE", "GB", "US", "CA", "JP", "SG"] {
            assert_eq!(kind(code), Some(PostalCode::Required), "{code}");
        }
    }

    #[test]
    fn a_postal_code_is_accepted_however_it_is_written() {
        for (code, typed, accepted) in [
            ("DE", "26133", true),
            ("DE", "D-26133", true),
            ("DE", "DE 26133", true),
            ("DE", "2613", false),
            ("GB", "SW1Y 4JH", true),
            ("GB", "sw1y4jh", true),
            ("GB", "12345", false),
            ("CA", "k1a-0b1", true),
            ("US", "95014", true),
            ("US", "95014-1234", true),
            ("NL", "1234 AB", true),
            ("IE", "D02 X285", true),
            ("FR", "33 380", true),
            ("SE", "SE-114 55", true),
        ] {
            let country = find(code).expect("a country");
            assert_eq!(
                country.accepts_postal_code(typed),
                accepted,
                "{code} {typed}"
            );
        }
    }

    #[test]
    fn the_table_is_complete_and_consistent() {
        assert!(COUNTRIES.len() > 240);
        for country in COUNTRIES {
            let Country { code, name, .. } = country;
            assert_eq!(find(code).map(|found| found.name), Some(*name));
            assert_eq!(find(name).map(|found| found.code), Some(*code));
            let example = country.postal_example;
            assert!(
                example.is_empty() || country.accepts_postal_code(example),
                "{code} {example}"
            );
            let has_none = country.postal_code == PostalCode::Absent;
            assert!(!has_none || example.is_empty(), "{code}");
        }
    }
}
