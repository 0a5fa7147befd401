//! What the leader of a run can do with it while it goes on.

use leptos::prelude::*;

use super::{keys::Key, post};
use crate::model::{RunSnapshot, RunState, RunWish};

/// What a button says, which wish it sends, and its key.
struct Control {
    name: &'static str,
    wish: RunWish,
    key: &'static str,
    class: &'static str,
    about: &'static str,
}

const PAUSE: Control = Control {
    name: "Pause arrivals",
    wish: RunWish::Pause,
    key: "p",
    class: "btn",
    about: "Nobody new is let in; who is inside is served",
};
const RESUME: Control = Control {
    name: "Resume",
    wish: RunWish::Run,
    key: "p",
    class: "btn btn--primary",
    about: "Buyers are let in again",
};
const STOP: Control = Control {
    name: "Stop",
    wish: RunWish::Stop,
    key: "s",
    class: "btn",
    about: "Who is inside is served, then the run is judged",
};
const ABORT: Control = Control {
    name: "Abort",
    wish: RunWish::Abort,
    key: "x",
    class: "btn btn--danger",
    about: "Everybody is sent away at once, then the run is judged",
};

fn controls(state: RunState) -> &'static [Control] {
    match state {
        RunState::Running => &[PAUSE, STOP, ABORT],
        RunState::Paused => &[RESUME, STOP, ABORT],
        RunState::Stopping => &[ABORT],
        _ => &[],
    }
}

/// A button for each thing that can be done now. Without JavaScript each posts and comes back.
#[component]
pub fn RunControls(run: RwSignal<RunSnapshot>) -> impl IntoView {
    let id = run.with_untracked(|run| run.id.clone());
    let state = Memo::new(move |_| run.with(|run| run.state));
    let refusal = RwSignal::new(None::<String>);
    let buttons = move || {
        controls(state.get())
            .iter()
            .map(|control| button(control, &id, refusal))
            .collect_view()
    };
    view! {
        <div class="run__controls" role="group" aria-label="Controls of the run">{buttons}</div>
        <p class="run__refusal" role="alert">{refusal}</p>
    }
}

fn button(
    control: &'static Control,
    id: &str,
    refusal: RwSignal<Option<String>>,
) -> impl IntoView + use<> {
    view! {
        <form
            method="post"
            action="/api/form/admin/control-simulation"
            on:submit=move |event| post::instead_of_leaving(event, move |answer| refusal.set(answer.err()))
        >
            <input type="hidden" name="id" value=id.to_owned()/>
            <input type="hidden" name="wish" value=control.wish.as_str()/>
            <button class=control.class type="submit" title=control.about aria-keyshortcuts=control.key>
                {control.name}" "<Key key=control.key/>
            </button>
        </form>
    }
}
