//! How an order's total is computed. All amounts are whole cents. Arithmetic is checked: an amount
//! that overflows is rejected, never wrong.
//!
//! The rules, in this order:
//! 1. The *subtotal* is the sum of the lines.
//! 2. A *discount* is a percentage of the subtotal, rounded half up to the cent, or a fixed amount,
//!    and never more than the subtotal.
//! 3. *Shipping* costs [`SHIPPING_CENTS`]; it is free if the subtotal minus the discount is at
//!    least [`FREE_SHIPPING_FROM_CENTS`]. So the total of an order paid by card is never zero.
//! 4. The *total* is subtotal − discount + shipping. Prices include *tax*: rate ÷ (100 % + rate) of
//!    the total, rounded half up to the cent.
//! 5. What a *part* of the order costs is its share of the total, by the lines' amounts: the
//!    discount, the delivery and the tax are shared out with it; see [`super::shares`].

use serde::{Deserialize, Serialize};

use super::{Money, shares::share};

/// The shipping cost of one order.
pub const SHIPPING_CENTS: i64 = 490;
/// Shipping is free from this amount.
pub const FREE_SHIPPING_FROM_CENTS: i64 = 5_000;
/// The tax rate, in hundredths of a percent: 19 %.
pub const TAX_BASIS_POINTS: i32 = 1_900;

/// The value of a discount code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DiscountValue {
    /// Percent of the subtotal, 1 to 100.
    Percent(u8),
    /// A fixed amount in cents.
    Cents(i64),
}

impl DiscountValue {
    /// The discount on `subtotal_cents`, in cents; never more than the subtotal.
    pub fn of(self, subtotal_cents: i64) -> i64 {
        let discount = match self {
            Self::Percent(percent) => share(subtotal_cents, i64::from(percent), 100),
            Self::Cents(cents) => cents,
        };
        discount.clamp(0, subtotal_cents)
    }
}

impl std::fmt::Display for DiscountValue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Percent(percent) => write!(f, "{percent} % off"),
            Self::Cents(cents) => write!(f, "{} off", Money::new(*cents, super::Currency::EUR)),
        }
    }
}

/// An order's amounts, by the rules above.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bill {
    pub subtotal: Money,
    pub discount: Money,
    pub shipping: Money,
    /// Includes [`Bill::tax`].
    pub total: Money,
    pub tax: Money,
    pub tax_basis_points: i32,
}

impl Bill {
    /// The bill of an order with delivery; `None` if an amount overflows.
    pub fn with_delivery(subtotal: Money, discount: Option<DiscountValue>) -> Option<Self> {
        let discount_cents = discount.map_or(0, |discount| discount.of(subtotal.cents));
        let left = subtotal.cents - discount_cents;
        let shipping = if left < FREE_SHIPPING_FROM_CENTS {
            SHIPPING_CENTS
        } else {
            0
        };
        Self::of(subtotal, discount_cents, shipping)
    }

    /// The bill of an express purchase, which has no delivery; `None` if an amount overflows.
    pub fn without_delivery(subtotal: Money) -> Option<Self> {
        Self::of(subtotal, 0, 0)
    }

    fn of(subtotal: Money, discount_cents: i64, shipping_cents: i64) -> Option<Self> {
        let cents = |cents| Money::new(cents, subtotal.currency);
        let total = (subtotal.cents - discount_cents).checked_add(shipping_cents)?;
        let rate = i64::from(TAX_BASIS_POINTS);
        Some(Self {
            subtotal,
            discount: cents(discount_cents),
            shipping: cents(shipping_cents),
            total: cents(total),
            tax: cents(share(total, rate, 10_000 + rate)),
            tax_basis_points: TAX_BASIS_POINTS,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Currency;

    fn bill(subtotal: i64, discount: Option<DiscountValue>) -> Option<(i64, i64, i64, i64)> {
        let bill = Bill::with_delivery(Money::new(subtotal, Currency::EUR), discount)?;
        Some((
            bill.discount.cents,
            bill.shipping.cents,
            bill.total.cents,
            bill.tax.cents,
        ))
    }

    #[test]
    fn the_bill_follows_the_rules() {
        assert_eq!(bill(1_000, None), Some((0, 490, 1_490, 238)));
        assert_eq!(bill(5_000, None), Some((0, 0, 5_000, 798)));
        let ten = Some(DiscountValue::Percent(10));
        assert_eq!(
            bill(5_005, ten),
            Some((501, 490, 4_994, 797)),
            "half a cent up"
        );
        assert_eq!(bill(5_556, ten), Some((556, 0, 5_000, 798)));
        assert_eq!(
            bill(300, Some(DiscountValue::Cents(1_000))),
            Some((300, 490, 490, 78))
        );
        assert_eq!(
            bill(300, Some(DiscountValue::Percent(100))),
            Some((300, 490, 490, 78))
        );
    }

    #[test]
    fn large_amounts_do_not_overflow() {
        assert_eq!(
            bill(i64::MAX, None),
            Some((0, 0, i64::MAX, 1_472_639_232_775_132_272))
        );
    }
}
