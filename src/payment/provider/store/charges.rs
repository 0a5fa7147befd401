//! Charges. Only a charge in state `processing` ever changes its state, and every update checks
//! that in the same statement: of a concurrent void and capture, the second finds the row no longer
//! processing.

use std::time::Duration;

use time::OffsetDateTime;
use uuid::Uuid;

use super::{
    Store, StoreError,
    pool::{Parameter, Sql},
    settling::{MoneyMovement, due_rows},
    time_until,
};
use crate::{
    model::Money,
    payment::{
        provider::test_cards::Behaviour,
        wire::{ChargeBody, ChargeStateBody},
    },
};

macro_rules! columns {
    () => {
        "reference, state, amount_cents, currency, CASE state WHEN 'declined' THEN decline_reason END, behaviour, \
         settle_at, CURRENT_TIMESTAMP"
    };
}

const INSERT: Sql = Sql {
    postgres: INSERT_AND_RECORD,
    mysql: "CALL provider_insert_charge(?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
};

const INSERT_AND_RECORD: &str = concat!(
    "
WITH inserted AS (
    INSERT INTO provider.charge (reference, state, amount_cents, currency, card_last4, behaviour, decline_reason, settle_at,
        webhook_delay_ms, webhook_step_ms, webhook_copies)
    VALUES ($1, 'processing', $2, $3, $4, $5, $6, provider.after_ms($7), $8, $9, $10)
    ON CONFLICT (reference) DO NOTHING
    RETURNING *
), recorded AS (
    INSERT INTO provider.event (kind, charge_reference, charge_state, due_at, copies)
    SELECT 'charge.created', reference, state, provider.due_at(settle_at, webhook_delay_ms, webhook_step_ms, 2), webhook_copies
    FROM inserted WHERE webhook_copies > 0
)
SELECT ",
    columns!(),
    " FROM inserted"
);

macro_rules! settle {
    ($ctes:expr, $condition:literal) => {
        concat!(
            "WITH ",
            $ctes,
            "settled AS (
                UPDATE provider.charge
                SET state = CASE WHEN decline_reason IS NULL THEN 'captured' ELSE 'declined' END, settled_at = now()
                WHERE state = 'processing' AND settle_at <= now() AND ",
            $condition,
            "   RETURNING *
            ), recorded AS (
                INSERT INTO provider.event (kind, charge_reference, charge_state, due_at, copies)
                SELECT event.kind, reference, event.state,
                    provider.due_at(settle_at, webhook_delay_ms, webhook_step_ms, event.followed_by), webhook_copies
                FROM settled, (VALUES
                    ('charge.authorized', 'processing', 'captured', 1),
                    ('charge.captured', 'captured', 'captured', 0),
                    ('charge.declined', 'declined', 'declined', 0)
                ) AS event (kind, state, ending, followed_by)
                WHERE event.ending = settled.state AND webhook_copies > 0
                ORDER BY settle_at, reference, event.followed_by DESC
            )
            SELECT ",
            columns!(),
            " FROM settled"
        )
    };
}

/// A charge that has not arrived is inserted as voided: if its request arrives later, it finds that
/// row.
const VOID: Sql = Sql {
    postgres: VOID_AND_RECORD,
    mysql: "CALL provider_void_charge(?, ?)",
};

const VOID_AND_RECORD: &str = concat!(
    "WITH voided AS (
        INSERT INTO provider.charge AS known (reference, state, behaviour, settled_at,
            webhook_delay_ms, webhook_step_ms, webhook_copies)
        VALUES ($1, 'voided', $2, now(), 0, 0, 1)
        ON CONFLICT (reference) DO UPDATE SET state = 'voided', settled_at = now() WHERE known.state = 'processing'
        RETURNING *
    ), recorded AS (
        INSERT INTO provider.event (kind, charge_reference, charge_state, due_at, copies)
        SELECT 'charge.voided', reference, state, provider.due_at(now(), webhook_delay_ms, webhook_step_ms, 0), webhook_copies
        FROM voided WHERE webhook_copies > 0
    )
    SELECT ",
    columns!(),
    " FROM voided"
);

/// A charge to insert.
#[derive(Clone, Debug)]
pub struct NewCharge {
    pub reference: Uuid,
    pub amount: Money,
    /// `None` if the text that was entered is not a card number.
    pub card_last4: Option<String>,
    pub behaviour: Behaviour,
    /// Why it will be declined; `None` if it will be captured.
    pub decline_reason: Option<&'static str>,
    pub settles_in: Duration,
}

