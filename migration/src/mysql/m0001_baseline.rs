//! The whole schema, from SQL files by subject.
//!
//! A statement that changes the schema commits by itself, so a migration that is interrupted leaves
//! a part of the schema behind. The next attempt removes that part: its tables are still empty.

use sea_orm_migration::{prelude::*, sea_orm::Statement};

use crate::kept_rows::{has_rows, refuse_to_drop};

#[derive(DeriveMigrationName)]
pub struct Migration;

/// In the order of their foreign keys. A line of two slashes ends each statement, because the body
/// of a trigger contains semicolons.
const FILES: [&str; 8] = [
    include_str!("m0001_baseline/workbench.sql"),
    include_str!("m0001_baseline/catalogue.sql"),
    include_str!("m0001_baseline/orders.sql"),
    include_str!("m0001_baseline/operation.sql"),
    include_str!("m0001_baseline/ledger.sql"),
    include_str!("m0001_baseline/audit.sql"),
    include_str!("m0001_baseline/outbox.sql"),
    include_str!("m0001_baseline/single_statement.sql"),
];

/// The combining marks that a search ignores, as a regular expression in a literal of SQL: those of
/// Latin, Greek and Cyrillic letters, and the vowel signs of Hebrew and Arabic.
const MARKS: &str = r"[\\x{0300}-\\x{036F}\\x{0591}-\\x{05C7}\\x{064B}-\\x{065F}\\x{0670}]";

/// The only table that the baseline itself fills.
const FILLED: &str = "audit_watermark";

/// The tables whose rows people made. What belongs to an order or to a cart refers to its row.
const OF_PEOPLE: [&str; 3] = ["customer_order", "cart", "discount_code"];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        refuse_tables_with_rows(manager).await?;
        drop_everything(manager).await?;
        let connection = manager.get_connection();
        let collation = collation(connection).await?;
        for statement in statements() {
            let sql = statement
                .replace("{collation}", collation)
                .replace("{marks}", MARKS);
            connection.execute_unprepared(&sql).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        refuse_to_drop(manager, &OF_PEOPLE).await?;
        drop_everything(manager).await
    }
}

/// The statements of all files, without comments.
fn statements() -> Vec<String> {
    let mut statements = Vec::new();
    let mut statement: Vec<&str> = Vec::new();
    for line in FILES.iter().flat_map(|file| file.lines()) {
        if line == "//" {
            statements.push(statement.join("\n"));
            statement.clear();
        } else if !line.is_empty() && !line.starts_with("--") {
            statement.push(line);
        }
    }
    statements
}

/// The statement that begins so.
pub fn statement(start: &str) -> Option<String> {
    statements()
        .into_iter()
        .find(|statement| statement.starts_with(start))
}

/// The kinds and names of the objects that the baseline creates, in that order. Triggers are left
/// out: they are dropped with their tables.
fn created(statements: &[String]) -> Vec<(&str, &str)> {
    statements
        .iter()
        .filter_map(|statement| {
            let (kind, rest) = statement.strip_prefix("CREATE ")?.split_once(' ')?;
            let name = rest.split([' ', '(']).next()?;
            (kind != "TRIGGER").then_some((kind, name))
        })
        .collect()
}

/// # Errors
/// `DbErr::Migration` if a table of the schema exists and has rows: they are not Doorbuster's.
async fn refuse_tables_with_rows(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    for (kind, name) in created(&statements()) {
        if kind == "TABLE" && name != FILLED && has_rows(manager, name).await? {
            return Err(DbErr::Migration(format!(
                "The database has a table '{name}' with rows that Doorbuster did not write. \
                 Use an empty database."
            )));
        }
    }
    Ok(())
}

async fn drop_everything(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    for (kind, name) in created(&statements()).into_iter().rev() {
        manager
            .get_connection()
            .execute_unprepared(&format!("DROP {kind} IF EXISTS {name}"))
            .await?;
    }
    Ok(())
}

/// The collation that distinguishes every two texts, also by case and by spaces at their end. No
/// such collation has the same name on both servers.
async fn collation(connection: &SchemaManagerConnection<'_>) -> Result<&'static str, DbErr> {
    let statement = Statement::from_string(
        connection.get_database_backend(),
        "SELECT VERSION() AS version",
    );
    let version: String = connection
        .query_one_raw(statement)
        .await?
        .ok_or_else(|| DbErr::RecordNotFound("no row for the server's version".to_owned()))?
        .try_get("", "version")?;
    Ok(if version.contains("MariaDB") {
        "utf8mb4_nopad_bin"
    } else {
        "utf8mb4_0900_bin"
    })
}
