//! The operations of an OpenAPI document, as the page shows them.

use serde_json::{Map, Value, json};

/// Schemas refer to each other; an example is not deeper than this.
const EXAMPLE_DEPTH_MAX: usize = 8;

/// One operation.
#[derive(Clone, Debug, PartialEq)]
pub struct Operation {
    /// Unique on the page.
    pub id: String,
    /// In capitals.
    pub method: String,
    /// With parameters in braces.
    pub path: String,
    pub tag: String,
    pub summary: String,
    pub description: String,
    pub inputs: Vec<Input>,
    /// An example of the JSON body, if the operation takes one.
    pub json_body: Option<String>,
    /// Status and meaning of each answer.
    pub answers: Vec<(String, String)>,
}

/// Where a request carries a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    Path,
    Query,
    Header,
    /// A field of a form.
    Form,
}

impl Place {
    /// The name that the page's script uses for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Path => "path",
            Self::Query => "query",
            Self::Header => "header",
            Self::Form => "form",
        }
    }

    fn parse(word: &str) -> Option<Self> {
        [Self::Path, Self::Query, Self::Header]
            .into_iter()
            .find(|place| place.as_str() == word)
    }
}

/// A value that the caller chooses.
#[derive(Clone, Debug, PartialEq)]
pub struct Input {
    pub name: String,
    pub place: Place,
    pub description: String,
    pub is_required: bool,
    /// True if it can be sent several times.
    pub is_list: bool,
    pub example: String,
    /// All values, if only these are allowed.
    pub options: Vec<String>,
}

/// Returns the groups of operations with what they are, in the order of the document.
pub fn tags(document: &Value) -> Vec<(String, String)> {
    let tags = document["tags"].as_array();
    tags.into_iter()
        .flatten()
        .map(|tag| (text(&tag["name"]), text(&tag["description"])))
        .collect()
}

/// Returns all operations, sorted by path.
pub fn operations(document: &Value) -> Vec<Operation> {
    let paths = document["paths"].as_object();
    paths
        .into_iter()
        .flatten()
        .flat_map(|(path, item)| {
            let methods = item.as_object();
            methods
                .into_iter()
                .flatten()
                .map(move |(method, about)| operation(document, path, method, about))
        })
        .collect()
}

