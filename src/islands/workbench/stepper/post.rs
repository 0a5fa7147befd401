//! Posts a form of the stepper from a script and parses the session in the response.

use web_sys::UrlSearchParams;

use crate::{islands::workbench::post, model::stepper::StepperView};

/// The error when the response is not a session.
const UNEXPECTED_RESPONSE: &str = "Unexpected response. Reload the page.";

/// Posts `fields` to `action` and returns the resulting session.
///
/// # Errors
/// The reason of a rejection, as a sentence.
pub async fn post(action: &str, fields: &[(&str, String)]) -> Result<StepperView, String> {
    let body = UrlSearchParams::new().map_err(|_| UNEXPECTED_RESPONSE.to_owned())?;
    for (name, value) in fields {
        body.append(name, value);
    }
    let text = post::post(action, &body).await?;
    match serde_json::from_str(&text) {
        Ok(Some(view)) => Ok(view),
        _ => Err(UNEXPECTED_RESPONSE.to_owned()),
    }
}
