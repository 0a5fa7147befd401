//! What drives a session in the browser: its forms, its keys, its clock, and the stream of who else steps it.

use std::time::Duration;

use leptos::{ev, prelude::*, task::spawn_local};
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{Element, HtmlInputElement, KeyboardEvent, SubmitEvent};

use super::{Desk, post::post};
use crate::{
    islands::stream,
    model::stepper::{Standing, StepperView},
};

const FORMS: &str = "/api/form/admin/stepper/";
/// Between two looks whether a form is still on its way.
const LOOKED_EVERY: Duration = Duration::from_millis(20);

/// Takes the page over.
pub fn wake(desk: Desk) {
    desk.awake.set(true);
    follow(desk);
    // All three last as long as the page.
    let _ = window_event_listener(ev::submit, move |event| submit(desk, &event));
    let _ = window_event_listener(ev::keydown, move |event| key(desk, &event));
    Effect::new(move |_| {
        if desk.playing.get() {
            play(desk);
        }
    });
}

/// Follows the session that is shown now, until another is.
fn follow(desk: Desk) {
    let (id, standing) = desk
        .view
        .with_untracked(|view| (view.id.clone(), view.standing.clone()));
    if standing != Standing::Open {
        return;
    }
    stream::follow(
        format!("/live/steppers/{id}"),
        &["stepper"],
        move |_, data| {
            let Ok(news) = serde_json::from_str::<StepperView>(data) else {
                return true;
            };
            let shown = desk.view.with_untracked(|view| view.id == news.id);
            let goes_on = shown && news.standing == Standing::Open;
            if shown {
                take_in(desk, news);
            }
            goes_on
        },
    );
}

/// Shows a session as it was told, unless a later word of it was told before.
fn take_in(desk: Desk, news: StepperView) {
    let (known, is_later) = desk.view.with_untracked(|view| {
        let known = view.id == news.id;
        let is_later = view.script.steps.len() > news.script.steps.len()
            || (view.standing != Standing::Open && news.standing == Standing::Open);
        (known, known && is_later)
    });
    if is_later || desk.view.with_untracked(|view| *view == news) {
        return;
    }
    let address = format!("/admin/stepper/{}", news.id);
    desk.view.set(news);
    if !known {
        // Where it cannot be written, a reload shows the session that was shown before.
        if let Ok(history) = window().history() {
            let _ = history.replace_state_with_url(&JsValue::NULL, "", Some(&address));
        }
        follow(desk);
    }
}

fn submit(desk: Desk, event: &SubmitEvent) {
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
    let pressed = event.submitter().and_then(|button| {
        let name = button.get_attribute("name")?;
        Some((name, button.get_attribute("value").unwrap_or_default()))
    });
    let mut fields = fields_of(&form);
    fields.extend(pressed);
    desk.playing.set(false);
    in_turn(desk, move || send(desk, action, fields, || {}));
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

/// Does something once no form is on its way: who presses fast is not left out.
fn in_turn(desk: Desk, act: impl FnOnce() + 'static) {
    if desk.busy.get_untracked() {
        set_timeout(move || in_turn(desk, act), LOOKED_EVERY);
    } else {
        act();
    }
}

/// Posts a form, shows what came of it, and then does what is to be done `afterwards`.
fn send(
    desk: Desk,
    action: String,
    fields: Vec<(String, String)>,
    afterwards: impl FnOnce() + 'static,
) {
    desk.busy.set(true);
    spawn_local(async move {
        let fields: Vec<_> = fields
            .iter()
            .map(|(name, value)| (name.as_str(), value.clone()))
            .collect();
        match post(&action, &fields).await {
            Ok(news) => {
                desk.problem.set(None);
                take_in(desk, news);
            }
            Err(sentence) => {
                desk.playing.set(false);
                desk.problem.set(Some(sentence));
            }
        }
        desk.busy.set(false);
        no_longer_busy();
        afterwards();
    });
}

/// `boot.js` marks a button that was pressed as busy until the next page is there; here none comes.
fn no_longer_busy() {
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

fn step(desk: Desk, actor: usize, afterwards: impl FnOnce() + 'static) {
    let fields = desk.view.with_untracked(|view| {
        vec![
            ("session".to_owned(), view.id.clone()),
            ("at".to_owned(), view.script.steps.len().to_string()),
            ("actor".to_owned(), actor.to_string()),
        ]
    });
    send(desk, format!("{FORMS}step"), fields, afterwards);
}

fn back(desk: Desk) {
    let (session, steps) = desk
        .view
        .with_untracked(|view| (view.id.clone(), view.script.steps.len()));
    if steps > 0 {
        let fields = vec![
            ("session".to_owned(), session),
            ("to".to_owned(), (steps - 1).to_string()),
        ];
        send(desk, format!("{FORMS}rewind"), fields, || {});
    }
}

/// Takes the next step of the story, and goes on after a pause.
fn play(desk: Desk) {
    if !desk.playing.get_untracked() {
        return;
    }
    match desk.view.with_untracked(StepperView::suggested) {
        Some(actor) if !desk.busy.get_untracked() => step(desk, actor, move || {
            let pause = Duration::from_millis(desk.speed_ms.get_untracked().into());
            set_timeout(move || play(desk), pause);
        }),
        Some(_) => in_turn(desk, move || play(desk)),
        None => desk.playing.set(false),
    }
}

fn key(desk: Desk, event: &KeyboardEvent) {
    if event.ctrl_key() || event.alt_key() || event.meta_key() || event.repeat() {
        return;
    }
    let at = event.target().and_then(|at| at.dyn_into::<Element>().ok());
    let at = at.map(|at| at.local_name()).unwrap_or_default();
    if matches!(at.as_str(), "input" | "select" | "textarea") {
        return;
    }
    match event.key().as_str() {
        // On these, the key is theirs.
        " " if matches!(at.as_str(), "button" | "a" | "summary") => return,
        " " => {
            if desk
                .view
                .with_untracked(|view| view.standing == Standing::Open)
            {
                desk.playing.update(|playing| *playing = !*playing);
            }
        }
        "Backspace" | "ArrowLeft" => {
            desk.playing.set(false);
            in_turn(desk, move || back(desk));
        }
        "?" => {
            if let Some(keys) = document().get_element_by_id("keys") {
                let _ = keys.toggle_attribute("open");
            }
        }
        digit => {
            let actors = desk.view.with_untracked(|view| view.actors.len());
            match digit.parse::<usize>() {
                Ok(number) if (1..=actors).contains(&number) => {
                    desk.playing.set(false);
                    in_turn(desk, move || step(desk, number - 1, || {}));
                }
                _ => return,
            }
        }
    }
    event.prevent_default();
}
