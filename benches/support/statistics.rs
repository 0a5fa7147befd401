//! The median of measurements, and their range.

use doorbuster::model::digit_groups::group_digits;
use serde::Serialize;

/// Median and range of measurements.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Spread {
    pub median: f64,
    pub min: f64,
    pub max: f64,
    /// Rounds that counted.
    pub rounds: usize,
}

impl Spread {
    /// Computes the spread of measurements in any order; `None` if there are none.
    pub fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        let middle = values.len() / 2;
        let median = if values.len() % 2 == 1 {
            values[middle]
        } else {
            f64::midpoint(*values.get(middle.checked_sub(1)?)?, values[middle])
        };
        Some(Self {
            median,
            min: *values.first()?,
            max: *values.last()?,
            rounds: values.len(),
        })
    }

    /// The median for a table.
    pub fn median_text(&self) -> String {
        format_number(self.median)
    }

    /// The range for a table: `1.10 – 1.31`.
    pub fn range_text(&self) -> String {
        format!("{} – {}", format_number(self.min), format_number(self.max))
    }
}

/// Formats a number with about three significant digits and thousands separators.
fn format_number(value: f64) -> String {
    if value < 9.995 {
        return format!("{value:.2}");
    }
    if value < 99.95 {
        return format!("{value:.1}");
    }
    group_digits(&format!("{value:.0}"))
}
