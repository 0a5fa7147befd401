//! The result as Markdown tables.

use std::fmt::Write;

use doorbuster::model::digit_groups::group_digits;

use crate::{Failure, database::Postgres, machine, options::Options, statistics::Spread};

/// What a ratio or a figure should be.
#[derive(Clone, Copy, Debug)]
pub enum Limit {
    AtLeast(f64),
    AtMost(f64),
}

/// One row of a table: a figure, with its values in all rounds.
#[derive(Clone, Debug)]
pub struct Row {
    text: String,
    /// `None` for a figure that is not limited, such as a rate per second.
    limit: Option<Limit>,
    values: Vec<f64>,
}

impl Row {
    /// A figure with a limit.
    pub fn new(text: impl Into<String>, limit: Limit, values: Vec<f64>) -> Self {
        Self {
            text: text.into(),
            limit: Some(limit),
            values,
        }
    }

    /// A figure without a limit.
    pub fn figure(text: impl Into<String>, values: Vec<f64>) -> Self {
        Self {
            text: text.into(),
            limit: None,
            values,
        }
    }
}

/// Everything that was measured.
#[derive(Debug, Default)]
pub struct Report {
    pub rows: Vec<Row>,
    /// The parts that could not be measured, with the reason.
    pub failures: Vec<String>,
}

impl Report {
    /// Returns the head, the tables and the failures.
    pub async fn markdown(
        &self,
        options: &Options,
        postgres: &Postgres,
    ) -> Result<String, Failure> {
        let (version, fsync) = postgres.facts().await?;
        let mut text = format!(
            "{}. PostgreSQL {version}, fsync {fsync}. At least {} orders beside a fresh database, \
             {} rounds ({} for audits and retention), {} s per rate, {} orders/s during audits and \
             retention.\n\n",
            machine::describe(),
            group_digits(&options.orders.to_string()),
            options.rounds,
            options.long_rounds(),
            options.seconds,
            options.rate,
        );
        text += &tables(&self.rows);
        if !self.failures.is_empty() {
            text += "\nNot measured:\n\n";
            for failure in &self.failures {
                // Writing to a String cannot fail.
                let _ = writeln!(text, "- {failure}");
            }
        }
        Ok(text)
    }
}

/// Returns two tables: the rows with a limit, and the others.
pub fn tables(rows: &[Row]) -> String {
    let mut text = "| | limit | median | range | |\n|---|---|---|---|---|\n".to_owned();
    for row in rows {
        if let Some(limit) = row.limit {
            let spread = Spread::of(row.values.iter().copied());
            let _ = writeln!(
                text,
                "| {} | {} | {} | {} |",
                row.text,
                limit_text(limit),
                spread_text(spread),
                verdict(limit, spread)
            );
        }
    }
    text += "\n| figure | median | range |\n|---|---|---|\n";
    for row in rows.iter().filter(|row| row.limit.is_none()) {
        let spread = Spread::of(row.values.iter().copied());
        let _ = writeln!(text, "| {} | {} |", row.text, spread_text(spread));
    }
    text
}

/// Divides the values of each round.
pub fn ratios(values: &[f64], by: &[f64]) -> Vec<f64> {
    values
        .iter()
        .zip(by)
        .map(|(value, by)| value / by)
        .collect()
}

fn limit_text(limit: Limit) -> String {
    match limit {
        Limit::AtLeast(limit) => format!("at least {limit}"),
        Limit::AtMost(limit) => format!("at most {limit}"),
    }
}

fn verdict(limit: Limit, spread: Option<Spread>) -> &'static str {
    let Some(spread) = spread else {
        return "not measured";
    };
    let is_reached = match limit {
        Limit::AtLeast(limit) => spread.median >= limit,
        Limit::AtMost(limit) => spread.median <= limit,
    };
    if is_reached { "reached" } else { "**missed**" }
}

fn spread_text(spread: Option<Spread>) -> String {
    spread.map_or_else(
        || "– | –".to_owned(),
        |spread| format!("{} | {}", spread.median_text(), spread.range_text()),
    )
}
