//! Limits per customer count what is kept: the limit at the time of the sale beside each line, and
//! the e-mail addresses folded again.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, UP).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, DOWN).await
    }
}

async fn run(manager: &SchemaManager<'_>, statements: &[&str]) -> Result<(), DbErr> {
    for statement in statements {
        manager
            .get_connection()
            .execute_unprepared(statement)
            .await?;
    }
    Ok(())
}

/// Folding: a user part that would become empty stays, and Gmail ignores dots. Only the rows that
/// the new rule changes are written. Their addresses are ASCII: the checkout accepted no others. A
/// test compares this with the shop's function.
const UP: &[&str] = &[
    // An old line has no limit, so the audit does not check it: two customers may have become one,
    // or the limit may be lower now.
    "ALTER TABLE order_line ADD COLUMN customer_limit integer",
    "CREATE INDEX order_line_limited ON order_line (product_id) WHERE customer_limit IS NOT NULL",
    "DROP TRIGGER product_audit_limit_changed ON product",
    "DROP FUNCTION audit_limit_changed()",
    "UPDATE customer_order o SET email_folded = f.folded
     FROM (SELECT id,
                  CASE WHEN domain NOT IN ('gmail.com', 'googlemail.com') THEN name || '@' || domain
                       ELSE coalesce(nullif(replace(name, '.', ''), ''), name) || '@gmail.com' END AS folded
           FROM (SELECT id, domain, coalesce(nullif(split_part(local, '+', 1), ''), local) AS name
                 FROM (SELECT id, substring(address FROM '^(.*)@') AS local,
                              substring(address FROM '@([^@]*)$') AS domain
                       FROM (SELECT id, lower(trim(both E' \t\r\n' FROM email)) AS address
                             FROM customer_order
                             WHERE email_folded LIKE '@%' OR email_folded LIKE '%@gmail.com'
                                   OR email_folded LIKE '%@googlemail.com') typed) parts
                 WHERE local <> '' AND domain <> '') named) f
     WHERE o.id = f.id AND o.email_folded <> f.folded",
    // A use whose customer would be over the code's limit keeps its old address: both were allowed.
    "UPDATE discount_use u SET email_folded = o.email_folded
     FROM customer_order o
     WHERE o.id = u.order_id AND o.email_folded IS NOT NULL AND o.email_folded <> u.email_folded
       AND NOT EXISTS (
         SELECT 1 FROM discount_code c
         WHERE c.code = u.code
           AND c.per_customer_limit < (SELECT count(*) FROM discount_use other
                                       JOIN customer_order p ON p.id = other.order_id
                                       WHERE other.code = u.code AND NOT other.given_back
                                         AND p.email_folded = o.email_folded))",
    // Orders of which nothing was kept release the use of their code from now on.
    "CREATE TEMPORARY TABLE nothing_kept AS
     SELECT u.order_id, u.code FROM discount_use u JOIN customer_order o ON o.id = u.order_id
     WHERE NOT u.given_back AND o.status = 'paid' AND o.due_cents = 0
       AND NOT EXISTS (SELECT 1 FROM order_line l WHERE l.order_id = o.id AND l.returned_quantity < l.quantity)",
    "UPDATE discount_code c SET uses = c.uses - n.orders
     FROM (SELECT code, count(*)::integer AS orders FROM nothing_kept GROUP BY code) n WHERE n.code = c.code",
    "UPDATE discount_use u SET given_back = true FROM nothing_kept n WHERE n.order_id = u.order_id",
    "DROP TABLE nothing_kept",
];

/// The older program folds an address only when it writes one, so the addresses stay.
const DOWN: &[&str] = &[
    "CREATE TEMPORARY TABLE counted_again AS
     SELECT u.order_id, u.code FROM discount_use u JOIN customer_order o ON o.id = u.order_id
     WHERE u.given_back AND o.status NOT IN ('declined', 'cancelled')",
    "UPDATE discount_use u SET given_back = false FROM counted_again n WHERE n.order_id = u.order_id",
    "UPDATE discount_code c SET uses = c.uses + n.orders, uses_max = greatest(c.uses_max, c.uses + n.orders)
     FROM (SELECT code, count(*)::integer AS orders FROM counted_again GROUP BY code) n WHERE n.code = c.code",
    "DROP TABLE counted_again",
    "CREATE OR REPLACE FUNCTION audit_limit_changed() RETURNS trigger LANGUAGE plpgsql AS $$
     BEGIN
       INSERT INTO audit_change (kind, row_id) VALUES ('limit', NEW.id);
       RETURN NULL;
     END $$",
    "CREATE TRIGGER product_audit_limit_changed AFTER UPDATE OF per_customer_limit ON product
       FOR EACH ROW WHEN (OLD.per_customer_limit IS DISTINCT FROM NEW.per_customer_limit)
       EXECUTE FUNCTION audit_limit_changed()",
    "ALTER TABLE order_line DROP COLUMN customer_limit",
];
