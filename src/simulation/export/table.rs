//! Anything that can be serialised, as the columns of a table: what is added to it one day has a column without a word here.

use serde::Serialize;
use serde_json::Value;

/// The fields of `thing` by name, in snake case; those of what is inside carry its name in front. Lists of plain values are one field,
/// values that are absent are empty.
pub fn fields<T: Serialize>(thing: &T) -> Vec<(String, String)> {
    // Nothing here has keys that are no text, the one thing that could not be written.
    let value = serde_json::to_value(thing).unwrap_or_default();
    let mut fields = Vec::new();
    flatten("", &value, &mut fields);
    fields
}

fn flatten(name: &str, value: &Value, fields: &mut Vec<(String, String)>) {
    let below = |inner: &str| {
        if name.is_empty() {
            snake_case(inner)
        } else {
            format!("{name}_{}", snake_case(inner))
        }
    };
    match value {
        Value::Object(inner) => {
            for (key, value) in inner {
                flatten(&below(key), value, fields);
            }
        }
        Value::Array(items) if items.iter().any(|item| item.is_object() || item.is_array()) => {
            for (index, item) in items.iter().enumerate() {
                flatten(&below(&(index + 1).to_string()), item, fields);
            }
        }
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(plain).collect();
            fields.push((name.to_owned(), items.join(", ")));
        }
        value => fields.push((name.to_owned(), plain(value))),
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        value => value.to_string(),
    }
}

/// `elapsedMs` and `slow-statement` as `elapsed_ms` and `slow_statement`.
fn snake_case(name: &str) -> String {
    let mut snake = String::with_capacity(name.len() + 4);
    for letter in name.chars() {
        match letter {
            '-' => snake.push('_'),
            letter if letter.is_ascii_uppercase() => {
                snake.push('_');
                snake.push(letter.to_ascii_lowercase());
            }
            letter => snake.push(letter),
        }
    }
    snake
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_inside_has_a_column_of_its_own() {
        let thing = json!({
            "elapsedMs": 3, "none": null, "latency": {"p99": 1.5}, "keys": ["a", "b"], "list": [{"isHeld": true}],
        });
        let mut fields = fields(&thing);
        fields.sort();
        let fields: Vec<_> = fields
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        assert_eq!(
            fields,
            [
                ("elapsed_ms", "3"),
                ("keys", "a, b"),
                ("latency_p99", "1.5"),
                ("list_1_is_held", "true"),
                ("none", ""),
            ]
        );
    }
}
