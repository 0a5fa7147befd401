//! Event streams, which `public/streams.js` shares among all windows of a browser: browsers allow
//! about six connections per host. A stream is followed only while its page is visible.

use leptos::prelude::window;
use wasm_bindgen::{JsCast, JsValue, closure::Closure};

/// Follows `url` for as long as the page exists, and calls `on_event` with the name and the data of
/// each event in `names`. `on_event` returns false when it expects no more events.
///
/// The first event after the page was hidden, or after another window has taken over the stream,
/// has the whole state again.
pub fn follow(
    url: String,
    names: &'static [&'static str],
    on_event: impl Fn(&str, &str) -> bool + 'static,
) {
    let listener: Closure<dyn Fn(String, String) -> bool> =
        Closure::new(move |name: String, data: String| on_event(&name, &data));
    // Without the script, the page only shows what the server rendered.
    let _ = call(&url, &names.join(","), listener.as_ref());
    // It is called until the page is closed.
    listener.forget();
}

fn call(url: &str, names: &str, listener: &JsValue) -> Result<JsValue, JsValue> {
    let streams = js_sys::Reflect::get(&window(), &"doorbusterStreams".into())?;
    let follow = js_sys::Reflect::get(&streams, &"follow".into())?;
    let follow: &js_sys::Function = follow.dyn_ref().ok_or(JsValue::NULL)?;
    follow.call3(&streams, &url.into(), &names.into(), listener)
}
