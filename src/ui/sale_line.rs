//! The state of a sale in words, and the badge that shows it.

use super::stock_line::{LOW_STOCK, format_available};
use crate::model::{CartBound, CartRoom, LiveSale, SaleState, SellOut};

/// Fewer units than these are worth a note that there are no more.
pub const BOUND_SHOWN_BELOW: u32 = 10;

/// Returns the class and the text of the badge of a sale with `available` units.
pub fn badge_of(state: SaleState, available: i64) -> (&'static str, String) {
    let (class, text) = match (state, available) {
        (SaleState::Announced, _) => ("badge badge--info", "Not open yet"),
        (SaleState::ReservedOut, _) => ("badge badge--low", "All reserved"),
        (SaleState::SoldOut, _) => ("badge badge--out", "Sold out"),
        (SaleState::Ended, _) => ("badge badge--out", "Sale ended"),
        (SaleState::Open, ..=1) => ("badge badge--low", "Last one"),
        (SaleState::Open, 2..=LOW_STOCK) => {
            return ("badge badge--low", format!("Only {available} left"));
        }
        (SaleState::Open, _) => ("badge badge--ok", "In stock"),
    };
    (class, text.to_owned())
}

/// Describes the stock in the state of its sale, as in `17 of 20 left` or `20 of 20 sold in 41 s`.
/// A sale that is sold out is described by its own units, not by those of earlier sales.
pub fn describe_stock(state: SaleState, sale: &LiveSale) -> String {
    let total = sale.total;
    match state {
        SaleState::Announced if sale.available == 1 => "1 unit".to_owned(),
        SaleState::Announced => format!("{} units", sale.available.max(0)),
        SaleState::Open => format_available(sale.available, total),
        // What is left cannot be bought.
        SaleState::Ended => String::new(),
        SaleState::ReservedOut => "Some may become available".to_owned(),
        SaleState::SoldOut => match sale.sell_out {
            Some(SellOut { units, took_ms }) => {
                format!("{units} of {units} sold in {}", format_duration(took_ms))
            }
            // The units of earlier sales are not those of this one.
            None => String::new(),
        },
    }
}

/// Says what a shopper can do.
pub fn advice(state: SaleState) -> &'static str {
    match state {
        SaleState::Announced => "You can buy here as soon as the sale opens.",
        SaleState::Open => "Reserved for you once you check out.",
        SaleState::ReservedOut => "All reserved. If one becomes available, you can buy it here.",
        SaleState::SoldOut => "Sold out. If one is returned, you can buy it here.",
        SaleState::Ended => "This sale has ended.",
    }
}

/// Says why a shopper cannot add more units than there is `room` for; empty if that is no concern
/// in this state of the sale.
pub fn quantity_note(state: SaleState, room: CartRoom) -> String {
    let is_shown = match (state, room.bound) {
        (SaleState::Announced | SaleState::Open, CartBound::Customer) => true,
        (SaleState::Open, CartBound::Stock | CartBound::Line) => room.more() < BOUND_SHOWN_BELOW,
        _ => false,
    };
    if is_shown {
        room.to_string()
    } else {
        String::new()
    }
}

/// The most units that the quantity field accepts: one, like the least, if `room` is of no use.
pub fn quantity_bound(state: SaleState, room: CartRoom) -> u32 {
    match state {
        SaleState::Ended => 1,
        _ => room.more().max(1),
    }
}

/// The label of the button that adds to the cart, which says why it is disabled.
pub fn cart_button_label(state: SaleState) -> &'static str {
    match state {
        SaleState::Announced | SaleState::Open => "Add to cart",
        SaleState::ReservedOut => "All reserved",
        SaleState::SoldOut => "Sold out",
        SaleState::Ended => "Sale ended",
    }
}

/// The sentence that a screen reader announces when the state changes.
pub fn announcement(before: SaleState, now: SaleState) -> &'static str {
    match (before, now) {
        (SaleState::Announced, SaleState::Open) => "The sale is open. You can buy now.",
        (_, SaleState::Open) => "Available again. You can buy now.",
        (_, SaleState::Announced) => "The sale is not open yet.",
        (_, state) => advice(state),
    }
}

/// Formats a duration with its two largest units, as in `41 s`, `3 min 5 s` or `2 h`. A duration
/// below a second counts as one.
pub fn format_duration(duration_ms: i64) -> String {
    let seconds = (duration_ms.max(0) / 1_000).max(1);
    let (minutes, hours, days) = (seconds / 60, seconds / 3_600, seconds / 86_400);
    let two = |large: i64, unit: &str, small: i64, small_unit: &str| match small {
        0 => format!("{large} {unit}"),
        _ => format!("{large} {unit} {small} {small_unit}"),
    };
    if days > 0 {
        two(days, "d", hours % 24, "h")
    } else if hours > 0 {
        two(hours, "h", minutes % 60, "min")
    } else if minutes > 0 {
        two(minutes, "min", seconds % 60, "s")
    } else {
        format!("{seconds} s")
    }
}

