//! Submits a form without leaving the page.

#[cfg(feature = "hydrate")]
pub use browser::{post, submit_in_place};
#[cfg(not(feature = "hydrate"))]
use leptos::ev::SubmitEvent;

/// Does nothing: the server submits no forms.
#[cfg(not(feature = "hydrate"))]
pub fn submit_in_place(_: SubmitEvent, _: impl Fn(Result<(), String>) + 'static) {}

#[cfg(feature = "hydrate")]
mod browser {
    use leptos::{ev::SubmitEvent, prelude::window, task::spawn_local};
    use serde::Deserialize;
    use wasm_bindgen::{JsCast, JsValue};
    use wasm_bindgen_futures::JsFuture;
    use web_sys::{FormData, Headers, HtmlFormElement, RequestInit, Response, UrlSearchParams};

    /// The error when no response arrived.
    const UNREACHABLE: &str = "The server cannot be reached. Reload the page.";

    /// An error response in the format of RFC 9457.
    #[derive(Deserialize)]
    struct Problem {
        detail: String,
    }

    /// Sends the submitted form and passes the result to `on_response`. An error is a sentence.
    pub fn submit_in_place(event: SubmitEvent, on_response: impl Fn(Result<(), String>) + 'static) {
        let target = event.target();
        let Some(form) = target.and_then(|target| target.dyn_into::<HtmlFormElement>().ok()) else {
            return;
        };
        event.prevent_default();
        spawn_local(async move {
            let response = match fields_of(&form) {
                Ok(fields) => post(&form.action(), &fields).await.map(drop),
                Err(_) => Err(UNREACHABLE.to_owned()),
            };
            // The page's own script marks the clicked button as busy.
            if let Ok(Some(button)) = form.query_selector("[aria-busy]") {
                let _ = button.remove_attribute("aria-busy");
            }
            on_response(response);
        });
    }

    fn fields_of(form: &HtmlFormElement) -> Result<UrlSearchParams, JsValue> {
        let fields = FormData::new_with_form(form)?;
        UrlSearchParams::new_with_str_sequence_sequence(&fields)
    }

    /// Posts `fields` to `action` and returns the response text.
    ///
    /// # Errors
    /// The reason of a rejection, as a sentence.
    pub async fn post(action: &str, fields: &UrlSearchParams) -> Result<String, String> {
        let (ok, text) = send(action, fields)
            .await
            .map_err(|_| UNREACHABLE.to_owned())?;
        if ok {
            return Ok(text);
        }
        let problem = serde_json::from_str::<Problem>(&text).ok();
        Err(problem.map_or_else(|| UNREACHABLE.to_owned(), |problem| problem.detail))
    }

    async fn send(action: &str, fields: &UrlSearchParams) -> Result<(bool, String), JsValue> {
        let headers = Headers::new()?;
        headers.set("Accept", "application/json")?;
        let request = RequestInit::new();
        request.set_method("POST");
        request.set_headers(&headers);
        request.set_body(fields);
        let sent = window().fetch_with_str_and_init(action, &request);
        let response: Response = JsFuture::from(sent).await?.dyn_into()?;
        let text = JsFuture::from(response.text()?).await?;
        Ok((response.ok(), text.as_string().unwrap_or_default()))
    }
}
