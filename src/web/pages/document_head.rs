//! The head of a page's document, as text: what search engines, and services that show links, read
//! about the page.
//!
//! No part of it is a component. A component that is rendered late comes after a head that has been
//! written already, and a component's title is not escaped.

use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;

use crate::web::{assets, html_text::escape};

/// What a page without a description of its own says.
const SHOP_DESCRIPTION: &str = "A flash-sale shop with limited stock, fixed prices and live counts: each unit is sold exactly once.";
/// Longer descriptions are cut by search engines, in characters.
const DESCRIPTION_CHARS_MAX: usize = 160;
/// The picture for services that show links; they do not read SVG, in which the products are drawn.
const SOCIAL_IMAGE: &str = "social.png";
const SOCIAL_IMAGE_ALT: &str = "Doorbuster: limited stock, fixed prices, live counts.";

/// What a public page says about itself.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Metadata {
    /// One or two sentences in plain text. If it is empty, the shop describes itself.
    pub description: String,
    /// The page's one address, without the parts that do not change its content, as in
    /// `/products/lamp`. Without it, the requested path.
    pub canonical_path: Option<String>,
    /// The page before it in a list of several pages.
    pub previous_path: Option<String>,
    /// The page after it.
    pub next_path: Option<String>,
    /// True for the page of one product.
    pub is_product: bool,
    /// Documents of structured data ([JSON-LD](https://schema.org)).
    pub json_ld: Vec<Value>,
}

/// The head of one document.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DocumentHead {
    /// The page's title, without the name of the shop.
    pub title: String,
    /// `None` on a page that search engines must not index.
    pub metadata: Option<Metadata>,
    /// The requested path.
    pub path: String,
    /// The URL of the server, without a trailing slash.
    pub public_url: String,
    /// A browser that runs no scripts loads the page again after so many seconds.
    pub refresh_after_s: Option<u64>,
}

impl DocumentHead {
    /// Writes the elements of the head.
    pub fn to_html(&self) -> String {
        let title = title_of(&self.title);
        let mut html = format!(
            "<meta charset=\"utf-8\">\
             <title>{}</title>\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
             <meta name=\"color-scheme\" content=\"light dark\">\
             <meta name=\"theme-color\" media=\"(prefers-color-scheme: light)\" content=\"#1f4a3c\">\
             <meta name=\"theme-color\" media=\"(prefers-color-scheme: dark)\" content=\"#10241d\">\
             <link rel=\"icon\" href=\"/favicon.ico\" sizes=\"32x32\">\
             <link rel=\"icon\" href=\"{}\" type=\"image/svg+xml\">\
             <link rel=\"apple-touch-icon\" href=\"{}\">\
             <link rel=\"stylesheet\" href=\"{}\">\
             <script defer src=\"{}\"></script>\
             <script defer src=\"{}\"></script>",
            escape(&title),
            assets::href("favicon.svg"),
            assets::href("apple-touch-icon.png"),
            assets::href("doorbuster.css"),
            assets::href("page.js"),
            assets::href("local_times.js"),
        );
        if let Some(seconds) = self.refresh_after_s {
            html.push_str(&format!(
                "<noscript><meta http-equiv=\"refresh\" content=\"{seconds}\"></noscript>"
            ));
        }
        match &self.metadata {
            Some(metadata) => self.write_metadata(&mut html, &title, metadata),
            // For a person who shares the page, not for a search engine.
            None => write_meta(&mut html, "description", SHOP_DESCRIPTION),
        }
        html
    }

    fn write_metadata(&self, html: &mut String, title: &str, metadata: &Metadata) {
        let description = match shorten(&metadata.description) {
            text if text.is_empty() => SHOP_DESCRIPTION.to_owned(),
            text => text,
        };
        let path = metadata.canonical_path.as_deref().unwrap_or(&self.path);
        let address = format!("{}{path}", self.public_url);
        let image = format!("{}{}", self.public_url, assets::href(SOCIAL_IMAGE));
        let kind = if metadata.is_product {
            "product"
        } else {
            "website"
        };
        for (name, content) in [
            ("description", description.as_str()),
            ("twitter:card", "summary_large_image"),
        ] {
            write_meta(html, name, content);
        }
        html.push_str(&format!(
            "<link rel=\"canonical\" href=\"{}\">",
            escape(&address)
        ));
        for (relation, path) in [
            ("prev", &metadata.previous_path),
            ("next", &metadata.next_path),
        ] {
            if let Some(path) = path {
                let address = format!("{}{path}", self.public_url);
                html.push_str(&format!(
                    "<link rel=\"{relation}\" href=\"{}\">",
                    escape(&address)
                ));
            }
        }
        for (property, content) in [
            ("og:title", title),
            ("og:description", description.as_str()),
            ("og:url", address.as_str()),
            ("og:type", kind),
            ("og:site_name", "Doorbuster"),
            ("og:image", image.as_str()),
            ("og:image:width", "1200"),
            ("og:image:height", "630"),
            ("og:image:alt", SOCIAL_IMAGE_ALT),
        ] {
            html.push_str(&format!(
                "<meta property=\"{property}\" content=\"{}\">",
                escape(content)
            ));
        }
        // A browser never runs a script of this type, so the page's policy does not apply to it.
        for document in &metadata.json_ld {
            html.push_str("<script type=\"application/ld+json\">");
            html.push_str(&script_safe(document));
            html.push_str("</script>");
        }
    }
}

