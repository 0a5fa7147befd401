//! What the cards say before they are played: the story, the rule that broke, and the rule that holds.

use crate::model::LessonKey;

/// The words of a card.
pub struct Card {
    pub title: &'static str,
    /// What happened, as a shopkeeper would tell it.
    pub story: &'static str,
    /// Where it was reported: the name of the link, and what stands behind it.
    pub seen: (&'static str, &'static str),
    /// The public report.
    pub seen_at: &'static str,
    /// The wrong rule line by line, and whether a line is the one that decides.
    pub wrong: &'static [(&'static str, bool)],
    /// What this shop does instead.
    pub rule: &'static str,
    /// Files of this repository where that stands, and where it is tested.
    pub places: &'static [&'static str],
}

/// The words of `lesson`.
pub const fn card(lesson: LessonKey) -> Card {
    match lesson {
        LessonKey::OwnHold => OWN_HOLD,
        LessonKey::NegativeQuantity => NEGATIVE_QUANTITY,
        LessonKey::OffByOne => OFF_BY_ONE,
        LessonKey::HoldTimer => HOLD_TIMER,
        LessonKey::MemoryFirst => MEMORY_FIRST,
        LessonKey::CouponTwice => COUPON_TWICE,
    }
}

const OWN_HOLD: Card = Card {
    title: "A cart blocked by its own hold",
    story: "One phone is left. A shopper goes to the checkout, and the phone is set aside for them. When they press Pay, the shop asks once more \
            whether one is available. None is: the last one is set aside. For them.",
    seen: (
        "woocommerce/woocommerce, issue 67354",
        ": a shopper is blocked by their own stock reservation.",
    ),
    seen_at: "https://github.com/woocommerce/woocommerce/issues/67354",
    wrong: &[
        ("-- the shopper, who holds it, presses Pay", false),
        (
            "SELECT available >= 1 FROM stock WHERE product_id = $1",
            true,
        ),
        ("-- false: “Sorry, it is sold out.”", false),
    ],
    rule: "What a cart holds is the cart’s. Pay hands the hold over to the order, and the payment turns it from reserved to sold; what is \
           available is asked only for what is not held yet.",
    places: &[
        "src/shop/holds.rs",
        "src/shop/holds/fit.rs",
        "src/shop/settlement.rs",
        "tests/checkout/holds.rs",
    ],
};

const NEGATIVE_QUANTITY: Card = Card {
    title: "Negative quantity",
    story: "A form asks how many, somebody types a minus sign, and nobody looks. Minus three go into the cart: the shelf has three more than \
            ever came in, and the bill says what the shop is to pay.",
    seen: (
        "saleor/saleor, issue 5984",
        ": in the demo shop, a minus before the quantity made the subtotal negative.",
    ),
    seen_at: "https://github.com/saleor/saleor/issues/5984",
    wrong: &[
        ("-- quantity = -3", false),
        ("UPDATE stock", false),
        ("SET available = available - quantity,", true),
        ("    sold = sold + quantity", false),
        ("WHERE product_id = $1", false),
        ("-- bill = price * quantity", false),
    ],
    rule: "A quantity is a type of its own, from 1 to 1,000: whatever does not parse is refused before a statement is sent. Behind it stand the \
           constraints of the tables, which reject the very statement above.",
    places: &[
        "src/model/quantity.rs",
        "migration/src/m0001_catalogue.rs",
        "tests/web/bad_input.rs",
    ],
};

const OFF_BY_ONE: Card = Card {
    title: "Off by one in a counter script",
    story: "A script counts down in front of the shop. It asks whether the counter is not below zero, lowers it, and lets the buyer in. With \
            zero on the counter it still says yes: of every sale, one unit too many.",
    seen: (
        "GuoZhaoran/spikeSystem, issue 14",
        ": with >= the script oversells by one, and should have >.",
    ),
    seen_at: "https://github.com/GuoZhaoran/spikeSystem/issues/14",
    wrong: &[
        ("counter = SELECT available FROM stock …", false),
        ("if counter >= 0 {", true),
        ("    UPDATE stock SET available = available - 1 …", false),
        ("    write the order", false),
        ("}", false),
    ],
    rule: "The update asks by itself: it finds the row only where enough is available, and no row means no sale. There is no number left to be \
           off by one.",
    places: &[
        "src/shop/inventory/strategies/conditional_update.rs",
        "tests/inventory/races.rs",
    ],
};

