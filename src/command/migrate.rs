//! `doorbuster migrate`.

use std::process::ExitCode;

use clap::{Args, ValueEnum};
use doorbuster::{
    config::DatabaseSettings,
    db::schema::{self, Step},
};

use super::{database::OpenDatabase, output};
use crate::CommandError;

#[derive(Args)]
pub struct Arguments {
    #[arg(value_enum, default_value_t = Action::Up)]
    action: Action,
}

#[derive(Clone, Copy, ValueEnum)]
enum Action {
    /// Apply all pending migrations.
    Up,
    /// Revert the last migration, unless that would drop orders, carts or discount codes.
    Down,
    /// Drop all tables, then apply all migrations.
    Fresh,
    /// List the migrations.
    Status,
}

pub async fn run(
    settings: &DatabaseSettings,
    arguments: Arguments,
) -> Result<ExitCode, CommandError> {
    let step = match arguments.action {
        Action::Up => Step::Up,
        Action::Down => Step::Down,
        Action::Fresh => Step::Fresh,
        Action::Status => {
            return OpenDatabase::with_existing(settings, async |database| {
                list(&database.url).await
            })
            .await;
        }
    };
    OpenDatabase::with(settings, async |database| {
        schema::migrate(&database.url, step).await?;
        list(&database.url).await
    })
    .await
}

async fn list(url: &str) -> Result<ExitCode, CommandError> {
    let mut lines = String::new();
    for step in schema::status(url).await? {
        let state = if step.applied { "applied" } else { "pending" };
        lines += &format!("{state:8} {}\n", step.name);
    }
    output::print(&lines)?;
    Ok(ExitCode::SUCCESS)
}
