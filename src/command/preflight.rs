//! `doorbuster preflight`: checks before a sale whether the shop is ready for it.

mod checks;

use std::process::ExitCode;

use clap::Args;
use doorbuster::{
    config::{DatabaseSettings, RedisSettings, ServeSettings},
    db::{PoolSettings, schema},
    feed::Feed,
    shop::Shop,
};
use serde::Serialize;

use self::checks::{Check, Preflight, State};
use super::{database::OpenDatabase, interrupt::Interrupt, output};
use crate::{CommandError, EXIT_BROKEN};

#[derive(Args)]
pub struct Arguments {
    /// The slug of the product on sale, as in its address.
    #[arg(long, value_name = "SLUG")]
    sale: String,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// The result in the format of `--json`.
#[derive(Serialize)]
struct Report<'a> {
    sale: &'a str,
    ready: bool,
    checks: &'a [Check],
}

/// Checks the shop with the settings that `serve` reads from the same environment.
pub async fn run(
    settings: &DatabaseSettings,
    redis: &RedisSettings,
    serve: &ServeSettings,
    arguments: Arguments,
) -> Result<ExitCode, CommandError> {
    redis.url()?;
    let interrupt = Interrupt::listen()?;
    let checks = OpenDatabase::with_existing(settings, async |database| {
        if let Some(difference) = schema::difference(&database.url).await? {
            return Ok(vec![Check::of_schema(difference)]);
        }
        let db = database.pool(PoolSettings::COMMAND).await?;
        let preflight = Preflight {
            settings,
            redis,
            serve,
            database,
            shop: &Shop::new(db.clone(), Feed::default()),
            interrupt: &interrupt,
        };
        let checks = preflight.run(&arguments.sale).await;
        db.close().await;
        checks
    })
    .await?;
    if let Some(code) = interrupt.exit_code() {
        output::note("Interrupted before all checks were made.");
        return Ok(ExitCode::from(code));
    }
    let report = Report {
        sale: &arguments.sale,
        ready: checks.iter().all(|check| check.state != State::Failed),
        checks: &checks,
    };
    output::print(&if arguments.json {
        serde_json::to_string_pretty(&report)? + "\n"
    } else {
        as_text(&report)
    })?;
    Ok(if report.ready {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(EXIT_BROKEN)
    })
}

fn as_text(report: &Report<'_>) -> String {
    let mut text = String::new();
    for check in report.checks {
        text += &format!(
            "{:8} {:12} {}\n",
            check.state.as_str(),
            check.name,
            check.detail
        );
    }
    let failed = report.checks.iter();
    let failed = failed.filter(|check| check.state == State::Failed).count();
    text + &match failed {
        0 => "ready\n".to_owned(),
        1 => "not ready: 1 check failed\n".to_owned(),
        number => format!("not ready: {number} checks failed\n"),
    }
}
