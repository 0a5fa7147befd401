//! Error responses as [RFC 9457](https://www.rfc-editor.org/rfc/rfc9457) problem details.

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use utoipa::ToSchema;

use super::problem_type::ProblemType;
use crate::model::ShopError;

/// The media type of problem documents.
pub const MEDIA_TYPE: &str = "application/problem+json";

/// An error as a response.
#[derive(Debug)]
pub struct Problem(pub ShopError);

/// A problem document (RFC 9457). Programs should decide by `type`, and show `detail` to people.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub struct ProblemJson {
    /// The kind of problem, as an address on this server that explains it. It never changes.
    #[serde(rename = "type")]
    #[schema(format = "uri-reference", example = "/api/problems#insufficient-stock")]
    kind: String,
    /// The kind of problem in a few words.
    title: &'static str,
    /// The HTTP status, as in the response's first line.
    status: u16,
    /// A sentence for people about this occurrence.
    detail: String,
    /// The same as `detail`, for clients that were written for other shops.
    error: String,
    /// The units that are available, if stock was insufficient.
    #[serde(skip_serializing_if = "Option::is_none")]
    available: Option<u64>,
    /// The units that were requested, if stock was insufficient.
    #[serde(skip_serializing_if = "Option::is_none")]
    requested: Option<u32>,
    /// The wrong fields of a form.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<FieldProblem>,
}

/// What is wrong with one field of a form.
#[derive(Debug, Serialize, ToSchema)]
pub struct FieldProblem {
    /// The field's name.
    field: String,
    /// A sentence for the person who filled in the form.
    message: String,
}

impl From<&ShopError> for ProblemJson {
    fn from(error: &ShopError) -> Self {
        let kind = ProblemType::of(error);
        let sentence = error.to_string();
        let (available, requested) = match error {
            ShopError::InsufficientStock {
                available,
                requested,
                ..
            } => (Some(*available), Some(*requested)),
            _ => (None, None),
        };
        let errors = match error {
            ShopError::FieldsInvalid(errors) => errors.as_slice(),
            _ => &[],
        };
        Self {
            kind: kind.uri(),
            title: kind.title(),
            status: error.status(),
            detail: sentence.clone(),
            error: sentence,
            available,
            requested,
            errors: errors
                .iter()
                .map(|error| FieldProblem {
                    field: error.field.clone(),
                    message: error.message.clone(),
                })
                .collect(),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status =
            StatusCode::from_u16(self.0.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = ProblemJson::from(&self.0);
        let mut response = (status, Json(body)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        if let Some(retry_after_s) = self.0.retry_after_s() {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(retry_after_s));
        }
        response
    }
}

impl<E: Into<ShopError>> From<E> for Problem {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::model::FieldError;

    fn written(error: &ShopError) -> serde_json::Value {
        serde_json::to_value(ProblemJson::from(error)).expect("a problem is JSON")
    }

    #[test]
    fn a_problem_has_its_type_and_its_numbers() {
        let error = ShopError::InsufficientStock {
            product: "Lamp".to_owned(),
            available: 3,
            requested: 5,
        };
        let sentence = "Insufficient stock for Lamp (available: 3, requested: 5)";
        let expected = json!({
            "type": "/api/problems#insufficient-stock",
            "title": "Insufficient stock",
            "status": 409,
            "detail": sentence,
            "error": sentence,
            "available": 3,
            "requested": 5,
        });
        assert_eq!(written(&error), expected);
    }

    #[test]
    fn a_problem_of_a_form_names_the_wrong_fields() {
        let wrong = [FieldError::new("city", "Enter a city.")];
        let problem = written(&ShopError::FieldsInvalid(wrong.to_vec()));
        let expected = json!([{ "field": "city", "message": "Enter a city." }]);
        assert_eq!(problem["errors"], expected);
        assert_eq!(problem.get("available"), None);
    }
}