/// The head of the document in progress. The page fills it in once it is loaded, and the document
/// is written after the page.
#[derive(Clone, Debug, Default)]
pub struct HeadSlot(Arc<Mutex<DocumentHead>>);

impl HeadSlot {
    /// Stores the head.
    pub fn set(&self, head: DocumentHead) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = head;
    }

    /// Removes and returns the head.
    pub fn take(&self) -> DocumentHead {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn write_meta(html: &mut String, name: &str, content: &str) {
    html.push_str(&format!(
        "<meta name=\"{name}\" content=\"{}\">",
        escape(content)
    ));
}

/// Adds the name of the shop to a page's title. A line break or an invisible control character
/// would change how a tab or a search engine shows it.
fn title_of(title: &str) -> String {
    match one_line(title).as_str() {
        "" => "Doorbuster".to_owned(),
        title => format!("{title} – Doorbuster"),
    }
}

/// Joins the words of a text with single spaces, without control characters.
fn one_line(text: &str) -> String {
    text.split(|c: char| c.is_whitespace() || c.is_control())
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}

/// Cuts a text after [`DESCRIPTION_CHARS_MAX`] characters, at the end of a word if it has one.
fn shorten(text: &str) -> String {
    let text = one_line(text);
    let Some((end, _)) = text.char_indices().nth(DESCRIPTION_CHARS_MAX) else {
        return text;
    };
    let start = &text[..end];
    let words = start.rsplit_once(' ').map_or(start, |(words, _)| words);
    format!("{words}…")
}

/// Writes JSON that cannot end the script element around it. Only strings contain these characters.
fn script_safe(json: &Value) -> String {
    json.to_string()
        .replace('<', "\\u003c")
        .replace('>', "\\u003e")
        .replace('&', "\\u0026")
        .replace('\u{2028}', "\\u2028")
        .replace('\u{2029}', "\\u2029")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const HOSTILE: &str = "</title><script>alert('1')</script>\"&\0\n";

    fn head() -> DocumentHead {
        DocumentHead {
            title: HOSTILE.to_owned(),
            metadata: Some(Metadata {
                description: HOSTILE.to_owned(),
                canonical_path: None,
                previous_path: Some("/categories/x\"y".to_owned()),
                next_path: None,
                is_product: true,
                json_ld: vec![json!({ "name": HOSTILE, HOSTILE: 1 })],
            }),
            path: "/products/x\"y".to_owned(),
            public_url: "https://shop.test".to_owned(),
            refresh_after_s: Some(7),
        }
    }

    #[test]
    fn no_text_can_leave_its_place_in_the_head() {
        let html = head().to_html();
        // Two files, and the data.
        assert_eq!(html.matches("<script").count(), 3, "{html}");
        assert_eq!(html.matches("</script>").count(), 3, "{html}");
        assert_eq!(html.matches("</title>").count(), 1, "{html}");
        assert!(!html.contains("<script>"), "{html}");
        assert!(!html.contains('\0'), "{html}");
        assert!(html.contains("<title>&lt;/title&gt;&lt;script&gt;alert(&#39;1&#39;)"));
        assert!(html.contains("href=\"https://shop.test/products/x&quot;y\""));
        let previous = "<link rel=\"prev\" href=\"https://shop.test/categories/x&quot;y\">";
        assert!(html.contains(previous), "{html}");
        assert!(!html.contains("rel=\"next\""), "{html}");
        let script = html.split("application/ld+json\">").nth(1);
        let script = script.and_then(|rest| rest.split("</script>").next());
        let data: Value = serde_json::from_str(script.unwrap_or_default()).expect("valid JSON");
        assert_eq!(data["name"], HOSTILE);
    }

    #[test]
    fn a_page_without_metadata_has_a_title_and_no_address() {
        let html = DocumentHead {
            metadata: None,
            ..head()
        }
        .to_html();
        assert!(html.contains("<title>") && html.contains("content=\"7\"></noscript>"));
        assert!(html.contains(SHOP_DESCRIPTION));
        for absent in ["canonical", "og:", "ld+json"] {
            assert!(!html.contains(absent), "{absent}");
        }
        let bare = DocumentHead::default().to_html();
        assert!(bare.contains("<title>Doorbuster</title>"), "{bare}");
    }

    #[test]
    fn a_description_is_cut_between_words_and_characters() {
        assert_eq!(shorten(" one \n two\u{7}three "), "one two three");
        let long = shorten(&"word ".repeat(100));
        assert!(
            long.ends_with("word…") && long.chars().count() <= 161,
            "{long}"
        );
        let unbroken = shorten(&"字".repeat(300));
        assert_eq!(unbroken.chars().count(), 161);
    }
}
