//! `GET /sitemap.xml`: the addresses of all public pages, for search engines.

use axum::{
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};

use super::{AppState, addresses, html_text::escape, json::problem::Problem};

/// The protocol allows so many addresses in one file.
const ADDRESSES_MAX: usize = 50_000;

/// `GET /sitemap.xml`
///
/// # Errors
/// 503 if the database is unavailable.
pub async fn sitemap_xml(State(state): State<AppState>) -> Result<Response, Problem> {
    let products = state.catalog.products().await?;
    let categories = state.catalog.categories().await?;
    let mut paths = vec!["/".to_owned()];
    for name in &categories {
        let path = addresses::category(name);
        // Two categories may share an address.
        if !paths.contains(&path) {
            paths.push(path);
        }
    }
    let products = products.iter();
    paths.extend(products.map(|product| addresses::product(&product.slug)));
    paths.truncate(ADDRESSES_MAX);
    let headers = [
        (header::CONTENT_TYPE, "application/xml; charset=utf-8"),
        (header::CACHE_CONTROL, "public, max-age=600"),
    ];
    Ok((headers, sitemap(&state.public_url, &paths)).into_response())
}

fn sitemap(public_url: &str, paths: &[String]) -> String {
    let mut xml = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
                   <urlset xmlns=\"http://www.sitemaps.org/schemas/sitemap/0.9\">\n"
        .to_owned();
    for path in paths {
        let address = escape(&format!("{public_url}{path}"));
        xml.push_str(&format!("<url><loc>{address}</loc></url>\n"));
    }
    xml.push_str("</urlset>\n");
    xml
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_escaped() {
        let xml = sitemap("https://shop.test", &["/products/a&b<c>".to_owned()]);
        assert!(
            xml.contains("<loc>https://shop.test/products/a&amp;b&lt;c&gt;</loc>"),
            "{xml}"
        );
        assert_eq!(xml.matches("<url>").count(), 1);
    }
}
