//! The controls of a running run: pause, resume, stop and abort.

use leptos::prelude::*;

use super::{keys::Key, post};
use crate::model::{RunCommand, RunSnapshot, RunState};

/// A button: its label, the command it sends, and its key.
struct Control {
    name: &'static str,
    command: RunCommand,
    key: &'static str,
    class: &'static str,
    help: &'static str,
}

const PAUSE: Control = Control {
    name: "Pause arrivals",
    command: RunCommand::Pause,
    key: "p",
    class: "btn",
    help: "No new attempts start; running attempts finish",
};
const RESUME: Control = Control {
    name: "Resume",
    command: RunCommand::Run,
    key: "p",
    class: "btn btn--primary",
    help: "New attempts start again",
};
const STOP: Control = Control {
    name: "Stop",
    command: RunCommand::Stop,
    key: "s",
    class: "btn",
    help: "Running attempts finish, then the verdict follows",
};
const ABORT: Control = Control {
    name: "Abort",
    command: RunCommand::Abort,
    key: "x",
    class: "btn btn--danger",
    help: "All attempts are cancelled at once, then the verdict follows",
};

fn controls(state: RunState) -> &'static [Control] {
    match state {
        RunState::Running => &[PAUSE, STOP, ABORT],
        RunState::Paused => &[RESUME, STOP, ABORT],
        RunState::Stopping => &[ABORT],
        _ => &[],
    }
}

/// Shows a button for each command that is possible now. Without JavaScript, each posts its form
/// and reloads the page.
#[component]
pub fn RunControls(run: RwSignal<RunSnapshot>) -> impl IntoView {
    let id = run.with_untracked(|run| run.id.clone());
    let state = Memo::new(move |_| run.with(|run| run.state));
    let problem = RwSignal::new(None::<String>);
    let buttons = move || {
        controls(state.get())
            .iter()
            .map(|control| button(control, &id, problem))
            .collect_view()
    };
    view! {
        <div class="run__controls" role="group" aria-label="Run controls">{buttons}</div>
        <p class="run__refusal" role="alert">{problem}</p>
    }
}

fn button(
    control: &'static Control,
    id: &str,
    problem: RwSignal<Option<String>>,
) -> impl IntoView + use<> {
    view! {
        <form
            method="post"
            action="/api/form/admin/control-simulation"
            on:submit=move |event| post::submit_in_place(event, move |response| problem.set(response.err()))
        >
            <input type="hidden" name="id" value=id.to_owned()/>
            <input type="hidden" name="command" value=control.command.as_str()/>
            <button class=control.class type="submit" title=control.help aria-keyshortcuts=control.key>
                {control.name}" "<Key key=control.key/>
            </button>
        </form>
    }
}
