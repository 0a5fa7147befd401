//! The twenty-eight pairs with their scenarios and expected outcomes.

use doorbuster::config::PaidWithoutStock::{Backorder, Refund as PayBack};

use super::{
    forcing::{ExpectedEnd, Pair},
    scenario::{
        Operation::{self, *},
        Step::*,
    },
};

/// Generates a test for each entry.
macro_rules! pairs {
    ($($name:ident: $one:ident, $other:ident, [$($step:expr),*], $incoming:literal, $terms:ident, $ends:expr;)*) => {
        $(
            #[tokio::test]
            async fn $name() {
                let pair = Pair {
                    operations: [$one, $other],
                    steps: &[$($step),*],
                    incoming: $incoming,
                    terms: $terms,
                    ends: $ends.map(|(outcome, waits)| ExpectedEnd { outcome, waits }),
                };
                pair.check().await;
            }
        )*

        const PAIRS: &[[Operation; 2]] = &[$([$one, $other]),*];
    };
}

pairs! {
    hold_and_hold: Hold, Hold, [Stock(1), Cart(1), Rival(1)], 0, PayBack, [
        ("done, then InsufficientStock: 0 available, 1 held, 0 sold", true),
        ("done, then InsufficientStock: 0 available, 1 held, 0 sold", true),
    ];
    hold_and_extend: Hold, Extend, [Stock(2), Cart(1), Reserve, Grow(2)], 0, PayBack, [
        ("done, then done: 0 available, 2 held, 0 sold, extended", true),
        ("done, then done: 0 available, 2 held, 0 sold, extended", true),
    ];
    hold_and_confirm: Hold, Confirm, [Stock(1), Order(1), OrderExpires, Sweep, Cart(1)], 0, PayBack, [
        ("done, then done: 0 available, 1 held, 0 sold; cancelled, 0 due of 2290", true),
        ("done, then InsufficientStock: 0 available, 0 held, 1 sold; paid, 2290 due of 2290", true),
    ];
    hold_and_expire: Hold, Expire, [Stock(1), Cart(1), Rival(1), RivalReserves, RivalExpires], 0, PayBack, [
        ("InsufficientStock, then 2 swept: 1 available, 0 held, 0 sold", false),
        ("2 swept, then done: 0 available, 1 held, 0 sold", true),
    ];
    hold_and_cancel: Hold, Cancel, [Stock(1), Cart(1), Order(1), Pay], 0, PayBack, [
        ("InsufficientStock, then done: 1 available, 0 held, 0 sold; cancelled, 0 due of 2290", false),
        ("done, then done: 0 available, 1 held, 0 sold; cancelled, 0 due of 2290", true),
    ];
    hold_and_refund: Hold, Refund, [Stock(2), Cart(1), Order(1), Pay], 0, PayBack, [
        ("done, then done: 0 available, 1 held, 1 sold; paid, 0 due of 2290", false),
        ("done, then done: 0 available, 1 held, 1 sold; paid, 0 due of 2290", false),
    ];
    hold_and_restock: Hold, Restock, [Stock(1), Cart(1), Order(1), OrderExpires, Sweep, LoseStock, Pay], 2, Backorder, [
        ("InsufficientStock, then done: 1 available, 0 held, 1 sold; paid, 2290 due of 2290", false),
        ("done, then done: 0 available, 1 held, 1 sold; paid, 2290 due of 2290", true),
    ];
    extend_and_extend: Extend, Extend, [Stock(1), Cart(1), Reserve], 0, PayBack, [
        ("done, then AlreadyExtended: 0 available, 1 held, 0 sold, extended", true),
        ("done, then AlreadyExtended: 0 available, 1 held, 0 sold, extended", true),
    ];
    extend_and_confirm: Extend, Confirm, [Stock(1), Cart(1), Reserve, OrderCart], 0, PayBack, [
        ("ReservationExpired, then done: 0 available, 0 held, 1 sold; paid, 2290 due of 2290", false),
        ("done, then ReservationExpired: 0 available, 0 held, 1 sold; paid, 2290 due of 2290", false),
    ];
    extend_and_expire: Extend, Expire, [Stock(1), Cart(1), Reserve], 0, PayBack, [
        ("done, then 0 swept: 0 available, 1 held, 0 sold, extended", false),
        ("2 swept, then ReservationExpired: 1 available, 0 held, 0 sold", true),
    ];
    extend_and_cancel: Extend, Cancel, [Stock(1), Cart(1), Reserve, OrderCart], 0, PayBack, [
        ("ReservationExpired, then done: 1 available, 0 held, 0 sold; cancelled, 0 due of 2290", false),
        ("done, then ReservationExpired: 1 available, 0 held, 0 sold; cancelled, 0 due of 2290", false),
    ];
    extend_and_refund: Extend, Refund, [Stock(2), Order(1), Pay, Cart(1), Reserve], 0, PayBack, [
        ("done, then done: 0 available, 1 held, 1 sold, extended; paid, 0 due of 2290", false),
        ("done, then done: 0 available, 1 held, 1 sold, extended; paid, 0 due of 2290", false),
    ];
    extend_and_restock: Extend, Restock, [Stock(1), Order(1), OrderExpires, Sweep, LoseStock, Pay, Stock(1), Cart(1), Reserve], 1, Backorder, [
        ("done, then done: 0 available, 1 held, 1 sold, extended; paid, 2290 due of 2290", false),
        ("done, then done: 0 available, 1 held, 1 sold, extended; paid, 2290 due of 2290", false),
    ];
    confirm_and_confirm: Confirm, Confirm, [Stock(1), Order(1)], 0, PayBack, [
        ("done, then done: 0 available, 0 held, 1 sold; paid, 2290 due of 2290", true),
        ("done, then done: 0 available, 0 held, 1 sold; paid, 2290 due of 2290", true),
    ];
    confirm_and_expire: Confirm, Expire, [Stock(1), Order(1), OrderExpires], 0, PayBack, [
        ("done, then 0 swept: 0 available, 0 held, 1 sold; paid, 2290 due of 2290", false),
        ("2 swept, then done: 0 available, 0 held, 1 sold; paid, 2290 due of 2290", true),
    ];
    confirm_and_cancel: Confirm, Cancel, [Stock(1), Order(1)], 0, PayBack, [
        ("done, then done: 1 available, 0 held, 0 sold; cancelled, 0 due of 2290", true),
        ("done, then done: 1 available, 0 held, 0 sold; cancelled, 0 due of 2290", true),
    ];
    confirm_and_refund: Confirm, Refund, [Stock(1), Order(1)], 0, PayBack, [
        ("done, then done: 0 available, 0 held, 1 sold; paid, 0 due of 2290", true),
        ("InvalidState, then done: 0 available, 0 held, 1 sold; paid, 2290 due of 2290", false),
    ];
    confirm_and_restock: Confirm, Restock, [Stock(1), Order(1), OrderExpires, Sweep, LoseStock], 1, Backorder, [
        ("done, then done: 0 available, 0 held, 1 sold; paid, 2290 due of 2290", true),
        ("done, then done: 0 available, 0 held, 1 sold; paid, 2290 due of 2290", true),
    ];
    expire_and_expire: Expire, Expire, [Stock(1), Rival(1), RivalReserves, RivalExpires], 0, PayBack, [
        ("2 swept, then 0 swept: 1 available, 0 held, 0 sold", false),
        ("2 swept, then 0 swept: 1 available, 0 held, 0 sold", false),
    ];
    expire_and_cancel: Expire, Cancel, [Stock(1), Order(1), OrderExpires], 0, PayBack, [
        ("2 swept, then done: 1 available, 0 held, 0 sold; cancelled, 0 due of 2290", true),
        ("done, then 0 swept: 1 available, 0 held, 0 sold; cancelled, 0 due of 2290", false),
    ];
    expire_and_refund: Expire, Refund, [Stock(2), Order(1), Pay, Rival(1), RivalReserves, RivalExpires], 0, PayBack, [
        ("2 swept, then done: 1 available, 0 held, 1 sold; paid, 0 due of 2290", false),
        ("done, then 2 swept: 1 available, 0 held, 1 sold; paid, 0 due of 2290", false),
    ];
    expire_and_restock: Expire, Restock, [Stock(2), Order(2), OrderExpires, Sweep, LoseStock, Pay, Stock(1), Rival(1), RivalReserves, RivalExpires], 1, Backorder, [
        ("2 swept, then done: 0 available, 0 held, 2 sold; paid, 3190 due of 3190", true),
        ("done, then 2 swept: 0 available, 0 held, 2 sold; paid, 3190 due of 3190", true),
    ];
    cancel_and_cancel: Cancel, Cancel, [Stock(1), Order(1), Pay], 0, PayBack, [
        ("done, then InvalidState: 1 available, 0 held, 0 sold; cancelled, 0 due of 2290", true),
        ("done, then InvalidState: 1 available, 0 held, 0 sold; cancelled, 0 due of 2290", true),
    ];
    cancel_and_refund: Cancel, Refund, [Stock(1), Order(1), Pay], 0, PayBack, [
        ("done, then InvalidState: 1 available, 0 held, 0 sold; cancelled, 0 due of 2290", true),
        ("done, then done: 1 available, 0 held, 0 sold; cancelled, 0 due of 2290", true),
    ];
    cancel_and_restock: Cancel, Restock, [Stock(1), Order(1), OrderExpires, Sweep, LoseStock, Pay], 1, Backorder, [
        ("done, then done: 1 available, 0 held, 0 sold; cancelled, 0 due of 2290", true),
        ("done, then done: 1 available, 0 held, 0 sold; cancelled, 0 due of 2290", true),
    ];
    refund_and_refund: Refund, Refund, [Stock(1), Order(1), Pay], 0, PayBack, [
        ("done, then InvalidState: 0 available, 0 held, 1 sold; paid, 0 due of 2290", true),
        ("done, then InvalidState: 0 available, 0 held, 1 sold; paid, 0 due of 2290", true),
    ];
    refund_and_restock: Refund, Restock, [Stock(1), Order(1), OrderExpires, Sweep, LoseStock, Pay], 1, Backorder, [
        ("InvalidState, then done: 0 available, 0 held, 1 sold; paid, 2290 due of 2290", false),
        ("done, then done: 0 available, 0 held, 1 sold; paid, 0 due of 2290", true),
    ];
    restock_and_restock: Restock, Restock, [Stock(2), Order(2), OrderExpires, Sweep, LoseStock, Pay], 1, Backorder, [
        ("done, then done: 0 available, 0 held, 2 sold; paid, 3190 due of 3190", true),
        ("done, then done: 0 available, 0 held, 2 sold; paid, 3190 due of 3190", true),
    ];
}

#[test]
fn the_table_contains_every_pair_of_operations() {
    let all = [Hold, Extend, Confirm, Expire, Cancel, Refund, Restock];
    let every_two: Vec<_> = (0..all.len())
        .flat_map(|one| (one..all.len()).map(move |other| [all[one], all[other]]))
        .collect();
    assert_eq!(PAIRS, every_two);
}
