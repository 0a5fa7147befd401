//! Keys of the workbench. Whatever has a key says so in its markup, by `aria-keyshortcuts`; pressing the key is pressing it.

use leptos::prelude::*;

/// The key beside the name of what it presses.
#[component]
pub fn Key(key: &'static str) -> impl IntoView {
    view! { <kbd class="key-cap" aria-hidden="true">{key}</kbd> }
}

/// Listens for the keys of its page.
#[island]
pub fn Keys() -> impl IntoView {
    #[cfg(feature = "hydrate")]
    Effect::new(move |_| {
        let handle = window_event_listener(leptos::ev::keydown, browser::press);
        on_cleanup(move || handle.remove());
    });
}

#[cfg(feature = "hydrate")]
mod browser {
    use leptos::prelude::document;
    use wasm_bindgen::JsCast;
    use web_sys::{Element, HtmlElement, KeyboardEvent};

    /// Where keys write.
    const WRITTEN_IN: &str =
        "input:not([type=checkbox]):not([type=radio]), select, textarea, [contenteditable]";

    /// Presses what has the key, if the key is not meant for a field or for the browser.
    pub fn press(event: KeyboardEvent) {
        let target = event
            .target()
            .and_then(|target| target.dyn_into::<Element>().ok());
        let in_field = target.is_some_and(|target| target.matches(WRITTEN_IN).unwrap_or(true));
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
