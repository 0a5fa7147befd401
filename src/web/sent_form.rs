//! What every form of a page says about itself, beside its own fields: its page, and whether the
//! browser has sent a cookie before. A `Referer` may be missing, and a cookie too.

use axum::body::Bytes;

/// The hidden field with the address of the form's page.
pub const PAGE_FIELD: &str = "from_page";
/// The hidden field of a page that was requested with a cookie.
pub const COOKIE_FIELD: &str = "had_cookie";
/// Maximum length of a page's address, in bytes.
const ADDRESS_LEN_MAX: usize = 1_000;

/// See the module's documentation. A program that sends a form by itself has none of this.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SentForm {
    /// The address of the form's page on this site.
    pub page: Option<String>,
    /// True if the browser had sent a cookie when it requested the page.
    pub had_cookie: bool,
}

impl SentForm {
    /// Reads the fields of a form's body.
    pub fn read(body: &Bytes) -> Self {
        let mut form = Self::default();
        for (name, value) in url::form_urlencoded::parse(body) {
            match &*name {
                PAGE_FIELD if is_local(&value) => form.page = Some(value.into_owned()),
                COOKIE_FIELD => form.had_cookie = true,
                _ => {}
            }
        }
        form
    }
}

/// Returns true if `address` is one of this site: a path, with or without a query. Anything else
/// could lead to another site.
pub fn is_local(address: &str) -> bool {
    address.starts_with('/')
        && !address.starts_with("//")
        && address.len() <= ADDRESS_LEN_MAX
        && address.bytes().all(|b| b.is_ascii_graphic() && b != b'\\')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_names_its_page_and_whether_there_was_a_cookie() {
        let form = SentForm::read(&Bytes::from_static(
            b"quantity=1&from_page=%2Fadmin%2Fstepper%3Fstory%3Da&had_cookie=1",
        ));
        assert_eq!(form.page.as_deref(), Some("/admin/stepper?story=a"));
        assert!(form.had_cookie);
        let program = SentForm::read(&Bytes::from_static(b"quantity=1"));
        assert_eq!(program, SentForm::default());
    }

    #[test]
    fn a_page_of_another_site_is_ignored() {
        let long = format!("/{}", "x".repeat(ADDRESS_LEN_MAX));
        for address in [
            "",
            "cart",
            "https://evil.test/",
            "//evil.test",
            "/\\evil.test",
            "\\\\evil.test",
            "/a\r\nset-cookie: a=b",
            "/a b",
            "/ä",
            "javascript:alert(1)",
            &long,
        ] {
            assert!(!is_local(address), "{address:?}");
        }
        for address in ["/", "/cart", "/?category=Audio", "/products/a-b"] {
            assert!(is_local(address), "{address}");
        }
    }
}
