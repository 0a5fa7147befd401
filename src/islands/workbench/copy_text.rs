//! A button that copies a text to the clipboard. The button is hidden where a browser would refuse:
//! without JavaScript, and over plain HTTP.

use leptos::prelude::*;

#[island]
pub fn CopyText(text: String) -> impl IntoView {
    let can_copy = RwSignal::new(false);
    let copied = RwSignal::new(false);
    #[cfg(feature = "hydrate")]
    Effect::new(move |_| can_copy.set(window().is_secure_context()));
    let copy = move |_| {
        #[cfg(feature = "hydrate")]
        copy_to_clipboard(&text, copied);
        #[cfg(not(feature = "hydrate"))]
        let _ = &text;
    };
    view! {
        <p class="run__actions" hidden=move || !can_copy.get()>
            <button class="btn btn--line" type="button" on:click=copy>"Copy link"</button>
            <span role="status">{move || copied.get().then_some("Copied")}</span>
        </p>
    }
}

#[cfg(feature = "hydrate")]
fn copy_to_clipboard(text: &str, copied: RwSignal<bool>) {
    use wasm_bindgen::{JsValue, closure::Closure};
    let done = Closure::once_into_js(move |_: JsValue| copied.set(true));
    // If the browser refuses access to the clipboard, the page still shows the address.
    let refused = Closure::once_into_js(move |_: JsValue| copied.set(false));
    let promise = window().navigator().clipboard().write_text(text);
    let then: Result<js_sys::Function, _> =
        js_sys::Reflect::get(&promise, &"then".into()).map(Into::into);
    if let Ok(then) = then {
        let _ = then.call2(&promise, &done, &refused);
    }
}
