//! The OpenAPI document: complete, nothing more, and any change of it is visible in a review. The
//! pages that are made from it.

use std::collections::BTreeSet;

use axum::{
    body::Body,
    http::{Method, Request, StatusCode, header},
};
use doorbuster::web::{json::problem_type::ProblemType, server};
use serde_json::Value;

use super::{
    documented::{self, document},
    support::{TestShop, Visitor},
};

const METHODS: [Method; 7] = [
    Method::GET,
    Method::POST,
    Method::PUT,
    Method::PATCH,
    Method::DELETE,
    Method::OPTIONS,
    Method::TRACE,
];

/// Every path of the document with its methods.
fn described() -> Vec<(String, Vec<Method>)> {
    let paths = document()["paths"].as_object().expect("paths");
    let methods = |item: &Value| {
        let names = item.as_object().expect("operations").keys();
        names
            .map(|name| name.to_uppercase().parse::<Method>().expect("a method"))
            .collect::<Vec<_>>()
    };
    paths
        .iter()
        .map(|(path, item)| (path.clone(), methods(item)))
        .collect()
}

fn request(method: Method, path: &str) -> Request<Body> {
    let media_type = if path.starts_with("/api/form/") {
        "application/x-www-form-urlencoded"
    } else {
        "application/json"
    };
    Request::builder()
        .method(method)
        .uri(path)
        .header(header::CONTENT_TYPE, media_type)
        .body(Body::empty())
        .expect("a request")
}

/// After an intended change: `INSTA_UPDATE=always ./makew integration web::api_document`.
#[test]
fn a_change_of_the_api_changes_the_snapshot() {
    let text = serde_json::to_string_pretty(document()).expect("JSON");
    insta::with_settings!({
        snapshot_path => "snapshots",
        prepend_module_to_snapshot => false,
        omit_expression => true,
    }, {
        insta::assert_snapshot!("openapi", text);
    });
}

#[tokio::test]
async fn the_server_sends_the_document() {
    let shop = TestShop::new().await;
    let answer = Visitor::of(&shop).page("/api/openapi.json").await;
    assert_eq!(answer.header("content-type"), "application/json");
    let sent: Value = serde_json::from_str(&answer.body).expect("JSON");
    assert_eq!(&sent, document());
    assert_eq!(sent["openapi"], "3.1.0");
}

#[tokio::test]
async fn the_document_is_compressed_once_and_not_sent_again() {
    let shop = TestShop::new().await;
    let mut visitor = Visitor::of(&shop);
    let ask = |name: header::HeaderName, value: &str| {
        Request::get("/api/openapi.json")
            .header(name, value)
            .body(Body::empty())
            .expect("a request")
    };
    let plain = visitor.page("/api/openapi.json").await;
    let compressed = visitor.send(ask(header::ACCEPT_ENCODING, "gzip, br")).await;
    assert_eq!(plain.header("content-encoding"), "");
    assert_eq!(compressed.header("content-encoding"), "gzip");
    assert!(compressed.body.len() < plain.body.len() / 4);
    for answer in [&plain, &compressed] {
        assert_eq!(answer.header("vary"), "Accept-Encoding");
        assert_eq!(answer.header("cache-control"), "no-cache");
        assert_eq!(answer.header("etag"), plain.header("etag"));
    }
    let known = format!("\"another\", {}", plain.header("etag"));
    for (tags, expected) in [
        (known.as_str(), StatusCode::NOT_MODIFIED),
        ("\"another\"", StatusCode::OK),
    ] {
        let answer = visitor.send(ask(header::IF_NONE_MATCH, tags)).await;
        assert_eq!(answer.status, expected, "{tags}");
        assert_eq!(answer.body.is_empty(), expected != StatusCode::OK);
    }
}

#[test]
fn every_form_is_described_with_its_fields() {
    let forms: BTreeSet<_> = leptos::server_fn::axum::server_fn_paths()
        .map(|(path, _)| path.to_owned())
        .collect();
    let described: BTreeSet<_> = described()
        .into_iter()
        .map(|(path, _)| path)
        .filter(|path| path.starts_with("/api/form/"))
        .collect();
    assert_eq!(described, forms);
    let without_fields: Vec<_> = forms
        .iter()
        .filter(|path| {
            let operation = documented::operation(&Method::POST, path).expect("an operation");
            let form = &operation["requestBody"]["content"]["application/x-www-form-urlencoded"];
            form["schema"]["properties"]
                .as_object()
                .is_none_or(|fields| fields.is_empty())
        })
        .collect();
    assert_eq!(
        without_fields,
        [
            "/api/form/admin/audit",
            "/api/form/admin/logout",
            "/api/form/admin/reconcile-gates"
        ]
    );
    let start = documented::operation(&Method::POST, "/api/form/admin/simulate");
    let fields = &start.expect("an operation")["requestBody"]["content"]["application/x-www-form-urlencoded"]
        ["schema"]["properties"];
    assert_eq!(fields["buyers"]["type"], "string");
    assert_eq!(fields["strategy"]["type"], "array");
}

