//! The metrics of a server as Prometheus reads them, and how a fault moves one of them.

use std::fmt;

/// The values of all series at one moment.
#[derive(Clone, Debug, Default)]
pub struct Scrape(Vec<Sample>);

#[derive(Clone, Debug)]
struct Sample {
    name: String,
    labels: Vec<(String, String)>,
    value: f64,
}

impl Scrape {
    /// Reads the text format. A line that is not a series with a value is ignored.
    pub fn parse(text: &str) -> Self {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        Self(lines.filter_map(Sample::parse).collect())
    }

    /// Adds up the series that match; 0 if there are none, as before the first event of a counter.
    fn sum(&self, series: Series) -> f64 {
        let matching = self.0.iter().filter(|sample| series.matches(sample));
        matching.map(|sample| sample.value).sum()
    }
}

impl Sample {
    fn parse(line: &str) -> Option<Self> {
        let (series, value) = line.rsplit_once(' ')?;
        let (name, labels) = series.split_once('{').unwrap_or((series, ""));
        let labels = labels.trim_end_matches('}').split("\",");
        let labels = labels.filter_map(|label| label.split_once("=\""));
        Some(Self {
            name: name.to_owned(),
            labels: labels
                .map(|(label, text)| (label.to_owned(), text.trim_end_matches('"').to_owned()))
                .collect(),
            value: value.parse().ok()?,
        })
    }
}

/// All series of a name whose labels have one of these values; other labels may have any value.
#[derive(Clone, Copy, Debug)]
pub struct Series {
    pub name: &'static str,
    pub labels: &'static [(&'static str, &'static [&'static str])],
}

impl Series {
    fn matches(self, sample: &Sample) -> bool {
        self.name == sample.name
            && self.labels.iter().all(|(wanted, values)| {
                let mut labels = sample.labels.iter();
                labels.any(|(label, value)| label == wanted && values.contains(&value.as_str()))
            })
    }
}

/// Writes it as Prometheus' query language does.
impl fmt::Display for Series {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let labels = self.labels.iter().map(|(label, values)| match values {
            [value] => format!("{label}=\"{value}\""),
            values => format!("{label}=~\"{}\"", values.join("\\|")),
        });
        let labels: Vec<_> = labels.collect();
        f.write_str(self.name)?;
        match labels.as_slice() {
            [] => Ok(()),
            labels => write!(f, "{{{}}}", labels.join(",")),
        }
    }
}

/// How a value changes because of a fault.
#[derive(Clone, Copy, Debug)]
pub enum Change {
    /// It is higher at any moment of the fault or after it.
    Grows,
    /// It is higher after the fault, when no request is in progress.
    StaysHigher,
    /// It is lower at any moment.
    Falls,
    /// It is so high at any moment.
    Reaches(f64),
}

/// A sum of series, and its change.
#[derive(Clone, Copy, Debug)]
pub struct Metric {
    /// Each with its factor.
    pub terms: &'static [(f64, Series)],
    pub change: Change,
}

/// Writes a [`Metric`]: its change, and each series with its factor and the values of its labels.
macro_rules! metric {
    ($change:expr; $($factor:literal * $name:literal {
        $($label:literal: $($value:literal)|+),*
    })+) => {
        $crate::faults::metrics::Metric {
            terms: &[$((
                $factor,
                $crate::faults::metrics::Series {
                    name: $name,
                    labels: &[$(($label, &[$($value),+])),*],
                },
            )),+],
            change: $change,
        }
    };
}

pub(super) use metric;

impl Metric {
    pub const PURCHASES: Self = metric!(Change::Grows;
        1.0 * "doorbuster_checkout_successes_total" { "journey": "express" }
    );
    pub const DATABASE_BREAKER: Self = metric!(Change::Grows;
        1.0 * "doorbuster_breaker_openings_total" { "breaker": "database" }
    );
    /// Transactions whose connection was lost or whose session was ended.
    pub const LOST_CONNECTIONS: Self = metric!(Change::Grows;
        1.0 * "doorbuster_transaction_rollbacks_total" {
            "sqlstate": "08006" | "57P01" | "57P02" | "unknown"
        }
    );
    /// Transactions that were given up while they waited for the database.
    pub const MISSED_DEADLINES: Self = metric!(Change::Grows;
        1.0 * "doorbuster_transaction_rollbacks_total" { "sqlstate": "deadline" | "unknown" }
    );
    /// Purchases by `row-lock` that took longer than a second.
    pub const SLOW_PURCHASES: Self = metric!(Change::Grows;
        1.0 * "doorbuster_transaction_duration_seconds_count" { "transaction": "row-lock" }
        -1.0 * "doorbuster_transaction_duration_seconds_bucket" {
            "transaction": "row-lock", "le": "1"
        }
    );

