//! Operates a stepper session in the browser: forms, keyboard shortcuts, playback, and the stream
//! of steps taken in other browsers.

use std::time::Duration;

use leptos::{ev, prelude::*, task::spawn_local};
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{Element, HtmlInputElement, KeyboardEvent, SubmitEvent};

use super::{StepperState, post::post};
use crate::{
    islands::stream,
    model::stepper::{StepperStatus, StepperView},
};

const FORMS: &str = "/api/form/admin/stepper/";
/// Interval at which a waiting action checks whether a request is still in progress.
const BUSY_POLL_INTERVAL: Duration = Duration::from_millis(20);

/// Starts the interactive page.
pub fn start(state: StepperState) {
    state.hydrated.set(true);
    follow(state);
    // The listeners and the effect exist as long as the page.
    let _ = window_event_listener(ev::submit, move |event| submit(state, &event));
    let _ = window_event_listener(ev::keydown, move |event| key(state, &event));
    Effect::new(move |_| {
        if state.playing.get() {
            play(state);
        }
    });
}

/// Follows the displayed session until the page shows another one.
fn follow(state: StepperState) {
    let (id, status) = state
        .view
        .with_untracked(|view| (view.id.clone(), view.status.clone()));
    if status != StepperStatus::Open {
        return;
    }
    stream::follow(
        format!("/live/steppers/{id}"),
        &["stepper"],
        move |_, data| {
            let Ok(update) = serde_json::from_str::<StepperView>(data) else {
                return true;
            };
            let shown = state.view.with_untracked(|view| view.id == update.id);
            let expects_more = shown && update.status == StepperStatus::Open;
            if shown {
                apply_update(state, update);
            }
            expects_more
        },
    );
}

/// Shows the received state of a session, unless the page already shows a later one.
fn apply_update(state: StepperState, update: StepperView) {
    let (same_session, is_stale) = state.view.with_untracked(|view| {
        let same_session = view.id == update.id;
        let is_stale = view.script.steps.len() > update.script.steps.len()
            || (view.status != StepperStatus::Open && update.status == StepperStatus::Open);
        (same_session, same_session && is_stale)
    });
    if is_stale || state.view.with_untracked(|view| *view == update) {
        return;
    }
    let address = format!("/admin/stepper/{}", update.id);
    state.view.set(update);
    if !same_session {
        // If the history cannot be changed, a reload shows the previous session.
        if let Ok(history) = window().history() {
            let _ = history.replace_state_with_url(&JsValue::NULL, "", Some(&address));
        }
        follow(state);
    }
}

fn submit(state: StepperState, event: &SubmitEvent) {
    let Some(form) = event
        .target()
        .and_then(|form| form.dyn_into::<Element>().ok())
    else {
        return;
    };
    let action = form.get_attribute("action").unwrap_or_default();
    if !action.starts_with(FORMS) {
        return;
    }
    event.prevent_default();
    let clicked = event.submitter().and_then(|button| {
        let name = button.get_attribute("name")?;
        Some((name, button.get_attribute("value").unwrap_or_default()))
    });
    let mut fields = fields_of(&form);
    fields.extend(clicked);
    state.playing.set(false);
    when_idle(state, move || send(state, action, fields, || {}));
}

fn fields_of(form: &Element) -> Vec<(String, String)> {
    let Ok(inputs) = form.query_selector_all("input[name]") else {
        return Vec::new();
    };
    let inputs = (0..inputs.length()).filter_map(|index| inputs.get(index)?.dyn_into().ok());
    inputs
        .map(|input: HtmlInputElement| (input.name(), input.value()))
        .collect()
}

/// Runs `act` once no request is in progress, so that fast key presses are not lost.
fn when_idle(state: StepperState, act: impl FnOnce() + 'static) {
    if state.busy.get_untracked() {
        set_timeout(move || when_idle(state, act), BUSY_POLL_INTERVAL);
    } else {
        act();
    }
}

