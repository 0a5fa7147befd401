//! What is folded away.

use leptos::{ev::Event, prelude::*};

/// A `<details>` that is closed at first. What nobody can see is not kept fresh: to draw it costs as much as what can be seen.
#[derive(Clone, Copy, Default)]
pub struct Fold {
    open: RwSignal<bool>,
}

impl Fold {
    /// What `fresh` was when this was last open; until then, what it was at first, as the server drew it.
    pub fn shows<T>(self, fresh: Memo<T>) -> Memo<T>
    where
        T: Clone + PartialEq + Send + Sync + 'static,
    {
        Memo::new(move |before: Option<&T>| match before {
            Some(before) if !self.open.get() => before.clone(),
            _ => fresh.get(),
        })
    }

    /// Follows the element that was opened or closed.
    pub fn toggled(self, event: &Event) {
        #[cfg(feature = "hydrate")]
        self.open
            .set(event_target::<web_sys::Element>(event).has_attribute("open"));
        #[cfg(not(feature = "hydrate"))]
        let _ = event;
    }
}
