//! Creates discount codes.

use sea_orm::{
    ActiveValue::{NotSet, Set},
    EntityTrait, TryInsertResult,
};
use time::OffsetDateTime;

use super::{CODE_LEN_MAX, DiscountAdministration, fold_code};
use crate::{
    db::{
        dialect,
        entity::discount_code,
        txn::{self, Abort, Work},
    },
    model::{DiscountValue, ShopError},
    shop::{
        idempotency::{self, Claim},
        moment,
    },
};

/// A discount code to create.
#[derive(Clone, Debug)]
pub struct NewCode {
    /// The code as entered; see [`fold_code`].
    pub code: String,
    pub value: DiscountValue,
    pub min_subtotal_cents: i64,
    pub starts_at: Option<OffsetDateTime>,
    pub ends_at: Option<OffsetDateTime>,
    pub uses_max: u32,
    pub per_customer_limit: Option<u32>,
}

impl DiscountAdministration<'_> {
    /// Creates a code.
    ///
    /// # Errors
    /// [`ShopError::FieldsInvalid`] for an invalid field, an end that has passed by the database's
    /// clock, or a code that already exists;
    /// [`ShopError::IdempotencyKeyReused`].
    pub async fn create(self, new: NewCode, claim: Option<Claim>) -> Result<(), ShopError> {
        let ends_at = new.ends_at;
        let row = row_of(new)?;
        txn::run_for_result(
            &self.shop.db,
            self.shop.policy("create discount code"),
            move |work| {
                let (row, claim) = (row.clone(), claim.clone());
                Box::pin(async move {
                    if idempotency::claim::<()>(work, claim.as_ref())
                        .await?
                        .is_some()
                    {
                        return Ok(());
                    }
                    check_end(work, ends_at).await?;
                    let inserted = discount_code::Entity::insert(row)
                        .on_conflict_do_nothing()
                        .exec_without_returning(work.connection())
                        .await?;
                    if !matches!(inserted, TryInsertResult::Inserted(1)) {
                        return Err(ShopError::field_invalid(
                            "code",
                            "This code already exists. Choose another one.",
                        )
                        .into());
                    }
                    idempotency::record(work, claim.as_ref(), &()).await
                })
            },
        )
        .await
        .map_err(ShopError::from)
    }
}

/// A code that is over before it is created would only surprise the shoppers who get it.
async fn check_end(work: &Work, ends_at: Option<OffsetDateTime>) -> Result<(), Abort> {
    let now = dialect::now(work.connection()).await?;
    if ends_at.is_some_and(|end| end <= now) {
        return Err(ShopError::field_invalid(
            "ends_at",
            "This time has passed. Choose a later end.",
        )
        .into());
    }
    Ok(())
}

fn row_of(new: NewCode) -> Result<discount_code::ActiveModel, ShopError> {
    let code = fold_code(&new.code);
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if code.is_empty() || code.len() > CODE_LEN_MAX || !code.chars().all(allowed) {
        return Err(ShopError::field_invalid(
            "code",
            "Use 1 to 40 letters, digits, dashes or underscores.",
        ));
    }
    let (percent, amount_cents) = match new.value {
        DiscountValue::Percent(percent @ 1..=100) => (Some(i32::from(percent)), None),
        DiscountValue::Percent(_) => {
            return Err(ShopError::field_invalid("value", "Enter 1 to 100 percent."));
        }
        DiscountValue::Cents(cents @ 1..) => (None, Some(cents)),
        DiscountValue::Cents(_) => {
            return Err(ShopError::field_invalid(
                "value",
                "Enter an amount above zero.",
            ));
        }
    };
    moment::check_field("starts_at", new.starts_at)?;
    moment::check_field("ends_at", new.ends_at)?;
    if matches!((new.starts_at, new.ends_at), (Some(start), Some(end)) if end <= start) {
        return Err(ShopError::field_invalid(
            "ends_at",
            "Choose an end after the start.",
        ));
    }
    let signed = |number: u32| i32::try_from(number).unwrap_or(i32::MAX);
    Ok(discount_code::ActiveModel {
        code: Set(code),
        percent: Set(percent),
        amount_cents: Set(amount_cents),
        min_subtotal_cents: Set(Ord::max(new.min_subtotal_cents, 0)),
        starts_at: Set(new.starts_at),
        ends_at: Set(new.ends_at),
        uses_max: Set(signed(new.uses_max)),
        uses: NotSet,
        per_customer_limit: Set(new.per_customer_limit.map(signed)),
        created_at: NotSet,
        switched_off_at: NotSet,
    })
}
