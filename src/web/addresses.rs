//! The addresses of the catalogue's pages.

use crate::model::{address::path_segment, product_query::category_slug};

/// `/categories/{slug}`. Letters of every script stay, percent-encoded.
pub fn category(name: &str) -> String {
    format!("/categories/{}", path_segment(&category_slug(name)))
}

/// `/products/{slug}`. A slug may be any text, also one with spaces.
pub fn product(slug: &str) -> String {
    format!("/products/{}", path_segment(slug))
}

/// `/admin/products/{slug}`, the page with the sale of a product.
pub fn admin_product(slug: &str) -> String {
    format!("/admin/products/{}", path_segment(slug))
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
        assert_eq!(admin_product("a b/ü"), "/admin/products/a%20b%2F%C3%BC");
    }
}
