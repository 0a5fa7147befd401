//! Keyboard shortcuts of the workbench. An element declares its key by `aria-keyshortcuts`;
//! pressing the key clicks the element.

use leptos::prelude::*;

/// Shows a key next to the name of the element that it clicks.
#[component]
pub fn Key(key: &'static str) -> impl IntoView {
    view! { <kbd class="key-cap" aria-hidden="true">{key}</kbd> }
}

/// Listens for the shortcuts of its page.
#[island]
pub fn Keys() -> impl IntoView {
    #[cfg(feature = "hydrate")]
    Effect::new(move |_| {
        let handle = window_event_listener(leptos::ev::keydown, browser::click_shortcut);
        on_cleanup(move || handle.remove());
    });
}

#[cfg(feature = "hydrate")]
mod browser {
    use leptos::prelude::document;
    use wasm_bindgen::JsCast;
    use web_sys::{Element, HtmlElement, KeyboardEvent};

    /// Elements in which keys enter text.
    const TEXT_FIELDS: &str =
        "input:not([type=checkbox]):not([type=radio]), select, textarea, [contenteditable]";

    /// Clicks the element that has the key, unless the key is meant for a field or for the browser.
    pub fn click_shortcut(event: KeyboardEvent) {
        let target = event
            .target()
            .and_then(|target| target.dyn_into::<Element>().ok());
        let in_field = target.is_some_and(|target| target.matches(TEXT_FIELDS).unwrap_or(true));
        let key = event.key();
        let is_plain = key.len() == 1 && key.chars().all(|letter| letter.is_ascii_alphanumeric());
        if in_field
            || !is_plain
            || event.ctrl_key()
            || event.alt_key()
            || event.meta_key()
            || event.repeat()
        {
            return;
        }
        let selector = format!("[aria-keyshortcuts~=\"{key}\"]:not([disabled])");
        let found = document().query_selector(&selector).ok().flatten();
        if let Some(button) = found.and_then(|found| found.dyn_into::<HtmlElement>().ok()) {
            event.prevent_default();
            button.click();
        }
    }
}
