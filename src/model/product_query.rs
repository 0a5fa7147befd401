//! Which products of the catalogue a page shows, and in which order.

/// Longer search texts are cut, in characters.
pub const TEXT_CHARS_MAX: usize = 200;
/// More words are ignored.
pub const WORDS_MAX: usize = 12;

/// Products of one page of a list. All of them are followed by one stream.
pub const PAGE_PRODUCTS_MAX: u32 = 48;

/// A selection of the catalogue's products.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct ProductQuery {
    /// If not empty, only products of these categories.
    pub categories: Vec<String>,
    /// Only products whose name or description contains all of these.
    pub words: Vec<String>,
    pub sort: ProductSort,
    pub page: PageNumber,
}

/// The number of a page of a list, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PageNumber(u32);

impl Default for PageNumber {
    fn default() -> Self {
        Self::FIRST
    }
}

impl PageNumber {
    pub const FIRST: Self = Self(1);

    /// Parses the parameter of an address, which the first page lacks; `None` for any text that is
    /// no number of a page.
    pub fn parse(text: &str) -> Option<Self> {
        if text.is_empty() {
            return Some(Self::FIRST);
        }
        let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
        let number = text
            .parse::<u32>()
            .ok()
            .filter(|number| is_number && *number > 0)?;
        Some(Self(number))
    }

    /// The last page of a list of so many products. An empty list has one page.
    pub fn last_of(products: u64) -> Self {
        let pages = products.div_ceil(PAGE_PRODUCTS_MAX.into()).max(1);
        Self(u32::try_from(pages).unwrap_or(u32::MAX))
    }

    pub const fn get(self) -> u32 {
        self.0
    }

    /// The number of products on the pages before it.
    pub fn products_before(self) -> u64 {
        u64::from(self.0 - 1) * u64::from(PAGE_PRODUCTS_MAX)
    }

    /// The page before it; `None` for the first.
    pub fn previous(self) -> Option<Self> {
        (self > Self::FIRST).then(|| Self(self.0 - 1))
    }

    /// The page after it, up to `last`.
    pub fn next(self, last: Self) -> Option<Self> {
        (self < last).then(|| Self(self.0 + 1))
    }
}

/// The order of a list of products. Products that are equal in it are ordered by id.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ProductSort {
    /// The shop's own order.
    #[default]
    Featured,
    PriceUp,
    PriceDown,
    Name,
    /// The sale that ends next comes first; ended sales come last.
    EndingSoon,
}

impl ProductSort {
    /// All orders, as pages list them.
    pub const ALL: [Self; 5] = [
        Self::Featured,
        Self::PriceUp,
        Self::PriceDown,
        Self::Name,
        Self::EndingSoon,
    ];

    /// Its name in an address.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Featured => "featured",
            Self::PriceUp => "price-up",
            Self::PriceDown => "price-down",
            Self::Name => "name",
            Self::EndingSoon => "ending-soon",
        }
    }

    /// Its name on a page.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Featured => "Featured",
            Self::PriceUp => "Lowest price",
            Self::PriceDown => "Highest price",
            Self::Name => "Name",
            Self::EndingSoon => "Ending soon",
        }
    }

    /// Returns the order with this key; the shop's own for any other text.
    pub fn parse(key: &str) -> Self {
        let found = Self::ALL.into_iter().find(|sort| sort.key() == key);
        found.unwrap_or_default()
    }
}

/// A search text as a person typed or pasted it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SearchText {
    /// The text on one line, cut to [`TEXT_CHARS_MAX`] characters.
    pub shown: String,
    /// Its different words, at most [`WORDS_MAX`].
    pub words: Vec<String>,
    /// True if a part of the text is not searched for.
    pub is_cut: bool,
}

impl SearchText {
    /// Splits a text into words at white space, quotation marks and control characters. Invisible
    /// characters, which come with copied text, are removed.
    pub fn parse(text: &str) -> Self {
        let visible: String = text
            .chars()
            .filter(|c| !is_invisible(*c))
            .map(|c| if c.is_control() { ' ' } else { c })
            .take(TEXT_CHARS_MAX + 1)
            .collect();
        let shown: String = visible.chars().take(TEXT_CHARS_MAX).collect();
        let mut is_cut = visible.chars().count() > TEXT_CHARS_MAX;
        let mut words: Vec<String> = Vec::new();
        for word in shown.split(|c: char| c.is_whitespace() || is_quotation_mark(c)) {
            let word = word.to_lowercase();
            if word.is_empty() || words.contains(&word) {
                continue;
            }
            if words.len() == WORDS_MAX {
                is_cut = true;
                break;
            }
            words.push(word);
        }
        Self {
            shown: shown.split_whitespace().collect::<Vec<_>>().join(" "),
            words,
            is_cut,
        }
    }
}

