//! The plan of a sale as an administrator enters it, and the rules that it is checked by.

use time::OffsetDateTime;

use super::history::FieldChange;
use crate::{
    db::entity::product,
    model::{FieldError, Money, ShopError},
    shop::{catalog::money, moment},
};

/// The highest price, in cents.
pub const PRICE_CENTS_MAX: i64 = 100_000_000;
/// The highest limit of units for one customer.
pub const LIMIT_MAX: i64 = 1_000_000;

/// A sale to plan.
#[derive(Clone, Debug)]
pub struct NewPlan {
    /// `None`: the product has always been on sale. A time in the past opens the sale at once.
    pub starts_at: Option<OffsetDateTime>,
    /// `None`: the sale does not end.
    pub ends_at: Option<OffsetDateTime>,
    /// `None`: the price does not change.
    pub price_cents: Option<i64>,
    /// A higher price to compare with, in cents.
    pub compare_at_cents: NewValue,
    /// The units that one customer may have.
    pub per_customer_limit: NewValue,
}

/// A value that may be absent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NewValue {
    /// It does not change.
    Unchanged,
    /// It is removed.
    Absent,
    Set(i64),
}

impl NewValue {
    const fn or(self, current: Option<i64>) -> Option<i64> {
        match self {
            Self::Unchanged => current,
            Self::Absent => None,
            Self::Set(value) => Some(value),
        }
    }
}

/// What a product row says about its sale.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SaleRow {
    pub starts_at: Option<OffsetDateTime>,
    pub ends_at: Option<OffsetDateTime>,
    pub price_cents: i64,
    pub compare_at_cents: Option<i64>,
    pub per_customer_limit: Option<i32>,
}

impl SaleRow {
    /// Reads the sale of a product's row.
    pub fn of(row: &product::Model) -> Self {
        Self {
            starts_at: row.sale_starts_at,
            ends_at: row.sale_ends_at,
            price_cents: row.price_cents,
            compare_at_cents: row.compare_at_cents,
            per_customer_limit: row.per_customer_limit,
        }
    }

    /// The fields that `new` changes, as text.
    pub fn changes_to(&self, new: &Self) -> Vec<FieldChange> {
        let time = |at: Option<OffsetDateTime>| at.map(moment::in_rfc3339);
        let number = |number: Option<i64>| number.map(|number| number.to_string());
        let limit = |row: &Self| row.per_customer_limit.map(|limit| limit.to_string());
        let fields = [
            ("from", time(self.starts_at), time(new.starts_at)),
            ("until", time(self.ends_at), time(new.ends_at)),
            (
                "price",
                number(Some(self.price_cents)),
                number(Some(new.price_cents)),
            ),
            (
                "compare-at price",
                number(self.compare_at_cents),
                number(new.compare_at_cents),
            ),
            ("limit", limit(self), limit(new)),
        ];
        let changed = fields
            .into_iter()
            .filter(|(_, before, after)| before != after);
        changed.collect()
    }
}

impl NewPlan {
    /// Returns the row with this plan, if every rule allows it at `now`.
    ///
    /// # Errors
    /// [`ShopError::FieldsInvalid`], with one message for each field of the form: `from`, `until`,
    /// `price`, `compare_at` and `limit`.
    pub(super) fn applied_to(
        &self,
        row: &product::Model,
        now: OffsetDateTime,
    ) -> Result<SaleRow, ShopError> {
        let current = SaleRow::of(row);
        let limit = self
            .per_customer_limit
            .or(current.per_customer_limit.map(i64::from));
        let new = SaleRow {
            starts_at: same_or_new(current.starts_at, self.starts_at),
            ends_at: same_or_new(current.ends_at, self.ends_at),
            price_cents: self.price_cents.unwrap_or(current.price_cents),
            compare_at_cents: self.compare_at_cents.or(current.compare_at_cents),
            per_customer_limit: limit.and_then(|limit| i32::try_from(limit).ok()),
        };
        let price = money(new.price_cents, &row.currency);
        let errors: Vec<FieldError> = [
            ("from", year_error(new.starts_at)),
            ("until", end_error(&new, current.ends_at, now)),
            ("price", price_error(new.price_cents)),
            ("compare_at", compare_at_error(new.compare_at_cents, price)),
            ("limit", limit_error(limit)),
        ]
        .into_iter()
        .filter_map(|(field, error)| Some(FieldError::new(field, error?)))
        .collect();
        if errors.is_empty() {
            Ok(new)
        } else {
            Err(ShopError::FieldsInvalid(errors))
        }
    }
}

/// Times are planned to the millisecond. A time that is the current one to the millisecond does
/// not change it.
fn same_or_new(
    current: Option<OffsetDateTime>,
    new: Option<OffsetDateTime>,
) -> Option<OffsetDateTime> {
    let new_ms = moment::as_ms(new?);
    match current {
        Some(current) if [moment::as_ms(current), moment::as_ms_up(current)].contains(&new_ms) => {
            Some(current)
        }
        _ => Some(moment::from_ms(new_ms)),
    }
}

fn year_error(at: Option<OffsetDateTime>) -> Option<String> {
    let checked = moment::check_field("at", at);
    let error = checked.err()?;
    error.field_message("at").map(ToOwned::to_owned)
}

/// The end of a sale that is over may stay, so that the rest can be changed.
fn end_error(
    new: &SaleRow,
    current: Option<OffsetDateTime>,
    now: OffsetDateTime,
) -> Option<String> {
    let ends_at = new.ends_at?;
    if let Some(error) = year_error(Some(ends_at)) {
        return Some(error);
    }
    if new.starts_at.is_some_and(|start| ends_at <= start) {
        return Some("Choose an end after the start.".to_owned());
    }
    (ends_at <= now && current != Some(ends_at))
        .then(|| "This time has passed. Choose a later end, or end the sale now.".to_owned())
}

