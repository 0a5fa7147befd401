//! `doorbuster audit`.

use std::process::ExitCode;

use clap::Args;
use doorbuster::{
    config::DatabaseSettings,
    db::{PoolSettings, schema},
    shop::audit::{self, AuditReport},
};

use super::database::OpenDatabase;
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
        if arguments.json {
            println!("{}", serde_json::to_string_pretty(&report)?);
        } else {
            print(&report);
        }
        Ok(if report.is_clean() {
            ExitCode::SUCCESS
        } else {
            ExitCode::from(EXIT_BROKEN)
        })
    })
    .await
}

fn print(report: &AuditReport) {
    for rule in &report.rules {
        let verdict = match rule.violations {
            0 => "ok".to_owned(),
            1 => "1 VIOLATION".to_owned(),
            n => format!("{n} VIOLATIONS"),
        };
        println!("{verdict:14} {}: {}", rule.rule, rule.requirement);
        for violation in &rule.listed {
            println!("               - {violation}");
        }
    }
    for exhibit in &report.exhibits {
        println!(
            "exhibit        product {}, {}: {} in stock, {} sold, {} oversold",
            exhibit.product_id, exhibit.strategy, exhibit.stock, exhibit.sold, exhibit.oversold
        );
    }
}
