//! Sending a form of the stepper from a script, and taking in the session that comes back.

use web_sys::UrlSearchParams;

use crate::{islands::workbench::post, model::stepper::StepperView};

/// What is said when what came back is no session.
const NOT_UNDERSTOOD: &str = "The answer is not understood. Load the page again.";

/// Posts `fields` to `action`.
///
/// # Errors
/// The refusal, as a sentence.
pub async fn post(action: &str, fields: &[(&str, String)]) -> Result<StepperView, String> {
    let body = UrlSearchParams::new().map_err(|_| NOT_UNDERSTOOD.to_owned())?;
    for (name, value) in fields {
        body.append(name, value);
    }
    let text = post::post(action, &body).await?;
    match serde_json::from_str(&text) {
        Ok(Some(view)) => Ok(view),
        _ => Err(NOT_UNDERSTOOD.to_owned()),
    }
}
