//! A line of bounded length with at most one server: what comes while the server is busy is taken together, as soon as the server is free.
//!
//! Nobody is on duty while the line is empty. Whoever joins then is handed the server's turn, and has to see to it that the line is served to
//! its end. Joining and the end of a turn happen under one lock, so that nobody joins a line that its server has just left.

use std::{collections::VecDeque, sync::Arc};

use super::sync::{Mutex, MutexGuard, PoisonError};

/// See the module's documentation.
#[derive(Debug)]
pub struct WaitingLine<T> {
    state: Mutex<State<T>>,
    /// The most that may wait.
    capacity: usize,
}

#[derive(Debug)]
struct State<T> {
    waiting: VecDeque<T>,
    /// Whether somebody has the turn.
    served: bool,
}

/// What came of joining.
#[derive(Debug)]
pub enum Joined<T> {
    /// Nobody is serving: the caller has the turn.
    First(Turn<T>),
    /// Somebody is.
    Behind,
    /// There is no room; the item comes back.
    Full(T),
}

impl<T> WaitingLine<T> {
    /// An empty line.
    pub fn new(capacity: usize) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(State {
                waiting: VecDeque::new(),
                served: false,
            }),
            capacity,
        })
    }

    /// Puts `item` at the end of the line.
    pub fn join(self: &Arc<Self>, item: T) -> Joined<T> {
        let mut state = self.lock();
        if state.waiting.len() >= self.capacity {
            return Joined::Full(item);
        }
        state.waiting.push_back(item);
        if state.served {
            return Joined::Behind;
        }
        state.served = true;
        Joined::First(Turn {
            line: Arc::clone(self),
            over: false,
        })
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.lock().waiting.len()
    }

    /// True when nobody waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The right, and the duty, to serve a line until it is empty.
#[derive(Debug)]
pub struct Turn<T> {
    line: Arc<WaitingLine<T>>,
    over: bool,
}

impl<T> Turn<T> {
    /// Takes up to `at_most` from the front, in order of arrival. `None` when nobody waits: the turn is over then.
    pub fn take(&mut self, at_most: usize) -> Option<Vec<T>> {
        if self.over {
            return None;
        }
        let mut state = self.line.lock();
        if state.waiting.is_empty() {
            state.served = false;
            self.over = true;
            return None;
        }
        let count = state.waiting.len().min(at_most);
        Some(state.waiting.drain(..count).collect())
    }
}

impl<T> Drop for Turn<T> {
    /// A server that leaves early lets the next who joins take over.
    fn drop(&mut self) {
        if !self.over {
            self.line.lock().served = false;
        }
    }
}
