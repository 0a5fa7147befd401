//! Posts a form without leaving its page.

#[cfg(feature = "hydrate")]
pub use browser::instead_of_leaving;
#[cfg(not(feature = "hydrate"))]
use leptos::ev::SubmitEvent;

/// On the server, where nothing is submitted.
#[cfg(not(feature = "hydrate"))]
pub fn instead_of_leaving(_: SubmitEvent, _: impl Fn(Result<(), String>) + 'static) {}

#[cfg(feature = "hydrate")]
mod browser {
    use leptos::{ev::SubmitEvent, prelude::window, task::spawn_local};
    use serde::Deserialize;
    use wasm_bindgen::{JsCast, JsValue};
    use wasm_bindgen_futures::JsFuture;
    use web_sys::{FormData, HtmlFormElement, RequestInit, Response, UrlSearchParams};

    /// A refusal, as RFC 9457 has it.
    #[derive(Deserialize)]
    struct Problem {
        detail: String,
    }

    /// Sends the form that is being submitted, and tells `on_answer` how it was answered: what was refused, in a sentence.
    pub fn instead_of_leaving(
        event: SubmitEvent,
        on_answer: impl Fn(Result<(), String>) + 'static,
    ) {
        let form = event
            .target()
            .and_then(|target| target.dyn_into::<HtmlFormElement>().ok());
        let Some(form) = form else {
            return;
        };
        event.prevent_default();
        spawn_local(async move {
            let answer = send(&form).await;
            // The page's own script marks the button that was pressed.
            if let Ok(Some(button)) = form.query_selector("[aria-busy]") {
                let _ = button.remove_attribute("aria-busy");
            }
            on_answer(answer.unwrap_or_else(|_| Err("The shop cannot be reached.".to_owned())));
        });
    }

    async fn send(form: &HtmlFormElement) -> Result<Result<(), String>, JsValue> {
        let fields = FormData::new_with_form(form)?;
        let body = UrlSearchParams::new_with_str_sequence_sequence(&fields)?;
        let request = RequestInit::new();
        request.set_method("POST");
        request.set_body(&body);
        let headers = web_sys::Headers::new()?;
        headers.set("Accept", "application/json")?;
        request.set_headers(&headers);
        let sent = window().fetch_with_str_and_init(&form.action(), &request);
        let response: Response = JsFuture::from(sent).await?.dyn_into()?;
        if response.ok() {
            return Ok(Ok(()));
        }
        let text = JsFuture::from(response.text()?).await?.as_string();
        let problem = text.and_then(|text| serde_json::from_str::<Problem>(&text).ok());
        Ok(Err(problem.map_or_else(
            || format!("The shop answered with {}.", response.status()),
            |problem| problem.detail,
        )))
    }
}
