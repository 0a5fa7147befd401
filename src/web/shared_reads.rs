//! Reads that many requests share: while one of them reads, the others wait for its result, and the
//! result serves all that come within a short time. Only for what is the same for all shoppers.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use crate::model::ShopError;

/// Shared reads of values `V` by key.
#[derive(Debug)]
pub struct SharedReads<K, V> {
    max_age: Duration,
    /// Reads of further keys are not shared.
    entries_max: usize,
    entries: Mutex<HashMap<K, Arc<Entry<V>>>>,
}

#[derive(Debug)]
struct Entry<V> {
    last: Mutex<Option<Reading<V>>>,
    /// Held by the request that reads.
    turn: tokio::sync::Mutex<()>,
}

#[derive(Clone, Debug)]
struct Reading<V> {
    started: Instant,
    ended: Instant,
    result: Result<V, ShopError>,
}

impl<V: Clone> Reading<V> {
    /// A value must be younger than `max_age` when the request arrives. An error serves all who
    /// waited for it: while the database is unavailable, they must not ask it one after the other.
    fn serves(&self, arrived: Instant, max_age: Duration) -> bool {
        match &self.result {
            Ok(_) => self.started + max_age >= arrived,
            Err(_) => self.ended >= arrived,
        }
    }
}

impl<K: Clone + Eq + Hash, V: Clone> SharedReads<K, V> {
    /// Creates shared reads whose values were read at most `max_age` before a request arrives. The
    /// keys of successful reads are kept, so there must be a limited number of them.
    pub fn new(max_age: Duration) -> Self {
        Self::bounded(max_age, usize::MAX)
    }

    /// The same for keys that anyone can invent: at most `entries_max` of them are kept.
    pub fn bounded(max_age: Duration, entries_max: usize) -> Self {
        Self {
            max_age,
            entries_max,
            entries: Mutex::default(),
        }
    }

    /// Returns a value that is young enough, or calls `read`.
    ///
    /// # Errors
    /// The error of the read.
    pub async fn get<F>(&self, key: &K, read: impl FnOnce() -> F) -> Result<V, ShopError>
    where
        F: Future<Output = Result<V, ShopError>>,
    {
        let arrived = Instant::now();
        // Dropped last, when this request no longer has the entry.
        let _leaving = Leaving { reads: self, key };
        let entry = self.entry(key);
        if let Some(result) = entry.serve(arrived, self.max_age) {
            return result;
        }
        let _turn = entry.turn.lock().await;
        if let Some(result) = entry.serve(arrived, self.max_age) {
            return result;
        }
        let started = Instant::now();
        let result = read().await;
        if result.is_err() {
            // Nothing is kept for keys that do not exist: anyone can invent them.
            self.lock().remove(key);
        }
        *entry.lock() = Some(Reading {
            started,
            ended: Instant::now(),
            result: result.clone(),
        });
        result
    }

