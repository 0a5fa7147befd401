//! The state of one subject (a run, a session, a set of products), made at most once per update
//! interval and shared by all of its viewers, together with the events that tell them about it.
//!
//! The first viewer who needs a newer state makes it. A viewer who has received every state gets
//! the shared events since the previous one; the others (new or slow ones) get events of their own.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak},
    time::Instant,
};

use axum::response::Response;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{
    Heartbeat, UPDATE_INTERVAL, Update, frame::Frame, stream_updates, stream_with_heartbeat,
    viewer::Viewer,
};

/// A state that viewers follow.
pub trait LiveState: Send + Sync + 'static {
    /// Returns the events for a viewer who has received nothing yet.
    fn whole(&self) -> Vec<Frame>;

    /// Returns the events for a viewer who has received `before`; none if nothing changed.
    fn since(&self, before: &Self) -> Vec<Frame>;

    /// Returns true if this state is final.
    fn is_last(&self) -> bool;
}

/// One state in the sequence of a subject.
#[derive(Debug)]
struct Tick<S> {
    number: u64,
    state: Arc<S>,
    previous: Option<Arc<S>>,
    /// The events of [`LiveState::whole`].
    whole: OnceLock<Vec<Frame>>,
    /// The events since `previous`.
    news: OnceLock<Vec<Frame>>,
}

impl<S: LiveState> Tick<S> {
    /// Returns the events for a viewer who has received the state `before`, with its number.
    fn frames(&self, before: Option<&(u64, Arc<S>)>) -> Vec<Frame> {
        match (before, &self.previous) {
            (None, _) => self.whole.get_or_init(|| self.state.whole()).clone(),
            (Some((number, _)), _) if *number == self.number => Vec::new(),
            (Some((number, _)), Some(previous)) if number + 1 == self.number => {
                let news = self.news.get_or_init(|| self.state.since(previous));
                news.clone()
            }
            (Some((_, before)), _) => self.state.since(before),
        }
    }
}

/// The latest state of a subject.
#[derive(Debug)]
pub struct Share<S>(Mutex<Option<Latest<S>>>);

#[derive(Debug)]
struct Latest<S> {
    /// The revision of the subject that the state was made from.
    revision: u64,
    at: Instant,
    tick: Arc<Tick<S>>,
}

impl<S> Default for Share<S> {
    fn default() -> Self {
        Self(Mutex::new(None))
    }
}

impl<S: LiveState> Share<S> {
    /// Returns the state of `revision`, or one that is younger than [`UPDATE_INTERVAL`], and then
    /// false. `make` makes a state, which may continue the previous one.
    fn tick(&self, revision: u64, make: impl FnOnce(Option<&S>) -> S) -> (Arc<Tick<S>>, bool) {
        let mut latest = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(latest) = &*latest {
            let is_current = latest.revision == revision;
            if is_current || latest.at.elapsed() < UPDATE_INTERVAL {
                return (Arc::clone(&latest.tick), is_current);
            }
        }
        let previous = latest.as_ref().map(|latest| &latest.tick);
        let tick = Arc::new(Tick {
            number: previous.map_or(0, |previous| previous.number + 1),
            state: Arc::new(make(previous.map(|previous| &*previous.state))),
            previous: previous.map(|previous| Arc::clone(&previous.state)),
            whole: OnceLock::new(),
            news: OnceLock::new(),
        });
        *latest = Some(Latest {
            revision,
            at: Instant::now(),
            tick: Arc::clone(&tick),
        });
        (tick, true)
    }

    /// Streams the states of the subject to one viewer, from the latest to the final one.
    pub fn follow(
        self: Arc<Self>,
        viewer: Viewer,
        changes: watch::Receiver<u64>,
        shutdown: CancellationToken,
        make: impl Fn(Option<&S>) -> S + Send + 'static,
    ) -> Response {
        let next = self.updates(changes.clone(), make);
        stream_updates(viewer, changes, shutdown, next)
    }

    /// Streams the states to anyone, as [`Share::follow`] does, with another heartbeat.
    pub(super) fn follow_with_heartbeat(
        self: Arc<Self>,
        changes: watch::Receiver<u64>,
        shutdown: CancellationToken,
        heartbeat: Heartbeat<impl Fn() -> Frame + Send + Sync + 'static>,
        make: impl Fn(Option<&S>) -> S + Send + 'static,
    ) -> Response {
        let next = self.updates(changes.clone(), make);
        stream_with_heartbeat(Viewer::Anyone, changes, shutdown, heartbeat, next)
    }

    /// Returns the function that makes the updates of one viewer.
    fn updates(
        self: Arc<Self>,
        revisions: watch::Receiver<u64>,
        make: impl Fn(Option<&S>) -> S + Send + 'static,
    ) -> impl FnMut() -> std::future::Ready<Update> + Send + 'static {
        let mut before = None;
        move || {
            let revision = *revisions.borrow();
            let (tick, is_current) = self.tick(revision, &make);
            let frames = tick.frames(before.as_ref());
            before = Some((tick.number, Arc::clone(&tick.state)));
            std::future::ready(Update {
                frames,
                is_last: tick.state.is_last(),
                is_outdated: !is_current,
            })
        }
    }
}

/// The subjects of one kind that have viewers.
#[derive(Debug)]
pub struct Shares<K, S>(Mutex<HashMap<K, Weak<Share<S>>>>);

