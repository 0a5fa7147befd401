//! Discount codes. A code's use count is as contended as stock and is protected in the same way: by
//! a locked row and by a constraint.

mod creation;
mod switching;

pub use creation::NewCode;
pub use switching::CodeChange;

use jiff::tz::TimeZone;
use sea_orm::{
    ActiveValue::{NotSet, Set},
    ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder,
    sea_query::{Expr, ExprTrait},
};
use time::OffsetDateTime;

use crate::{
    db::{
        dialect,
        entity::{discount_code, discount_use},
        locks,
        txn::{self, Abort, Work},
    },
    model::{
        AppliedCode, Currency, DiscountValue, Money, ShopError,
        text::{clean_token, unquote},
    },
    shop::{Shop, administrator::Actor, local_time},
};

/// Maximum length of a code, in characters.
pub const CODE_LEN_MAX: usize = 40;

/// A discount code as administrators see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CodeView {
    pub code: String,
    pub value: DiscountValue,
    pub min_subtotal: Money,
    /// Start, in the shop's time zone; `None` if the code is valid from the beginning.
    pub starts_at: Option<String>,
    /// End, in the shop's time zone; `None` if the code never expires.
    pub ends_at: Option<String>,
    /// False while it is switched off.
    pub is_on: bool,
    pub uses: u32,
    pub uses_max: u32,
    pub per_customer_limit: Option<u32>,
}

/// Returns the stored form of a code: upper case, without what a copied text brings along, such as
/// quotation marks, spaces and invisible characters.
pub fn fold_code(typed: &str) -> String {
    unquote(&clean_token(typed)).to_uppercase()
}

/// Counts one use of `code` and returns its discount. The code's row is the last row that a
/// checkout locks.
///
/// # Errors
/// [`ShopError::CodeUnknown`], [`ShopError::CodeNotActive`], [`ShopError::CodeBelowMinimum`],
/// [`ShopError::CodeUsedUp`], [`ShopError::CodeOverCustomerLimit`].
pub async fn redeem(
    work: &Work,
    code: &str,
    email_folded: &str,
    subtotal: Money,
) -> Result<DiscountValue, Abort> {
    check_format(code)?;
    let row = locks::discount_code(work, code)
        .await?
        .ok_or_else(|| unknown(code))?;
    let now = dialect::now(work.connection()).await?;
    check(&row, now, subtotal)?;
    if let Some(limit) = row.per_customer_limit {
        let used = discount_use::Entity::find()
            .filter(discount_use::Column::Code.eq(code))
            .filter(discount_use::Column::EmailFolded.eq(email_folded))
            .filter(discount_use::Column::GivenBack.eq(false))
            .count(work.connection())
            .await?;
        if used >= u64::try_from(limit).unwrap_or(0) {
            return Err(ShopError::CodeOverCustomerLimit {
                code: code.to_owned(),
                limit: u32::try_from(limit).unwrap_or(0),
            }
            .into());
        }
    }
    change_uses(work, code, 1).await?;
    Ok(value_of(&row))
}

/// Records that `order_id` used `code`, a use that [`redeem`] has counted.
pub async fn record_use(
    work: &Work,
    order_id: i64,
    code: &str,
    email_folded: &str,
) -> Result<(), Abort> {
    let row = discount_use::ActiveModel {
        order_id: Set(order_id),
        code: Set(code.to_owned()),
        email_folded: Set(email_folded.to_owned()),
        given_back: NotSet,
    };
    discount_use::Entity::insert(row)
        .exec_without_returning(work.connection())
        .await?;
    Ok(())
}

/// Releases the use of a declined or cancelled order, if the order used a code. The caller has
/// locked the order.
pub async fn release_use(work: &Work, order_id: i64) -> Result<(), Abort> {
    let Some(used) = discount_use::Entity::find_by_id(order_id)
        .filter(discount_use::Column::GivenBack.eq(false))
        .one(work.connection())
        .await?
    else {
        return Ok(());
    };
    locks::discount_code(work, &used.code).await?;
    change_uses(work, &used.code, -1).await?;
    discount_use::Entity::update_many()
        .col_expr(discount_use::Column::GivenBack, Expr::value(true))
        .filter(discount_use::Column::OrderId.eq(order_id))
        .exec(work.connection())
        .await?;
    Ok(())
}

async fn change_uses(work: &Work, code: &str, change: i32) -> Result<(), Abort> {
    discount_code::Entity::update_many()
        .col_expr(
            discount_code::Column::Uses,
            Expr::col(discount_code::Column::Uses).add(change),
        )
        .filter(discount_code::Column::Code.eq(code))
        .exec(work.connection())
        .await?;
    Ok(())
}

/// Rejects text that cannot be a code before it is queried: PostgreSQL rejects text with a zero
/// byte.
fn check_format(code: &str) -> Result<(), ShopError> {
    if code.chars().count() > CODE_LEN_MAX || code.chars().any(char::is_control) {
        return Err(unknown(code));
    }
    Ok(())
}

