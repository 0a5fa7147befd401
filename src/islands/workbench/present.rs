//! A run for an audience: large, without controls, and fresh. Its leader has some keys.

#[cfg(feature = "hydrate")]
mod keys;
mod scene;

use leptos::prelude::*;

use crate::model::Presentation;

/// What the leader's keys have changed about the page.
#[derive(Clone, Copy, Debug)]
pub struct Stage {
    /// Nothing is to be seen.
    pub curtain: RwSignal<bool>,
    /// A table in place of the chart.
    pub table: RwSignal<bool>,
    /// The QR code, as large as the window.
    pub code: RwSignal<bool>,
    /// What the keys are.
    pub help: RwSignal<bool>,
}

/// Shows the run and follows it to its end. The children are the QR code.
#[island]
pub fn Present(presentation: Presentation, children: Children) -> impl IntoView {
    let stage = Stage {
        curtain: RwSignal::new(false),
        table: RwSignal::new(false),
        code: RwSignal::new(false),
        help: RwSignal::new(false),
    };
    let run = RwSignal::new(presentation);
    #[cfg(feature = "hydrate")]
    Effect::new(move |_| {
        keys::listen(stage);
        let (id, is_over) = run.with_untracked(|run| (run.id.clone(), run.state.is_over()));
        if !is_over {
            super::super::stream::follow(
                format!("/live/present/{id}"),
                &["presentation", "moments"],
                move |name, data| take_in(run, name, data),
            );
        }
    });
    let class = move || {
        if stage.code.get() {
            "present__code present__code--large"
        } else {
            "present__code"
        }
    };
    view! {
        {move || run.with(scene::head)}
        {scene::tile(run)}
        {move || run.with(scene::figures)}
        {move || run.with(|run| if stage.table.get() { scene::table(run).into_any() } else { scene::chart(run).into_any() })}
        <aside class=class aria-label="Watch it on your own screen">{children()}</aside>
        <p class="present__keys" class:present__keys--large=move || stage.help.get()>
            <kbd>"F"</kbd>" full screen "<kbd>"B"</kbd>" curtain "<kbd>"T"</kbd>" table "<kbd>"Q"</kbd>" QR code "<kbd>"H"</kbd>" keys"
        </p>
        <div class="present__curtain" hidden=move || !stage.curtain.get() data-testid="curtain">
            <span class="vh">"The leader has closed the curtain."</span>
        </div>
    }
}

/// Returns false once the run is over.
#[cfg(feature = "hydrate")]
fn take_in(run: RwSignal<Presentation>, name: &str, data: &str) -> bool {
    if name == "presentation" {
        if let Ok(whole) = serde_json::from_str(data) {
            run.set(whole);
        }
    } else if let Ok(moments) = serde_json::from_str(data) {
        run.update(|run| run.take_in(&moments));
    }
    run.with_untracked(|run| !run.state.is_over())
}
