//! The line in front of the batch's writer: by hand, and under a model checker that tries thousands of schedules.
//!
//! The second half compiles the line's own source once more, with shuttle's lock in place of the standard one.

use doorbuster::shop::inventory::waiting_line::{Joined, Turn, WaitingLine};

fn first(joined: Joined<u32>) -> Turn<u32> {
    match joined {
        Joined::First(turn) => turn,
        other => panic!("nobody serves yet, and {other:?}"),
    }
}

#[test]
fn what_comes_meanwhile_is_taken_together_and_in_order() {
    let line = WaitingLine::new(10);
    let mut turn = first(line.join(1));
    assert!(matches!(line.join(2), Joined::Behind));
    assert_eq!(turn.take(10), Some(vec![1, 2]));
    for item in 3..=5 {
        assert!(matches!(line.join(item), Joined::Behind));
    }
    assert_eq!(turn.take(2), Some(vec![3, 4]));
    assert_eq!(turn.take(2), Some(vec![5]));
    assert_eq!(turn.take(2), None);
    assert!(matches!(line.join(6), Joined::First(_)), "a new turn");
}

#[test]
fn a_full_line_gives_back() {
    let line = WaitingLine::new(1);
    let mut turn = first(line.join(1));
    assert!(matches!(line.join(2), Joined::Full(2)));
    assert_eq!(turn.take(5), Some(vec![1]));
    assert!(matches!(line.join(3), Joined::Behind));
}

#[test]
fn a_server_that_leaves_early_is_relieved() {
    let line = WaitingLine::new(10);
    drop(line.join(1));
    let mut turn = first(line.join(2));
    assert_eq!(turn.take(5), Some(vec![1, 2]));
}

mod sync {
    pub use shuttle::sync::{Mutex, MutexGuard};
    pub use std::sync::PoisonError;
}

#[allow(dead_code, reason = "the schedules use a part of it")]
#[path = "../../src/shop/inventory/waiting_line.rs"]
mod waiting_line;

mod schedules {
    use shuttle::{
        sync::{
            Arc, Mutex,
            atomic::{AtomicUsize, Ordering},
        },
        thread,
    };

    use super::waiting_line::{Joined, Turn, WaitingLine};

    const SCHEDULES: usize = 20_000;
    const JOINERS: u32 = 3;
    const ITEMS_EACH: u32 = 2;

    #[derive(Default)]
    struct Seen {
        /// In the order in which they were served.
        served: Mutex<Vec<u32>>,
        servers: AtomicUsize,
        refused: AtomicUsize,
    }

    fn serve(mut turn: Turn<u32>, seen: &Seen, at_most: usize) {
        assert_eq!(
            seen.servers.fetch_add(1, Ordering::SeqCst),
            0,
            "one server at a time"
        );
        while let Some(batch) = {
            // The turn may end in here, and another server begin.
            seen.servers.fetch_sub(1, Ordering::SeqCst);
            let batch = turn.take(at_most);
            if batch.is_some() {
                assert_eq!(seen.servers.fetch_add(1, Ordering::SeqCst), 0);
            }
            batch
        } {
            assert!(!batch.is_empty() && batch.len() <= at_most);
            thread::yield_now();
            seen.served.lock().expect("no panic").extend(batch);
        }
    }

    /// Joiners who serve themselves where nobody does. Nobody is left waiting, nobody is served twice, and each joiner's items are served in
    /// the order in which they joined.
    fn everybody_is_served_once(capacity: usize) {
        let line = WaitingLine::new(capacity);
        let seen = Arc::new(Seen::default());
        let joiners: Vec<_> = (0..JOINERS)
            .map(|joiner| {
                let (line, seen) = (std::sync::Arc::clone(&line), Arc::clone(&seen));
                thread::spawn(move || {
                    for item in 0..ITEMS_EACH {
                        match line.join(joiner * ITEMS_EACH + item) {
                            Joined::First(turn) => serve(turn, &seen, 2),
                            Joined::Behind => {}
                            Joined::Full(_) => drop(seen.refused.fetch_add(1, Ordering::SeqCst)),
                        }
                    }
                })
            })
            .collect();
        for joiner in joiners {
            joiner.join().expect("no panic");
        }
        assert!(line.is_empty(), "somebody still waits");
        let served = seen.served.lock().expect("no panic").clone();
        let refused = seen.refused.load(Ordering::SeqCst);
        assert_eq!(served.len() + refused, (JOINERS * ITEMS_EACH) as usize);
        let mut once = served.clone();
        once.sort_unstable();
        once.dedup();
        assert_eq!(once.len(), served.len(), "served twice: {served:?}");
        for joiner in 0..JOINERS {
            let own: Vec<_> = served
                .iter()
                .filter(|item| **item / ITEMS_EACH == joiner)
                .collect();
            assert!(own.is_sorted(), "out of order: {served:?}");
        }
    }

    #[test]
    fn nobody_is_forgotten_in_twenty_thousand_random_schedules() {
        shuttle::check_random(|| everybody_is_served_once(100), SCHEDULES);
    }

    #[test]
    fn a_line_that_fills_up_refuses_and_forgets_nobody() {
        shuttle::check_random(|| everybody_is_served_once(2), SCHEDULES);
    }

    /// With few switches between threads, the kind of schedule that real machines run.
    #[test]
    fn nobody_is_forgotten_when_switches_are_rare() {
        shuttle::check_pct(|| everybody_is_served_once(100), SCHEDULES, 3);
    }
}
