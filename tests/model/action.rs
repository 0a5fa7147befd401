//! The actions, and the strategies that generate them.

use std::collections::BTreeMap;

use proptest::{prelude::*, sample::select, strategy::BoxedStrategy};

use super::model_state::{CARTS, CODES, CUSTOMERS, ModelState, PRODUCTS};

/// One step of a sequence. Carts, products, codes, customers and orders are indices.
#[derive(Clone, Debug)]
pub enum Action {
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
    /// The holds of a cart expire.
    CartHoldsExpire {
        cart: usize,
    },
    OrderHoldsExpire {
        order: usize,
    },
    Sweep,
    Pay {
        cart: usize,
        card: Card,
        code: Option<usize>,
        customer: usize,
    },
    /// A slow charge is captured.
    SlowChargeSettles {
        order: usize,
    },
    /// The provider sends a webhook about an order's charge, or about one of its refunds, possibly
    /// again.
    Webhook {
        order: usize,
        refund: Option<usize>,
    },
    /// The shop queries the provider about an order; `late` if its charge is overdue.
    QueryProvider {
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
    ReturnLine {
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
    FulfillBackorders,
    Express {
        product: usize,
        units: u32,
    },
}

/// How the provider handles a charge, as with its test cards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Card {
    Good,
    Declined,
    AnswerLost,
    /// The webhook is lost too.
    AnswerAndWebhookLost,
    RequestLost,
    Slow,
    /// The first answer to each refund is lost.
    RefundAnswerLost,
    /// The provider cannot be reached.
    ProviderUnavailable,
}

impl Card {
    /// Whether the shopper gets a response to the payment.
    pub fn is_answered(self) -> bool {
        matches!(
            self,
            Self::Good | Self::Declined | Self::RefundAnswerLost | Self::ProviderUnavailable
        )
    }
}

/// Generates a step that is possible in `state`, in most cases a sensible one.
pub fn any_in(state: &ModelState) -> BoxedStrategy<Action> {
    if state.carts.iter().all(BTreeMap::is_empty) {
        return prop_oneof![6 => filling(), 1 => stock_administration()].boxed();
    }
    let shopping = prop_oneof![
        3 => filling(),
        4 => shopping(state),
        3 => paying(state),
        2 => stock_administration(),
    ];
    if state.orders.is_empty() {
        return shopping.boxed();
    }
    prop_oneof![
        4 => shopping,
        2 => waiting(state),
        2 => about_orders(state),
    ]
    .boxed()
}

/// Generates one of `sensible` in most cases, and otherwise any number below `count`.
fn mostly(sensible: Vec<usize>, count: usize) -> BoxedStrategy<usize> {
    if sensible.is_empty() {
        return (0..count).boxed();
    }
    prop_oneof![9 => select(sensible), 1 => 0..count].boxed()
}

fn filled_cart(state: &ModelState) -> BoxedStrategy<usize> {
    let filled = (0..CARTS).filter(|cart| !state.carts[*cart].is_empty());
    mostly(filled.collect(), CARTS)
}

fn filling() -> BoxedStrategy<Action> {
    (0..CARTS, 0..PRODUCTS, 1..4_u32)
        .prop_map(|(cart, product, units)| Action::Add {
            cart,
            product,
            units,
        })
        .boxed()
}

fn shopping(state: &ModelState) -> BoxedStrategy<Action> {
    let cart = filled_cart(state);
    let in_cart: Vec<(usize, usize)> = (0..CARTS)
        .flat_map(|cart| {
            state.carts[cart]
                .keys()
                .map(move |product| (cart, *product))
        })
        .collect();
    let line = prop_oneof![9 => select(in_cart), 1 => (0..CARTS, 0..PRODUCTS)].boxed();
    prop_oneof![
        2 => (line.clone(), 1..6_u32)
            .prop_map(|((cart, product), units)| Action::Set { cart, product, units }),
        1 => line.prop_map(|(cart, product)| Action::Remove { cart, product }),
        4 => cart.clone().prop_map(|cart| Action::Reserve { cart }),
        2 => cart.clone().prop_map(|cart| Action::Extend { cart }),
        1 => cart.prop_map(|cart| Action::CartHoldsExpire { cart }),
        3 => Just(Action::Sweep),
        1 => (0..PRODUCTS, 1..4_u32).prop_map(|(product, units)| Action::Express { product, units }),
    ]
    .boxed()
}

fn paying(state: &ModelState) -> BoxedStrategy<Action> {
    let card = prop_oneof![
        4 => Just(Card::Good),
        1 => Just(Card::Declined),
        2 => Just(Card::AnswerLost),
        1 => Just(Card::AnswerAndWebhookLost),
        1 => Just(Card::RequestLost),
        3 => Just(Card::Slow),
        1 => Just(Card::RefundAnswerLost),
        1 => Just(Card::ProviderUnavailable),
    ];
    let code = prop::option::weighted(0.6, 0..CODES);
    (filled_cart(state), card, code, 0..CUSTOMERS)
        .prop_map(|(cart, card, code, customer)| Action::Pay {
            cart,
            card,
            code,
            customer,
        })
        .boxed()
}

fn stock_administration() -> BoxedStrategy<Action> {
    prop_oneof![
        4 => (0..PRODUCTS, 1..5_u32).prop_map(|(product, units)| Action::Receive { product, units }),
        3 => (0..PRODUCTS, 0..6_i64).prop_map(|(product, units)| Action::Count { product, units }),
        1 => Just(Action::FulfillBackorders),
    ]
    .boxed()
}

/// Generates steps for orders whose payment has an unknown outcome.
fn waiting(state: &ModelState) -> BoxedStrategy<Action> {
    let order = mostly(state.with_unknown_payment(), state.orders.len());
    prop_oneof![
        2 => order.clone().prop_map(|order| Action::OrderHoldsExpire { order }),
        2 => order.clone().prop_map(|order| Action::SlowChargeSettles { order }),
        3 => order.clone().prop_map(|order| Action::Webhook { order, refund: None }),
        3 => (order.clone(), any::<bool>()).prop_map(|(order, late)| Action::QueryProvider { order, late }),
        1 => order.prop_map(|order| Action::Cancel { order }),
    ]
    .boxed()
}

/// Generates steps for orders that are placed, paid or backordered.
fn about_orders(state: &ModelState) -> BoxedStrategy<Action> {
    let order = mostly(state.sold_or_backordered(), state.orders.len());
    let line = prop_oneof![4 => Just(0), 1 => 0..PRODUCTS];
    let part = (order.clone(), line, 1..3_u32);
    prop_oneof![
        1 => order.clone().prop_map(|order| Action::Cancel { order }),
        1 => order.clone().prop_map(|order| Action::RefundAll { order }),
        3 => part.clone().prop_map(|(order, line, units)| Action::RefundLine { order, line, units }),
        3 => part.prop_map(|(order, line, units)| Action::ReturnLine { order, line, units }),
        2 => (order, prop::option::of(0..2_usize))
            .prop_map(|(order, refund)| Action::Webhook { order, refund }),
        1 => (mostly(state.with_open_refunds(), state.orders.len()), any::<bool>())
            .prop_map(|(order, late)| Action::QueryProvider { order, late }),
    ]
    .boxed()
}

impl Action {
    /// Returns true if the order of the step exists.
    pub fn is_possible(&self, state: &ModelState) -> bool {
        match self {
            Self::OrderHoldsExpire { order }
            | Self::SlowChargeSettles { order }
            | Self::QueryProvider { order, .. }
            | Self::Cancel { order }
            | Self::RefundAll { order }
            | Self::RefundLine { order, .. }
            | Self::ReturnLine { order, .. }
            | Self::Webhook { order, .. } => *order < state.orders.len(),
            _ => true,
        }
    }
}
