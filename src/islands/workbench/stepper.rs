//! A session of the stepper, alive: steps without a reload, keys, and a story that plays by itself.

#[cfg(feature = "hydrate")]
mod drive;
#[cfg(feature = "hydrate")]
mod post;

use leptos::prelude::*;

use crate::{
    model::stepper::{Standing, StepperView},
    ui::stepper::board::{Board, StandingLine, announcement},
};

/// Between two steps of a story that plays by itself, in milliseconds, and how a reader calls it.
const SPEEDS: [(u32, &str); 4] = [
    (500, "twice a second"),
    (1_000, "every second"),
    (2_000, "every 2 s"),
    (4_000, "every 4 s"),
];
const SPEED_PRESET_MS: u32 = 1_000;

/// What the island's parts share.
#[derive(Clone, Copy)]
pub(super) struct Desk {
    view: RwSignal<StepperView>,
    playing: RwSignal<bool>,
    speed_ms: RwSignal<u32>,
    /// While a form is on its way.
    busy: RwSignal<bool>,
    problem: RwSignal<Option<String>>,
    awake: RwSignal<bool>,
}

/// Shows a session and goes on with it.
#[island]
pub fn Stepper(view: StepperView) -> impl IntoView {
    let desk = Desk {
        view: RwSignal::new(view),
        playing: RwSignal::new(false),
        speed_ms: RwSignal::new(SPEED_PRESET_MS),
        busy: RwSignal::new(false),
        problem: RwSignal::new(None),
        awake: RwSignal::new(false),
    };
    #[cfg(feature = "hydrate")]
    Effect::new(move |_| drive::wake(desk));
    view! {
        <div class="step-bar" aria-busy=move || desk.busy.get().then_some("true")>
            {move || view! { <StandingLine view=desk.view.get()/> }}
            {player(desk)}
            {move || moves(&desk.view.get())}
        </div>
        <p class="vh" role="status" aria-live="polite" data-testid="announcement">
            {move || if desk.awake.get() { desk.view.with(announcement) } else { String::new() }}
        </p>
        <div role="alert" class="step-problem" hidden=move || desk.problem.with(Option::is_none)>
            <p class="notice notice--error">{move || desk.problem.get()}</p>
        </div>
        {move || view! { <Board view=desk.view.get()/> }}
        {keys()}
    }
}

/// What only a script can do.
fn player(desk: Desk) -> impl IntoView {
    let options: Vec<_> = SPEEDS
        .into_iter()
        .map(|(ms, words)| view! { <option value=ms.to_string() selected=ms == SPEED_PRESET_MS>{words}</option> })
        .collect();
    let over = move || desk.view.with(|view| view.standing != Standing::Open);
    view! {
        <div class="player" role="group" aria-label="Play" hidden=move || !desk.awake.get()>
            <button
                class="btn btn--line"
                type="button"
                aria-pressed=move || desk.playing.get().to_string()
                disabled=over
                on:click=move |_| desk.playing.update(|playing| *playing = !*playing)
            >
                {move || if desk.playing.get() { "Pause" } else { "Play" }}
            </button>
            <label class="player__speed">
                <span class="vh">"Speed"</span>
                <select
                    class="field__input"
                    on:change=move |event| {
                        if let Ok(ms) = event_target_value(&event).parse() {
                            desk.speed_ms.set(ms);
                        }
                    }
                >
                    {options}
                </select>
            </label>
        </div>
    }
}

/// Back, from the start, on, and away.
fn moves(view: &StepperView) -> impl IntoView + use<> {
    let steps = view.script.steps.len();
    let open = view.standing == Standing::Open;
    let rewind = |to: usize, words: &'static str, disabled: bool| {
        view! {
            <form method="post" action="/api/form/admin/stepper/rewind">
                <input type="hidden" name="session" value=view.id.clone()/>
                <button class="btn" type="submit" name="to" value=to.to_string() disabled=disabled>{words}</button>
            </form>
        }
    };
    view! {
        <div class="moves" role="group" aria-label="Moves">
            {rewind(steps.saturating_sub(1), "Back one step", steps == 0)}
            {rewind(0, "From the start", steps == 0 && open)}
            <form method="post" action="/api/form/admin/stepper/rewind" hidden=open>
                <input type="hidden" name="session" value=view.id.clone()/>
                <button class="btn btn--primary" type="submit" name="to" value=steps.to_string()>"Replay to here"</button>
            </form>
            <form method="post" action="/api/form/admin/stepper/end" hidden=!open>
                <input type="hidden" name="session" value=view.id.clone()/>
                <button class="btn" type="submit">"End and roll back"</button>
            </form>
            <a class="btn btn--text" href=view.script.address() data-testid="share">"Link to here"</a>
        </div>
    }
}

fn keys() -> impl IntoView {
    let keys = [
        ("1 – 4", "let buyer A to D run its statement"),
        ("Space", "play, pause"),
        ("← or Backspace", "back one step"),
        ("?", "show or hide this list"),
    ]
    .map(|(key, does)| view! { <dt><kbd class="key-cap">{key}</kbd></dt><dd>{does}</dd> })
    .collect_view();
    view! {
        <details class="keys" id="keys">
            <summary>"Keys"</summary>
            <dl class="keys__list">{keys}</dl>
        </details>
    }
}