/// A stored charge.
#[derive(Clone, Debug)]
pub struct ChargeRow {
    pub body: ChargeBody,
    pub behaviour: Behaviour,
    /// Time until it is due; zero once it is.
    settles_in: Duration,
}

type Columns = (
    Uuid,
    String,
    Option<i64>,
    Option<String>,
    Option<String>,
    String,
    Option<OffsetDateTime>,
    OffsetDateTime,
);

impl ChargeRow {
    /// Whether the charge is of this amount. A charge that was voided before it arrived matches any
    /// amount.
    pub fn matches_amount(&self, amount: Money) -> bool {
        match (self.body.amount_cents, &self.body.currency) {
            (Some(cents), Some(currency)) => {
                cents == amount.cents && currency == amount.currency.code()
            }
            _ => true,
        }
    }
}

impl MoneyMovement for ChargeRow {
    type Columns = Columns;

    const FIND: Sql = Sql {
        postgres: concat!(
            "SELECT ",
            columns!(),
            " FROM provider.charge WHERE reference = $1"
        ),
        mysql: "SELECT reference, state, amount_cents, currency, CASE state WHEN 'declined' THEN decline_reason END, behaviour, \
                settle_at, UTC_TIMESTAMP(6) FROM provider_charge WHERE reference = ?",
    };
    const SETTLE_ONE: Sql = Sql {
        postgres: settle!("", "reference = $1"),
        mysql: "CALL provider_settle_charge(?)",
    };
    const SETTLE_DUE: Sql = Sql {
        postgres: settle!(
            due_rows!("provider.charge"),
            "reference IN (SELECT reference FROM due)"
        ),
        mysql: "SELECT reference FROM provider_charge WHERE state = 'processing' AND settle_at <= UTC_TIMESTAMP(6) \
                ORDER BY settle_at LIMIT ?",
    };

    fn read(columns: Self::Columns) -> Result<Self, StoreError> {
        let (reference, state, amount_cents, currency, decline_reason, behaviour, settle_at, now) =
            columns;
        Ok(Self {
            body: ChargeBody {
                reference,
                state: ChargeStateBody::parse(&state).ok_or(StoreError::Unreadable("state"))?,
                amount_cents,
                currency,
                decline_reason,
            },
            behaviour: Behaviour::parse(&behaviour).ok_or(StoreError::Unreadable("behaviour"))?,
            settles_in: time_until(settle_at, now),
        })
    }

    fn reference(&self) -> Uuid {
        self.body.reference
    }

    fn is_processing(&self) -> bool {
        self.body.state == ChargeStateBody::Processing
    }

    fn settles_in(&self) -> Duration {
        self.settles_in
    }
}

impl Store {
    /// Inserts a charge. Returns `None` if its reference exists.
    pub async fn insert_charge(&self, charge: NewCharge) -> Result<Option<ChargeRow>, StoreError> {
        let schedule = charge.behaviour.charge_schedule();
        let inserted: Option<Columns> = self
            .run(move |pool| async move {
                let parameters = vec![
                    Parameter::Uuid(charge.reference),
                    Parameter::Number(charge.amount.cents),
                    Parameter::text(charge.amount.currency.code()),
                    Parameter::Text(charge.card_last4),
                    Parameter::text(charge.behaviour.as_str()),
                    Parameter::Text(charge.decline_reason.map(ToOwned::to_owned)),
                    Parameter::ms(charge.settles_in),
                    Parameter::ms(schedule.delay),
                    Parameter::ms(schedule.step),
                    Parameter::Small(schedule.copies),
                ];
                pool.fetch_optional(INSERT, parameters).await
            })
            .await?;
        inserted.map(ChargeRow::read).transpose()
    }

    /// Voids a charge that is processing or has not arrived yet. Returns `None` if it was settled
    /// or voided before.
    pub async fn void_charge(&self, reference: Uuid) -> Result<Option<ChargeRow>, StoreError> {
        let voided: Option<Columns> = self
            .run(move |pool| async move {
                let ordinary = Parameter::text(Behaviour::Ordinary.as_str());
                pool.fetch_optional(VOID, vec![Parameter::Uuid(reference), ordinary])
                    .await
            })
            .await?;
        voided.map(ChargeRow::read).transpose()
    }
}
