//! The time since the page was requested, also if the computer slept in the meantime.

use std::rc::Rc;

use leptos::prelude::{document, window};
use wasm_bindgen::{JsCast, closure::Closure};

/// See the module's documentation.
#[derive(Clone, Copy, Debug)]
pub struct Elapsed {
    /// The wall clock when the page was requested, in Unix milliseconds.
    requested_at_ms: f64,
}

impl Elapsed {
    /// Starts with the request of the page: never later than when the server rendered it.
    pub fn since_request() -> Self {
        Self {
            requested_at_ms: js_sys::Date::now() - running_ms(),
        }
    }

    /// Milliseconds since the request.
    ///
    /// The monotonic clock may stop while the computer sleeps. The wall clock does not, but it may
    /// be set back. The clock that has advanced more is right.
    pub fn ms(self) -> f64 {
        (js_sys::Date::now() - self.requested_at_ms).max(running_ms())
    }
}

fn running_ms() -> f64 {
    window().performance().map_or(0.0, |clock| clock.now())
}

/// Calls `update` whenever the page may have missed time: it is shown or resumed, or has the focus
/// again.
pub fn on_return(update: impl Fn() + 'static) {
    let update = Rc::new(update);
    let listen = |target: &web_sys::EventTarget, event: &str| {
        let update = Rc::clone(&update);
        let listener: Closure<dyn Fn()> = Closure::new(move || update());
        // Without the listener, the next tick of the page's timer does the same.
        let _ = target.add_event_listener_with_callback(event, listener.as_ref().unchecked_ref());
        listener.forget();
    };
    let (page, window) = (document(), window());
    listen(&page, "visibilitychange");
    listen(&page, "resume");
    listen(&window, "pageshow");
    listen(&window, "focus");
}
