//! Protects rows that people made, such as orders, from a migration that would drop their table:
//! `migrate down` is not meant to empty a shop.

use sea_orm_migration::{prelude::*, sea_orm::Statement};

/// # Errors
/// `DbErr::Migration` if one of the tables, which the revert of a migration drops, has rows.
pub async fn refuse_to_drop(manager: &SchemaManager<'_>, tables: &[&str]) -> Result<(), DbErr> {
    for table in tables {
        if has_rows(manager, table).await? {
            return Err(DbErr::Migration(format!(
                "This migration is not reverted, because that would drop the table '{table}' with \
                 its rows. Nothing was changed. To go back to an older version, restore a backup \
                 that it made. To begin with an empty shop, run `doorbuster migrate fresh`, which \
                 deletes everything."
            )));
        }
    }
    Ok(())
}

/// Returns false also if there is no such table.
pub async fn has_rows(manager: &SchemaManager<'_>, table: &str) -> Result<bool, DbErr> {
    if !manager.has_table(table).await? {
        return Ok(false);
    }
    let connection = manager.get_connection();
    let statement = Statement::from_string(
        connection.get_database_backend(),
        format!("SELECT 1 FROM {table} LIMIT 1"),
    );
    Ok(connection.query_one_raw(statement).await?.is_some())
}
