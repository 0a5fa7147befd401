//! The report: tables of what was measured.

use std::fmt::Write;

use serde_json::{Value, json};

use crate::{
    Failure, buyers,
    cell::{self, BATCHING, BUYERS, Cell, LARGER_CROWDS, ROW_LOCK, Session},
    claims, machine,
    options::Options,
    output::{self, format_spread, spread_cells},
    redis, redis_table,
    server::ServerFacts,
    strategies_table,
};

/// Writes the report to where the options want it.
pub fn write(options: &Options, server: &ServerFacts, session: &Session) -> Result<(), Failure> {
    let text = markdown(options, server, session);
    let figures = figures(options, server, session);
    let file_name = format!("{}.json", session.seed);
    output::publish(options, "bench", &file_name, &text, &figures)
}

fn markdown(options: &Options, server: &ServerFacts, session: &Session) -> String {
    let mut text = format!(
        "{}. {}, fsync {}. {} rounds of {} s per cell, seed {}. Pool: {} transactions.\n\n\
         ### Measured against the claims\n\n| | minimum | target | median | range | |\n|---|---|---|---|---|---|\n",
        machine::describe(),
        server.version,
        server.fsync,
        session.rounds.len(),
        options.seconds,
        session.seed,
        buyers::POOL.transactions_max
    );
    // Writing to a String cannot fail.
    for claim in claims::all(options, session) {
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} |",
            claim.text,
            claim.minimum,
            claim.target,
            spread_cells(claim.measured),
            claim.verdict()
        );
    }
    for &rtt_ms in &options.rtt {
        text.push('\n');
        text += &strategies_table::markdown(options, session, rtt_ms);
    }
    if options.rtt.contains(&0) {
        text += &redis_table::markdown(options, session);
        text += &others(options, session);
    }
    text += &output::failures_section(&session.failures());
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
        let _ = writeln!(text, "| {label} | {} |", spread_cells(spread));
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
fn figures(options: &Options, server: &ServerFacts, session: &Session) -> Value {
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
        "server": server.version,
        "redis": redis::version(),
        "fsync": server.fsync,
        "seed": session.seed,
        "seconds": options.seconds,
        "pool": buyers::POOL.transactions_max,
        "claims": claims,
        "rounds": output::rounds(session, |value| json!(value)),
    })
}
