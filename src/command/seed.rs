//! `doorbuster seed`.

use std::process::ExitCode;

use doorbuster::{config::DatabaseSettings, db::schema};

use super::database::OpenDatabase;
use crate::CommandError;

pub async fn run(settings: &DatabaseSettings) -> Result<ExitCode, CommandError> {
    OpenDatabase::with(settings, async |database| {
        schema::migrate(&database.url, schema::Step::Up).await?;
        match database.seed().await? {
            0 => println!("The shop already has products; nothing was changed."),
            1 => println!("Wrote 1 product."),
            count => println!("Wrote {count} products."),
        }
        Ok(ExitCode::SUCCESS)
    })
    .await
}
