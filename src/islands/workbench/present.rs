//! A live run for an audience: large, without controls. The presenter has keyboard shortcuts.

#[cfg(feature = "hydrate")]
mod keys;
mod sections;

use leptos::prelude::*;

use crate::model::Presentation;

/// The state of the page that the presenter's keys change.
#[derive(Clone, Copy, Debug)]
pub struct PresenterView {
    /// The screen is blank.
    pub blank: RwSignal<bool>,
    /// A table replaces the chart.
    pub table: RwSignal<bool>,
    /// The QR code fills the window.
    pub qr_code: RwSignal<bool>,
    /// The list of keys is enlarged.
    pub help: RwSignal<bool>,
}

/// Shows the run and follows it to its end. The children are the QR code.
#[island]
pub fn Present(presentation: Presentation, children: Children) -> impl IntoView {
    let view_state = PresenterView {
        blank: RwSignal::new(false),
        table: RwSignal::new(false),
        qr_code: RwSignal::new(false),
        help: RwSignal::new(false),
    };
    let run = RwSignal::new(presentation);
    #[cfg(feature = "hydrate")]
    Effect::new(move |_| {
        keys::listen(view_state);
        let (id, is_over) = run.with_untracked(|run| (run.id.clone(), run.state.is_over()));
        if !is_over {
            super::super::stream::follow(
                format!("/live/present/{id}"),
                &["presentation", "moments"],
                move |name, data| apply_event(run, name, data),
            );
        }
    });
    let class = move || {
        if view_state.qr_code.get() {
            "present__code present__code--large"
        } else {
            "present__code"
        }
    };
    view! {
        {move || run.with(sections::head)}
        {sections::tile(run)}
        {move || run.with(sections::figures)}
        {move || run.with(|run| if view_state.table.get() { sections::table(run).into_any() } else { sections::chart(run).into_any() })}
        <aside class=class aria-label="Watch on your screen">{children()}</aside>
        <p class="present__keys" class:present__keys--large=move || view_state.help.get()>
            <kbd>"F"</kbd>" full screen "<kbd>"B"</kbd>" blank screen "<kbd>"T"</kbd>" table "<kbd>"Q"</kbd>" QR code "<kbd>"H"</kbd>" help"
        </p>
        <div class="present__blank" hidden=move || !view_state.blank.get() data-testid="blank-screen">
            <span class="vh">"The presenter has blanked the screen."</span>
        </div>
    }
}

/// Applies an event of the stream. Returns false once the run is over.
#[cfg(feature = "hydrate")]
fn apply_event(run: RwSignal<Presentation>, name: &str, data: &str) -> bool {
    if name == "presentation" {
        if let Ok(whole) = serde_json::from_str(data) {
            run.set(whole);
        }
    } else if let Ok(moments) = serde_json::from_str(data) {
        run.update(|run| run.append(&moments));
    }
    run.with_untracked(|run| !run.state.is_over())
}
