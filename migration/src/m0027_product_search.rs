//! The text that searches for products compare: name and description in lower case and without
//! accents, kept by the database beside the row.
//!
//! `normalize` separates a letter from its accents, which are then removed; it also replaces
//! compatibility characters, such as full-width letters, by ordinary ones. `lower` follows a
//! locale, and the locale `C` knows only ASCII: if the server has the collations of ICU, the
//! function uses them. It needs no extension, because an installation may lack `unaccent`, and the
//! account may have no right to create it.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for statement in [FUNCTION, COLUMN] {
            manager
                .get_connection()
                .execute_unprepared(statement)
                .await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for statement in [
            "ALTER TABLE product DROP COLUMN search_text",
            "DROP FUNCTION fold_search_text(text)",
        ] {
            manager
                .get_connection()
                .execute_unprepared(statement)
                .await?;
        }
        Ok(())
    }
}

/// PostgreSQL only. The ranges are the combining marks of Latin, Greek and Cyrillic letters, and
/// the vowel signs of Hebrew and Arabic, which most texts leave out.
const FUNCTION: &str = r#"
DO $do$
DECLARE
  collation_clause text := '';
BEGIN
  IF EXISTS (SELECT FROM pg_collation WHERE collname = 'und-x-icu' AND collnamespace = 'pg_catalog'::regnamespace) THEN
    collation_clause := 'COLLATE "und-x-icu"';
  END IF;
  EXECUTE format(
    $sql$
    CREATE OR REPLACE FUNCTION fold_search_text(value text) RETURNS text
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $body$
      SELECT regexp_replace(normalize(lower(value %s), NFKD), '[\u0300-\u036f\u0591-\u05c7\u064b-\u065f\u0670]', '', 'g')
    $body$
    $sql$, collation_clause);
END
$do$"#;

/// A generated column, so that no writer of a product can forget it.
const COLUMN: &str = "
ALTER TABLE product
  ADD COLUMN search_text text NOT NULL GENERATED ALWAYS AS (fold_search_text(name || ' ' || description)) STORED";
