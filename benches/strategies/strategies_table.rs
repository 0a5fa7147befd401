//! A line for every strategy: what it sells and refuses, beside the row lock and beside pgbench.

use std::fmt::Write;

use doorbuster::model::StrategyKey;

use crate::{
    cell::{self, BUYERS, Cell, ROW_LOCK},
    claims::base_at,
    options::Options,
    pgbench,
    report::in_words,
    rounds::{Session, value},
};

/// In Markdown, for one added round-trip time.
pub fn markdown(options: &Options, session: &Session, rtt_ms: u32) -> String {
    let mut text = format!(
        "### {BUYERS} buyers, {}\n\n\
         | strategy | orders/s | ÷ `row-lock` | ÷ base | pgbench, same statements | shop ÷ pgbench | refusals/s once sold out | ÷ base |\n\
         |---|---|---|---|---|---|---|---|\n",
        if rtt_ms == 0 {
            "no added round-trip time".to_owned()
        } else {
            format!("{rtt_ms} ms of added round-trip time")
        }
    );
    for strategy in options.strategies() {
        line(&mut text, session, strategy, rtt_ms);
    }
    text
}

fn line(text: &mut String, session: &Session, strategy: StrategyKey, rtt_ms: u32) {
    let shop = cell::shop(strategy, BUYERS, rtt_ms);
    let refusals = Cell::Rejections { strategy, rtt_ms };
    let played = cell::pgbench(strategy, BUYERS, rtt_ms);
    let to_base =
        |cell| session.spread(|round| Some(value(round, cell)? / base_at(round, rtt_ms)?));
    let played_count = match pgbench::no_equal(strategy) {
        Some(why) => format!("– ({why})"),
        None => in_words(session.cell(played)),
    };
    // Writing to a String cannot fail.
    let _ = writeln!(
        text,
        "| `{strategy}` | {} | {} | {} | {played_count} | {} | {} | {} |",
        in_words(session.cell(shop)),
        in_words(session.ratio(shop, cell::shop(ROW_LOCK, BUYERS, rtt_ms))),
        in_words(to_base(shop)),
        in_words(session.ratio(shop, played)),
        in_words(session.cell(refusals)),
        in_words(to_base(refusals)),
    );
}
