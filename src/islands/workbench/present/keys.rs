//! The leader's keys.

use leptos::prelude::*;
use wasm_bindgen::{JsCast, closure::Closure};
use web_sys::KeyboardEvent;

use super::Stage;

/// Obeys the keys for as long as the page lives. There is nothing on it to type into.
pub fn listen(stage: Stage) {
    let on_key: Closure<dyn Fn(KeyboardEvent)> = Closure::new(move |event: KeyboardEvent| {
        if event.ctrl_key() || event.meta_key() || event.alt_key() {
            return;
        }
        let flip = |signal: RwSignal<bool>| signal.update(|on| *on = !*on);
        match event.key().as_str() {
            "f" | "F" => toggle_full_screen(),
            "b" | "B" => flip(stage.curtain),
            "t" | "T" => flip(stage.table),
            "q" | "Q" => flip(stage.code),
            "h" | "H" | "?" => flip(stage.help),
            "Escape" => {
                for signal in [stage.curtain, stage.code, stage.help] {
                    signal.set(false);
                }
            }
            _ => return,
        }
        event.prevent_default();
    });
    // Without it the page is what it is for the audience.
    let _ = document().add_event_listener_with_callback("keydown", on_key.as_ref().unchecked_ref());
    on_key.forget();
}

/// A browser that refuses leaves the page as it is.
fn toggle_full_screen() {
    if document().fullscreen_element().is_some() {
        document().exit_fullscreen();
    } else if let Some(root) = document().document_element() {
        let _ = root.request_fullscreen();
    }
}
