//! How an amount is shared out, so that the parts always add up to the whole.
//!
//! Rounding each part by itself loses cents: a discount of €1.00 on three equal lines is 33 + 33 +
//! 33 cents. Here the parts lie one after the other on a line from 0 to the whole, only their
//! *borders* are rounded, and a part is the difference of its two borders (*cumulative rounding*,
//! also known as cascade rounding). It follows that
//! - neighbours share a border, so any parts that cover the whole add up to it, in every order;
//! - no part is negative, and none is a cent or more away from its exact share;
//! - a part depends only on its own place, never on which parts were asked for before.

/// `cents` × `part` ÷ `whole`, rounded half up. Computed with 128 bits, so that nothing overflows.
pub fn share(cents: i64, part: i64, whole: i64) -> i64 {
    let doubled = 2 * i128::from(cents) * i128::from(part) + i128::from(whole);
    i64::try_from(doubled.div_euclid(2 * i128::from(whole))).unwrap_or(i64::MAX)
}

/// The part of `cents` that lies between `from` and `to` of `whole`; 0 of an empty whole.
pub fn share_between(cents: i64, from: i64, to: i64, whole: i64) -> i64 {
    if whole <= 0 {
        return 0;
    }
    share(cents, to, whole) - share(cents, from, whole)
}

/// What was paid for the first `units` of one line, in cents, with the line's share of the discount
/// and of the delivery. `total_cents` is what the whole order costs, `subtotal_cents` the sum of
/// its lines, and `before_cents` the sum of the lines in front of this one, in a fixed order.
pub fn paid_for_units(
    total_cents: i64,
    subtotal_cents: i64,
    before_cents: i64,
    unit_price_cents: i64,
    units: i64,
) -> i64 {
    let to = before_cents.saturating_add(unit_price_cents.saturating_mul(units));
    share_between(total_cents, before_cents, to, subtotal_cents)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What each unit of `(price, units)` lines costs, line by line.
    fn unit_amounts(total: i64, lines: &[(i64, i64)]) -> Vec<Vec<i64>> {
        let subtotal = lines.iter().map(|(price, units)| price * units).sum();
        let mut before = 0;
        lines
            .iter()
            .map(|(price, units)| {
                let paid = |n| paid_for_units(total, subtotal, before, *price, n);
                let amounts = (1..=*units).map(|n| paid(n) - paid(n - 1)).collect();
                before += price * units;
                amounts
            })
            .collect()
    }

    #[test]
    fn a_fixed_discount_over_three_lines_adds_up() {
        // €627.00 of goods, €1.00 off, free delivery: €625.99 was refunded once.
        let amounts = unit_amounts(62_600, &[(20_900, 1), (20_900, 1), (20_900, 1)]);
        assert_eq!(amounts, [[20_867], [20_866], [20_867]]);
        assert_eq!(amounts.concat().iter().sum::<i64>(), 62_600);
    }

    #[test]
    fn units_of_one_price_differ_by_a_cent_at_most() {
        let amounts = unit_amounts(4_520, &[(333, 7), (1_001, 2)]).concat();
        assert_eq!(amounts.iter().sum::<i64>(), 4_520);
        let (of_odd, of_even) = amounts.split_at(7);
        for same in [of_odd, of_even] {
            let (least, most) = (same.iter().min(), same.iter().max());
            assert!(most.unwrap_or(&0) - least.unwrap_or(&0) <= 1, "{same:?}");
        }
    }

    #[test]
    fn an_empty_whole_has_no_parts_and_large_amounts_do_not_overflow() {
        assert_eq!(share_between(490, 0, 0, 0), 0);
        assert_eq!(share(i64::MAX, 99, 100), 9_131_138_316_486_228_049);
        assert_eq!(share(i64::MAX, 200, 100), i64::MAX);
        assert_eq!(paid_for_units(i64::MAX, i64::MAX, 0, i64::MAX, 1), i64::MAX);
    }
}
