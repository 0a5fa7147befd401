//! What search engines and shoppers find: heads, addresses, `robots.txt`, `sitemap.xml`, search.

use axum::{
    Router,
    body::{Body, to_bytes},
    http::{Method, Request, StatusCode, header},
};
use doorbuster::web::{search_engines, server};
use futures::future::join_all;
use tower::ServiceExt;

use super::support::{TestResponse, TestShop, Visitor, every_route, state};
use crate::support::{PATIENCE, within};

/// Requests at the same time for one page.
const AT_ONCE: usize = 60;

async fn get(router: Router, path: String, cookie: Option<String>) -> TestResponse {
    let mut request = Request::get(&path).header(header::ACCEPT, "text/html");
    if let Some(cookie) = cookie {
        request = request.header(header::COOKIE, cookie);
    }
    let request = request.body(Body::empty()).expect("a request");
    let response = router.oneshot(request).await.expect("an answer");
    let (parts, body) = response.into_parts();
    let body = to_bytes(body, usize::MAX).await.expect("the body ends");
    TestResponse {
        status: parts.status,
        headers: parts.headers,
        body: String::from_utf8_lossy(&body).into_owned(),
    }
}

/// Returns the text between two marks.
fn between<'a>(text: &'a str, start: &str, end: &str) -> Option<&'a str> {
    text.split(start).nth(1)?.split(end).next()
}

/// Checks the head and the header of the page at `path`.
fn check_head(path: &str, answer: &TestResponse) {
    let page = &answer.body;
    let is_public = search_engines::is_public(path) && answer.status.is_success();
    let tag = if is_public { "" } else { "noindex" };
    assert_eq!(answer.header("x-robots-tag"), tag, "{path}");
    assert!(
        page.starts_with("<!DOCTYPE html><html lang=\"en\"><head><meta charset"),
        "{path}"
    );
    assert!(page.ends_with("</body></html>"), "{path}");
    let head = page.split("</head>").next().unwrap_or_default();
    let title = between(head, "<title>", "</title>").unwrap_or_default();
    assert!(
        title
            .strip_suffix(" – Doorbuster")
            .is_some_and(|own| !own.is_empty()),
        "{path}: {title}"
    );
    for once in [
        "<title>",
        "name=\"viewport\"",
        "name=\"description\" content=\"",
        "rel=\"stylesheet\"",
    ] {
        assert_eq!(head.matches(once).count(), 1, "{once} in {path}");
    }
    for once in ["<head>", "<body>", "<main"] {
        assert_eq!(page.matches(once).count(), 1, "{once} in {path}");
    }
    let public_only = [
        "rel=\"canonical\" href=\"http://shop.test/",
        "property=\"og:title\"",
        "property=\"og:image\"",
    ];
    for element in public_only {
        let count = usize::from(is_public);
        assert_eq!(head.matches(element).count(), count, "{element} in {path}");
    }
    assert!(!head.contains("content=\"\""), "{path}: {head}");
}

/// Leptos streamed the head before a late component was rendered: half of the answers lacked it.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_page_has_its_header_title_and_description_every_time() {
    let shop = TestShop::new().await;
    let mut admin = Visitor::of(&shop);
    admin.sign_in(&shop).await;
    // The first page after that renews the session's cookie.
    admin.page("/admin").await;
    let state = state(shop.handle(), shop.database.url(), "http://shop.test");
    let router = server::router(state).expect("the public URL is an origin");
    let pages = server::page_routes().len();
    let paths: Vec<String> = every_route()
        .into_iter()
        .take(pages)
        .map(|(_, path)| path)
        .chain(
            [
                "/products/flash-sale-smartphone",
                "/categories/outdoors",
                "/search?q=phone",
                "/nowhere",
            ]
            .map(ToOwned::to_owned),
        )
        .collect();
    for path in paths {
        let requests = (0..AT_ONCE)
            .map(|_| tokio::spawn(get(router.clone(), path.clone(), admin.cookie_header())));
        let answers = within(PATIENCE, "60 answers", join_all(requests)).await;
        let path = path.split('?').next().unwrap_or_default();
        let mut titles = Vec::new();
        for answer in answers {
            let answer = answer.expect("the request does not panic");
            check_head(path, &answer);
            let title = between(&answer.body, "<title>", "</title>").map(ToOwned::to_owned);
            titles.push((answer.status, title));
        }
        titles.dedup();
        assert_eq!(titles.len(), 1, "{path}: {titles:?}");
    }
}

#[tokio::test]
async fn every_answer_that_is_not_of_the_catalogue_says_that_it_is_private() {
    let shop = TestShop::new().await;
    let mut visitor = Visitor::of(&shop);
    for (method, path) in every_route() {
        // An open stream does not end.
        if path.starts_with("/live/stock") {
            continue;
        }
        let answer = match method {
            Method::GET => visitor.page(&path).await,
            _ => visitor.post_form(&path, "").await,
        };
        let is_shown = search_engines::is_public(&path) && answer.status.is_success();
        let tag = if is_shown { "" } else { "noindex" };
        assert_eq!(answer.header("x-robots-tag"), tag, "{method} {path}");
    }
    let stream = Request::get("/live/stock?products=1").body(Body::empty());
    let state = state(shop.handle(), shop.database.url(), "http://shop.test");
    let router = server::router(state).expect("the public URL is an origin");
    let stream = router.oneshot(stream.expect("a request")).await;
    let stream = stream.expect("an answer");
    assert_eq!(stream.headers()["x-robots-tag"], "noindex");
}