fn price_error(cents: i64) -> Option<String> {
    (!(1..=PRICE_CENTS_MAX).contains(&cents))
        .then(|| "Enter a price from 0.01 to 1,000,000.".to_owned())
}

fn compare_at_error(cents: Option<i64>, price: Money) -> Option<String> {
    let cents = cents?;
    if cents <= price.cents {
        return Some(format!("Enter more than the price, which is {price}."));
    }
    (cents > PRICE_CENTS_MAX).then(|| "Enter at most 1,000,000.".to_owned())
}

fn limit_error(limit: Option<i64>) -> Option<String> {
    (!(1..=LIMIT_MAX).contains(&limit?))
        .then(|| "Enter a whole number from 1 to 1,000,000.".to_owned())
}

#[cfg(test)]
mod tests {
    use time::{Duration, macros::datetime};

    use super::*;

    const NOW: OffsetDateTime = datetime!(2026-12-12 12:12:00 UTC);

    fn row() -> product::Model {
        product::Model {
            id: 1,
            slug: "lamp".to_owned(),
            name: "Lamp".to_owned(),
            description: String::new(),
            category: String::new(),
            artwork: String::new(),
            price_cents: 1_000,
            currency: "EUR".to_owned(),
            per_customer_limit: Some(2),
            sale_starts_at: None,
            sale_ends_at: None,
            lane_id: None,
            compare_at_cents: Some(1_500),
        }
    }

    fn plan() -> NewPlan {
        NewPlan {
            starts_at: Some(NOW + Duration::HOUR),
            ends_at: Some(NOW + Duration::DAY),
            price_cents: None,
            compare_at_cents: NewValue::Unchanged,
            per_customer_limit: NewValue::Unchanged,
        }
    }

    /// The fields with an error.
    fn errors(plan: &NewPlan) -> Vec<String> {
        match plan.applied_to(&row(), NOW) {
            Ok(_) => Vec::new(),
            Err(ShopError::FieldsInvalid(errors)) => {
                errors.into_iter().map(|error| error.field).collect()
            }
            Err(other) => panic!("{other}"),
        }
    }

    #[test]
    fn what_is_left_out_stays() {
        let Ok(new) = plan().applied_to(&row(), NOW) else {
            panic!("the plan is valid");
        };
        let rest = (
            new.price_cents,
            new.compare_at_cents,
            new.per_customer_limit,
        );
        assert_eq!(rest, (1_000, Some(1_500), Some(2)));
        let changes = SaleRow::of(&row()).changes_to(&new);
        let fields: Vec<_> = changes.iter().map(|(field, ..)| *field).collect();
        assert_eq!(fields, ["from", "until"]);
        assert_eq!(changes[0].1, None);
        assert_eq!(changes[0].2.as_deref(), Some("2026-12-12T13:12:00Z"));
        assert!(new.changes_to(&new).is_empty());
    }

    #[test]
    fn each_rule_has_its_field() {
        assert_eq!(errors(&plan()), [""; 0]);
        let past_start = NewPlan {
            starts_at: Some(NOW - Duration::DAY),
            ..plan()
        };
        assert_eq!(errors(&past_start), [""; 0], "it opens at once");
        for (ends_at, expected) in [
            (None, &[][..]),
            (Some(NOW + Duration::HOUR), &["until"][..]),
            (Some(NOW), &["until"][..]),
            (Some(datetime!(2300-01-01 00:00 UTC)), &["until"][..]),
        ] {
            assert_eq!(
                errors(&NewPlan { ends_at, ..plan() }),
                expected,
                "{ends_at:?}"
            );
        }
        let over = NewPlan {
            starts_at: None,
            ends_at: Some(NOW),
            ..plan()
        };
        assert_eq!(errors(&over), ["until"]);
        let is_over = product::Model {
            sale_ends_at: Some(NOW),
            ..row()
        };
        assert!(over.applied_to(&is_over, NOW).is_ok(), "it stays");
        for (price, expected) in [
            (0, &["price"][..]),
            (-1, &["price"][..]),
            (1, &[][..]),
            // The comparison price is no longer higher.
            (1_500, &["compare_at"][..]),
            (PRICE_CENTS_MAX + 1, &["price", "compare_at"][..]),
        ] {
            let plan = NewPlan {
                price_cents: Some(price),
                ..plan()
            };
            assert_eq!(errors(&plan), expected, "{price}");
        }
        for (value, compare_at, limit) in [
            (NewValue::Absent, false, false),
            (NewValue::Set(0), true, true),
            (NewValue::Set(1_000), true, false),
            (NewValue::Set(1_001), false, false),
            (NewValue::Set(i64::MAX), true, true),
        ] {
            let fields = |compare_at_cents, per_customer_limit| {
                errors(&NewPlan {
                    compare_at_cents,
                    per_customer_limit,
                    ..plan()
                })
            };
            let is_refused = !fields(value, NewValue::Unchanged).is_empty();
            assert_eq!(is_refused, compare_at, "{value:?}");
            let is_refused = !fields(NewValue::Unchanged, value).is_empty();
            assert_eq!(is_refused, limit, "{value:?}");
        }
    }

    #[test]
    fn a_time_that_is_the_same_to_the_millisecond_is_no_change() {
        let exact = datetime!(2026-12-13 00:00:00.000123 UTC);
        let kept = same_or_new(Some(exact), Some(datetime!(2026-12-13 00:00 UTC)));
        assert_eq!(kept, Some(exact));
        let new = same_or_new(None, Some(exact));
        assert_eq!(new, Some(datetime!(2026-12-13 00:00 UTC)));
    }
}
