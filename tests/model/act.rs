//! What may happen next.

use std::collections::BTreeMap;

use proptest::{prelude::*, sample::select, strategy::BoxedStrategy};

use super::world::{CARTS, CODES, CUSTOMERS, PRODUCTS, World};

/// A step. Carts, products, codes, customers and orders are numbers, counted from 0.
#[derive(Clone, Debug)]
pub enum Act {
    Add {
        cart: usize,
        product: usize,
        units: u32,
    },
    Set {
        cart: usize,
        product: usize,
        units: u32,
    },
    Remove {
        cart: usize,
        product: usize,
    },
    Reserve {
        cart: usize,
    },
    Extend {
        cart: usize,
    },
    /// The time of a cart's reservation is over.
    CartRunsOut {
        cart: usize,
    },
    OrderRunsOut {
        order: usize,
    },
    Sweep,
    Pay {
        cart: usize,
        card: Card,
        code: Option<usize>,
        customer: usize,
    },
    /// The money of a slow charge moves.
    SlowEnds {
        order: usize,
    },
    /// The provider tells what happened to an order's charge, or to one of its refunds; for the first time or once more.
    Webhook {
        order: usize,
        refund: Option<usize>,
    },
    /// A server asks how things stand; `late` when a charge should have been settled long ago.
    Ask {
        order: usize,
        late: bool,
    },
    Cancel {
        order: usize,
    },
    RefundAll {
        order: usize,
    },
    RefundLine {
        order: usize,
        line: usize,
        units: u32,
    },
    TakeBack {
        order: usize,
        line: usize,
        units: u32,
    },
    Receive {
        product: usize,
        units: u32,
    },
    Count {
        product: usize,
        units: i64,
    },
    ServeBackorders,
    Express {
        product: usize,
        units: u32,
    },
}

/// How the provider takes a charge. Its test cards do the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Card {
    Good,
    Declined,
    AnswerLost,
    /// And no webhook either.
    AnswerAndWebhookLost,
    RequestLost,
    Slow,
    /// The first answer to each refund is lost.
    RefundAnswerLost,
    /// The provider cannot be reached.
    ProviderAway,
}

impl Card {
    /// Whether the shopper who pays is told how that went.
    pub fn is_answered(self) -> bool {
        matches!(
            self,
            Self::Good | Self::Declined | Self::RefundAnswerLost | Self::ProviderAway
        )
    }
}

/// Any step that can be taken in `world`; mostly one that makes sense there.
pub fn any_in(world: &World) -> BoxedStrategy<Act> {
    if world.carts.iter().all(BTreeMap::is_empty) {
        return prop_oneof![6 => filling(), 1 => stockroom()].boxed();
    }
    let shopping = prop_oneof![
        3 => filling(),
        4 => shopping(world),
        3 => paying(world),
        2 => stockroom(),
    ];
    if world.orders.is_empty() {
        return shopping.boxed();
    }
    prop_oneof![
        4 => shopping,
        2 => waiting(world),
        2 => about_orders(world),
    ]
    .boxed()
}

/// Mostly one of `sensible`, and now and then another number below `count`.
fn mostly(sensible: Vec<usize>, count: usize) -> BoxedStrategy<usize> {
    if sensible.is_empty() {
        return (0..count).boxed();
    }
    prop_oneof![9 => select(sensible), 1 => 0..count].boxed()
}

fn filled_cart(world: &World) -> BoxedStrategy<usize> {
    let filled = (0..CARTS).filter(|cart| !world.carts[*cart].is_empty());
    mostly(filled.collect(), CARTS)
}

fn filling() -> BoxedStrategy<Act> {
    (0..CARTS, 0..PRODUCTS, 1..4_u32)
        .prop_map(|(cart, product, units)| Act::Add {
            cart,
            product,
            units,
        })
        .boxed()
}