    /// Returns the value at one moment.
    pub fn value(&self, scrape: &Scrape) -> f64 {
        let terms = self.terms.iter();
        terms.map(|(factor, of)| factor * scrape.sum(*of)).sum()
    }

    /// True if it moved: from `before`, over the moments `during` a fault, to `after`.
    pub fn has_moved(&self, before: &Scrape, during: &[Scrape], after: Option<&Scrape>) -> bool {
        let at_first = self.value(before);
        let mut all = during.iter().chain(after).map(|scrape| self.value(scrape));
        match self.change {
            Change::Grows => all.any(|value| is_above(value, at_first)),
            Change::StaysHigher => after.is_some_and(|after| is_above(self.value(after), at_first)),
            Change::Falls => all.any(|value| value < at_first),
            Change::Reaches(limit) => all.any(|value| value >= limit),
        }
    }

    /// The names of its families, as the server declares them.
    pub fn families(&self) -> impl Iterator<Item = &'static str> {
        self.terms.iter().map(|(_, series)| {
            let ends = ["_total", "_bucket", "_count"];
            let stripped = ends.iter().find_map(|end| series.name.strip_suffix(end));
            stripped.unwrap_or(series.name)
        })
    }
}

/// Counters are whole numbers.
fn is_above(value: f64, before: f64) -> bool {
    value > before + 0.5
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (factor, series)) in self.terms.iter().enumerate() {
            let sign = match (at, factor.is_sign_negative()) {
                (0, false) => "",
                (_, false) => " + ",
                (_, true) => " − ",
            };
            f.write_str(sign)?;
            if factor.abs() > 1.0 {
                write!(f, "{} × ", factor.abs())?;
            }
            write!(f, "`{series}`")?;
        }
        match self.change {
            Change::Grows | Change::StaysHigher => Ok(()),
            Change::Falls => f.write_str(" fell"),
            Change::Reaches(limit) => write!(f, " ≥ {limit}"),
        }
    }
}

const TEXT: &str = "\
# HELP a_total Something
# TYPE a_total counter
a_total{kind=\"one\",state=\"x y\"} 1
a_total{kind=\"two\",state=\"x y\"} 2
a_total{kind=\"three\",state=\"z\"} 4
b 0.5
no value
";

#[test]
fn series_are_added_up_by_their_labels() {
    let scrape = Scrape::parse(TEXT);
    for (metric, expected, shown) in [
        (
            metric!(Change::Grows; 1.0 * "a_total" { "kind": "one" | "three" }),
            5.0,
            "`a_total{kind=~\"one\\|three\"}`",
        ),
        (metric!(Change::Grows; 1.0 * "a_total" {}), 7.0, "`a_total`"),
        (
            metric!(Change::Falls; 1.0 * "a_total" { "state": "x y", "kind": "two" }),
            2.0,
            "`a_total{state=\"x y\",kind=\"two\"}` fell",
        ),
        (
            metric!(Change::Reaches(20.0); 1.0 * "c" {}),
            0.0,
            "`c` ≥ 20",
        ),
        (
            metric!(Change::StaysHigher; 1.0 * "a_total" {} -2.0 * "b" {}),
            6.0,
            "`a_total` − 2 × `b`",
        ),
    ] {
        let value = metric.value(&scrape);
        assert!((value - expected).abs() < f64::EPSILON, "{shown}: {value}");
        assert_eq!(metric.to_string(), shown);
    }
}

#[test]
fn a_metric_that_did_not_move_is_found() {
    let scrape = |value: f64| Scrape::parse(&format!("b {value}"));
    let of = |change: Change| metric!(change; 1.0 * "b" {});
    let (lowest, low, high) = (scrape(1.0), scrape(3.0), scrape(7.0));
    for (change, during, after, moved) in [
        (Change::Grows, &high, &low, true),
        (Change::Grows, &low, &high, true),
        (Change::Grows, &low, &low, false),
        (Change::StaysHigher, &high, &low, false),
        (Change::StaysHigher, &low, &high, true),
        (Change::Falls, &low, &high, false),
        (Change::Falls, &lowest, &high, true),
        (Change::Reaches(7.0), &high, &low, true),
        (Change::Reaches(7.5), &high, &high, false),
    ] {
        let during = std::slice::from_ref(during);
        let found = of(change).has_moved(&low, during, Some(after));
        assert_eq!(found, moved, "{change:?}");
    }
    let stays = of(Change::StaysHigher);
    assert!(!stays.has_moved(&low, &[high], None), "it is not over");
}
