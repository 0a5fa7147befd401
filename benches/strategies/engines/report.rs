//! The tables of the comparison.

use std::fmt::Write;

use doorbuster::{db::engine::Engine, model::StrategyKey};
use serde_json::{Value, json};

use super::{
    BothFacts,
    cell::{
        ENGINES, EngineCell, Figures, Round, Session, YARDSTICK_POOLS, name, served, shop,
        shop_again,
    },
};
use crate::{
    Failure, buyers,
    cell::{BATCHING, BUYERS, ROW_LOCK},
    http::CLIENTS,
    machine,
    options::Options,
    output::{self, format_spread, spread_cells},
    rounds::value,
    statistics::Spread,
};

/// The tables are between the markers of this name in the documentation.
const MARKER: &str = "bench mariadb";
/// The least ratio of Doorbuster's rate to the yardstick's.
const YARDSTICK_RATIO_MIN: f64 = 1.2;

/// Writes the report to where the options want it.
pub fn write(options: &Options, facts: &BothFacts, session: &Session) -> Result<(), Failure> {
    let text = markdown(options, facts, session);
    let figures = figures(options, facts, session);
    let file_name = format!("{}-mariadb.json", session.seed);
    output::publish(options, MARKER, &file_name, &text, &figures)
}

fn markdown(options: &Options, facts: &BothFacts, session: &Session) -> String {
    let mut text = format!(
        "{}. {} and {}, durable commits on both. {} rounds of {} s per cell, seed {}. Pool: {} transactions.\n\n",
        machine::describe(),
        facts.postgres.version,
        facts.mariadb.version,
        session.rounds.len(),
        options.seconds,
        session.seed,
        buyers::POOL.transactions_max
    );
    text += &beside_yardstick(session);
    text += &rates(options, session);
    text += &bounds(options, session);
    text += &over_http(options, session);
    text += &noise(session);
    text += &output::failures_section(&session.failures());
    text
}

fn per_second(round: &Round, cell: EngineCell) -> Option<f64> {
    value(round, cell).map(|figures| figures.window.per_second)
}

fn rate(session: &Session, cell: EngineCell) -> Option<Spread> {
    session.spread(|round| per_second(round, cell))
}

/// The ratio of two rates, computed within each round.
fn ratio(session: &Session, cell: EngineCell, to: EngineCell) -> Option<Spread> {
    session.spread(|round| Some(per_second(round, cell)? / per_second(round, to)?))
}

/// The ratio of Doorbuster's rate to the yardstick's, with the pool that is better in that round.
fn yardstick_ratio(session: &Session) -> Option<Spread> {
    let doorbuster = served(Engine::MySql, ROW_LOCK);
    session.spread(|round| {
        let [default, larger] = YARDSTICK_POOLS.map(|pool| EngineCell::Yardstick { pool });
        let yardstick = per_second(round, default)?.max(per_second(round, larger)?);
        Some(per_second(round, doorbuster)? / yardstick)
    })
}

fn beside_yardstick(session: &Session) -> String {
    let measured = yardstick_ratio(session);
    let verdict = match measured {
        None => "not measured",
        Some(measured) if measured.median >= YARDSTICK_RATIO_MIN => "reached",
        Some(_) => "**missed**",
    };
    format!(
        "### Beside the yardstick\n\n| | at least | median | range | |\n|---|---|---|---|---|\n\
         | `POST /api/purchase` with `row-lock` on MariaDB ÷ the yardstick on the same server | {YARDSTICK_RATIO_MIN} | {} | {verdict} |\n",
        spread_cells(measured)
    )
}

fn rates(options: &Options, session: &Session) -> String {
    let mut text = format!(
        "\n### Orders per second, {BUYERS} buyers\n\n\
         | strategy | PostgreSQL | ÷ `row-lock` | MariaDB | ÷ `row-lock` | MariaDB ÷ PostgreSQL |\n|---|---|---|---|---|---|\n"
    );
    for strategy in options.strategies() {
        let [postgres, mariadb] = ENGINES.map(|engine| rate_cells(session, engine, strategy));
        let [of_postgres, of_mariadb] = ENGINES.map(|engine| shop(engine, strategy));
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "| `{strategy}` | {postgres} | {mariadb} | {} |",
            format_spread(ratio(session, of_mariadb, of_postgres))
        );
    }
    text
}

