//! What is printed, what is kept, and what goes into the documentation.

use std::{fmt::Write, path::Path};

use serde_json::{Value, json};

use crate::{
    Failure, buyers,
    cell::{self, BATCHING, BUYERS, Cell, LARGER_CROWDS, ROW_LOCK},
    claims,
    options::Options,
    rounds::Session,
    server,
    statistics::Spread,
    strategies_table,
};

/// Between these, the documentation's tables are ours.
const BEGIN: &str = "<!-- bench: begin -->";
const END: &str = "<!-- bench: end -->";

/// Prints the tables, keeps every figure below `target/bench`, and puts the tables where the options say.
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
    eprintln!("bench: every figure is in {}", file.display());
    match &options.write {
        Some(file) => put_between_marks(file, &text),
        None => Ok(()),
    }
}

fn put_between_marks(file: &Path, text: &str) -> Result<(), Failure> {
    let whole = std::fs::read_to_string(file)?;
    let marks = whole.find(BEGIN).zip(whole.find(END));
    let (begin, end) = marks
        .filter(|(begin, end)| begin < end)
        .ok_or_else(|| format!("{} has no marks {BEGIN} and {END}", file.display()))?;
    let before = &whole[..begin + BEGIN.len()];
    std::fs::write(file, format!("{before}\n\n{text}\n{}", &whole[end..]))?;
    Ok(())
}

fn markdown(options: &Options, session: &Session) -> String {
    let mut text = format!(
        "{}. PostgreSQL {}, fsync {}. {} rounds of {} s a cell, seed {}. Pool: {} transactions.\n\n\
         ### Against what was claimed\n\n| | at least | aim | median | range | |\n|---|---|---|---|---|---|\n",
        machine(),
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
            |spread| (short(spread.median), range(&spread)),
        );
        let _ = writeln!(
            text,
            "| {} | {} | {} | {median} | {range} | {} |",
            claim.words,
            claim.at_least,
            claim.aim,
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
        text += "\n### What did not count\n\n";
        for failure in failures {
            let _ = writeln!(text, "- {failure}");
        }
    }
    text
}

/// The noise, the base, and what stands in no other table.
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
        "\n### A against A: the noise of this machine\n\n| | median | range |\n|---|---|---|\n"
            .to_owned();
    // Writing to a String cannot fail.
    for (words, spread) in noise {
        let median = spread.map_or_else(|| "–".to_owned(), |spread| short(spread.median));
        let range = spread.map_or_else(|| "–".to_owned(), |spread| range(&spread));
        let _ = writeln!(text, "| {words} | {median} | {range} |");
    }
    text += "\n### The rest, a second\n\n| | median and range |\n|---|---|\n";
    let mut lines = vec![("base".to_owned(), session.spread(claims::base))];
    for clients in [BUYERS, buyers::POOL.transactions_max] {
        let cell = cell::pgbench(ROW_LOCK, clients, 0);
        lines.push((
            format!("pgbench as `row-lock`, {clients} clients"),
            session.cell(cell),
        ));
    }
    let batching = options.strategy(BATCHING);
    if let Some(strategy) = batching {
        for crowd in LARGER_CROWDS {
            let cell = cell::shop(strategy, crowd, 0);
            lines.push((format!("`{strategy}`, {crowd} buyers"), session.cell(cell)));
        }
    }
    for strategy in std::iter::once(ROW_LOCK).chain(batching) {
        let cell = Cell::Http { strategy };
        lines.push((
            format!("`POST /api/purchase`, `{strategy}`"),
            session.cell(cell),
        ));
    }
    lines.push(("`GET /healthz`".to_owned(), session.cell(Cell::Health)));
    for (words, spread) in lines {
        let _ = writeln!(text, "| {words} | {} |", in_words(spread));
    }
    text
}

/// Everything, for those who reckon otherwise.
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
                "claim": claim.words,
                "at_least": claim.at_least,
                "aim": claim.aim,
                "measured": claim.measured,
            })
        })
        .collect();
    json!({
        "machine": machine(),
        "postgresql": session.postgresql,
        "fsync": session.fsync,
        "seed": session.seed,
        "seconds": options.seconds,
        "pool": buyers::POOL.transactions_max,
        "claims": claims,
        "rounds": rounds,
    })
}

fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let file = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let value = |text: &str, name: &str, between: char| {
        let line = text.lines().find(|line| line.starts_with(name))?;
        let (_, value) = line.split_once(between)?;
        Some(value.trim().trim_matches('"').to_owned())
    };
    let processor = value(&file("/proc/cpuinfo"), "model name", ':');
    let system = value(&file("/etc/os-release"), "PRETTY_NAME", '=');
    format!(
        "{cores} cores{}, {}",
        processor.map_or_else(String::new, |name| format!(" ({name})")),
        system.unwrap_or_else(|| std::env::consts::OS.to_owned())
    )
}

/// A figure with its range: `1.23 (1.10 – 1.31)`.
pub fn in_words(spread: Option<Spread>) -> String {
    spread.map_or_else(
        || "–".to_owned(),
        |spread| format!("{} ({})", short(spread.median), range(&spread)),
    )
}

fn range(spread: &Spread) -> String {
    format!("{} – {}", short(spread.min), short(spread.max))
}

/// Three digits where they matter, and thousands set apart.
fn short(value: f64) -> String {
    if value < 9.995 {
        return format!("{value:.2}");
    }
    if value < 99.95 {
        return format!("{value:.1}");
    }
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
