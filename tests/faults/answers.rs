//! What the clients of a server were answered, and how long each of them waited.

use std::{
    collections::BTreeSet,
    sync::{Mutex, MutexGuard},
    time::{Duration, Instant},
};

use doorbuster::model::StrategyKey;

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// A purchase or a payment was accepted.
    Accepted,
    /// It was refused, and is sent again.
    Refused,
    /// It got no answer, and is sent again.
    Unanswered,
    /// The request was for something else, such as a page.
    Other,
}

#[derive(Debug)]
struct Request {
    sent: Instant,
    took: Duration,
    end: End,
}

/// An order that was acknowledged.
#[derive(Clone, Debug)]
struct Order {
    /// `None` if it was paid by card.
    strategy: Option<StrategyKey>,
    /// When its last request was sent, and when it was acknowledged.
    sent: Instant,
    at: Instant,
    id: String,
}

/// The answers of one fault; clients share them.
#[derive(Debug, Default)]
pub struct Answers(Mutex<Log>);

#[derive(Debug, Default)]
struct Log {
    requests: Vec<Request>,
    orders: Vec<Order>,
    /// Orders that the shop showed as paid.
    shown_as_paid: Vec<String>,
    /// Answers that no fault explains.
    wrong: Vec<String>,
    /// Purchases that were given up.
    given_up: Vec<String>,
    /// When a server was found ready, by a request that was sent at the first moment.
    ready: Vec<(Instant, Instant)>,
}

/// The figures of a row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    pub requests: usize,
    pub acknowledged: usize,
    pub refused: usize,
    pub unanswered: usize,
    pub slowest: Duration,
}

impl Answers {
    fn log(&self) -> MutexGuard<'_, Log> {
        self.0.lock().expect("no panic under this lock")
    }

    /// Records a request that ends now.
    pub fn ended(&self, sent: Instant, end: End) {
        let took = sent.elapsed();
        self.log().requests.push(Request { sent, took, end });
    }

    /// Records an order that was acknowledged by a request that was sent at `sent`.
    pub fn acknowledge(&self, strategy: Option<StrategyKey>, sent: Instant, id: String) {
        let at = Instant::now();
        self.log().orders.push(Order {
            strategy,
            sent,
            at,
            id,
        });
    }

    pub fn show_as_paid(&self, id: String) {
        self.log().shown_as_paid.push(id);
    }

    pub fn wrong(&self, answer: String) {
        self.log().wrong.push(answer);
    }

    pub fn give_up(&self, key: &str) {
        self.log().given_up.push(key.to_owned());
    }

    /// Records that a request that was sent at `sent` has found the server ready.
    pub fn ready(&self, sent: Instant) {
        self.log().ready.push((sent, Instant::now()));
    }

    /// The orders of express purchases. Each is there once: a key has one order.
    pub fn express_orders(&self) -> BTreeSet<String> {
        let log = self.log();
        let express = log.orders.iter().filter(|order| order.strategy.is_some());
        express.map(|order| order.id.clone()).collect()
    }

    /// All orders.
    pub fn orders(&self) -> BTreeSet<String> {
        let log = self.log();
        log.orders.iter().map(|order| order.id.clone()).collect()
    }

    pub fn shown_as_paid_ids(&self) -> BTreeSet<String> {
        self.log().shown_as_paid.iter().cloned().collect()
    }

    /// True if a purchase by this strategy that was sent after `since` is acknowledged.
    pub fn has_sold(&self, strategy: StrategyKey, since: Instant) -> bool {
        let log = self.log();
        let mut orders = log.orders.iter();
        orders.any(|order| order.strategy == Some(strategy) && order.sent >= since)
    }

    /// Returns how long after `since` the server was healthy: it had said that it is ready, and had
    /// sold, both to requests that were sent later.
    pub fn healthy_after(&self, since: Instant) -> Option<Duration> {
        let log = self.log();
        let ready = log.ready.iter().filter(|(sent, _)| *sent >= since);
        let ready = ready.map(|(_, at)| *at).min()?;
        let mut sold: Vec<_> = log.orders.iter().collect();
        sold.retain(|order| order.strategy.is_some() && order.sent >= since);
        let sold = sold.iter().map(|order| order.at).min()?;
        Some(ready.max(sold).saturating_duration_since(since))
    }

    /// Adds up what was answered after `since`.
    pub fn totals(&self, since: Instant) -> Totals {
        let log = self.log();
        let later = |request: &&Request| request.sent + request.took >= since;
        let mut totals = Totals {
            acknowledged: log.orders.iter().filter(|order| order.at >= since).count(),
            ..Totals::default()
        };
        for request in log.requests.iter().filter(later) {
            totals.slowest = totals.slowest.max(request.took);
            totals.requests += usize::from(request.end != End::Other);
            totals.refused += usize::from(request.end == End::Refused);
            totals.unanswered += usize::from(request.end == End::Unanswered);
        }
        totals
    }

    /// The answers that no fault explains, and the purchases that were given up.
    pub fn failures(&self) -> Vec<String> {
        let log = self.log();
        let given_up = log.given_up.first().map(|first| {
            let count = log.given_up.len();
            format!("{count} purchases were never answered, such as {first}")
        });
        let wrong = log.wrong.first().map(|first| {
            let count = log.wrong.len();
            format!("{count} answers were wrong, such as {first}")
        });
        given_up.into_iter().chain(wrong).collect()
    }
}

#[test]
fn answers_are_added_up_from_a_moment_on() {
    let (answers, begin) = (Answers::default(), Instant::now());
    answers.ended(begin, End::Refused);
    assert_eq!(answers.healthy_after(begin), None, "neither ready nor sold");
    answers.ready(begin);
    assert_eq!(answers.healthy_after(begin), None, "not sold");
    let later = Instant::now();
    for end in [End::Accepted, End::Refused, End::Unanswered, End::Other] {
        answers.ended(later, end);
    }
    answers.acknowledge(Some(StrategyKey::RowLock), later, "an order".to_owned());
    answers.acknowledge(None, later, "a paid order".to_owned());
    let totals = answers.totals(later);
    assert_eq!(
        (totals.requests, totals.acknowledged),
        (3, 2),
        "those from before do not count: {totals:?}"
    );
    assert_eq!((totals.refused, totals.unanswered), (1, 1));
    assert!(answers.healthy_after(begin).is_some());
    assert_eq!(answers.healthy_after(later), None, "asked before that");
    assert!(answers.has_sold(StrategyKey::RowLock, later));
    assert!(!answers.has_sold(StrategyKey::Optimistic, later));
    assert_eq!(answers.express_orders().len(), 1);
    assert_eq!(answers.orders().len(), 2);
    assert!(answers.failures().is_empty());
    answers.wrong("404 for an order".to_owned());
    answers.give_up("a key");
    assert_eq!(answers.failures().len(), 2);
}
