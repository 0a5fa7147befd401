//! An `EventSource` that is open only while its page is visible: browsers allow about six
//! connections per host.

use std::{cell::RefCell, rc::Rc};

use leptos::prelude::document;
use wasm_bindgen::{JsCast, JsValue, closure::Closure};
use web_sys::{Event, EventSource, MessageEvent, VisibilityState};

type Listener = Rc<Closure<dyn Fn(Event)>>;

/// Follows `url` for as long as the page exists, and calls `on_event` with the name and the data of
/// each event in `names`. `on_event` returns false when it expects no more events.
pub fn follow(
    url: String,
    names: &'static [&'static str],
    on_event: impl Fn(&str, &str) -> bool + 'static,
) {
    let source: Rc<RefCell<Option<EventSource>>> = Rc::default();
    let done = Rc::new(RefCell::new(false));
    let listener: Listener = Rc::new(Closure::new({
        let (source, done) = (Rc::clone(&source), Rc::clone(&done));
        move |event: Event| {
            let Some(message) = event.dyn_ref::<MessageEvent>() else {
                return;
            };
            let data = message.data().as_string().unwrap_or_default();
            if !on_event(&event.type_(), &data) {
                *done.borrow_mut() = true;
                close(&source);
            }
        }
    }));
    let update = move || {
        if document().visibility_state() == VisibilityState::Hidden || *done.borrow() {
            close(&source);
        } else if source.borrow().is_none() {
            *source.borrow_mut() = open(&url, names, &listener);
        }
    };
    update();
    let on_visibility: Closure<dyn Fn()> = Closure::new(update);
    // Without this listener, the page only shows old data when it becomes visible again.
    let _ = document().add_event_listener_with_callback(
        "visibilitychange",
        on_visibility.as_ref().unchecked_ref(),
    );
    on_visibility.forget();
}

fn open(url: &str, names: &[&str], listener: &Listener) -> Option<EventSource> {
    let source = EventSource::new(url).ok()?;
    for name in names {
        let added: Result<(), JsValue> = source
            .add_event_listener_with_callback(name, listener.as_ref().as_ref().unchecked_ref());
        added.ok()?;
    }
    Some(source)
}

fn close(source: &RefCell<Option<EventSource>>) {
    if let Some(source) = source.borrow_mut().take() {
        source.close();
    }
}
