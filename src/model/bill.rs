//! What an order costs, and how that comes about. All amounts are whole cents; every step is checked, so that an amount which does not
//! fit is refused and never wrong.
//!
//! The rules, in this order:
//! 1. The *subtotal* is the sum of the lines.
//! 2. A *discount* is a percentage of the subtotal, rounded half up to the cent, or a fixed amount, and never more than the subtotal.
//! 3. *Shipping* is [`SHIPPING_CENTS`], and free once what is left of the subtotal reaches [`FREE_SHIPPING_FROM_CENTS`]. So no order
//!    paid for by card comes to nothing.
//! 4. The *total* is subtotal − discount + shipping. Prices include the *tax*: of the total, rate ÷ (100 % + rate) is tax, rounded half up
//!    to the cent.

use serde::{Deserialize, Serialize};

use super::Money;

/// Delivery of one order.
pub const SHIPPING_CENTS: i64 = 490;
/// From here on delivery is free.
pub const FREE_SHIPPING_FROM_CENTS: i64 = 5_000;
/// The tax rate, in hundredths of a percent: 19 %.
pub const TAX_BASIS_POINTS: i32 = 1_900;

/// How much a discount code takes off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DiscountValue {
    /// Percent of the subtotal, 1 to 100.
    Percent(u8),
    /// So many cents.
    Cents(i64),
}

impl DiscountValue {
    /// What it takes off `subtotal_cents`.
    pub fn of(self, subtotal_cents: i64) -> i64 {
        let wanted = match self {
            Self::Percent(percent) => share(subtotal_cents, i64::from(percent), 100),
            Self::Cents(cents) => cents,
        };
        wanted.clamp(0, subtotal_cents)
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

/// `part` of `whole`s of an amount, rounded half up. Computed in 128 bits: nothing overflows.
pub fn share(cents: i64, part: i64, whole: i64) -> i64 {
    let doubled = 2 * i128::from(cents) * i128::from(part) + i128::from(whole);
    i64::try_from(doubled.div_euclid(2 * i128::from(whole))).unwrap_or(i64::MAX)
}

/// A bill by the rules above.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bill {
    pub subtotal: Money,
    pub discount: Money,
    pub shipping: Money,
    /// Of which [`Bill::tax`] is tax.
    pub total: Money,
    pub tax: Money,
    pub tax_basis_points: i32,
}

impl Bill {
    /// The bill of an order that is delivered; `None` if an amount does not fit.
    pub fn delivered(subtotal: Money, discount: Option<DiscountValue>) -> Option<Self> {
        let taken_off = discount.map_or(0, |discount| discount.of(subtotal.cents));
        let left = subtotal.cents - taken_off;
        let shipping = if left < FREE_SHIPPING_FROM_CENTS {
            SHIPPING_CENTS
        } else {
            0
        };
        Self::of(subtotal, taken_off, shipping)
    }

    /// The bill of an express purchase: handed over, so nothing is shipped.
    pub fn handed_over(subtotal: Money) -> Option<Self> {
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
        let bill = Bill::delivered(Money::new(subtotal, Currency::EUR), discount)?;
        Some((
            bill.discount.cents,
            bill.shipping.cents,
            bill.total.cents,
            bill.tax.cents,
        ))
    }

    #[test]
    fn a_bill_follows_the_rules() {
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
    fn nothing_overflows() {
        assert_eq!(
            bill(i64::MAX, None),
            Some((0, 0, i64::MAX, 1_472_639_232_775_132_272))
        );
        assert_eq!(share(i64::MAX, 99, 100), 9_131_138_316_486_228_049);
        assert_eq!(share(i64::MAX, 200, 100), i64::MAX);
    }
}
