//! The admission queue: single-threaded, and under a model checker that tries thousands of
//! schedules.
//!
//! The second half compiles the queue's own source again, with shuttle's lock instead of the
//! standard one.

use doorbuster::shop::inventory::admission_queue::{AdmissionQueue, Consumer, PushResult};

fn first(result: PushResult<u32>) -> Consumer<u32> {
    match result {
        PushResult::Consumer(consumer) => consumer,
        other => panic!("there is no consumer yet, and the result is {other:?}"),
    }
}

#[test]
fn items_that_arrive_meanwhile_are_taken_together_in_order() {
    let queue = AdmissionQueue::new(10);
    let mut consumer = first(queue.push(1));
    assert!(matches!(queue.push(2), PushResult::Queued));
    assert_eq!(consumer.take(10), Some(vec![1, 2]));
    for item in 3..=5 {
        assert!(matches!(queue.push(item), PushResult::Queued));
    }
    assert_eq!(consumer.take(2), Some(vec![3, 4]));
    assert_eq!(consumer.take(2), Some(vec![5]));
    assert_eq!(consumer.take(2), None);
    assert!(
        matches!(queue.push(6), PushResult::Consumer(_)),
        "a new consumer"
    );
}

#[test]
fn a_full_queue_returns_the_item() {
    let queue = AdmissionQueue::new(1);
    let mut consumer = first(queue.push(1));
    assert!(matches!(queue.push(2), PushResult::Full(2)));
    assert_eq!(consumer.take(5), Some(vec![1]));
    assert!(matches!(queue.push(3), PushResult::Queued));
}

#[test]
fn a_dropped_consumer_is_replaced() {
    let queue = AdmissionQueue::new(10);
    drop(queue.push(1));
    let mut consumer = first(queue.push(2));
    assert_eq!(consumer.take(5), Some(vec![1, 2]));
}

mod sync {
    pub use shuttle::sync::{Mutex, MutexGuard};
    pub use std::sync::PoisonError;
}

#[allow(dead_code, reason = "the schedules use only a part of it")]
#[path = "../../src/shop/inventory/admission_queue.rs"]
mod admission_queue;

mod schedules {
    use shuttle::{
        sync::{
            Arc, Mutex,
            atomic::{AtomicUsize, Ordering},
        },
        thread,
    };

    use super::admission_queue::{AdmissionQueue, Consumer, PushResult};

    const SCHEDULES: usize = 20_000;
    const PRODUCERS: u32 = 3;
    const ITEMS_EACH: u32 = 2;

    #[derive(Default)]
    struct Seen {
        /// The items in the order in which they were consumed.
        consumed: Mutex<Vec<u32>>,
        consumers: AtomicUsize,
        rejected: AtomicUsize,
    }

    fn consume(mut consumer: Consumer<u32>, seen: &Seen, max: usize) {
        assert_eq!(
            seen.consumers.fetch_add(1, Ordering::SeqCst),
            0,
            "one consumer at a time"
        );
        while let Some(batch) = {
            // The consumer may end here, and another one begin.
            seen.consumers.fetch_sub(1, Ordering::SeqCst);
            let batch = consumer.take(max);
            if batch.is_some() {
                assert_eq!(seen.consumers.fetch_add(1, Ordering::SeqCst), 0);
            }
            batch
        } {
            assert!(!batch.is_empty() && batch.len() <= max);
            thread::yield_now();
            seen.consumed.lock().expect("no panic").extend(batch);
        }
    }

    /// Producers that consume when there is no consumer. No item is left in the queue, no item is
    /// consumed twice, and each producer's items are consumed in the order in which they were
    /// pushed.
    fn each_item_is_consumed_once(capacity: usize) {
        let queue = AdmissionQueue::new(capacity);
        let seen = Arc::new(Seen::default());
        let producers: Vec<_> = (0..PRODUCERS)
            .map(|producer| {
                let (queue, seen) = (std::sync::Arc::clone(&queue), Arc::clone(&seen));
                thread::spawn(move || {
                    for item in 0..ITEMS_EACH {
                        match queue.push(producer * ITEMS_EACH + item) {
                            PushResult::Consumer(consumer) => consume(consumer, &seen, 2),
                            PushResult::Queued => {}
                            PushResult::Full(_) => {
                                seen.rejected.fetch_add(1, Ordering::SeqCst);
                            }
                        }
                    }
                })
            })
            .collect();
        for producer in producers {
            producer.join().expect("no panic");
        }
        assert!(queue.is_empty(), "items are left in the queue");
        let consumed = seen.consumed.lock().expect("no panic").clone();
        let rejected = seen.rejected.load(Ordering::SeqCst);
        assert_eq!(consumed.len() + rejected, (PRODUCERS * ITEMS_EACH) as usize);
        let mut once = consumed.clone();
        once.sort_unstable();
        once.dedup();
        assert_eq!(once.len(), consumed.len(), "consumed twice: {consumed:?}");
        for producer in 0..PRODUCERS {
            let own: Vec<_> = consumed
                .iter()
                .filter(|item| **item / ITEMS_EACH == producer)
                .collect();
            assert!(own.is_sorted(), "out of order: {consumed:?}");
        }
    }

    #[test]
    fn no_item_is_lost_in_twenty_thousand_random_schedules() {
        shuttle::check_random(|| each_item_is_consumed_once(100), SCHEDULES);
    }

    #[test]
    fn a_queue_that_fills_up_rejects_items_and_loses_none() {
        shuttle::check_random(|| each_item_is_consumed_once(2), SCHEDULES);
    }

    /// With few switches between threads, the kind of schedule that real machines run.
    #[test]
    fn no_item_is_lost_when_switches_are_rare() {
        shuttle::check_pct(|| each_item_is_consumed_once(100), SCHEDULES, 3);
    }
}
