//! Commands of the release program.

use std::process::Stdio;

use crate::{Failure, program};

/// Runs a command on the database at `url` until it ends.
///
/// # Errors
/// If it ends with another code than 0.
pub async fn run(name: &str, url: &str) -> Result<(), Failure> {
    let status = program::command(name, url)?
        .stdout(Stdio::null())
        .status()
        .await?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("doorbuster {name} ended with {status}").into())
    }
}
