//! Compares JSON with a schema of the OpenAPI document, as far as its schemas of events go: types,
//! fields, entries of lists, listed values and formats.

use serde_json::{Value, json};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use uuid::Uuid;

/// Returns how `value`, which is at `place`, differs from the schema. A field that the schema does
/// not name is a difference, too.
pub fn differences(schema: &Value, value: &Value, place: &str) -> Vec<String> {
    let mut found = Vec::new();
    if !has_type(schema, value) || !has_format(schema, value) {
        let (kind, format) = (&schema["type"], &schema["format"]);
        found.push(format!("{place}: {value} is no {kind} in format {format}"));
    }
    if let Some(listed) = schema["enum"].as_array()
        && !listed.contains(value)
    {
        found.push(format!("{place}: {value} is not listed"));
    }
    for name in schema["required"].as_array().into_iter().flatten() {
        let name = name.as_str().expect("a name");
        if value.get(name).is_none() {
            found.push(format!("{place}.{name} is missing"));
        }
    }
    for (index, inner) in value.as_array().into_iter().flatten().enumerate() {
        found.extend(differences(
            &schema["items"],
            inner,
            &format!("{place}[{index}]"),
        ));
    }
    for (name, inner) in value.as_object().into_iter().flatten() {
        let place = format!("{place}.{name}");
        match schema["properties"].get(name) {
            Some(schema) => found.extend(differences(schema, inner, &place)),
            None => found.push(format!("{place} is not described")),
        }
    }
    found
}

fn has_type(schema: &Value, value: &Value) -> bool {
    match &schema["type"] {
        Value::Array(types) => types.iter().any(|kind| is_a(kind, value)),
        kind => is_a(kind, value),
    }
}

fn is_a(kind: &Value, value: &Value) -> bool {
    match kind.as_str() {
        Some("array") => value.is_array(),
        Some("null") => value.is_null(),
        Some("object") => value.is_object(),
        Some("string") => value.is_string(),
        Some("integer") => value.is_i64(),
        _ => false,
    }
}

fn has_format(schema: &Value, value: &Value) -> bool {
    let text = value.as_str().unwrap_or_default();
    match schema["format"].as_str() {
        Some("uuid") => Uuid::parse_str(text).is_ok(),
        Some("date-time") => OffsetDateTime::parse(text, &Rfc3339).is_ok(),
        Some("int64") | None => true,
        _ => false,
    }
}

#[test]
fn each_difference_is_found() {
    let schema = json!({
        "type": "object",
        "required": ["kind", "data"],
        "properties": {
            "kind": { "type": "string", "enum": ["sold"] },
            "at": { "type": "string", "format": "date-time" },
            "data": {
                "type": "object",
                "required": ["units"],
                "properties": {
                    "units": { "type": "integer", "format": "int64" },
                    "reason": { "type": ["string", "null"] },
                    "lines": { "type": "array", "items": { "type": "integer" } },
                },
            },
        },
    });
    for (value, expected) in [
        (json!({ "kind": "sold", "data": { "units": 1 } }), ""),
        (
            json!({ "kind": "sold", "at": "2026-12-12T12:12:05.25Z", "data": { "units": 1 } }),
            "",
        ),
        (
            json!({ "kind": "sold", "data": { "units": 1, "reason": null, "lines": [1, 2] } }),
            "",
        ),
        (
            json!({ "kind": "sold", "data": { "units": 1, "reason": "shop", "lines": [1, "2"] } }),
            "it.data.lines[1]: \"2\" is no \"integer\" in format null",
        ),
        (
            json!({ "kind": "sold", "data": { "units": 1, "reason": 1 } }),
            "it.data.reason: 1 is no [\"string\",\"null\"] in format null",
        ),
        (json!({ "kind": "sold" }), "it.data is missing"),
        (
            json!({ "kind": "lost", "data": { "units": 1 } }),
            "it.kind: \"lost\" is not listed",
        ),
        (
            json!({ "kind": "sold", "data": { "units": "1" } }),
            "it.data.units: \"1\" is no \"integer\" in format \"int64\"",
        ),
        (
            json!({ "kind": "sold", "at": "today", "data": { "units": 1 } }),
            "it.at: \"today\" is no \"string\" in format \"date-time\"",
        ),
        (
            json!({ "kind": "sold", "data": { "units": 1, "email": "a@b.test" } }),
            "it.data.email is not described",
        ),
    ] {
        let found = differences(&schema, &value, "it");
        assert_eq!(found.join("; "), expected, "{value}");
    }
}
