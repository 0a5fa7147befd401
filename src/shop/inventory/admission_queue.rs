//! A bounded queue with at most one consumer. Items that arrive while the consumer is busy are
//! taken together as soon as it is free.
//!
//! An empty queue has no consumer. The caller that pushes to a queue without a consumer becomes its
//! consumer, and must consume until the queue is empty. Pushing an item and ending consumption
//! happen under one lock, so no item is pushed to a queue whose consumer has just stopped.

use std::{collections::VecDeque, sync::Arc};

use super::sync::{Mutex, MutexGuard, PoisonError};

/// See the module's documentation.
#[derive(Debug)]
pub struct AdmissionQueue<T> {
    state: Mutex<State<T>>,
    /// The most items that may wait.
    capacity: usize,
}

#[derive(Debug)]
struct State<T> {
    waiting: VecDeque<T>,
    /// Whether a [`Consumer`] exists.
    has_consumer: bool,
}

/// The result of a push.
#[derive(Debug)]
pub enum PushResult<T> {
    /// The item is queued, and there was no consumer: the caller is now the consumer.
    Consumer(Consumer<T>),
    /// The item is queued, and the existing consumer will take it.
    Queued,
    /// The queue is full; the item is returned.
    Full(T),
}

impl<T> AdmissionQueue<T> {
    /// Creates an empty queue.
    pub fn new(capacity: usize) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(State {
                waiting: VecDeque::new(),
                has_consumer: false,
            }),
            capacity,
        })
    }

    /// Appends `item`, if there is space.
    pub fn push(self: &Arc<Self>, item: T) -> PushResult<T> {
        let mut state = self.lock();
        if state.waiting.len() >= self.capacity {
            return PushResult::Full(item);
        }
        state.waiting.push_back(item);
        if state.has_consumer {
            return PushResult::Queued;
        }
        state.has_consumer = true;
        PushResult::Consumer(Consumer {
            queue: Arc::clone(self),
            finished: false,
        })
    }

    /// Returns the number of waiting items.
    pub fn len(&self) -> usize {
        self.lock().waiting.len()
    }

    /// Returns true if no item waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The exclusive right to consume a queue, and the duty to do so until it is empty.
#[derive(Debug)]
pub struct Consumer<T> {
    queue: Arc<AdmissionQueue<T>>,
    finished: bool,
}

impl<T> Consumer<T> {
    /// Takes up to `max` items from the front, in order of arrival. Returns `None` if the queue is
    /// empty; this ends the consumption.
    pub fn take(&mut self, max: usize) -> Option<Vec<T>> {
        if self.finished {
            return None;
        }
        let mut state = self.queue.lock();
        if state.waiting.is_empty() {
            state.has_consumer = false;
            self.finished = true;
            return None;
        }
        let count = state.waiting.len().min(max);
        Some(state.waiting.drain(..count).collect())
    }
}

impl<T> Drop for Consumer<T> {
    /// After a consumer is dropped early, the next push makes its caller the consumer.
    fn drop(&mut self) {
        if !self.finished {
            self.queue.lock().has_consumer = false;
        }
    }
}
