//! The yardstick: a shop with Express and Sequelize, rebuilt from the description of one, whose
//! purchase locks one row and writes no order. It is in `benches/yardstick`.

use std::path::Path;

use tokio::process::Command;

use crate::{Failure, fresh_database::FreshDatabase, program::Program};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/yardstick");

/// Checks that its packages are installed, before anything takes time.
pub fn check_installed() -> Result<(), Failure> {
    if Path::new(FOLDER)
        .join("node_modules/.package-lock.json")
        .is_file()
    {
        return Ok(());
    }
    Err("the yardstick's packages are missing: run ./makew bench --engine mariadb, which installs them".into())
}

/// Starts it on an empty database, in which it creates product 1 with `stock` units.
pub async fn start(url: &str, stock: u32, pool: u32) -> Result<Program, Failure> {
    let mut node = Command::new("node");
    node.arg("server.js")
        .current_dir(FOLDER)
        .env("NODE_ENV", "production")
        .env("DATABASE_URL", url)
        .env("STOCK", stock.to_string())
        .env("CONNECTIONS", pool.to_string());
    Program::launch(node).await
}

/// Checks that it sold as many units as it acknowledged.
pub async fn check(database: &FreshDatabase, stock: u32, acknowledged: u64) -> Result<(), Failure> {
    let remaining = database
        .number("SELECT stock FROM products WHERE id = 1")
        .await?;
    let sold = i64::from(stock) - remaining;
    if u64::try_from(sold) == Ok(acknowledged) {
        Ok(())
    } else {
        Err(format!("the yardstick acknowledged {acknowledged} units and sold {sold}").into())
    }
}
