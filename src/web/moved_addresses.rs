//! Addresses of pages that have another address now.

use axum::http::Uri;

use super::{addresses, request_path::path_of};

/// Returns the new address of `/?category=…`, which was a category's page.
pub fn new_address(uri: &Uri) -> Option<String> {
    if path_of(uri) != "/" {
        return None;
    }
    let (_, category) = url::form_urlencoded::parse(uri.query()?.as_bytes())
        .find(|(name, _)| name == "category")?;
    Some(match category.trim() {
        "" => "/".to_owned(),
        category => addresses::category(category),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_old_address_of_a_category_has_a_new_one() {
        for (old, new) in [
            ("/?category=Outdoors", Some("/categories/outdoors")),
            (
                "/?x=1&category=Home+%26+Kitchen",
                Some("/categories/home-kitchen"),
            ),
            (
                "/?category=//evil.example",
                Some("/categories/evil-example"),
            ),
            ("/?category=%0d%0aX:y", Some("/categories/x-y")),
            ("/?category=", Some("/")),
            ("/?category=%00", Some("/categories/other")),
            ("/", None),
            ("/?utm_source=mail", None),
            ("/cart?category=Outdoors", None),
        ] {
            let uri: Uri = old.parse().expect("an address");
            assert_eq!(new_address(&uri).as_deref(), new, "{old}");
        }
    }
}
