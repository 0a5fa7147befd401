//! The figures that *Health* shows: what each is, what is normal, and where the incident guide says
//! what to do.

mod table;

pub use table::FIGURES;

use super::observed::{Interval, Observed};

/// What a figure is counted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    PerSecond,
    Seconds,
    Hours,
    Percent,
    Number,
}

/// A figure.
#[derive(Debug)]
pub struct Figure {
    /// The id of its panel on the page.
    pub id: &'static str,
    pub group: Group,
    pub title: &'static str,
    pub unit: Unit,
    /// What is normal, in a sentence.
    pub normal: &'static str,
    /// A higher value needs attention.
    pub limit: Option<f64>,
    /// The section of the incident guide.
    pub guide: &'static str,
    /// The metric in `/metrics` from which it is counted.
    pub metric: &'static str,
    value: fn(&Interval<'_>) -> Option<f64>,
}

/// A part of the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    Selling,
    Work,
    Proof,
    Database,
    Server,
}

impl Group {
    pub const ALL: [Self; 5] = [
        Self::Selling,
        Self::Work,
        Self::Proof,
        Self::Database,
        Self::Server,
    ];

    pub const fn title(self) -> &'static str {
        match self {
            Self::Selling => "Selling",
            Self::Work => "Work that is due",
            Self::Proof => "Audit",
            Self::Database => "Database",
            Self::Server => "This server",
        }
    }
}

/// The values of all figures at one moment, in the order of [`FIGURES`]; `None` where a value is
/// unknown.
pub type Sample = [Option<f64>; FIGURE_COUNT];

const FIGURE_COUNT: usize = 38;

/// Returns the higher value of each figure.
pub fn highest(one: &Sample, other: &Sample) -> Sample {
    std::array::from_fn(|index| match (one[index], other[index]) {
        (Some(one), Some(other)) => Some(one.max(other)),
        (one, other) => one.or(other),
    })
}

/// Returns the values of all figures at `now`, and the rates since `before`.
pub fn sample(now: &Observed, before: Option<&Observed>) -> Sample {
    let interval = Interval { now, before };
    std::array::from_fn(|index| (FIGURES[index].value)(&interval))
}

/// Returns the figures that need attention.
pub fn abnormal(sample: &Sample) -> Vec<&'static Figure> {
    let figures = FIGURES.iter().zip(sample);
    let abnormal =
        figures.filter(|(figure, value)| value.is_some_and(|value| figure.is_abnormal(value)));
    abnormal.map(|(figure, _)| figure).collect()
}

impl Figure {
    /// Returns true if a value needs attention.
    pub fn is_abnormal(&self, value: f64) -> bool {
        self.limit.is_some_and(|limit| value > limit)
    }
}

impl Unit {
    /// Formats a value with its unit.
    pub fn format(self, value: f64) -> String {
        let digits = match value.abs() {
            zero if zero < f64::EPSILON => 0,
            small if small < 0.1 => 3,
            small if small < 10.0 && self != Self::Number => 1,
            _ => 0,
        };
        let number = format!("{value:.digits$}");
        match self {
            Self::PerSecond => format!("{number}/s"),
            Self::Seconds => format!("{number} s"),
            Self::Hours => format!("{number} h"),
            Self::Percent => format!("{value:.0} %"),
            Self::Number => number,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::Arc,
        time::{Duration, Instant},
    };

    use super::*;
    use crate::{
        metrics::HistogramSnapshot,
        shop::{inventory::order_queue::QueueState, operation::ShopFigures},
        web::health::{protection::Protection, queried::Queried},
    };

    fn observed(at: Instant, successes: u64) -> Observed {
        Observed {
            at,
            successes,
            refused: 0,
            failed: 0,
            durations: HistogramSnapshot::default(),
            fallbacks: 0,
            retries: 0,
            deadlocks: 0,
            full_disks: 0,
            lock_wait_us: successes * 1_000_000,
            events_lost: 0,
            log_lines_lost: 0,
            protection: Protection::default(),
            heartbeat_age: None,
            queue_depth: 0.0,
            connections_percent: 50.0,
            waiting: 0.0,
            streams: 3.0,
            queried: None,
        }
    }

    fn value_of(sample: &Sample, id: &str) -> Option<f64> {
        let index = FIGURES.iter().position(|figure| figure.id == id);
        sample[index.expect("a figure")]
    }

    #[test]
    fn rates_are_counted_between_two_samples() {
        let start = Instant::now();
        let (before, after) = (
            observed(start, 10),
            observed(start + Duration::from_secs(10), 60),
        );
        let first = sample(&before, None);
        assert_eq!(value_of(&first, "sales"), None);
        assert_eq!(value_of(&first, "streams"), Some(3.0));
        let second = sample(&after, Some(&before));
        assert_eq!(value_of(&second, "sales"), Some(5.0));
        assert_eq!(value_of(&second, "lock-wait"), Some(5.0));
        assert_eq!(value_of(&second, "duration"), None, "nothing was bought");
        assert_eq!(value_of(&second, "violations"), None, "nothing was read");
    }

    fn ids_of_abnormal(sample: &Sample) -> Vec<&'static str> {
        abnormal(sample).iter().map(|figure| figure.id).collect()
    }

