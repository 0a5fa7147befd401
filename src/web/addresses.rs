//! The addresses of the catalogue's pages.

use url::form_urlencoded::byte_serialize;

use crate::model::product_query::category_slug;

/// `/categories/{slug}`. Letters of every script stay, percent-encoded.
pub fn category(name: &str) -> String {
    let slug: String = byte_serialize(category_slug(name).as_bytes()).collect();
    format!("/categories/{slug}")
}

/// `/products/{slug}`. A slug may be any text, also one with spaces.
pub fn product(slug: &str) -> String {
    let slug: String = byte_serialize(slug.as_bytes()).collect();
    // A plus sign is a space in a query only. One that was in the slug is encoded as %2B.
    format!("/products/{}", slug.replace('+', "%20"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_contain_only_characters_that_need_no_encoding() {
        assert_eq!(category("Home & Kitchen"), "/categories/home-kitchen");
        assert_eq!(category("Küche"), "/categories/k%C3%BCche");
        assert_eq!(product("desk-lamp"), "/products/desk-lamp");
        assert_eq!(product("a b+c/d?"), "/products/a%20b%2Bc%2Fd%3F");
    }
}
