//! Collapsible content that the browser fetches when it is opened. Without JavaScript, a link leads
//! to the page that contains it.

use leptos::{ev::Event, prelude::*};

/// Shows, while it is open, the element with the id `part` of the page at `href`.
#[island]
pub fn FetchedDetails(
    summary: String,
    /// The text of the link to the page.
    link: String,
    href: String,
    part: String,
) -> impl IntoView {
    let content = RwSignal::new(None::<String>);
    let address = href.clone();
    let toggled = move |event: Event| {
        #[cfg(feature = "hydrate")]
        browser::fetch_when_open(&event, &address, &part, content);
        #[cfg(not(feature = "hydrate"))]
        let _ = (&event, &address, &part);
    };
    view! {
        <details class="samples" on:toggle=toggled>
            <summary>{summary}</summary>
            {move || match content.get() {
                Some(html) => view! { <div inner_html=html></div> }.into_any(),
                None => view! { <p class="samples__link"><a href=href.clone()>{link.clone()}</a></p> }.into_any(),
            }}
        </details>
    }
}

#[cfg(feature = "hydrate")]
mod browser {
    use leptos::{ev::Event, prelude::*, task::spawn_local};
    use wasm_bindgen::{JsCast, JsValue};
    use wasm_bindgen_futures::JsFuture;
    use web_sys::{DomParser, Response, SupportedType};

    /// Fetches the content each time the element is opened: a run in progress has new samples.
    pub fn fetch_when_open(
        event: &Event,
        href: &str,
        part: &str,
        content: RwSignal<Option<String>>,
    ) {
        if !event_target::<web_sys::Element>(event).has_attribute("open") {
            return;
        }
        let (href, part) = (href.to_owned(), part.to_owned());
        spawn_local(async move {
            // After an error, the link remains.
            if let Ok(Some(html)) = fetch_part(&href, &part).await {
                content.set(Some(html));
            }
        });
    }

    async fn fetch_part(href: &str, part: &str) -> Result<Option<String>, JsValue> {
        let sent = window().fetch_with_str(href);
        let response: Response = JsFuture::from(sent).await?.dyn_into()?;
        if !response.ok() {
            return Ok(None);
        }
        let text = JsFuture::from(response.text()?).await?;
        let text = text.as_string().unwrap_or_default();
        let page = DomParser::new()?.parse_from_string(&text, SupportedType::TextHtml)?;
        let element = page.get_element_by_id(part);
        Ok(element.map(|element| element.inner_html()))
    }
}