/// The rate of a strategy, and its ratio to the row lock on the same engine.
fn rate_cells(session: &Session, engine: Engine, strategy: StrategyKey) -> String {
    if let Some(reason) = strategy.row().engines.reason_against(engine) {
        return format!("– ({reason}) | –");
    }
    let cell = shop(engine, strategy);
    format!(
        "{} | {}",
        format_spread(rate(session, cell)),
        format_spread(ratio(session, cell, shop(engine, ROW_LOCK)))
    )
}

fn bounds(options: &Options, session: &Session) -> String {
    let mut text = "\n### Where the time of an order goes\n\n\
         | strategy | engine | ms from order to order | in COMMIT | in other statements | in statements that only lock | waiting in the shop | processors busy, % |\n\
         |---|---|---|---|---|---|---|---|\n"
        .to_owned();
    for strategy in options.strategies() {
        for engine in ENGINES {
            if strategy.check_runs_on(engine, false).is_ok() {
                text += &bounds_row(session, engine, strategy);
            }
        }
    }
    text
}

fn bounds_row(session: &Session, engine: Engine, strategy: StrategyKey) -> String {
    let figures: [fn(&Figures) -> Option<f64>; 6] = [
        |figures| Some(1_000.0 / figures.window.per_second),
        |figures| Some(figures.times?.commit),
        |figures| Some(figures.times?.statements),
        |figures| Some(figures.times?.locks),
        |figures| Some(figures.times?.queue),
        busy_percent,
    ];
    let cell = shop(engine, strategy);
    let cells = figures.map(|figure| {
        let spread = session.spread(|round| figure(&value(round, cell)?));
        format_spread(spread)
    });
    format!(
        "| `{strategy}` | {} | {} |\n",
        name(engine),
        cells.join(" | ")
    )
}

fn busy_percent(figures: &Figures) -> Option<f64> {
    figures.window.busy.map(|share| share * 100.0)
}

fn over_http(options: &Options, session: &Session) -> String {
    let mut text = format!(
        "\n### Over HTTP, {CLIENTS} keep-alive connections\n\n| | purchases/s | processors busy, % |\n|---|---|---|\n"
    );
    let strategies = std::iter::once(ROW_LOCK).chain(options.strategy(BATCHING));
    let programs = strategies.flat_map(|strategy| {
        ENGINES.map(|engine| {
            let label = format!("`POST /api/purchase`, `{strategy}`, {}", name(engine));
            (label, served(engine, strategy))
        })
    });
    let yardsticks = YARDSTICK_POOLS.map(|pool| {
        let label = format!("the yardstick, MariaDB, pool of {pool}");
        (label, EngineCell::Yardstick { pool })
    });
    for (label, cell) in programs.chain(yardsticks) {
        let busy = session.spread(|round| busy_percent(&value(round, cell)?));
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "| {label} | {} | {} |",
            format_spread(rate(session, cell)),
            format_spread(busy)
        );
    }
    text
}

fn noise(session: &Session) -> String {
    let mut text =
        "\n### A/A: the noise of this machine\n\n| | median | range |\n|---|---|---|\n".to_owned();
    for engine in ENGINES {
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "| `row-lock` ÷ `row-lock`, {} | {} |",
            name(engine),
            spread_cells(ratio(
                session,
                shop_again(engine, ROW_LOCK),
                shop(engine, ROW_LOCK)
            ))
        );
    }
    text
}

/// Returns all figures as JSON, for further analysis.
fn figures(options: &Options, facts: &BothFacts, session: &Session) -> Value {
    json!({
        "machine": machine::describe(),
        "postgresql": facts.postgres.version,
        "mariadb": facts.mariadb.version,
        "seed": session.seed,
        "seconds": options.seconds,
        "pool": buyers::POOL.transactions_max,
        "yardstick": { "at_least": YARDSTICK_RATIO_MIN, "measured": yardstick_ratio(session) },
        "rounds": output::rounds(session, |figures| json!(figures)),
    })
}
