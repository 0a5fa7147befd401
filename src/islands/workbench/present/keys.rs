//! The presenter's keyboard shortcuts.

use leptos::prelude::*;
use wasm_bindgen::{JsCast, closure::Closure};
use web_sys::KeyboardEvent;

use super::PresenterView;

/// Listens for the keys for as long as the page exists. The page has no text fields.
pub fn listen(view: PresenterView) {
    let on_key: Closure<dyn Fn(KeyboardEvent)> = Closure::new(move |event: KeyboardEvent| {
        if event.ctrl_key() || event.meta_key() || event.alt_key() {
            return;
        }
        let flip = |signal: RwSignal<bool>| signal.update(|on| *on = !*on);
        match event.key().as_str() {
            "f" | "F" => toggle_full_screen(),
            "b" | "B" => flip(view.blank),
            "t" | "T" => flip(view.table),
            "q" | "Q" => flip(view.qr_code),
            "h" | "H" | "?" => flip(view.help),
            "Escape" => {
                for signal in [view.blank, view.qr_code, view.help] {
                    signal.set(false);
                }
            }
            _ => return,
        }
        event.prevent_default();
    });
    // Without the listener, the page still shows the run.
    let _ = document().add_event_listener_with_callback("keydown", on_key.as_ref().unchecked_ref());
    on_key.forget();
}

/// Enters or leaves full screen. If the browser refuses, nothing changes.
fn toggle_full_screen() {
    if document().fullscreen_element().is_some() {
        document().exit_fullscreen();
    } else if let Some(root) = document().document_element() {
        let _ = root.request_fullscreen();
    }
}