const HOLD_TIMER: Card = Card {
    title: "Hold timer reset by adding an item",
    story: "Whenever something goes into the cart, the shop lets the whole reservation begin anew. It is meant kindly. A bot takes the last \
            phone, adds a cable, takes it out, adds it again, and nobody else ever sees the phone.",
    seen: (
        "be-BOP-io-SA/be-BOP, issue 533",
        ", which asks for a time of its own for what is reserved, that touching the cart does not renew.",
    ),
    seen_at: "https://github.com/be-BOP-io-SA/be-BOP/issues/533",
    wrong: &[
        ("INSERT INTO cart_item …", false),
        ("UPDATE hold", false),
        ("SET expires_at = CURRENT_TIMESTAMP + ten minutes", true),
        ("WHERE cart_id = $1 AND state = 'held'", false),
    ],
    rule: "What is held keeps its time, whatever becomes of the cart, and what is added ends at the same moment. A shopper may extend it, once. \
           Here nobody waits: the rows are told that a minute went by.",
    places: &[
        "src/shop/holds.rs",
        "src/shop/holds/fit.rs",
        "tests/checkout/holds.rs",
    ],
};

const MEMORY_FIRST: Card = Card {
    title: "Stock decremented in memory before the database",
    story: "To spare its database, a shop counts down in memory and writes the order after. Two connections break in between: there are no \
            orders, the counter has counted them, and nobody adds them back. Units lie on the shelf, and everybody is told that it is empty.",
    seen: (
        "newbee-ltd/newbee-mall-plus, issue 17",
        ": the count in front is used up, the database has stock, and nobody can buy it.",
    ),
    seen_at: "https://github.com/newbee-ltd/newbee-mall-plus/issues/17",
    wrong: &[
        ("if counter <= 0 { refuse }", false),
        ("counter -= 1", true),
        ("write the order, lower the row   -- fails", false),
        ("-- and nobody says counter += 1", false),
    ],
    rule: "The row decides, in the transaction that writes the order: both are there or neither is. Memory only repeats what the row has \
           refused, for a tenth of a second.",
    places: &[
        "src/shop/inventory/purchase.rs",
        "src/shop/inventory/sold_out.rs",
        "tests/simulation/faults.rs",
    ],
};

const COUPON_TWICE: Card = Card {
    title: "A coupon spent twice",
    story: "A code is good for one more use. Two orders come at once: both read that none is used, both compare, both write one. The discount \
            was given twice, and the counter says once.",
    seen: (
        "woocommerce/woocommerce, issue 13505",
        ": a code for 1,000 uses was stopped by hand after 1,500, with 700 on its counter.",
    ),
    seen_at: "https://github.com/woocommerce/woocommerce/issues/13505",
    wrong: &[
        ("SELECT uses FROM code   -- both read 0", false),
        ("if uses < uses_max {", false),
        (
            "    UPDATE code SET uses = 1   -- what was read, plus one",
            true,
        ),
        ("    write the order", false),
        ("}", false),
        (
            "-- the exhibit’s code is a private shelf with one unit a use",
            false,
        ),
    ],
    rule: "The code’s row is the last that an order locks. It is asked and counted while it is locked, relative to what stands there, and a \
           constraint stands behind it.",
    places: &["src/shop/discounts.rs", "tests/checkout/discounts.rs"],
};

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn every_card_marks_one_line_and_names_files_that_are_there() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        for lesson in LessonKey::ALL {
            let card = card(lesson);
            let marked = card.wrong.iter().filter(|(_, decides)| *decides).count();
            assert_eq!(marked, 1, "{lesson}");
            assert!(!card.places.is_empty(), "{lesson}");
            for place in card.places {
                assert!(root.join(place).is_file(), "{lesson} names {place}");
            }
        }
    }
}