fn shopping(world: &World) -> BoxedStrategy<Act> {
    let cart = filled_cart(world);
    let in_cart: Vec<(usize, usize)> = (0..CARTS)
        .flat_map(|cart| {
            world.carts[cart]
                .keys()
                .map(move |product| (cart, *product))
        })
        .collect();
    let line = prop_oneof![9 => select(in_cart), 1 => (0..CARTS, 0..PRODUCTS)].boxed();
    prop_oneof![
        2 => (line.clone(), 1..6_u32)
            .prop_map(|((cart, product), units)| Act::Set { cart, product, units }),
        1 => line.prop_map(|(cart, product)| Act::Remove { cart, product }),
        4 => cart.clone().prop_map(|cart| Act::Reserve { cart }),
        2 => cart.clone().prop_map(|cart| Act::Extend { cart }),
        1 => cart.prop_map(|cart| Act::CartRunsOut { cart }),
        3 => Just(Act::Sweep),
        1 => (0..PRODUCTS, 1..4_u32).prop_map(|(product, units)| Act::Express { product, units }),
    ]
    .boxed()
}

fn paying(world: &World) -> BoxedStrategy<Act> {
    let card = prop_oneof![
        4 => Just(Card::Good),
        1 => Just(Card::Declined),
        2 => Just(Card::AnswerLost),
        1 => Just(Card::AnswerAndWebhookLost),
        1 => Just(Card::RequestLost),
        3 => Just(Card::Slow),
        1 => Just(Card::RefundAnswerLost),
        1 => Just(Card::ProviderAway),
    ];
    let code = prop::option::weighted(0.6, 0..CODES);
    (filled_cart(world), card, code, 0..CUSTOMERS)
        .prop_map(|(cart, card, code, customer)| Act::Pay {
            cart,
            card,
            code,
            customer,
        })
        .boxed()
}

fn stockroom() -> BoxedStrategy<Act> {
    prop_oneof![
        4 => (0..PRODUCTS, 1..5_u32).prop_map(|(product, units)| Act::Receive { product, units }),
        3 => (0..PRODUCTS, 0..6_i64).prop_map(|(product, units)| Act::Count { product, units }),
        1 => Just(Act::ServeBackorders),
    ]
    .boxed()
}

/// About orders whose outcome is not known yet.
fn waiting(world: &World) -> BoxedStrategy<Act> {
    let order = mostly(world.unsettled(), world.orders.len());
    prop_oneof![
        2 => order.clone().prop_map(|order| Act::OrderRunsOut { order }),
        2 => order.clone().prop_map(|order| Act::SlowEnds { order }),
        3 => order.clone().prop_map(|order| Act::Webhook { order, refund: None }),
        3 => (order.clone(), any::<bool>()).prop_map(|(order, late)| Act::Ask { order, late }),
        1 => order.prop_map(|order| Act::Cancel { order }),
    ]
    .boxed()
}

/// About orders that stand.
fn about_orders(world: &World) -> BoxedStrategy<Act> {
    let order = mostly(world.standing(), world.orders.len());
    let line = prop_oneof![4 => Just(0), 1 => 0..PRODUCTS];
    let part = (order.clone(), line, 1..3_u32);
    prop_oneof![
        1 => order.clone().prop_map(|order| Act::Cancel { order }),
        1 => order.clone().prop_map(|order| Act::RefundAll { order }),
        3 => part.clone().prop_map(|(order, line, units)| Act::RefundLine { order, line, units }),
        3 => part.prop_map(|(order, line, units)| Act::TakeBack { order, line, units }),
        2 => (order, prop::option::of(0..2_usize))
            .prop_map(|(order, refund)| Act::Webhook { order, refund }),
        1 => (mostly(world.owing(), world.orders.len()), any::<bool>())
            .prop_map(|(order, late)| Act::Ask { order, late }),
    ]
    .boxed()
}

impl Act {
    /// Whether what it is about is there.
    pub fn is_possible(&self, world: &World) -> bool {
        match self {
            Self::OrderRunsOut { order }
            | Self::SlowEnds { order }
            | Self::Ask { order, .. }
            | Self::Cancel { order }
            | Self::RefundAll { order }
            | Self::RefundLine { order, .. }
            | Self::TakeBack { order, .. }
            | Self::Webhook { order, .. } => *order < world.orders.len(),
            _ => true,
        }
    }
}
