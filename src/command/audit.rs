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
    db::{Db, PoolSettings},
    feed::Feed,
    shop::{
        Shop,
        audit::{self, AuditReport, Pace, RuleResult, rules::RULES},
        redis_audit,
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
    OpenDatabase::with_current_schema(settings, async |database| {
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
        let in_redis = check_redis(&db, redis).await;
        db.close().await;
        let mut report = report?;
        report.rules.extend(in_redis?);
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

/// Checks the rules about Redis, if there is one.
async fn check_redis(db: &Db, redis: &RedisSettings) -> Result<Vec<RuleResult>, CommandError> {
    let gate = open_gate(redis, &Shop::new(db.clone(), Feed::default())).await?;
    Ok(redis_audit::check(db, gate).await)
}

fn as_text(report: &AuditReport) -> String {
    let mut lines = Vec::new();
    for rule in &report.rules {
        let verdict = match (&rule.not_checked, rule.violations) {
            (Some(_), _) => "not checked".to_owned(),
            (None, 0) => "ok".to_owned(),
            (None, 1) => "1 VIOLATION".to_owned(),
            (None, n) => format!("{n} VIOLATIONS"),
        };
        lines.push(format!("{verdict:14} {}: {}", rule.rule, rule.requirement));
        for sentence in rule.not_checked.iter().chain(&rule.listed) {
            lines.push(format!("               - {sentence}"));
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
