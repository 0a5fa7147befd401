//! The interactive page of a stepper session: steps without a reload, keyboard shortcuts, and
//! automatic playback.

#[cfg(feature = "hydrate")]
mod drive;
#[cfg(feature = "hydrate")]
mod post;

use leptos::prelude::*;

use crate::{
    model::stepper::{KEEP_OPEN_MAX_MINUTES, StepperStatus, StepperView},
    ui::stepper::board::{Board, StatusLine, announcement},
};

/// Playback speeds: milliseconds between two steps, and their labels.
const SPEEDS: [(u32, &str); 4] = [
    (500, "twice a second"),
    (1_000, "every second"),
    (2_000, "every 2 s"),
    (4_000, "every 4 s"),
];
const DEFAULT_SPEED_MS: u32 = 1_000;
/// For how long a session can be kept open, in minutes.
const KEEP_OPEN_MINUTES: [u32; 3] = [10, 30, KEEP_OPEN_MAX_MINUTES];

/// The state that the parts of the island share.
#[derive(Clone, Copy)]
pub(super) struct StepperState {
    view: RwSignal<StepperView>,
    playing: RwSignal<bool>,
    speed_ms: RwSignal<u32>,
    /// Whether a form request is in progress.
    busy: RwSignal<bool>,
    problem: RwSignal<Option<String>>,
    hydrated: RwSignal<bool>,
}

/// Shows a session and executes its steps.
#[island]
pub fn Stepper(view: StepperView) -> impl IntoView {
    let state = StepperState {
        view: RwSignal::new(view),
        playing: RwSignal::new(false),
        speed_ms: RwSignal::new(DEFAULT_SPEED_MS),
        busy: RwSignal::new(false),
        problem: RwSignal::new(None),
        hydrated: RwSignal::new(false),
    };
    #[cfg(feature = "hydrate")]
    Effect::new(move |_| drive::start(state));
    view! {
        <div class="step-bar" aria-busy=move || state.busy.get().then_some("true")>
            {move || view! { <StatusLine view=state.view.get()/> }}
            {playback_controls(state)}
            {move || session_controls(&state.view.get())}
            {move || keep_open(&state.view.get())}
        </div>
        <p class="vh" role="status" aria-live="polite" data-testid="announcement">
            {move || if state.hydrated.get() { state.view.with(announcement) } else { String::new() }}
        </p>
        <div role="alert" class="step-problem" hidden=move || state.problem.with(Option::is_none)>
            <p class="notice notice--error">{move || state.problem.get()}</p>
        </div>
        {move || view! { <Board view=state.view.get()/> }}
        {keyboard_help()}
    }
}

/// Shows the playback controls, which need JavaScript.
fn playback_controls(state: StepperState) -> impl IntoView {
    let options: Vec<_> = SPEEDS
        .into_iter()
        .map(|(ms, words)| view! { <option value=ms.to_string() selected=ms == DEFAULT_SPEED_MS>{words}</option> })
        .collect();
    let over = move || state.view.with(|view| view.status != StepperStatus::Open);
    view! {
        <div class="player" role="group" aria-label="Playback" hidden=move || !state.hydrated.get()>
            <button
                class="btn btn--line"
                type="button"
                aria-pressed=move || state.playing.get().to_string()
                disabled=over
                on:click=move |_| state.playing.update(|playing| *playing = !*playing)
            >
                {move || if state.playing.get() { "Pause" } else { "Play" }}
            </button>
            <label class="player__speed">
                <span class="vh">"Speed"</span>
                <select
                    class="field__input"
                    on:change=move |event| {
                        if let Ok(ms) = event_target_value(&event).parse() {
                            state.speed_ms.set(ms);
                        }
                    }
                >
                    {options}
                </select>
            </label>
        </div>
    }
}

/// Shows the buttons to rewind, replay, end and share the session.
fn session_controls(view: &StepperView) -> impl IntoView + use<> {
    let steps = view.script.steps.len();
    let open = view.status == StepperStatus::Open;
    let rewind = |to: usize, words: &'static str, disabled: bool| {
        view! {
            <form method="post" action="/api/form/admin/stepper/rewind">
                <input type="hidden" name="session" value=view.id.clone()/>
                <button class="btn" type="submit" name="to" value=to.to_string() disabled=disabled>{words}</button>
            </form>
        }
    };
    view! {
        <div class="moves" role="group" aria-label="Session controls">
            {rewind(steps.saturating_sub(1), "Back one step", steps == 0)}
            {rewind(0, "Restart", steps == 0 && open)}
            <form method="post" action="/api/form/admin/stepper/rewind" hidden=open>
                <input type="hidden" name="session" value=view.id.clone()/>
                <button class="btn btn--primary" type="submit" name="to" value=steps.to_string()>"Replay to here"</button>
            </form>
            <form method="post" action="/api/form/admin/stepper/end" hidden=!open>
                <input type="hidden" name="session" value=view.id.clone()/>
                <button class="btn" type="submit">"End and roll back"</button>
            </form>
            <a class="btn btn--text" href=view.script.address() data-testid="share">"Link to this step"</a>
        </div>
    }
}

/// Shows the buttons that keep an open session for a room that discusses it, and what that costs.
fn keep_open(view: &StepperView) -> impl IntoView + use<> {
    (view.status == StepperStatus::Open).then(|| {
        let choices = KEEP_OPEN_MINUTES.map(|minutes| {
            view! { <button class="btn" type="submit" name="minutes" value=minutes.to_string()>{format!("{minutes} min")}</button> }
        });
        let state = match &view.kept_until {
            Some(until) => view! {
                <p data-testid="kept-open">{format!("Kept open until {until}, with or without a step.")}</p>
            }
            .into_any(),
            None => view! { <p>"Without a step for a minute, the session is rolled back."</p> }.into_any(),
        };
        let usual = view.kept_until.is_some().then(|| {
            view! { <button class="btn" type="submit" name="minutes" value="0">"End it as usual"</button> }
        });
        view! {
            <details class="keep-open" open=view.kept_until.is_some()>
                <summary>"Keep open"</summary>
                {state}
                <p class="quiet">
                    {format!(
                        "Meanwhile it uses {} database connections and one of the server’s session slots. Its open transactions keep their locks, and VACUUM cannot remove row versions that are newer than them. At most {KEEP_OPEN_MAX_MINUTES} minutes from its start.",
                        view.connections
                    )}
                </p>
                <form class="moves" method="post" action="/api/form/admin/stepper/keep-open">
                    <input type="hidden" name="session" value=view.id.clone()/>
                    {choices.collect_view()}
                    {usual}
                </form>
            </details>
        }
    })
}

fn keyboard_help() -> impl IntoView {
    let keys = [
        ("1 – 4", "run the next statement of A to D"),
        ("Space", "play, pause"),
        ("← or Backspace", "back one step"),
        ("?", "show or hide this list"),
    ]
    .map(|(key, action)| view! { <dt><kbd class="key-cap">{key}</kbd></dt><dd>{action}</dd> })
    .collect_view();
    view! {
        <details class="keys" id="keys">
            <summary>"Keys"</summary>
            <dl class="keys__list">{keys}</dl>
        </details>
    }
}
