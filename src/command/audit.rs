//! `doorbuster audit`.

use std::{
    io::{self, IsTerminal},
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use clap::Args;
use doorbuster::{
    config::{DatabaseSettings, RedisSettings},
    db::{Db, PoolSettings, schema},
    feed::Feed,
    shop::{
        Shop,
        audit::{self, AuditReport, Pace, RuleResult, rules::RULES},
        gates::GatesError,
    },
};

use super::{database::OpenDatabase, output, redis::open_gate};
use crate::{CommandError, EXIT_BROKEN};

#[derive(Args)]
pub struct Arguments {
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
    /// Do not pause, although a server is running: its sales become slower meanwhile.
    #[arg(long)]
    fast: bool,
}

pub async fn run(
    settings: &DatabaseSettings,
    redis: &RedisSettings,
    arguments: Arguments,
) -> Result<ExitCode, CommandError> {
    redis.url()?;
    OpenDatabase::with(settings, async |database| {
        schema::migrate(&database.url, schema::Step::Up).await?;
        let db = database.pool(PoolSettings::AUDIT).await?;
        let pace = if arguments.fast {
            Pace::FAST
        } else {
            audit::pace_beside_servers(&db).await?
        };
        let (checked, is_watched) = (Arc::new(AtomicUsize::new(0)), io::stderr().is_terminal());
        let report = audit::run_with_progress(&db, pace, move |rule| {
            let number = checked.fetch_add(1, Ordering::Relaxed) + 1;
            if is_watched {
                output::note(format_args!("{number:2} of {}: {}", RULES.len(), rule.name));
            }
        })
        .await;
        let gates = check_gates(&db, redis).await;
        db.close().await;
        let mut report = report?;
        report.rules.extend(gates?);
        output::print(&if arguments.json {
            serde_json::to_string_pretty(&report)? + "\n"
        } else {
            as_text(&report)
        })?;
        Ok(if report.is_clean() {
            ExitCode::SUCCESS
        } else {
            ExitCode::from(EXIT_BROKEN)
        })
    })
    .await
}

/// Checks the rule about the gates in Redis; `None` without Redis. While Redis does not answer, its
/// gates let nothing through.
async fn check_gates(db: &Db, redis: &RedisSettings) -> Result<Option<RuleResult>, CommandError> {
    let shop = Shop::new(db.clone(), Feed::default());
    let gate = open_gate(redis, &shop).await?;
    match shop.with_gate(gate).gates().audit().await {
        Ok(result) => Ok(Some(result)),
        Err(GatesError::NoRedis) => Ok(None),
        Err(GatesError::Redis(error)) => {
            output::note(format_args!("the gates were not checked: {error}"));
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

fn as_text(report: &AuditReport) -> String {
    let mut lines = Vec::new();
    for rule in &report.rules {
        let verdict = match rule.violations {
            0 => "ok".to_owned(),
            1 => "1 VIOLATION".to_owned(),
            n => format!("{n} VIOLATIONS"),
        };
        lines.push(format!("{verdict:14} {}: {}", rule.rule, rule.requirement));
        for violation in &rule.listed {
            lines.push(format!("               - {violation}"));
        }
    }
    for exhibit in &report.exhibits {
        lines.push(format!(
            "exhibit        product {}, {}: {} in stock, {} sold, {} oversold",
            exhibit.product_id, exhibit.strategy, exhibit.stock, exhibit.sold, exhibit.oversold
        ));
    }
    lines.join("\n") + "\n"
}