fn unknown(code: &str) -> ShopError {
    ShopError::CodeUnknown(code.chars().take(CODE_LEN_MAX).collect())
}

fn check(
    row: &discount_code::Model,
    now: OffsetDateTime,
    subtotal: Money,
) -> Result<(), ShopError> {
    let code = || row.code.clone();
    let is_early = row.starts_at.is_some_and(|at| now < at);
    let is_over = row.ends_at.is_some_and(|at| now >= at);
    if is_early || is_over || row.switched_off_at.is_some() {
        return Err(ShopError::CodeNotActive(code()));
    }
    if subtotal.cents < row.min_subtotal_cents {
        return Err(ShopError::CodeBelowMinimum {
            code: code(),
            minimum: Money::new(row.min_subtotal_cents, subtotal.currency).to_string(),
        });
    }
    if row.uses >= row.uses_max {
        return Err(ShopError::CodeUsedUp(code()));
    }
    Ok(())
}

fn value_of(row: &discount_code::Model) -> DiscountValue {
    match (row.percent, row.amount_cents) {
        (Some(percent), _) => DiscountValue::Percent(u8::try_from(percent).unwrap_or(0)),
        (None, cents) => DiscountValue::Cents(cents.unwrap_or(0)),
    }
}

/// Reads discount codes; see [`Shop::discounts`].
#[derive(Clone, Copy, Debug)]
pub struct Discounts<'a> {
    pub(super) shop: &'a Shop,
}

impl Discounts<'_> {
    /// Returns the discount of `code` without counting a use. The limit per customer is checked
    /// when the order is placed.
    ///
    /// # Errors
    /// [`ShopError::CodeUnknown`], [`ShopError::CodeNotActive`], [`ShopError::CodeBelowMinimum`],
    /// [`ShopError::CodeUsedUp`].
    pub async fn preview(self, code: &str, subtotal: Money) -> Result<DiscountValue, ShopError> {
        let row = self.row(code).await?;
        let now = dialect::now(self.shop.db.reader())
            .await
            .map_err(txn::read_error)?;
        check(&row, now, subtotal)?;
        Ok(value_of(&row))
    }

    /// Checks that there is such a code, which may not be valid right now.
    ///
    /// # Errors
    /// [`ShopError::CodeUnknown`].
    pub async fn check_exists(self, code: &str) -> Result<(), ShopError> {
        self.row(code).await.map(drop)
    }

    async fn row(self, code: &str) -> Result<discount_code::Model, ShopError> {
        check_format(code)?;
        discount_code::Entity::find_by_id(code.to_owned())
            .one(self.shop.db.reader())
            .await
            .map_err(txn::read_error)?
            .ok_or_else(|| unknown(code))
    }

    /// The same as [`Discounts::preview`], for a page: a code that is not valid returns its reason
    /// as text.
    pub(super) async fn applied(
        self,
        code: &str,
        subtotal: Money,
    ) -> Result<(AppliedCode, Option<DiscountValue>), ShopError> {
        let (text, value) = match self.preview(code, subtotal).await {
            Ok(value) => (value.to_string(), Some(value)),
            Err(error) if error.is_rejection() => (error.to_string(), None),
            Err(error) => return Err(error),
        };
        let applied = AppliedCode {
            code: code.to_owned(),
            text,
            counts: value.is_some(),
        };
        Ok((applied, value))
    }

    /// Returns all codes, newest first.
    pub async fn all(self) -> Result<Vec<CodeView>, ShopError> {
        let rows = discount_code::Entity::find()
            .order_by_desc(discount_code::Column::CreatedAt)
            .order_by_asc(discount_code::Column::Code)
            .all(self.shop.db.reader())
            .await
            .map_err(txn::read_error)?;
        let zone = &self.shop.terms.time_zone;
        Ok(rows.into_iter().map(|row| view(row, zone)).collect())
    }
}

/// Creates and switches discount codes for an administrator; see
/// [`Shop::discount_administration`].
#[derive(Clone, Copy, Debug)]
pub struct DiscountAdministration<'a> {
    pub(super) shop: &'a Shop,
    pub(super) actor: Actor,
}

fn view(row: discount_code::Model, zone: &TimeZone) -> CodeView {
    let unsigned = |number: i32| u32::try_from(number).unwrap_or(0);
    CodeView {
        value: value_of(&row),
        code: row.code,
        min_subtotal: Money::new(row.min_subtotal_cents, Currency::EUR),
        starts_at: row.starts_at.map(|at| local_time::in_zone(zone, at)),
        ends_at: row.ends_at.map(|at| local_time::in_zone(zone, at)),
        is_on: row.switched_off_at.is_none(),
        uses: unsigned(row.uses),
        uses_max: unsigned(row.uses_max),
        per_customer_limit: row.per_customer_limit.map(unsigned),
    }
}
