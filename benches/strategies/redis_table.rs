//! The tables of the strategies that need Redis: what it buys, and what it costs in a shop that is
//! not full.

use std::fmt::Write;

use doorbuster::model::StrategyKey;

use crate::{
    cell::{self, ALONE, BUYERS, Cell, ROW_LOCK, Session},
    options::Options,
    output::format_spread,
    redis,
    rounds::value,
    statistics::Spread,
};

/// Returns both tables in Markdown. Without Redis, they list the strategies as not measured.
pub fn markdown(options: &Options, session: &Session) -> String {
    let strategies = options.strategies_with_redis();
    if strategies.is_empty() {
        return String::new();
    }
    let server = if redis::is_installed() {
        format!(
            "{} on the same machine, without persistence; for the queue of `redis-stream`, which \
             answers over HTTP with 202 and a place, each change is on disk before it is answered.",
            redis::version().as_deref().unwrap_or("Redis")
        )
    } else {
        "Neither redis-server nor valkey-server is installed.".to_owned()
    };
    let mut text = format!(
        "\n### Redis in front of the row, no added round-trip time\n\n{server}\n\n\
         | strategy | orders/s, {BUYERS} buyers | ÷ `row-lock` | rejections/s after sold out | ÷ `row-lock` | `POST /api/purchase`/s | ÷ `row-lock` | rejections/s over HTTP | ÷ `row-lock` |\n\
         |---|---|---|---|---|---|---|---|---|\n"
    );
    for &strategy in &strategies {
        row(&mut text, session, strategy);
    }
    text += &not_full(session, &strategies);
    text
}

fn row(text: &mut String, session: &Session, strategy: StrategyKey) {
    let cells: [fn(StrategyKey) -> Cell; 4] = [
        |strategy| cell::shop(strategy, BUYERS, 0),
        |strategy| Cell::Rejections {
            strategy,
            rtt_ms: 0,
        },
        |strategy| Cell::Http { strategy },
        |strategy| Cell::HttpRejections { strategy },
    ];
    // Writing to a String cannot fail.
    let _ = write!(text, "| `{strategy}` |");
    for of in cells {
        let _ = write!(
            text,
            " {} | {} |",
            format_or_missing(session.cell(of(strategy))),
            format_or_missing(session.ratio(of(strategy), of(ROW_LOCK)))
        );
    }
    text.push('\n');
}

/// Returns the table of one buyer, who never waits for another one.
fn not_full(session: &Session, strategies: &[StrategyKey]) -> String {
    let mut text = "\n### What Redis costs in a shop that is not full\n\n\
         One buyer, who never waits for another one.\n\n\
         | strategy | orders/s | ÷ `row-lock` | ms for each order, beyond `row-lock` |\n\
         |---|---|---|---|\n"
        .to_owned();
    let row_lock = cell::shop(ROW_LOCK, ALONE, 0);
    for &strategy in strategies {
        let alone = cell::shop(strategy, ALONE, 0);
        let beyond = session.spread(|round| {
            let ms = |cell| Some(1_000.0 / value(round, cell)?);
            Some(ms(alone)? - ms(row_lock)?)
        });
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "| `{strategy}` | {} | {} | {} |",
            format_or_missing(session.cell(alone)),
            format_or_missing(session.ratio(alone, row_lock)),
            format_or_missing(beyond)
        );
    }
    text
}

fn format_or_missing(spread: Option<Spread>) -> String {
    match spread {
        Some(_) => format_spread(spread),
        None => "not measured".to_owned(),
    }
}