    fn entry(&self, key: &K) -> Arc<Entry<V>> {
        let mut entries = self.lock();
        match entries.get(key) {
            Some(entry) => Arc::clone(entry),
            None => {
                let entry = Arc::new(Entry {
                    last: Mutex::default(),
                    turn: tokio::sync::Mutex::default(),
                });
                if entries.len() >= self.entries_max {
                    let now = Instant::now();
                    entries.retain(|_, entry| entry.is_needed(now, self.max_age));
                }
                if entries.len() < self.entries_max {
                    entries.insert(key.clone(), Arc::clone(&entry));
                }
                entry
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<K, Arc<Entry<V>>>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request that leaves, perhaps before its read has ended. The last one removes an entry without
/// a value: a client that invents a key and goes away must not leave the key behind.
struct Leaving<'a, K: Clone + Eq + Hash, V: Clone> {
    reads: &'a SharedReads<K, V>,
    key: &'a K,
}

impl<K: Clone + Eq + Hash, V: Clone> Drop for Leaving<'_, K, V> {
    fn drop(&mut self) {
        let mut entries = self.reads.lock();
        let is_left_empty = entries
            .get(self.key)
            .is_some_and(|entry| Arc::strong_count(entry) == 1 && entry.lock().is_none());
        if is_left_empty {
            entries.remove(self.key);
        }
    }
}

impl<V: Clone> Entry<V> {
    fn serve(&self, arrived: Instant, max_age: Duration) -> Option<Result<V, ShopError>> {
        let last = self.lock();
        let reading = last.as_ref()?;
        reading
            .serves(arrived, max_age)
            .then(|| reading.result.clone())
    }

    /// True if a request reads the value, or if it is young enough for another one.
    fn is_needed(self: &Arc<Self>, now: Instant, max_age: Duration) -> bool {
        Arc::strong_count(self) > 1 || self.serve(now, max_age).is_some()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Reading<V>>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use futures::future::join_all;
    use tokio::sync::Notify;

    use super::*;

    const LONG: Duration = Duration::from_secs(3_600);

    fn unavailable() -> ShopError {
        ShopError::Busy { retry_after_s: 1 }
    }

    #[tokio::test]
    async fn requests_that_arrive_during_a_read_share_it() {
        let (reads, begun, go_on) = (SharedReads::new(LONG), Notify::new(), Notify::new());
        let count = AtomicU32::new(0);
        let read = || async {
            begun.notify_one();
            go_on.notified().await;
            Ok(count.fetch_add(1, Ordering::Relaxed))
        };
        let requests = join_all((0..50).map(|_| reads.get(&"all", read)));
        let release = async {
            begun.notified().await;
            go_on.notify_one();
        };
        let (results, ()) = tokio::join!(requests, release);
        assert_eq!(results, vec![Ok(0); 50]);
        assert_eq!(count.into_inner(), 1);
    }

    #[tokio::test]
    async fn a_value_that_is_too_old_is_read_again() {
        let reads = SharedReads::new(Duration::ZERO);
        for expected in 0..3 {
            assert_eq!(reads.get(&1, || async { Ok(expected) }).await, Ok(expected));
        }
        let reads = SharedReads::new(LONG);
        for value in 0..3 {
            assert_eq!(reads.get(&1, || async { Ok(value) }).await, Ok(0));
        }
    }

    #[tokio::test]
    async fn an_error_serves_those_who_waited_and_is_not_kept() {
        let reads = SharedReads::new(LONG);
        let count = AtomicU32::new(0);
        let read = || async {
            tokio::task::yield_now().await;
            count.fetch_add(1, Ordering::Relaxed);
            Err::<u32, _>(unavailable())
        };
        let results = join_all((0..20).map(|_| reads.get(&"absent", read))).await;
        assert_eq!(results, vec![Err(unavailable()); 20]);
        assert_eq!(count.into_inner(), 1);
        assert!(reads.lock().is_empty());
        assert_eq!(reads.get(&"absent", || async { Ok(7) }).await, Ok(7));
    }

    #[tokio::test]
    async fn invented_keys_do_not_fill_the_memory() {
        let reads = SharedReads::bounded(Duration::ZERO, 4);
        for key in 0..100 {
            assert_eq!(reads.get(&key, || async { Ok(key) }).await, Ok(key));
            assert!(reads.lock().len() <= 4, "{key}");
        }
        // Values that are young enough stay, and a further key is read every time.
        let reads = SharedReads::bounded(LONG, 4);
        for round in 0..2 {
            for key in 0..6 {
                let read = reads.get(&key, || async { Ok(round) }).await;
                assert_eq!(read, Ok(if key < 4 { 0 } else { round }), "{key}");
            }
        }
        assert_eq!(reads.lock().len(), 4);
    }

    #[tokio::test]
    async fn a_request_that_leaves_during_its_read_does_not_block_the_others() {
        let reads = SharedReads::new(LONG);
        let never = reads.get(&1, || async {
            std::future::pending::<()>().await;
            Ok(1)
        });
        assert!(futures::FutureExt::now_or_never(never).is_none());
        assert_eq!(reads.get(&1, || async { Ok(2) }).await, Ok(2));
    }

    #[tokio::test]
    async fn requests_that_leave_during_a_read_leave_no_key_behind() {
        let reads = SharedReads::new(LONG);
        let never = || reads.get(&"invented", std::future::pending::<Result<u32, _>>);
        {
            let (mut reader, mut waiter) = (Box::pin(never()), Box::pin(never()));
            assert!(futures::poll!(&mut reader).is_pending());
            assert!(futures::poll!(&mut waiter).is_pending());
            drop(reader);
            assert_eq!(reads.lock().len(), 1, "the other one still reads");
        }
        assert!(reads.lock().is_empty());
        assert_eq!(reads.get(&"kept", || async { Ok(7) }).await, Ok(7));
        assert_eq!(reads.lock().len(), 1);
    }
}