#[tokio::test]
async fn a_name_cannot_leave_its_place_in_any_head() {
    const NAME: &str = "</title></script><script>alert(1)</script>\"&<!--";
    let shop = TestShop::new().await;
    let product = shop.with_product(5).await;
    shop.by_hand
        .run(&format!(
            "UPDATE product SET name = '{NAME}', description = '{NAME}', category = '{NAME}' WHERE id = {}",
            product.id
        ))
        .await;
    let slug = format!("SELECT slug FROM product WHERE id = {}", product.id);
    let slug: String = shop.by_hand.value(&slug).await;
    let mut visitor = Visitor::of(&shop);
    let fields = format!("product_id={}&quantity=1", product.id);
    visitor.submit("/", "/api/form/cart/add", &fields).await;
    for path in [
        "/".to_owned(),
        format!("/products/{slug}"),
        "/categories/title-script-script-alert-1-script".to_owned(),
        "/search?q=%3C%2Ftitle%3E%3Cscript%3Ealert%281%29".to_owned(),
        "/cart".to_owned(),
    ] {
        let answer = visitor.page(&path).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}");
        check_head(path.split('?').next().unwrap_or_default(), &answer);
        assert!(!answer.body.contains("<script>alert"), "{path}");
        let data = answer.body.split("<script type=\"application/ld+json\">");
        for data in data.skip(1) {
            let data = data.split("</script>").next().unwrap_or_default();
            let data: serde_json::Value = serde_json::from_str(data).expect("valid JSON");
            assert!(data.to_string().contains("alert(1)"), "{data}");
        }
    }
    let sitemap = visitor.page("/sitemap.xml").await.body;
    assert!(!sitemap.contains("alert(1)"), "{sitemap}");
}

#[tokio::test]
async fn a_product_page_has_the_data_of_its_offer() {
    let shop = TestShop::new().await;
    let mut visitor = Visitor::of(&shop);
    let path = "/products/flash-sale-smartphone?utm_source=mail";
    let page = visitor.page(path).await.body;
    assert!(page.contains(
        "<link rel=\"canonical\" href=\"http://shop.test/products/flash-sale-smartphone\">"
    ));
    let data = between(&page, "application/ld+json\">", "</script>").expect("data");
    let data: serde_json::Value = serde_json::from_str(data).expect("valid JSON");
    assert_eq!(data["@type"], "Product");
    assert_eq!(data["offers"]["price"], "299.00");
    assert_eq!(data["offers"]["availability"], "https://schema.org/InStock");
    let image = data["image"].as_str().expect("an image");
    let social = between(&page, "og:image\" content=\"", "\"").expect("a picture");
    for (url, kind) in [(image, "image/svg+xml"), (social, "image/png")] {
        let path = url
            .strip_prefix("http://shop.test")
            .expect("a complete URL");
        let answer = visitor.page(path).await;
        assert_eq!(
            (answer.status, answer.header("content-type")),
            (StatusCode::OK, kind)
        );
    }
}

#[tokio::test]
async fn the_files_at_the_root_have_their_types_and_exist_for_every_method() {
    let shop = TestShop::new().await;
    let mut visitor = Visitor::of(&shop);
    for (path, kind, part) in [
        (
            "/robots.txt",
            "text/plain; charset=utf-8",
            "Sitemap: http://shop.test/sitemap.xml\n",
        ),
        (
            "/sitemap.xml",
            "application/xml; charset=utf-8",
            "<loc>http://shop.test/products/flash-sale-smartphone</loc>",
        ),
        ("/favicon.ico", "image/x-icon", "PNG"),
    ] {
        let answer = visitor.page(path).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}");
        assert_eq!(answer.header("content-type"), kind);
        assert!(
            answer
                .header("cache-control")
                .starts_with("public, max-age="),
            "{path}"
        );
        assert!(answer.body.contains(part), "{path}: {}", answer.body);
        let head = Request::head(path).body(Body::empty()).expect("a request");
        let head = visitor.send(head).await;
        assert_eq!(
            (head.status, head.header("content-type")),
            (StatusCode::OK, kind)
        );
        assert_eq!(head.body, "");
        let post = Request::post(path).body(Body::empty()).expect("a request");
        assert_eq!(
            visitor.send(post).await.status,
            StatusCode::METHOD_NOT_ALLOWED
        );
    }
}

/// A crawler can open every address of the site map, and each page says that it is the address.
#[tokio::test]
async fn the_site_map_lists_every_public_page_by_its_own_address() {
    let shop = TestShop::new().await;
    let lane = shop
        .with_lane(doorbuster::model::StrategyKey::RowLock, 5)
        .await;
    shop.by_hand
        .run("UPDATE product SET category = 'Küche & Bad', slug = 'a b/\"é' WHERE id = 2")
        .await;
    let mut visitor = Visitor::of(&shop);
    let sitemap = visitor.page("/sitemap.xml").await.body;
    let addresses: Vec<&str> = sitemap
        .split("<loc>http://shop.test")
        .skip(1)
        .filter_map(|rest| rest.split("</loc>").next())
        .collect();
    let products: i64 = shop
        .by_hand
        .value("SELECT count(*) + count(DISTINCT category) FROM product WHERE lane_id IS NULL")
        .await;
    assert_eq!(addresses.len() as i64, products + 1);
    assert!(addresses.contains(&"/categories/k%C3%BCche-bad"));
    let lane: String = shop
        .by_hand
        .value(&format!("SELECT slug FROM product WHERE id = {}", lane.id))
        .await;
    assert!(!sitemap.contains(&lane), "a private product: {lane}");
    for address in addresses
        .into_iter()
        .filter(|address| !address.contains("%2F"))
    {
        let answer = visitor.page(address).await;
        assert_eq!(answer.status, StatusCode::OK, "{address}");
        let canonical = between(&answer.body, "rel=\"canonical\" href=\"", "\"");
        assert_eq!(
            canonical,
            Some(format!("http://shop.test{address}").as_str())
        );
    }
}
