//! The texts of the lessons: the story, the wrong rule and the shop's rule.

use crate::model::LessonKey;

/// The texts of a lesson.
pub struct Card {
    pub title: &'static str,
    /// What happened, in the words of a shop owner.
    pub story: &'static str,
    /// The public report: the text of the link, and a summary that follows it.
    pub seen: (&'static str, &'static str),
    /// URL of the public report.
    pub seen_at: &'static str,
    /// The lines of the wrong rule, and whether a line is the decisive one.
    pub wrong: &'static [(&'static str, bool)],
    /// The rule of this shop.
    pub rule: &'static str,
    /// Files of this repository that implement and test the rule.
    pub places: &'static [&'static str],
}

/// Returns the texts of `lesson`.
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
    story: "One phone is left. A shopper goes to the checkout, and the shop reserves the phone. When the shopper presses Pay, the shop checks \
            again whether a phone is available. None is: the last one is reserved, for this very shopper.",
    seen: (
        "woocommerce/woocommerce, issue 67354",
        ": a shopper is blocked by their own stock reservation.",
    ),
    seen_at: "https://github.com/woocommerce/woocommerce/issues/67354",
    wrong: &[
        ("-- the shopper who holds the phone presses Pay", false),
        (
            "SELECT available >= 1 FROM stock WHERE product_id = $1",
            true,
        ),
        ("-- false: “Sorry, it is sold out.”", false),
    ],
    rule: "Units that a cart holds belong to the cart. Pay moves the hold to the order, and the payment changes it from reserved to sold. The \
           shop checks available stock only for units that are not held yet.",
    places: &[
        "src/shop/holds.rs",
        "src/shop/holds/reconcile.rs",
        "src/shop/settlement.rs",
        "tests/checkout/holds.rs",
    ],
};

const NEGATIVE_QUANTITY: Card = Card {
    title: "Negative quantity",
    story: "A shopper types a minus sign into the quantity field, and the shop does not check it. Minus three units go into the cart: the stock \
            has three units more than were ever received, and the total says that the shop owes money.",
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
    rule: "A quantity is its own type, from 1 to 1,000: the shop rejects any other value before it sends a statement. In addition, the tables \
           have constraints that reject the statement above.",
    places: &[
        "src/model/quantity.rs",
        "migration/src/m0001_catalogue.rs",
        "tests/web/bad_input.rs",
    ],
};

const OFF_BY_ONE: Card = Card {
    title: "Off by one in a counter script",
    story: "A script in front of the shop counts down the stock. It checks that the counter is not below zero, decrements it, and accepts the \
            buyer. At zero it still accepts one: every sale sells one unit too many.",
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
    rule: "The UPDATE itself checks the stock: it matches the row only if enough units are available, and no row means no sale. No separate \
           comparison can be off by one.",
    places: &[
        "src/shop/inventory/strategies/conditional_update.rs",
        "tests/inventory/races.rs",
    ],
};

const HOLD_TIMER: Card = Card {
    title: "Hold timer reset by adding an item",
    story: "When an item is added to the cart, the shop restarts the timer of the whole reservation. This was meant as a courtesy. A bot \
            reserves the last phone, adds a cable, removes it, adds it again, and no other shopper can ever buy the phone.",
    seen: (
        "be-BOP-io-SA/be-BOP, issue 533",
        ": a request for a reservation time that changes to the cart do not renew.",
    ),
    seen_at: "https://github.com/be-BOP-io-SA/be-BOP/issues/533",
    wrong: &[
        ("INSERT INTO cart_item …", false),
        ("UPDATE hold", false),
        ("SET expires_at = CURRENT_TIMESTAMP + ten minutes", true),
        ("WHERE cart_id = $1 AND state = 'held'", false),
    ],
    rule: "A hold keeps its expiry time when the cart changes, and added items expire at the same time. A shopper may extend the reservation \
           once. The lesson does not wait: it moves the times in the rows by a minute.",
    places: &[
        "src/shop/holds.rs",
        "src/shop/holds/reconcile.rs",
        "tests/checkout/holds.rs",
    ],
};

const MEMORY_FIRST: Card = Card {
    title: "Stock decremented in memory before the database",
    story: "To spare its database, a shop decrements a counter in memory and writes the order afterwards. Two connections break in between: \
            the counter was decremented, the orders do not exist, and no code adds the units back. Units are in stock, but every buyer gets \
            “sold out”.",
    seen: (
        "newbee-ltd/newbee-mall-plus, issue 17",
        ": the counter in memory is zero, the database has stock, and no buyer gets it.",
    ),
    seen_at: "https://github.com/newbee-ltd/newbee-mall-plus/issues/17",
    wrong: &[
        ("if counter <= 0 { refuse }", false),
        ("counter -= 1", true),
        ("write the order, lower the row   -- fails", false),
        ("-- and no code runs counter += 1", false),
    ],
    rule: "The stock row decides, in the transaction that writes the order: both commit or neither does. The cache in memory only repeats a \
           rejection of the row, for a tenth of a second.",
    places: &[
        "src/shop/inventory/purchase.rs",
        "src/shop/inventory/sold_out.rs",
        "tests/simulation/faults.rs",
    ],
};

const COUPON_TWICE: Card = Card {
    title: "A coupon spent twice",
    story: "A code is valid for one use. Two orders arrive at once: both read 0 uses, both compare, both write 1. The shop granted the \
            discount twice, but counted it once.",
    seen: (
        "woocommerce/woocommerce, issue 13505",
        ": a code for 1,000 uses was disabled by hand after 1,500 uses, with its counter at 700.",
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
            "-- the lesson models the code as a private product, one unit per use",
            false,
        ),
    ],
    rule: "An order locks the code’s row last. While it holds the lock, it checks the limit and increments the stored number of uses. A \
           constraint enforces the limit as well.",
    places: &["src/shop/discounts.rs", "tests/checkout/discounts.rs"],
};

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn every_lesson_marks_one_line_and_names_existing_files() {
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
