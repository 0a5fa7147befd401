//! A table with one row per strategy: its orders and rejections per second, compared with the row
//! lock and with pgbench.

use std::fmt::Write;

use doorbuster::model::StrategyKey;

use crate::{
    cell::{self, BUYERS, Cell, ROW_LOCK, Session},
    claims::base_at,
    options::Options,
    output::format_spread,
    rounds::value,
};

/// Returns the Markdown table for one added round-trip time.
pub fn markdown(options: &Options, session: &Session, rtt_ms: u32) -> String {
    let mut text = format!(
        "### {BUYERS} buyers, {}\n\n\
         | strategy | orders/s | ÷ `row-lock` | ÷ base | pgbench, same statements | shop ÷ pgbench | rejections/s after sold out | ÷ base |\n\
         |---|---|---|---|---|---|---|---|\n",
        if rtt_ms == 0 {
            "no added round-trip time".to_owned()
        } else {
            format!("{rtt_ms} ms of added round-trip time")
        }
    );
    for strategy in options.strategies() {
        row(&mut text, session, strategy, rtt_ms);
    }
    text
}

fn row(text: &mut String, session: &Session, strategy: StrategyKey, rtt_ms: u32) {
    let shop = cell::shop(strategy, BUYERS, rtt_ms);
    let rejections = Cell::Rejections { strategy, rtt_ms };
    let pgbench_cell = cell::pgbench(strategy, BUYERS, rtt_ms);
    let to_base =
        |cell| session.spread(|round| Some(value(round, cell)? / base_at(round, rtt_ms)?));
    let pgbench_rate = match strategy.row().application_part {
        Some(why) => format!("– ({why})"),
        None => format_spread(session.cell(pgbench_cell)),
    };
    // Writing to a String cannot fail.
    let _ = writeln!(
        text,
        "| `{strategy}` | {} | {} | {} | {pgbench_rate} | {} | {} | {} |",
        format_spread(session.cell(shop)),
        format_spread(session.ratio(shop, cell::shop(ROW_LOCK, BUYERS, rtt_ms))),
        format_spread(to_base(shop)),
        format_spread(session.ratio(shop, pgbench_cell)),
        format_spread(session.cell(rejections)),
        format_spread(to_base(rejections)),
    );
}
