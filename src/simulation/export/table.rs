//! Flattens any serialisable value into the columns of a table, so that a new field gets a column
//! without a change here.

use serde::Serialize;
use serde_json::Value;

/// Returns the fields of `thing` with their names in snake case. Names of nested fields are
/// prefixed with their parent's name. A list of plain values is one field; an absent value is
/// empty.
pub fn fields<T: Serialize>(thing: &T) -> Vec<(String, String)> {
    // Serialisation fails only for maps whose keys are not strings, which no value here contains.
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
    fn nested_fields_have_their_own_columns() {
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
