//! Passes lock updates from the island that reads the page's stream to the lock view. The two
//! islands are siblings, which share no context.

use std::{cell::RefCell, collections::VecDeque};

use leptos::prelude::*;

use crate::model::lock_queue::{LaneLocks, LaneLocksUpdate};

thread_local! {
    static RECEIVER: RefCell<Option<Receiver>> = const { RefCell::new(None) };
    /// Events that arrived before the lanes were registered. The stream of a run that is over sends
    /// its locks only once.
    static EARLY: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// The latest state of the lanes, and the lanes whose state the page has yet to show.
struct Receiver {
    latest: Vec<LaneLocks>,
    shown: Vec<RwSignal<LaneLocks>>,
    /// Indices of updated lanes, in the order in which to show them.
    pending: VecDeque<usize>,
}

/// Registers `lanes` to receive all further updates.
pub fn register(lanes: Vec<RwSignal<LaneLocks>>) {
    RECEIVER.set(Some(Receiver {
        latest: lanes.iter().map(RwSignal::get_untracked).collect(),
        shown: lanes,
        pending: VecDeque::new(),
    }));
    for data in EARLY.take() {
        publish(&data);
    }
}

/// Passes an event of the stream to the registered lanes.
pub fn publish(data: &str) {
    let Ok(updates) = serde_json::from_str::<Vec<LaneLocksUpdate>>(data) else {
        return;
    };
    RECEIVER.with_borrow_mut(|receiver| match receiver {
        Some(receiver) => receiver.apply(updates),
        None => EARLY.with_borrow_mut(|early| early.push(data.to_owned())),
    });
}

impl Receiver {
    fn apply(&mut self, updates: Vec<LaneLocksUpdate>) {
        let is_showing = !self.pending.is_empty();
        for (index, (lane, update)) in self.latest.iter_mut().zip(updates).enumerate() {
            lane.apply(update);
            if !self.pending.contains(&index) {
                self.pending.push_back(index);
            }
        }
        if !is_showing && !self.pending.is_empty() {
            request_animation_frame(show_next);
        }
    }

    /// Takes the next lane to show, with its latest state.
    fn next(&mut self) -> Option<(RwSignal<LaneLocks>, LaneLocks)> {
        let index = self.pending.pop_front()?;
        Some((*self.shown.get(index)?, self.latest.get(index)?.clone()))
    }
}

/// Shows the update of one lane: drawing six lanes would be too much for one frame.
fn show_next() {
    let next = RECEIVER.with_borrow_mut(|receiver| receiver.as_mut()?.next());
    if let Some((lane, locks)) = next {
        lane.set(locks);
        let more = RECEIVER.with_borrow(|receiver| {
            receiver
                .as_ref()
                .is_some_and(|receiver| !receiver.pending.is_empty())
        });
        if more {
            request_animation_frame(show_next);
        }
    }
}