/// Posts a form, shows the resulting session, and then calls `afterwards`.
fn send(
    state: StepperState,
    action: String,
    fields: Vec<(String, String)>,
    afterwards: impl FnOnce() + 'static,
) {
    state.busy.set(true);
    spawn_local(async move {
        let fields: Vec<_> = fields
            .iter()
            .map(|(name, value)| (name.as_str(), value.clone()))
            .collect();
        match post(&action, &fields).await {
            Ok(update) => {
                state.problem.set(None);
                apply_update(state, update);
            }
            Err(sentence) => {
                state.playing.set(false);
                state.problem.set(Some(sentence));
            }
        }
        state.busy.set(false);
        clear_busy_buttons();
        afterwards();
    });
}

/// Clears the busy mark of buttons. `boot.js` marks a clicked button as busy until the next page
/// loads, which does not happen here.
fn clear_busy_buttons() {
    if let Ok(buttons) = document().query_selector_all("button[aria-busy]") {
        for index in 0..buttons.length() {
            if let Some(button) = buttons
                .get(index)
                .and_then(|node| node.dyn_into::<Element>().ok())
            {
                let _ = button.remove_attribute("aria-busy");
            }
        }
    }
}

fn step(state: StepperState, actor: usize, afterwards: impl FnOnce() + 'static) {
    let fields = state.view.with_untracked(|view| {
        vec![
            ("session".to_owned(), view.id.clone()),
            ("at".to_owned(), view.script.steps.len().to_string()),
            ("actor".to_owned(), actor.to_string()),
        ]
    });
    send(state, format!("{FORMS}step"), fields, afterwards);
}

fn back(state: StepperState) {
    let (session, steps) = state
        .view
        .with_untracked(|view| (view.id.clone(), view.script.steps.len()));
    if steps > 0 {
        let fields = vec![
            ("session".to_owned(), session),
            ("to".to_owned(), (steps - 1).to_string()),
        ];
        send(state, format!("{FORMS}rewind"), fields, || {});
    }
}

/// Takes the next step of the story, and continues after a pause.
fn play(state: StepperState) {
    if !state.playing.get_untracked() {
        return;
    }
    match state.view.with_untracked(StepperView::suggested) {
        Some(actor) if !state.busy.get_untracked() => step(state, actor, move || {
            let pause = Duration::from_millis(state.speed_ms.get_untracked().into());
            set_timeout(move || play(state), pause);
        }),
        Some(_) => when_idle(state, move || play(state)),
        None => state.playing.set(false),
    }
}

fn key(state: StepperState, event: &KeyboardEvent) {
    if event.ctrl_key() || event.alt_key() || event.meta_key() || event.repeat() {
        return;
    }
    let at = event.target().and_then(|at| at.dyn_into::<Element>().ok());
    let at = at.map(|at| at.local_name()).unwrap_or_default();
    if matches!(at.as_str(), "input" | "select" | "textarea") {
        return;
    }
    match event.key().as_str() {
        // These elements handle the space key themselves.
        " " if matches!(at.as_str(), "button" | "a" | "summary") => return,
        " " => {
            if state
                .view
                .with_untracked(|view| view.status == StepperStatus::Open)
            {
                state.playing.update(|playing| *playing = !*playing);
            }
        }
        "Backspace" | "ArrowLeft" => {
            state.playing.set(false);
            when_idle(state, move || back(state));
        }
        "?" => {
            if let Some(keys) = document().get_element_by_id("keys") {
                let _ = keys.toggle_attribute("open");
            }
        }
        digit => {
            let actors = state.view.with_untracked(|view| view.actors.len());
            match digit.parse::<usize>() {
                Ok(number) if (1..=actors).contains(&number) => {
                    state.playing.set(false);
                    when_idle(state, move || step(state, number - 1, || {}));
                }
                _ => return,
            }
        }
    }
    event.prevent_default();
}
