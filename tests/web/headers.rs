//! Security and caching headers of responses.

use axum::{
    body::Body,
    http::{Request, StatusCode, header},
};
use doorbuster::web::assets;

use super::support::{TestShop, Visitor};

const PAGES: [&str; 6] = [
    "/",
    "/products/flash-sale-smartphone",
    "/cart",
    "/checkout",
    "/admin/login",
    "/nowhere",
];

#[tokio::test]
async fn a_page_allows_only_its_own_scripts_and_styles() {
    let shop = TestShop::new().await;
    let mut visitor = Visitor::of(&shop);
    let mut nonces = Vec::new();
    for path in PAGES {
        let answer = visitor.page(path).await;
        let policy = answer.header("content-security-policy").to_owned();
        let nonce = policy
            .split("'nonce-")
            .nth(1)
            .and_then(|rest| rest.split('\'').next())
            .unwrap_or_else(|| panic!("{path} has no nonce: {policy}"))
            .to_owned();
        assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
        assert!(!policy.contains("unsafe-inline"), "{policy}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert_eq!(answer.header("referrer-policy"), "same-origin");
        assert!(
            !answer.body.contains(" style="),
            "{path} has an inline style"
        );
        assert!(
            !answer.body.contains(" onclick="),
            "{path} has an inline script"
        );
        for script in answer.body.split("<script").skip(1) {
            let tag = script.split('>').next().unwrap_or_default();
            assert!(
                // Data in a script element never runs.
                tag.contains("src=") || tag.contains(&nonce) || tag.contains("ld+json"),
                "{path}: <script{tag}>"
            );
        }
        nonces.push(nonce);
    }
    nonces.sort();
    nonces.dedup();
    assert_eq!(nonces.len(), PAGES.len(), "each page has its own nonce");
}

#[tokio::test]
async fn assets_are_compressed_and_cached_forever() {
    let shop = TestShop::new().await;
    let mut visitor = Visitor::of(&shop);
    let href = assets::href("doorbuster.css");
    let ask = |encoding: &'static str| {
        Request::get(&href)
            .header(header::ACCEPT_ENCODING, encoding)
            .body(Body::empty())
            .expect("a request")
    };
    let compressed = visitor.send(ask("gzip, br")).await;
    let plain = visitor.send(ask("gzip, br;q=0")).await;
    assert_eq!(compressed.header("content-encoding"), "br");
    assert_eq!(plain.header("content-encoding"), "");
    assert!(compressed.body.len() < plain.body.len());
    assert!(plain.body.contains("--"), "it is the stylesheet");
    assert!(plain.header("cache-control").contains("immutable"));

    let other_release = href.replace(assets::RELEASE, "0000000000000000");
    let request = Request::get(other_release)
        .body(Body::empty())
        .expect("a request");
    assert_eq!(
        visitor.send(request).await.header("cache-control"),
        "no-cache"
    );

    let known = Request::get(&href)
        .header(header::IF_NONE_MATCH, compressed.header("etag"))
        .body(Body::empty())
        .expect("a request");
    assert_eq!(visitor.send(known).await.status, StatusCode::NOT_MODIFIED);
}

#[tokio::test]
async fn every_asset_that_a_page_references_exists() {
    let shop = TestShop::new().await;
    let mut visitor = Visitor::of(&shop);
    for path in PAGES {
        let page = visitor.page(path).await.body;
        for href in page.split("\"/assets/").skip(1) {
            let href = format!("/assets/{}", href.split('"').next().unwrap_or_default());
            assert_eq!(
                visitor.page(&href).await.status,
                StatusCode::OK,
                "{href} on {path}"
            );
        }
    }
}
