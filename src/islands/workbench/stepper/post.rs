//! Sending a form of the stepper from a script, and taking in the session that comes back.

use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{Headers, RequestInit, Response};

use crate::model::stepper::StepperView;

/// What is said when nothing came back.
const UNREACHABLE: &str = "The server cannot be reached. Load the page again.";

/// Posts `fields` to `action`.
///
/// # Errors
/// The refusal, as a sentence.
pub async fn post(action: &str, fields: &[(&str, String)]) -> Result<StepperView, String> {
    let response = send(action, fields)
        .await
        .map_err(|_| UNREACHABLE.to_owned())?;
    let text = text(&response).await.map_err(|_| UNREACHABLE.to_owned())?;
    if !response.ok() {
        let problem: Option<Problem> = serde_json::from_str(&text).ok();
        return Err(problem.map_or_else(|| UNREACHABLE.to_owned(), |problem| problem.detail));
    }
    match serde_json::from_str(&text) {
        Ok(Some(view)) => Ok(view),
        _ => Err(UNREACHABLE.to_owned()),
    }
}

/// A refusal, as RFC 9457 has it.
#[derive(serde::Deserialize)]
struct Problem {
    detail: String,
}

async fn send(action: &str, fields: &[(&str, String)]) -> Result<Response, JsValue> {
    let headers = Headers::new()?;
    headers.set("Accept", "application/json")?;
    headers.set("Content-Type", "application/x-www-form-urlencoded")?;
    let pairs: Vec<_> = fields
        .iter()
        .map(|(name, value)| format!("{name}={}", js_sys::encode_uri_component(value)))
        .collect();
    let init = RequestInit::new();
    init.set_method("POST");
    init.set_headers(&headers);
    init.set_body(&JsValue::from_str(&pairs.join("&")));
    let response = JsFuture::from(leptos::prelude::window().fetch_with_str_and_init(action, &init));
    response.await?.dyn_into()
}

async fn text(response: &Response) -> Result<String, JsValue> {
    let text = JsFuture::from(response.text()?).await?;
    Ok(text.as_string().unwrap_or_default())
}
