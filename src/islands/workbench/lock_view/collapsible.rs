//! Collapsible content.

use leptos::{ev::Event, prelude::*};

/// A `<details>` element that is initially closed. Its content is not updated while it is closed,
/// because drawing hidden content costs as much as drawing visible content.
#[derive(Clone, Copy, Default)]
pub struct Collapsible {
    open: RwSignal<bool>,
}

impl Collapsible {
    /// Returns `source`, frozen while the element is closed; at first at the value that the server
    /// drew.
    pub fn while_open<T>(self, source: Memo<T>) -> Memo<T>
    where
        T: Clone + PartialEq + Send + Sync + 'static,
    {
        Memo::new(move |before: Option<&T>| match before {
            Some(before) if !self.open.get() => before.clone(),
            _ => source.get(),
        })
    }

    /// Returns true if the element is open; initially it is closed.
    pub fn is_open(self) -> bool {
        self.open.get()
    }

    /// Records that the user opened or closed the element.
    pub fn toggled(self, event: &Event) {
        #[cfg(feature = "hydrate")]
        self.open
            .set(event_target::<web_sys::Element>(event).has_attribute("open"));
        #[cfg(not(feature = "hydrate"))]
        let _ = event;
    }
}
