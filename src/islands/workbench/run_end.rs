//! The parts of a run's page that depend on whether the run has ended. The island that reads the
//! page's stream announces the end: the islands are siblings, which share no context.

use leptos::prelude::*;

/// The link to the run's certificate; nothing while the run is in progress.
#[island]
pub fn CertificateLink(
    /// The path of the run's page.
    path: String,
    is_over: bool,
) -> impl IntoView {
    let is_over = followed(is_over);
    move || {
        let href = format!("{path}/certificate");
        is_over
            .get()
            .then(|| view! { <a class="btn btn--primary" href=href>"Certificate"</a> })
    }
}

/// Says whether the downloads are complete.
#[island]
pub fn DownloadHint(is_over: bool) -> impl IntoView {
    let is_over = followed(is_over);
    view! {
        <p class="keep__hint" role="status">
            {move || if is_over.get() {
                "Download the results of this run."
            } else {
                "Results so far. The certificate appears here when the run ends."
            }}
        </p>
    }
}

/// Returns a signal that becomes true when the run ends.
fn followed(is_over: bool) -> RwSignal<bool> {
    let is_over = RwSignal::new(is_over);
    #[cfg(feature = "hydrate")]
    Effect::new(move |_| browser::register(is_over));
    is_over
}

#[cfg(feature = "hydrate")]
pub use browser::announce;

#[cfg(feature = "hydrate")]
mod browser {
    use std::cell::{Cell, RefCell};

    use leptos::prelude::*;

    thread_local! {
        static FOLLOWERS: RefCell<Vec<RwSignal<bool>>> = const { RefCell::new(Vec::new()) };
        /// Whether the end came before a follower.
        static HAS_ENDED: Cell<bool> = const { Cell::new(false) };
    }

    /// Sets `is_over` when the run ends.
    pub fn register(is_over: RwSignal<bool>) {
        if HAS_ENDED.get() {
            is_over.set(true);
        } else {
            FOLLOWERS.with_borrow_mut(|followers| followers.push(is_over));
        }
    }

    /// Announces that the page's run has ended.
    pub fn announce() {
        HAS_ENDED.set(true);
        for is_over in FOLLOWERS.take() {
            is_over.set(true);
        }
    }
}