    #[test]
    fn what_waits_to_leave_the_shop_has_figures() {
        let queried = Queried {
            at: Instant::now(),
            shop: ShopFigures {
                events_waiting: 7,
                oldest_event_us: 301_000_000,
                ..ShopFigures::default()
            },
            load: None,
            clocks_apart: None,
            continuous_audit: None,
            full_audit: None,
            order_queue: None,
        };
        let mut now = observed(Instant::now(), 0);
        now.queried = Some(Arc::new(queried.clone()));
        let without_redis = sample(&now, None);
        assert_eq!(value_of(&without_redis, "outbox"), Some(7.0));
        assert_eq!(ids_of_abnormal(&without_redis), ["outbox-age"]);
        assert_eq!(value_of(&without_redis, "order-queue"), None);

        now.queried = Some(Arc::new(Queried {
            clocks_apart: Some(time::Duration::HOUR),
            order_queue: Some(QueueState {
                waiting: 3,
                dead_letters: 1,
                oldest: Duration::from_secs(121),
                ..QueueState::default()
            }),
            ..queried
        }));
        let sample = sample(&now, None);
        assert_eq!(value_of(&sample, "order-queue"), Some(3.0));
        assert_eq!(
            ids_of_abnormal(&sample),
            ["outbox-age", "order-queue-age", "dead-letters", "clock"]
        );
    }

    #[test]
    fn what_protects_a_server_has_figures() {
        let start = Instant::now();
        let before = observed(start, 0);
        let now = Observed {
            fallbacks: 20,
            full_disks: 1,
            events_lost: 1,
            log_lines_lost: 1,
            protection: Protection {
                breakers_not_closed: 1,
                breaker_openings: 1,
                requests_refused: 5,
                paying_refused: 1,
                retries_refused: 1,
            },
            heartbeat_age: Some(Duration::from_secs(16)),
            ..observed(start + Duration::from_secs(10), 0)
        };
        let sample = sample(&now, Some(&before));
        assert_eq!(value_of(&sample, "admission"), Some(0.5));
        let expected = [
            "fallbacks",
            "events-lost",
            "retries-refused",
            "disk-full",
            "not-visible",
            "heartbeat",
            "log",
            "breakers",
            "breaker-openings",
            "paying-refused",
        ];
        assert_eq!(ids_of_abnormal(&sample), expected);
    }

    #[test]
    fn the_highest_value_is_kept_also_beside_unknown_ones() {
        let (mut one, mut other): (Sample, Sample) = ([None; FIGURE_COUNT], [None; FIGURE_COUNT]);
        (one[0], other[0], other[1]) = (Some(1.0), Some(2.0), Some(3.0));
        let merged = highest(&one, &other);
        assert_eq!(merged[..3], [Some(2.0), Some(3.0), None]);
    }

    #[test]
    fn values_have_their_unit_and_few_digits() {
        for (unit, value, text) in [
            (Unit::PerSecond, 0.0, "0/s"),
            (Unit::PerSecond, 1_234.5, "1234/s"),
            (Unit::Seconds, 0.012, "0.012 s"),
            (Unit::Seconds, 2.34, "2.3 s"),
            (Unit::Hours, 23.6, "24 h"),
            (Unit::Percent, 93.75, "94 %"),
            (Unit::Number, 7.0, "7"),
        ] {
            assert_eq!(unit.format(value), text);
        }
    }

    #[test]
    fn each_figure_has_an_id_of_its_own_and_each_group_has_figures() {
        let mut ids: Vec<_> = FIGURES.iter().map(|figure| figure.id).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), FIGURES.len());
        for group in Group::ALL {
            assert!(
                FIGURES.iter().any(|figure| figure.group == group),
                "{group:?}"
            );
        }
    }
}
