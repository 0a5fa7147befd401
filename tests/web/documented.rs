//! Holds each answer of the API against its OpenAPI document: the test client asks here about every
//! response that it receives.

use std::sync::LazyLock;

use axum::http::{Method, header};
use doorbuster::web::api_routes;
use serde_json::Value;

use super::support::TestResponse;

static DOCUMENT: LazyLock<Value> = LazyLock::new(|| api_routes::document().value().clone());

/// Returns the document.
pub fn document() -> &'static Value {
    &DOCUMENT
}

/// Returns the description of the operation at a path, which has values for its parameters.
pub fn operation(method: &Method, path: &str) -> Option<&'static Value> {
    let paths = DOCUMENT["paths"].as_object().expect("paths");
    let (_, item) = paths
        .iter()
        .find(|(template, _)| is_instance(template, path))?;
    let method = match *method {
        Method::HEAD => "get".to_owned(),
        _ => method.as_str().to_lowercase(),
    };
    item.get(&method)
}

/// Returns the webhook of the document whose message has this type, and the schema of the message.
pub fn webhook_of(kind: &str) -> Option<(&'static Value, &'static Value)> {
    let webhooks = DOCUMENT["webhooks"].as_object().expect("webhooks");
    webhooks.values().find_map(|item| {
        let webhook = &item["post"];
        let body = &webhook["requestBody"]["content"]["application/json"]["schema"];
        let name = body["$ref"].as_str()?.trim_start_matches('#');
        let schema = DOCUMENT.pointer(name)?;
        let types = schema["properties"]["type"]["enum"].as_array()?;
        types
            .iter()
            .any(|listed| listed == kind)
            .then_some((webhook, schema))
    })
}

fn is_instance(template: &str, path: &str) -> bool {
    let (templates, parts) = (template.split('/'), path.split('/'));
    templates.clone().count() == parts.clone().count()
        && templates
            .zip(parts)
            .all(|(template, part)| template.starts_with('{') || template == part)
}

/// Checks that the document lists the status of the response and, for a problem, its type.
#[track_caller]
pub fn check(method: &Method, path: &str, response: &TestResponse) {
    if !path.starts_with("/api/") {
        return;
    }
    let request = format!("{method} {path}");
    let Some(operation) = operation(method, path) else {
        let is_refused = response.status.is_client_error() || response.status == 503;
        assert!(is_refused, "{request} is not described: {response:?}");
        return;
    };
    let answer = &operation["responses"][response.status.as_str()];
    assert!(
        answer.is_object(),
        "{request}: the document has no {}: {response:?}",
        response.status
    );
    // A HEAD request has an answer without a body.
    if response.header(header::CONTENT_TYPE.as_str()) == "application/problem+json"
        && *method != Method::HEAD
    {
        let problem: Value = serde_json::from_str(&response.body).expect("a problem is JSON");
        let types = types_of(answer);
        assert!(
            types.contains(&problem["type"]),
            "{request}: {} is not among {types:?}",
            problem["type"]
        );
    }
}

/// Returns the types of problems that an answer of the document lists.
fn types_of(answer: &Value) -> &[Value] {
    let schema = &answer["content"]["application/problem+json"]["schema"];
    let types = schema["allOf"][1]["properties"]["type"]["enum"].as_array();
    types.map_or(&[], Vec::as_slice)
}

#[test]
fn a_path_is_an_instance_of_its_template_only() {
    for (template, path, expected) in [
        ("/api/products", "/api/products", true),
        ("/api/products/{id}", "/api/products/7", true),
        ("/api/products/{id}", "/api/products", false),
        ("/api/products/{id}", "/api/orders/7", false),
    ] {
        assert_eq!(is_instance(template, path), expected, "{template} {path}");
    }
}