/// Formats the time left of a countdown: `0:09`, `1:02:03`, or `2 d 01:02:03`. It shows `0:00` only
/// when the time is over.
pub fn format_countdown(left_ms: i64) -> String {
    let seconds = left_ms.max(0).saturating_add(999) / 1_000;
    let (days, hours) = (seconds / 86_400, seconds / 3_600 % 24);
    let (minutes, seconds) = (seconds / 60 % 60, seconds % 60);
    match (days, hours) {
        (0, 0) => format!("{minutes}:{seconds:02}"),
        (0, _) => format!("{hours}:{minutes:02}:{seconds:02}"),
        _ => format!("{days} d {hours:02}:{minutes:02}:{seconds:02}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::SalePlan;

    fn sale(available: i64, total: i64, sell_out: Option<(i64, i64)>) -> LiveSale {
        LiveSale {
            product_id: 1,
            plan: SalePlan::default(),
            available,
            total,
            is_sold_out: available <= 0,
            sell_out: sell_out.map(|(units, took_ms)| SellOut { units, took_ms }),
            limit: None,
            price: "€1.00".to_owned(),
            compare_at: None,
        }
    }

    #[test]
    fn each_state_describes_its_stock() {
        for (state, sale, expected) in [
            (SaleState::Announced, sale(20, 20, None), "20 units"),
            (SaleState::Announced, sale(1, 20, None), "1 unit"),
            (SaleState::Open, sale(17, 20, None), "17 of 20 left"),
            (
                SaleState::ReservedOut,
                sale(0, 20, None),
                "Some may become available",
            ),
            (SaleState::SoldOut, sale(0, 20, None), ""),
            (
                SaleState::SoldOut,
                sale(0, 20, Some((20, 41_400))),
                "20 of 20 sold in 41 s",
            ),
            // The second sale of this product.
            (
                SaleState::SoldOut,
                sale(0, 20, Some((5, 3_000))),
                "5 of 5 sold in 3 s",
            ),
            (SaleState::SoldOut, sale(0, 0, None), ""),
            (SaleState::Open, sale(-3, 20, None), "0 of 20 left"),
            (SaleState::Ended, sale(70, 70, None), ""),
        ] {
            assert_eq!(describe_stock(state, &sale), expected);
        }
    }

    #[test]
    fn a_quantity_has_a_note_where_its_bound_is_near() {
        let limited = "2 is the limit per customer.";
        let all_in_cart = "2 is the limit per customer, and 2 are in your cart already.";
        for (state, left, limit, in_cart, expected) in [
            (SaleState::Open, 10, None, 0, ""),
            (SaleState::Open, 9, None, 0, "Only 9 left."),
            (
                SaleState::Open,
                10,
                None,
                1,
                "Only 10 left, and 1 is in your cart: you can add 9 more.",
            ),
            (SaleState::Open, 50, Some(2), 0, limited),
            (SaleState::Open, 50, Some(2), 2, all_in_cart),
            (SaleState::Announced, 50, Some(2), 0, limited),
            (SaleState::Announced, 9, None, 0, ""),
            (SaleState::ReservedOut, 0, Some(2), 1, ""),
            (SaleState::SoldOut, 0, None, 0, ""),
            (SaleState::Ended, 50, Some(2), 0, ""),
        ] {
            let room = CartRoom::new(left, limit, in_cart);
            assert_eq!(quantity_note(state, room), expected);
        }
    }

    #[test]
    fn a_quantity_can_be_raised_until_its_sale_ends() {
        for (state, left, expected) in [
            (SaleState::Announced, 50, 50),
            (SaleState::Open, 50, 50),
            (SaleState::ReservedOut, 0, 1),
            (SaleState::SoldOut, 0, 1),
            (SaleState::Ended, 50, 1),
        ] {
            let room = CartRoom::new(left, None, 0);
            assert_eq!(quantity_bound(state, room), expected);
        }
    }

    #[test]
    fn durations_have_at_most_two_units() {
        for (ms, expected) in [
            (-5, "1 s"),
            (400, "1 s"),
            (41_999, "41 s"),
            (60_000, "1 min"),
            (185_000, "3 min 5 s"),
            (7_200_000, "2 h"),
            (7_860_000, "2 h 11 min"),
            (266_400_000, "3 d 2 h"),
        ] {
            assert_eq!(format_duration(ms), expected);
        }
    }

    #[test]
    fn a_countdown_reaches_zero_only_at_the_end() {
        for (ms, expected) in [
            (-1, "0:00"),
            (0, "0:00"),
            (1, "0:01"),
            (9_000, "0:09"),
            (59_001, "1:00"),
            (3_723_000, "1:02:03"),
            (86_400_000, "1 d 00:00:00"),
            (i64::MAX, "106751991167 d 07:12:55"),
        ] {
            assert_eq!(format_countdown(ms), expected);
        }
    }
}
