//! The table of `docs/RELIABILITY.md`. Only a complete run writes it, and each engine has a part of
//! its own there.

use std::{fmt::Write as _, fs, path::PathBuf, time::Duration};

use super::answers::Totals;

/// The result of one fault.
#[derive(Clone, Debug)]
pub struct Row {
    pub fault: &'static str,
    pub engine: String,
    pub totals: Totals,
    /// `None` if the server was not healthy again.
    pub healthy_after: Option<Duration>,
    /// The metric that moved; `None` if it did not.
    pub moved: Option<String>,
    pub verdict: Verdict,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    Held,
    /// Each sentence is something that did not hold.
    Broken(Vec<String>),
    /// The reason. Such a row shows nothing about the shop.
    NotRun(String),
}

impl Row {
    pub fn not_run(fault: &'static str, engine: &str, reason: &str) -> Self {
        Self {
            fault,
            engine: engine.to_owned(),
            totals: Totals::default(),
            healthy_after: None,
            moved: None,
            verdict: Verdict::NotRun(reason.to_owned()),
        }
    }

    /// Writes the row of the table.
    pub fn line(&self) -> String {
        if let Verdict::NotRun(reason) = &self.verdict {
            let nothing = ["–"; 6].join(" | ");
            return format!(
                "| {} | {} | {nothing} | not run here: {reason} |",
                self.fault, self.engine
            );
        }
        let result = match &self.verdict {
            Verdict::Broken(failures) => format!("**failed**: {}", in_cell(&failures.join("; "))),
            _ => "passed".to_owned(),
        };
        let healthy = self.healthy_after.map_or("never".to_owned(), in_seconds);
        format!(
            "| {} | {} | {} | {} | {} | {} | {healthy} | {} | {result} |",
            self.fault,
            self.engine,
            self.totals.requests,
            self.totals.acknowledged,
            refusals(&self.totals),
            in_seconds(self.totals.slowest),
            self.moved.as_deref().unwrap_or("none"),
        )
    }
}

/// Refused requests, and in parentheses those without an answer.
fn refusals(totals: &Totals) -> String {
    match totals.unanswered {
        0 => totals.refused.to_string(),
        unanswered => format!("{} ({unanswered})", totals.refused),
    }
}

fn in_seconds(duration: Duration) -> String {
    format!("{:.2} s", duration.as_secs_f64())
}

/// A vertical bar or a line break would end the cell.
fn in_cell(text: &str) -> String {
    let unescaped = text.replace("\\|", "|");
    let escaped = unescaped.replace('|', "\\|");
    escaped.replace(['\n', '\r'], " ")
}

/// A run on one engine.
pub struct Run<'a> {
    pub engine: &'a str,
    pub seed: u64,
    pub took: Duration,
    pub rows: &'a [Row],
}

impl Run<'_> {
    /// Writes the part of the document.
    fn part(&self) -> String {
        let count = |is_meant: fn(&Verdict) -> bool| {
            let rows = self.rows.iter();
            rows.filter(|row| is_meant(&row.verdict)).count()
        };
        let mut part = format!(
            "## {}\n\n{} passed, {} failed, {} not run here. {} s, `DOORBUSTER_TEST_SEED={}`.\n\n\
             | fault | engine | requests | acknowledged | refused (unanswered) | slowest answer \
             | healthy after | metric that moved | result |\n|---|---|---|---|---|---|---|---|---|\n",
            self.engine,
            count(|verdict| *verdict == Verdict::Held),
            count(|verdict| matches!(verdict, Verdict::Broken(_))),
            count(|verdict| matches!(verdict, Verdict::NotRun(_))),
            self.took.as_secs(),
            self.seed,
        );
        for row in self.rows {
            writeln!(part, "{}", row.line()).expect("a text takes it");
        }
        part
    }

    /// Replaces the part of this engine in the document, or adds it.
    fn write_into(&self, document: &str) -> String {
        let name = self.engine.split(' ').next().unwrap_or_default();
        let (begin, end) = marks(name);
        let part = format!("{begin}\n{}{end}", self.part());
        match document.split_once(&begin) {
            Some((before, rest)) => {
                let after = rest.split_once(&end).map_or("\n", |(_, after)| after);
                format!("{before}{part}{after}")
            }
            None => format!("{}\n\n{part}\n", document.trim_end()),
        }
    }

    /// Writes the part of this engine to `docs/RELIABILITY.md`.
    pub fn store(&self) {
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/RELIABILITY.md");
        let document = fs::read_to_string(&path).expect("the document is there");
        fs::write(&path, self.write_into(&document)).expect("the document is written");
    }
}

fn marks(engine: &str) -> (String, String) {
    (
        format!("<!-- Written by `./makew faults` on {engine} -->"),
        format!("<!-- The end of {engine} -->"),
    )
}

#[cfg(test)]
fn example(verdict: Verdict) -> Row {
    Row {
        fault: "a fault",
        engine: "PostgreSQL 15.1".to_owned(),
        totals: Totals {
            requests: 30,
            acknowledged: 20,
            refused: 7,
            unanswered: 3,
            slowest: Duration::from_millis(1_234),
        },
        healthy_after: Some(Duration::from_millis(250)),
        moved: Some("`a`".to_owned()),
        verdict,
    }
}

#[test]
fn a_row_shows_its_figures_and_never_passes_for_another_result() {
    let numbers = "| a fault | PostgreSQL 15.1 | 30 | 20 | 7 (3) | 1.23 s |";
    assert_eq!(
        example(Verdict::Held).line(),
        format!("{numbers} 0.25 s | `a` | passed |")
    );
    let mut broken = example(Verdict::Broken(vec!["a|b".to_owned(), "c\nd".to_owned()]));
    (broken.healthy_after, broken.moved) = (None, None);
    assert_eq!(
        broken.line(),
        format!("{numbers} never | none | **failed**: a\\|b; c d |")
    );
    let row = Row::not_run("another", "MariaDB 10.11.6", "it needs root");
    let line = row.line();
    assert!(line.ends_with("| not run here: it needs root |"), "{line}");
    assert!(!line.contains("passed"), "{line}");
    let columns = |line: &str| line.matches(" | ").count();
    assert_eq!(columns(&line), columns(&example(Verdict::Held).line()));
}

#[test]
fn each_engine_has_a_part_of_its_own_in_the_document() {
    let rows = [
        example(Verdict::Held),
        example(Verdict::NotRun("why".to_owned())),
    ];
    let run = |engine| Run {
        engine,
        seed: 7,
        took: Duration::from_secs(300),
        rows: &rows,
    };
    let heading = "# Reliability\n\nA text.\n";
    let first = run("PostgreSQL 15.1").write_into(heading);
    assert!(first.starts_with("# Reliability\n\nA text.\n\n<!-- Written"));
    assert!(first.contains("1 passed, 0 failed, 1 not run here. 300 s, `DOORBUSTER_TEST_SEED=7`."));
    let both = run("MariaDB 10.11.6").write_into(&first);
    assert!(both.starts_with(first.trim_end()), "the first part stays");
    let again = run("PostgreSQL 16.2").write_into(&both);
    assert_eq!(
        again,
        both.replacen("## PostgreSQL 15.1", "## PostgreSQL 16.2", 1)
    );
    assert_eq!(again.matches("## ").count(), 2);
}
