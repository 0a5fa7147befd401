//! The tables and procedures on MySQL and MariaDB: in the shop's database, with names that begin
//! with `provider_`.

use sea_orm::sqlx::{self, AssertSqlSafe, Executor, MySqlConnection, MySqlPool};

/// Several providers may start at once, and a statement that creates something ends a transaction.
/// On two nodes of a cluster, each creates what the other has not, or ends and is started again.
const LOCK: &str = "SELECT GET_LOCK(CONCAT('provider ', SHA1(DATABASE())), 10)";
const UNLOCK: &str = "SELECT RELEASE_LOCK(CONCAT('provider ', SHA1(DATABASE())))";

const TABLES: [&str; 3] = [
    "CREATE TABLE IF NOT EXISTS provider_charge (
        reference BINARY(16) PRIMARY KEY,
        state VARCHAR(12) NOT NULL CHECK (state IN ('processing', 'captured', 'declined', 'voided')),
        amount_cents BIGINT CHECK (amount_cents > 0),
        currency VARCHAR(3),
        card_last4 VARCHAR(4),
        behaviour VARCHAR(40) NOT NULL,
        decline_reason VARCHAR(100),
        refunded_cents BIGINT NOT NULL DEFAULT 0,
        created_at DATETIME(6) NOT NULL DEFAULT (UTC_TIMESTAMP(6)),
        settle_at DATETIME(6),
        settled_at DATETIME(6),
        webhook_delay_ms BIGINT NOT NULL,
        webhook_step_ms BIGINT NOT NULL,
        webhook_copies SMALLINT NOT NULL,
        CONSTRAINT charge_known_unless_voided CHECK
            (state = 'voided' OR (amount_cents IS NOT NULL AND currency IS NOT NULL AND settle_at IS NOT NULL)),
        CONSTRAINT charge_declined_with_reason CHECK (state <> 'declined' OR decline_reason IS NOT NULL),
        CONSTRAINT charge_refunded_from_captured CHECK
            (refunded_cents = 0 OR (state = 'captured' AND refunded_cents BETWEEN 0 AND amount_cents)),
        KEY charge_processing (state, settle_at)
    ) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4",
    "CREATE TABLE IF NOT EXISTS provider_refund (
        reference BINARY(16) PRIMARY KEY,
        charge_reference BINARY(16) NOT NULL,
        state VARCHAR(12) NOT NULL CHECK (state IN ('processing', 'succeeded')),
        amount_cents BIGINT NOT NULL CHECK (amount_cents > 0),
        created_at DATETIME(6) NOT NULL DEFAULT (UTC_TIMESTAMP(6)),
        settle_at DATETIME(6) NOT NULL,
        settled_at DATETIME(6),
        webhook_delay_ms BIGINT NOT NULL,
        webhook_step_ms BIGINT NOT NULL,
        webhook_copies SMALLINT NOT NULL,
        KEY refund_processing (state, settle_at),
        FOREIGN KEY (charge_reference) REFERENCES provider_charge (reference)
    ) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4",
    "CREATE TABLE IF NOT EXISTS provider_event (
        id BIGINT AUTO_INCREMENT PRIMARY KEY,
        event_id VARCHAR(40) NOT NULL UNIQUE DEFAULT (CONCAT('evt_', REPLACE(UUID(), '-', ''))),
        kind VARCHAR(40) NOT NULL,
        charge_reference BINARY(16) NOT NULL,
        charge_state VARCHAR(12) NOT NULL,
        refund_reference BINARY(16),
        refund_state VARCHAR(12),
        created_at DATETIME(6) NOT NULL DEFAULT (UTC_TIMESTAMP(6)),
        due_at DATETIME(6) NOT NULL,
        copies SMALLINT NOT NULL,
        attempts INT NOT NULL DEFAULT 0,
        delivered_at DATETIME(6),
        claim BINARY(16),
        claimed_due_at DATETIME(6),
        KEY event_undelivered (delivered_at, due_at, id),
        KEY event_claim (claim),
        FOREIGN KEY (charge_reference) REFERENCES provider_charge (reference),
        FOREIGN KEY (refund_reference) REFERENCES provider_refund (reference)
    ) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4",
];

/// When an event is due that is followed by that many later events.
macro_rules! due_at {
    ($settle_at:literal, $delay:literal, $step:literal, $followed_by:literal) => {
        concat!(
            "CASE ",
            $delay,
            " WHEN 0 THEN UTC_TIMESTAMP(6) ELSE GREATEST(",
            $settle_at,
            ", UTC_TIMESTAMP(6)) \
             + INTERVAL ((",
            $delay,
            " + ",
            $followed_by,
            " * ",
            $step,
            ") * 1000) MICROSECOND END"
        )
    };
}

