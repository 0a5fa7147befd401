//! `doorbuster seed`.

use std::process::ExitCode;

use doorbuster::{config::DatabaseSettings, db::schema};

use super::{database::OpenDatabase, output};
use crate::CommandError;

pub async fn run(settings: &DatabaseSettings) -> Result<ExitCode, CommandError> {
    OpenDatabase::with(settings, async |database| {
        schema::migrate(&database.url, schema::Step::Up).await?;
        output::print(&match database.seed().await? {
            0 => "The shop already has products; nothing was changed.\n".to_owned(),
            1 => "Wrote 1 product.\n".to_owned(),
            count => format!("Wrote {count} products.\n"),
        })?;
        Ok(ExitCode::SUCCESS)
    })
    .await
}
