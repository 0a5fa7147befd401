//! The report: the printed tables, the stored figures, and the tables in the documentation.

use std::{fmt::Write, path::Path};

use doorbuster::model::digit_groups::group_digits;
use serde_json::{Value, json};

use crate::{
    Failure, buyers,
    cell::{self, BATCHING, BUYERS, Cell, LARGER_CROWDS, ROW_LOCK},
    claims, machine,
    options::Options,
    rounds::Session,
    server,
    statistics::Spread,
    strategies_table,
};

/// The generated tables are between these markers of the documentation.
const BEGIN: &str = "<!-- bench: begin -->";
const END: &str = "<!-- bench: end -->";

/// Prints the tables, stores every figure under `target/bench`, and writes the tables into the file
/// that the options name.
pub fn write(options: &Options, session: &Session) -> Result<(), Failure> {
    let text = markdown(options, session);
    println!("{text}");
    let folder = server::folder("bench");
    std::fs::create_dir_all(&folder)?;
    let file = folder.join(format!("{}.json", session.seed));
    std::fs::write(
        &file,
        serde_json::to_string_pretty(&figures(options, session))? + "\n",
    )?;
    eprintln!("bench: all figures are stored in {}", file.display());
    match &options.write {
        Some(file) => replace_between_markers(file, &text),
        None => Ok(()),
    }
}

fn replace_between_markers(file: &Path, text: &str) -> Result<(), Failure> {
    let whole = std::fs::read_to_string(file)?;
    let markers = whole.find(BEGIN).zip(whole.find(END));
    let (begin, end) = markers
        .filter(|(begin, end)| begin < end)
        .ok_or_else(|| format!("{} has no markers {BEGIN} and {END}", file.display()))?;
    let before = &whole[..begin + BEGIN.len()];
    std::fs::write(file, format!("{before}\n\n{text}\n{}", &whole[end..]))?;
    Ok(())
}

fn markdown(options: &Options, session: &Session) -> String {
    let mut text = format!(
        "{}. PostgreSQL {}, fsync {}. {} rounds of {} s per cell, seed {}. Pool: {} transactions.\n\n\
         ### Measured against the claims\n\n| | minimum | target | median | range | |\n|---|---|---|---|---|---|\n",
        machine::describe(),
        session.postgresql,
        session.fsync,
        session.rounds.len(),
        options.seconds,
        session.seed,
        buyers::POOL.transactions_max
    );
    // Writing to a String cannot fail.
    for claim in claims::all(options, session) {
        let (median, range) = claim.measured.map_or_else(
            || ("–".to_owned(), "–".to_owned()),
            |spread| (format_number(spread.median), format_range(&spread)),
        );
        let _ = writeln!(
            text,
            "| {} | {} | {} | {median} | {range} | {} |",
            claim.text,
            claim.minimum,
            claim.target,
            claim.verdict()
        );
    }
    for &rtt_ms in &options.rtt {
        text.push('\n');
        text += &strategies_table::markdown(options, session, rtt_ms);
    }
    if options.rtt.contains(&0) {
        text += &others(options, session);
    }
    let failures = session.failures();
    if !failures.is_empty() {
        text += "\n### Cells that do not count\n\n";
        for failure in failures {
            let _ = writeln!(text, "- {failure}");
        }
    }
    text
}

/// Returns the tables of the noise, the base, and the rates that are in no other table.
fn others(options: &Options, session: &Session) -> String {
    let twin_shop = Cell::Shop {
        strategy: ROW_LOCK,
        buyers: BUYERS,
        rtt_ms: 0,
        twin: true,
    };
    let twin_pgbench = Cell::Pgbench {
        strategy: ROW_LOCK,
        clients: BUYERS,
        rtt_ms: 0,
        twin: true,
    };
    let noise = [
        (
            "`row-lock` ÷ `row-lock`",
            session.ratio(twin_shop, cell::shop(ROW_LOCK, BUYERS, 0)),
        ),
        (
            "pgbench ÷ pgbench, 64 clients",
            session.ratio(twin_pgbench, cell::pgbench(ROW_LOCK, BUYERS, 0)),
        ),
    ];
    let mut text =
        "\n### A/A: the noise of this machine\n\n| | median | range |\n|---|---|---|\n".to_owned();
    // Writing to a String cannot fail.
    for (label, spread) in noise {
        let median = spread.map_or_else(|| "–".to_owned(), |spread| format_number(spread.median));
        let range = spread.map_or_else(|| "–".to_owned(), |spread| format_range(&spread));
        let _ = writeln!(text, "| {label} | {median} | {range} |");
    }
    text += "\n### Other rates, per second\n\n| | median and range |\n|---|---|\n";
    let mut rows = vec![("base".to_owned(), session.spread(claims::base))];
    for clients in [BUYERS, buyers::POOL.transactions_max] {
        let cell = cell::pgbench(ROW_LOCK, clients, 0);
        rows.push((
            format!("pgbench as `row-lock`, {clients} clients"),
            session.cell(cell),
        ));
    }
    let batching = options.strategy(BATCHING);
    if let Some(strategy) = batching {
        for crowd in LARGER_CROWDS {
            let cell = cell::shop(strategy, crowd, 0);
            rows.push((format!("`{strategy}`, {crowd} buyers"), session.cell(cell)));
        }
    }
    for strategy in std::iter::once(ROW_LOCK).chain(batching) {
        let cell = Cell::Http { strategy };
        rows.push((
            format!("`POST /api/purchase`, `{strategy}`"),
            session.cell(cell),
        ));
    }
    rows.push(("`GET /healthz`".to_owned(), session.cell(Cell::Health)));
    for (label, spread) in rows {
        let _ = writeln!(text, "| {label} | {} |", format_spread(spread));
    }
    text
}

/// Returns all figures as JSON, for further analysis.
fn figures(options: &Options, session: &Session) -> Value {
    let rounds: Vec<Value> = session
        .rounds
        .iter()
        .map(|round| {
            round
                .iter()
                .map(|(cell, result)| {
                    let figure = match result {
                        Ok(value) => json!(value),
                        Err(why) => json!({ "does_not_count": why }),
                    };
                    (cell.to_string(), figure)
                })
                .collect()
        })
        .collect();
    let claims: Vec<Value> = claims::all(options, session)
        .into_iter()
        .map(|claim| {
            json!({
                "claim": claim.text,
                "at_least": claim.minimum,
                "aim": claim.target,
                "measured": claim.measured,
            })
        })
        .collect();
    json!({
        "machine": machine::describe(),
        "postgresql": session.postgresql,
        "fsync": session.fsync,
        "seed": session.seed,
        "seconds": options.seconds,
        "pool": buyers::POOL.transactions_max,
        "claims": claims,
        "rounds": rounds,
    })
}

/// Formats a figure with its range: `1.23 (1.10 – 1.31)`.
pub fn format_spread(spread: Option<Spread>) -> String {
    spread.map_or_else(
        || "–".to_owned(),
        |spread| {
            format!(
                "{} ({})",
                format_number(spread.median),
                format_range(&spread)
            )
        },
    )
}

fn format_range(spread: &Spread) -> String {
    format!(
        "{} – {}",
        format_number(spread.min),
        format_number(spread.max)
    )
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