impl<K, S> Default for Shares<K, S> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Eq + Hash, S> Shares<K, S> {
    /// Returns what all viewers of a subject share. It is dropped with its last viewer.
    pub fn of(&self, subject: K) -> Arc<Share<S>> {
        let mut shares = self.lock();
        if let Some(share) = shares.get(&subject).and_then(Weak::upgrade) {
            return share;
        }
        shares.retain(|_, share| share.strong_count() > 0);
        let share = Arc::new(Share::default());
        shares.insert(subject, Arc::downgrade(&share));
        share
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<K, Weak<Share<S>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::atomic::{AtomicUsize, Ordering},
        time::Duration,
    };

    use super::*;

    /// How often a state was made, and how often events were encoded.
    #[derive(Debug, Default)]
    struct Work {
        made: AtomicUsize,
        encoded: AtomicUsize,
    }

    struct Counter {
        value: u64,
        work: Arc<Work>,
    }

    impl Counter {
        fn frame(&self, event: &'static str, text: &str) -> Vec<Frame> {
            self.work.encoded.fetch_add(1, Ordering::Relaxed);
            vec![Frame::text(event, text)]
        }
    }

    impl LiveState for Counter {
        fn whole(&self) -> Vec<Frame> {
            self.frame("whole", &self.value.to_string())
        }

        fn since(&self, before: &Self) -> Vec<Frame> {
            self.frame("news", &(self.value - before.value).to_string())
        }

        fn is_last(&self) -> bool {
            false
        }
    }

    /// A viewer, as in [`Share::follow`].
    #[derive(Default)]
    struct Viewer(Option<(u64, Arc<Counter>)>);

    impl Viewer {
        fn receive(&mut self, tick: &Arc<Tick<Counter>>) -> String {
            let frames = tick.frames(self.0.as_ref());
            self.0 = Some((tick.number, Arc::clone(&tick.state)));
            let bytes = frames.into_iter().flat_map(|frame| frame.bytes().to_vec());
            String::from_utf8(bytes.collect()).unwrap_or_default()
        }
    }

    struct Subject {
        share: Share<Counter>,
        work: Arc<Work>,
    }

    impl Subject {
        fn new() -> Self {
            Self {
                share: Share::default(),
                work: Arc::default(),
            }
        }

        /// The state of `revision`, when the latest one is too old to be reused.
        fn tick(&self, revision: u64) -> Arc<Tick<Counter>> {
            let now = Instant::now();
            self.set_latest_at(now.checked_sub(UPDATE_INTERVAL).unwrap_or(now));
            self.any_tick(revision).0
        }

        fn set_latest_at(&self, at: Instant) {
            let mut latest = self.share.0.lock().expect("no panic under this lock");
            if let Some(latest) = &mut *latest {
                latest.at = at;
            }
        }

        fn any_tick(&self, revision: u64) -> (Arc<Tick<Counter>>, bool) {
            self.share.tick(revision, |_| {
                self.work.made.fetch_add(1, Ordering::Relaxed);
                Counter {
                    value: revision,
                    work: Arc::clone(&self.work),
                }
            })
        }

        fn work(&self) -> (usize, usize) {
            let Work { made, encoded } = &*self.work;
            (
                made.load(Ordering::Relaxed),
                encoded.load(Ordering::Relaxed),
            )
        }
    }

    #[test]
    fn three_hundred_viewers_cost_as_much_as_one() {
        let subject = Subject::new();
        let mut viewers: Vec<Viewer> = (0..300).map(|_| Viewer::default()).collect();
        for (revision, expected) in [
            (4, "event: whole\ndata: 4\n\n"),
            (5, "event: news\ndata: 1\n\n"),
            (9, "event: news\ndata: 4\n\n"),
            (9, ""),
        ] {
            for viewer in &mut viewers {
                assert_eq!(viewer.receive(&subject.tick(revision)), expected);
            }
        }
        assert_eq!(subject.work(), (3, 3));
    }

    #[test]
    fn a_viewer_who_missed_states_gets_all_their_changes() {
        let subject = Subject::new();
        let (mut slow, mut late) = (Viewer::default(), Viewer::default());
        slow.receive(&subject.tick(1));
        subject.tick(2);
        subject.tick(3);
        assert_eq!(slow.receive(&subject.tick(5)), "event: news\ndata: 4\n\n");
        assert_eq!(late.receive(&subject.tick(5)), "event: whole\ndata: 5\n\n");
    }

    /// The viewer asks again, so that it does not miss the newer state.
    #[test]
    fn a_young_state_is_reused_and_marked_as_outdated() {
        let subject = Subject::new();
        assert!(subject.any_tick(1).1);
        subject.set_latest_at(Instant::now() + Duration::from_secs(60));
        let (tick, is_current) = subject.any_tick(2);
        assert_eq!((tick.state.value, is_current), (1, false));
        assert_eq!(subject.tick(2).state.value, 2);
    }

    #[test]
    fn a_share_is_dropped_with_its_last_viewer() {
        let shares: Shares<u64, Counter> = Shares::default();
        let (one, other) = (shares.of(1), shares.of(1));
        assert!(Arc::ptr_eq(&one, &other));
        drop((one, other));
        let _next = shares.of(2);
        assert_eq!(shares.lock().len(), 1, "the first is forgotten");
    }
}
