//! From the island that reads the page's stream to this one. They are siblings, which share no context.

use std::{cell::RefCell, collections::VecDeque};

use leptos::prelude::*;

use crate::model::lock_queue::{LaneLocks, LaneLocksNews};

thread_local! {
    static LISTENING: RefCell<Option<Listening>> = const { RefCell::new(None) };
}

/// What is known of the lanes, and what of it the page has still to show.
struct Listening {
    known: Vec<LaneLocks>,
    shown: Vec<RwSignal<LaneLocks>>,
    /// Lanes with news, the first to be shown first.
    due: VecDeque<usize>,
}

/// From now on, what is told goes to `lanes`.
pub fn listen(lanes: Vec<RwSignal<LaneLocks>>) {
    LISTENING.set(Some(Listening {
        known: lanes.iter().map(RwSignal::get_untracked).collect(),
        shown: lanes,
        due: VecDeque::new(),
    }));
}

/// Hands on what the stream said of the locks.
pub fn tell(data: &str) {
    let Ok(news) = serde_json::from_str::<Vec<LaneLocksNews>>(data) else {
        return;
    };
    LISTENING.with_borrow_mut(|listening| {
        if let Some(listening) = listening {
            listening.take_in(news);
        }
    });
}

impl Listening {
    fn take_in(&mut self, news: Vec<LaneLocksNews>) {
        let is_showing = !self.due.is_empty();
        for (index, (lane, news)) in self.known.iter_mut().zip(news).enumerate() {
            lane.take_in(news);
            if !self.due.contains(&index) {
                self.due.push_back(index);
            }
        }
        if !is_showing && !self.due.is_empty() {
            request_animation_frame(show_next);
        }
    }

    /// What is to be shown next, and where.
    fn next(&mut self) -> Option<(RwSignal<LaneLocks>, LaneLocks)> {
        let index = self.due.pop_front()?;
        Some((*self.shown.get(index)?, self.known.get(index)?.clone()))
    }
}

/// Shows the news of one lane: to draw those of six would be too much for one frame.
fn show_next() {
    let next = LISTENING.with_borrow_mut(|listening| listening.as_mut()?.next());
    if let Some((lane, locks)) = next {
        lane.set(locks);
        let more = LISTENING.with_borrow(|listening| {
            listening
                .as_ref()
                .is_some_and(|listening| !listening.due.is_empty())
        });
        if more {
            request_animation_frame(show_next);
        }
    }
}