/// Everything below `/api` comes from the table that is also the source of the document.
#[test]
fn no_other_table_has_a_route_below_api() {
    for (path, _) in server::other_routes() {
        assert!(!path.starts_with("/api"), "{path}");
    }
    for page in server::page_routes() {
        let path = page.path();
        if path.starts_with("/api") {
            let operation = documented::operation(&Method::GET, path);
            assert!(operation.is_some(), "{path} is not described");
        }
    }
}

#[tokio::test]
async fn every_path_takes_the_described_methods_and_no_other() {
    let shop = TestShop::new().await;
    let mut stranger = Visitor::of(&shop);
    for (template, methods) in described() {
        let path = template
            .replace("{id}", "1")
            .replace("{publicId}", "01890000-0000-7000-8000-000000000000");
        for method in METHODS {
            // What a described POST does has tests of its own.
            if methods.contains(&method) && method == Method::POST {
                continue;
            }
            let answer = stranger.send(request(method.clone(), &path)).await;
            if methods.contains(&method) {
                let is_served = answer.status == StatusCode::OK
                    || (path.contains("/orders/") && answer.status == StatusCode::NOT_FOUND);
                assert!(is_served, "{method} {path}: {answer:?}");
            } else if path.starts_with("/api/form/admin/") && path != "/api/form/admin/login" {
                assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{method} {path}");
            } else {
                assert_eq!(
                    answer.status,
                    StatusCode::METHOD_NOT_ALLOWED,
                    "{method} {path}"
                );
                for described in &methods {
                    let allowed = answer.header("allow");
                    assert!(allowed.contains(described.as_str()), "{path}: {allowed}");
                }
            }
        }
    }
}

#[tokio::test]
async fn liveness_is_json() {
    let shop = TestShop::new().await;
    let answer = Visitor::of(&shop).page("/api/health").await;
    assert_eq!(
        (answer.status, answer.body.as_str()),
        (StatusCode::OK, r#"{"status":"ok"}"#)
    );
}

#[tokio::test]
async fn the_type_of_every_problem_leads_to_a_row_that_explains_it() {
    let shop = TestShop::new().await;
    let page = Visitor::of(&shop).page("/api/problems").await;
    assert_eq!(page.status, StatusCode::OK);
    for kind in ProblemType::ALL {
        let address = kind.uri();
        let (path, fragment) = address.split_once('#').expect("a fragment");
        assert_eq!(path, "/api/problems");
        let row = format!("<tr id=\"{fragment}\">");
        assert_eq!(page.body.matches(&row).count(), 1, "{address}");
    }
}

/// No type is only in the list: each can be the answer of at least one operation.
#[test]
fn every_type_is_described_as_the_answer_of_an_operation() {
    let text = document()["paths"].to_string();
    // These do not belong to an operation: an address or a method without one, and pages.
    let elsewhere = [
        ProblemType::UnknownAddress,
        ProblemType::MethodNotAllowed,
        ProblemType::LinkExpired,
    ];
    for kind in ProblemType::ALL {
        let is_listed = text.contains(&format!("\"{}\"", kind.uri()));
        assert_eq!(is_listed, !elsewhere.contains(kind), "{kind:?}");
    }
}

#[tokio::test]
async fn the_page_to_try_the_api_has_every_operation_and_loads_nothing_from_elsewhere() {
    let shop = TestShop::new().await;
    let page = Visitor::of(&shop).page("/api/docs").await;
    assert_eq!(page.status, StatusCode::OK);
    for (path, methods) in described() {
        for method in methods {
            let form = format!("data-api-method=\"{method}\" data-api-path=\"{path}\"");
            assert_eq!(page.body.matches(&form).count(), 1, "{form}");
        }
    }
    for attribute in ["src=\"", "href=\""] {
        for address in page.body.split(attribute).skip(1) {
            let is_own = address.starts_with('/') || address.starts_with('#');
            assert!(is_own && !address.starts_with("//"), "{address:.60}");
        }
    }
    let policy = page.header("content-security-policy");
    assert!(policy.contains("connect-src 'self'"), "{policy}");
    assert!(page.body.contains("/api_docs.js\""), "its script");
}

#[tokio::test]
async fn an_order_is_read_by_its_public_id_without_name_or_address() {
    let shop = TestShop::new().await;
    let product = shop.with_product(5).await;
    let id = shop.paid(&[(&product, 2)], "ann@example.com").await;
    let answer = Visitor::of(&shop).page(&format!("/api/orders/{id}")).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    let order: Value = serde_json::from_str(&answer.body).expect("JSON");
    assert_eq!(order["id"], id.as_str());
    assert_eq!(order["status"], "paid");
    assert_eq!(order["lines"][0]["quantity"], 2);
    assert_eq!(order["lines"][0]["productId"], product.id);
    let slug = order["lines"][0]["productSlug"].as_str().expect("a slug");
    let page = Visitor::of(&shop).page(&format!("/products/{slug}")).await;
    assert_eq!(page.status, StatusCode::OK, "{page:?}");
    assert_eq!(order["currency"], "EUR");
    assert!(!answer.body.contains("ann@example.com"), "{}", answer.body);
    for unknown in ["01890000-0000-7000-8000-000000000000", "1", "%00", "%ff"] {
        let path = format!("/api/orders/{unknown}");
        let answer = Visitor::of(&shop).page(&path).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}");
    }
}