fn operation(document: &Value, path: &str, method: &str, about: &Value) -> Operation {
    let content = &about["requestBody"]["content"];
    let mut inputs: Vec<_> = about["parameters"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(parameter)
        .collect();
    inputs.extend(fields(
        &content["application/x-www-form-urlencoded"]["schema"],
    ));
    let json_schema = content["application/json"].get("schema");
    Operation {
        id: text(&about["operationId"]),
        method: method.to_uppercase(),
        path: path.to_owned(),
        tag: text(&about["tags"][0]),
        summary: text(&about["summary"]),
        description: text(&about["description"]),
        inputs,
        json_body: json_schema.map(|schema| {
            let example = example(document, schema, 0);
            serde_json::to_string_pretty(&example).unwrap_or_default()
        }),
        answers: about["responses"]
            .as_object()
            .into_iter()
            .flatten()
            .map(|(status, answer)| (status.clone(), text(&answer["description"])))
            .collect(),
    }
}

fn parameter(about: &Value) -> Option<Input> {
    let schema = &about["schema"];
    Some(Input {
        name: text(&about["name"]),
        place: Place::parse(about["in"].as_str()?)?,
        description: text(&about["description"]),
        is_required: about["required"] == true,
        is_list: false,
        example: match &about["example"] {
            Value::Null => String::new(),
            Value::String(example) => example.clone(),
            example => example.to_string(),
        },
        options: schema["enum"]
            .as_array()
            .into_iter()
            .flatten()
            .map(text)
            .collect(),
    })
}

fn fields(form: &Value) -> impl Iterator<Item = Input> {
    let fields = form["properties"].as_object();
    fields.into_iter().flatten().map(|(name, schema)| Input {
        name: name.clone(),
        place: Place::Form,
        description: String::new(),
        is_required: false,
        is_list: schema["type"] == "array",
        example: String::new(),
        options: Vec::new(),
    })
}

/// Returns a value that a schema describes.
fn example(document: &Value, schema: &Value, depth: usize) -> Value {
    if depth > EXAMPLE_DEPTH_MAX {
        return Value::Null;
    }
    if let Some(reference) = schema["$ref"].as_str() {
        let pointer = reference.trim_start_matches('#');
        let referred = document.pointer(pointer).unwrap_or(&Value::Null);
        return example(document, referred, depth + 1);
    }
    let named = [
        schema.get("example"),
        schema["examples"].get(0),
        schema.get("default"),
        schema["enum"].get(0),
    ];
    if let Some(value) = named.into_iter().flatten().next() {
        return value.clone();
    }
    if let Some(options) = schema["oneOf"].as_array() {
        let is_null = |option: &&Value| option["type"] == "null";
        let described = options.iter().find(|option| !is_null(option));
        return described.map_or(Value::Null, |option| example(document, option, depth + 1));
    }
    match type_of(schema) {
        "object" => object(document, schema, depth),
        "array" => json!([example(document, &schema["items"], depth + 1)]),
        "string" if schema["format"] == "uuid" => json!("00000000-0000-4000-8000-000000000000"),
        "string" => json!(""),
        "integer" | "number" => json!(0),
        "boolean" => json!(false),
        _ => Value::Null,
    }
}

fn object(document: &Value, schema: &Value, depth: usize) -> Value {
    let properties = schema["properties"].as_object();
    let members: Map<_, _> = properties
        .into_iter()
        .flatten()
        .map(|(name, schema)| (name.clone(), example(document, schema, depth + 1)))
        .collect();
    Value::Object(members)
}

/// A type, or the first of several.
fn type_of(schema: &Value) -> &str {
    let kind = &schema["type"];
    kind.as_str().or_else(|| kind[0].as_str()).unwrap_or("")
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Value {
        json!({
            "tags": [{ "name": "Lamps", "description": "Light." }],
            "paths": { "/lamps/{id}": { "post": {
                "operationId": "buyLamp",
                "tags": ["Lamps"],
                "summary": "Buy a lamp",
                "parameters": [
                    { "name": "id", "in": "path", "required": true, "example": 7, "schema": { "type": "integer" } },
                    { "name": "color", "in": "query", "schema": { "enum": ["red", "green"] } },
                    { "name": "session", "in": "cookie" },
                ],
                "requestBody": { "content": { "application/json": {
                    "schema": { "$ref": "#/components/schemas/Gift" },
                } } },
                "responses": { "200": { "description": "Bought" } },
            } } },
            "components": { "schemas": { "Gift": {
                "type": "object",
                "properties": {
                    "quantity": { "type": "integer", "example": 2 },
                    "note": { "type": ["string", "null"] },
                    "gift": { "oneOf": [{ "type": "null" }, { "$ref": "#/components/schemas/Gift" }] },
                },
            } } },
        })
    }

    #[test]
    fn an_operation_is_read_with_its_inputs_and_an_example_of_its_body() {
        let read = operations(&sample());
        let [operation] = read.as_slice() else {
            panic!("{read:?}");
        };
        assert_eq!(
            (operation.method.as_str(), operation.path.as_str()),
            ("POST", "/lamps/{id}")
        );
        let inputs: Vec<_> = operation.inputs.iter().map(|input| &*input.name).collect();
        assert_eq!(inputs, ["id", "color"], "the browser sends the cookie");
        assert_eq!(operation.inputs[0].example, "7");
        assert_eq!(operation.inputs[1].options, ["red", "green"]);
        assert_eq!(operation.answers, [("200".to_owned(), "Bought".to_owned())]);
        let body = operation.json_body.as_deref().unwrap_or_default();
        let body: Value =
            serde_json::from_str(body).expect("JSON, although the schema refers to itself");
        assert_eq!(body["quantity"], 2);
        assert_eq!(body["note"], "");
    }

    #[test]
    fn a_form_has_an_input_for_each_field() {
        let form = json!({ "properties": { "code": { "type": "string" }, "strategy": { "type": "array" } } });
        let inputs: Vec<_> = fields(&form)
            .map(|input| (input.name, input.is_list))
            .collect();
        assert_eq!(
            inputs,
            [("code".to_owned(), false), ("strategy".to_owned(), true)]
        );
    }
}