/// Characters without a shape: joiners, marks of direction, soft hyphens, the byte order mark.
fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
    )
}

fn is_quotation_mark(c: char) -> bool {
    matches!(
        c,
        '"' | '\'' | '`' | '´' | '«' | '»' | '‹' | '›' | '‘'..='‟' | '「'..='』' | '＂' | '＇'
    )
}

/// Returns the part of a category's address that names it: its letters and digits, in lower case,
/// with single hyphens between them. Two categories may share one; their page shows both.
pub fn category_slug(name: &str) -> String {
    let slug = name
        .split(|c: char| !c.is_alphanumeric())
        .filter(|part| !part.is_empty())
        .map(str::to_lowercase)
        .collect::<Vec<_>>()
        .join("-");
    if slug.is_empty() {
        "other".to_owned()
    } else {
        slug
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_text_is_split_into_its_different_visible_words() {
        let cases: [(&str, &[&str]); 6] = [
            ("Desk  lamp desk", &["desk", "lamp"]),
            ("“Desk\u{200b} lamp”\0\n\t", &["desk", "lamp"]),
            ("men's t-shirt 50%_\\", &["men", "s", "t-shirt", "50%_\\"]),
            ("\u{202e}ÄPFEL\u{202c} تفاح", &["äpfel", "تفاح"]),
            ("\"'\u{feff}", &[]),
            ("", &[]),
        ];
        for (text, words) in cases {
            let parsed = SearchText::parse(text);
            assert_eq!(parsed.words, words, "{text:?}");
            assert!(!parsed.is_cut, "{text:?}");
        }
    }

    #[test]
    fn a_long_text_is_cut_and_says_so() {
        let exact = SearchText::parse(&"字".repeat(TEXT_CHARS_MAX));
        assert!(!exact.is_cut);
        assert_eq!(exact.shown.chars().count(), TEXT_CHARS_MAX);
        let long = SearchText::parse(&"字".repeat(100_000));
        assert!(long.is_cut);
        assert_eq!(long.words[0].chars().count(), TEXT_CHARS_MAX);
        let words: Vec<_> = (0..40).map(|number| number.to_string()).collect();
        let many = SearchText::parse(&words.join(" "));
        assert!(many.is_cut);
        assert_eq!(many.words.len(), WORDS_MAX);
    }

    #[test]
    fn every_order_has_a_key_and_other_texts_are_the_shops_own() {
        for sort in ProductSort::ALL {
            assert_eq!(ProductSort::parse(sort.key()), sort);
        }
        assert_eq!(ProductSort::parse("price_cents; --"), ProductSort::Featured);
    }

    #[test]
    fn a_page_is_a_number_from_one_on() {
        for (text, expected) in [
            ("", Some(1)),
            ("1", Some(1)),
            ("7", Some(7)),
            ("4294967295", Some(u32::MAX)),
            ("4294967296", None),
            ("0", None),
            ("-1", None),
            ("+1", None),
            (" 1", None),
            ("1.5", None),
            ("two", None),
            ("٢", None),
        ] {
            let page = PageNumber::parse(text).map(PageNumber::get);
            assert_eq!(page, expected, "{text:?}");
        }
        let of_list = |products| PageNumber::last_of(products).get();
        assert_eq!([0, 1, 48, 49, 96, 97].map(of_list), [1, 1, 1, 2, 2, 3]);
        assert_eq!(of_list(u64::MAX), u32::MAX);
    }

    #[test]
    fn a_page_has_neighbours_inside_of_its_list() {
        let last = PageNumber(3);
        let neighbours = |number| {
            let page = PageNumber(number);
            let get = PageNumber::get;
            (page.previous().map(get), page.next(last).map(get))
        };
        assert_eq!(neighbours(1), (None, Some(2)));
        assert_eq!(neighbours(2), (Some(1), Some(3)));
        assert_eq!(neighbours(3), (Some(2), None));
        assert_eq!(neighbours(9), (Some(8), None));
        assert_eq!(PageNumber(3).products_before(), 96);
    }

    #[test]
    fn a_category_of_any_script_has_a_slug() {
        for (name, slug) in [
            ("Home & Kitchen", "home-kitchen"),
            ("  --Küche--", "küche"),
            ("قهوة وشاي", "قهوة-وشاي"),
            ("</title>", "title"),
            ("…", "other"),
        ] {
            assert_eq!(category_slug(name), slug);
            assert_eq!(category_slug(slug), slug, "a slug is its own slug");
        }
    }
}