macro_rules! charge {
    ($condition:literal) => {
        concat!(
            "SELECT reference, state, amount_cents, currency, CASE state WHEN 'declined' THEN decline_reason END, \
               behaviour, settle_at, UTC_TIMESTAMP(6) FROM provider_charge WHERE reference = p_reference AND ",
            $condition
        )
    };
}

macro_rules! refund {
    ($condition:literal) => {
        concat!(
            "SELECT reference, charge_reference, state, amount_cents, settle_at, UTC_TIMESTAMP(6) \
             FROM provider_refund WHERE reference = p_reference AND ",
            $condition
        )
    };
}

/// A procedure that undoes everything if a statement fails.
macro_rules! procedure {
    ($signature:literal, $($body:expr),*) => {
        concat!(
            "CREATE PROCEDURE ", $signature, "
             BEGIN
               DECLARE v_done BIGINT DEFAULT 0;
               DECLARE v_claim BINARY(16) DEFAULT UNHEX(REPLACE(UUID(), '-', ''));
               DECLARE EXIT HANDLER FOR SQLEXCEPTION BEGIN ROLLBACK; RESIGNAL; END;
               START TRANSACTION; ",
            $($body),*,
            "; END"
        )
    };
}

/// The name of each procedure, and the statement that creates it.
const PROCEDURES: [(&str, &str); 6] = [
    (
        "provider_insert_charge",
        procedure!(
            "provider_insert_charge (p_reference BINARY(16), p_cents BIGINT, p_currency VARCHAR(3), p_last4 VARCHAR(4),
               p_behaviour VARCHAR(40), p_reason VARCHAR(100), p_settles_in BIGINT, p_delay BIGINT, p_step BIGINT, p_copies SMALLINT)",
            "SELECT COUNT(*) INTO v_done FROM provider_charge WHERE reference = p_reference;
             IF v_done = 0 THEN
               INSERT INTO provider_charge (reference, state, amount_cents, currency, card_last4, behaviour, decline_reason,
                 settle_at, webhook_delay_ms, webhook_step_ms, webhook_copies)
               VALUES (p_reference, 'processing', p_cents, p_currency, p_last4, p_behaviour, p_reason,
                 UTC_TIMESTAMP(6) + INTERVAL (p_settles_in * 1000) MICROSECOND, p_delay, p_step, p_copies);
               INSERT INTO provider_event (kind, charge_reference, charge_state, due_at, copies)
               SELECT 'charge.created', reference, state, ",
            due_at!("settle_at", "webhook_delay_ms", "webhook_step_ms", "2"),
            ", webhook_copies FROM provider_charge WHERE reference = p_reference AND webhook_copies > 0;
             END IF;
             COMMIT; ",
            charge!("v_done = 0")
        ),
    ),
    (
        "provider_settle_charge",
        procedure!(
            "provider_settle_charge (p_reference BINARY(16))",
            "UPDATE provider_charge
             SET state = CASE WHEN decline_reason IS NULL THEN 'captured' ELSE 'declined' END, settled_at = UTC_TIMESTAMP(6)
             WHERE reference = p_reference AND state = 'processing' AND settle_at <= UTC_TIMESTAMP(6);
             SET v_done = ROW_COUNT();
             IF v_done = 1 THEN
               INSERT INTO provider_event (kind, charge_reference, charge_state, due_at, copies)
               SELECT e.kind, c.reference, e.state, ",
            due_at!("c.settle_at", "c.webhook_delay_ms", "c.webhook_step_ms", "e.followed_by"),
            ", c.webhook_copies
               FROM provider_charge c JOIN (
                 SELECT 'charge.authorized' AS kind, 'processing' AS state, 'captured' AS ending, 1 AS followed_by
                 UNION ALL SELECT 'charge.captured', 'captured', 'captured', 0
                 UNION ALL SELECT 'charge.declined', 'declined', 'declined', 0) e ON e.ending = c.state
               WHERE c.reference = p_reference AND c.webhook_copies > 0
               ORDER BY e.followed_by DESC;
             END IF;
             COMMIT; ",
            charge!("v_done = 1")
        ),
    ),
    (
        "provider_void_charge",
        procedure!(
            "provider_void_charge (p_reference BINARY(16), p_behaviour VARCHAR(40))",
            "INSERT INTO provider_charge (reference, state, behaviour, settled_at, webhook_delay_ms, webhook_step_ms, webhook_copies)
             SELECT p_reference, 'voided', p_behaviour, UTC_TIMESTAMP(6), 0, 0, 1 FROM DUAL
             WHERE NOT EXISTS (SELECT 1 FROM provider_charge WHERE reference = p_reference);
             SET v_done = ROW_COUNT();
             IF v_done = 0 THEN
               UPDATE provider_charge SET state = 'voided', settled_at = UTC_TIMESTAMP(6)
               WHERE reference = p_reference AND state = 'processing';
               SET v_done = ROW_COUNT();
             END IF;
             IF v_done = 1 THEN
               INSERT INTO provider_event (kind, charge_reference, charge_state, due_at, copies)
               SELECT 'charge.voided', reference, state, ",
            due_at!("UTC_TIMESTAMP(6)", "webhook_delay_ms", "webhook_step_ms", "0"),
            ", webhook_copies FROM provider_charge WHERE reference = p_reference AND webhook_copies > 0;
             END IF;
             COMMIT; ",
            charge!("v_done = 1")
        ),
    ),
    (
        "provider_insert_refund",
        procedure!(
            "provider_insert_refund (p_reference BINARY(16), p_charge BINARY(16), p_cents BIGINT, p_settles_in BIGINT,
               p_delay BIGINT, p_step BIGINT, p_copies SMALLINT)",
            "UPDATE provider_charge SET refunded_cents = refunded_cents + p_cents
             WHERE reference = p_charge AND state = 'captured' AND refunded_cents + p_cents <= amount_cents
               AND NOT EXISTS (SELECT 1 FROM provider_refund WHERE reference = p_reference);
             SET v_done = ROW_COUNT();
             IF v_done = 1 THEN
               INSERT INTO provider_refund (reference, charge_reference, state, amount_cents, settle_at,
                 webhook_delay_ms, webhook_step_ms, webhook_copies)
               VALUES (p_reference, p_charge, 'processing', p_cents,
                 UTC_TIMESTAMP(6) + INTERVAL (p_settles_in * 1000) MICROSECOND, p_delay, p_step, p_copies);
               INSERT INTO provider_event (kind, charge_reference, charge_state, refund_reference, refund_state, due_at, copies)
               SELECT 'refund.created', charge_reference, 'captured', reference, state, ",
            due_at!("settle_at", "webhook_delay_ms", "webhook_step_ms", "1"),
            ", webhook_copies FROM provider_refund WHERE reference = p_reference AND webhook_copies > 0;
             END IF;
             COMMIT; ",
            refund!("v_done = 1")
        ),
    ),
    (
        "provider_settle_refund",
        procedure!(
            "provider_settle_refund (p_reference BINARY(16))",
            "UPDATE provider_refund SET state = 'succeeded', settled_at = UTC_TIMESTAMP(6)
             WHERE reference = p_reference AND state = 'processing' AND settle_at <= UTC_TIMESTAMP(6);
             SET v_done = ROW_COUNT();
             IF v_done = 1 THEN
               INSERT INTO provider_event (kind, charge_reference, charge_state, refund_reference, refund_state, due_at, copies)
               SELECT 'refund.succeeded', charge_reference, 'captured', reference, state, ",
            due_at!("settle_at", "webhook_delay_ms", "webhook_step_ms", "0"),
            ", webhook_copies FROM provider_refund WHERE reference = p_reference AND webhook_copies > 0;
             END IF;
             COMMIT; ",
            refund!("v_done = 1")
        ),
    ),
    (
        "provider_claim_events",
        procedure!(
            "provider_claim_events (p_max BIGINT, p_lease BIGINT)",
            "UPDATE provider_event SET claim = v_claim, attempts = attempts + 1, claimed_due_at = due_at,
               due_at = UTC_TIMESTAMP(6) + INTERVAL (p_lease * 1000) MICROSECOND
             WHERE delivered_at IS NULL AND due_at <= UTC_TIMESTAMP(6) ORDER BY due_at, id LIMIT p_max;
             COMMIT;
             SELECT e.id, e.event_id, e.kind, e.created_at, e.charge_reference, e.charge_state, c.amount_cents, c.currency,
               CASE e.charge_state WHEN 'declined' THEN c.decline_reason END,
               e.refund_reference, e.refund_state, r.amount_cents
             FROM provider_event e
             JOIN provider_charge c ON c.reference = e.charge_reference
             LEFT JOIN provider_refund r ON r.reference = e.refund_reference
             WHERE e.claim = v_claim ORDER BY e.claimed_due_at, e.id"
        ),
    ),
];

/// Creates the tables and procedures that do not exist yet.
pub async fn create(pool: &MySqlPool) -> Result<(), sqlx::Error> {
    let mut connection = pool.acquire().await?;
    connection.execute(LOCK).await?;
    let created = create_missing(&mut connection).await;
    connection.execute(UNLOCK).await?;
    created
}

async fn create_missing(connection: &mut MySqlConnection) -> Result<(), sqlx::Error> {
    for table in TABLES {
        connection.execute(table).await?;
    }
    for (name, create) in PROCEDURES {
        let exists = "SELECT COUNT(*) FROM information_schema.ROUTINES \
                      WHERE ROUTINE_SCHEMA = DATABASE() AND ROUTINE_NAME = ?";
        let exists: i64 = sqlx::query_scalar(exists)
            .bind(name)
            .fetch_one(&mut *connection)
            .await?;
        if exists == 0 {
            connection.execute(AssertSqlSafe(create)).await?;
        }
    }
    Ok(())
}
