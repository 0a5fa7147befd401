//! `doorbuster audit`.

use std::process::ExitCode;

use clap::Args;
use doorbuster::{
    config::DatabaseSettings,
    db::{PoolSettings, schema},
    shop::audit::{self, AuditReport},
};

use super::{database::OpenDatabase, output};
use crate::{CommandError, EXIT_BROKEN};

#[derive(Args)]
pub struct Arguments {
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

pub async fn run(
    settings: &DatabaseSettings,
    arguments: Arguments,
) -> Result<ExitCode, CommandError> {
    OpenDatabase::with(settings, async |database| {
        schema::migrate(&database.url, schema::Step::Up).await?;
        let db = database.pool(PoolSettings::COMMAND).await?;
        let report = audit::run(&db).await;
        db.close().await;
        let report = report?;
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
