//! The model: counters, carts, holds, orders and amounts, and the effect of each step on them.

mod administration;
mod carts;
mod money;

use std::{collections::BTreeMap, fmt::Write};

use doorbuster::model::DiscountValue;
use proptest::{prelude::*, strategy::BoxedStrategy};
use proptest_state_machine::ReferenceStateMachine;

use super::action::{self, Action, Card};

pub const CARTS: usize = 4;
pub const PRODUCTS: usize = 3;
pub const CODES: usize = 2;
pub const CUSTOMERS: usize = 2;

/// The price of each product.
pub const PRICES: [i64; PRODUCTS] = [999, 2_450, 5_005];
pub const LIMITS: [Option<i64>; PRODUCTS] = [None, Some(6), None];

/// A discount code.
#[derive(Clone, Copy, Debug)]
pub struct Code {
    pub value: DiscountValue,
    pub minimum: i64,
    pub uses_max: i64,
    pub per_customer: Option<i64>,
}

pub const CODE_RULES: [Code; CODES] = [
    Code {
        value: DiscountValue::Percent(33),
        minimum: 0,
        uses_max: 3,
        per_customer: None,
    },
    Code {
        value: DiscountValue::Cents(1_500),
        minimum: 3_000,
        uses_max: 100,
        per_customer: Some(2),
    },
];

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Product {
    pub total: i64,
    pub available: i64,
    pub reserved: i64,
    pub sold: i64,
}

#[derive(Clone, Debug)]
pub struct Hold {
    cart: usize,
    order: Option<usize>,
    product: usize,
    units: i64,
    is_live: bool,
    is_extended: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    Placed,
    Pending,
    Declined,
    Paid,
    Backordered,
    Cancelled,
}

/// The state of a charge, at the provider, or as the shop has stored it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Charge {
    /// The provider never received it; for the shop, its outcome is unknown.
    Unknown,
    Processing,
    Captured,
    Declined,
    Voided,
}

#[derive(Clone, Debug)]
pub struct Line {
    product: usize,
    units: i64,
    returned: i64,
    refunded: i64,
}

#[derive(Clone, Debug)]
pub struct Refund {
    cents: i64,
    /// Whether the provider has refunded it.
    is_paid: bool,
    /// Whether the shop has stored that it is refunded.
    is_done: bool,
}

#[derive(Clone, Debug)]
pub struct Order {
    /// `None` for an express purchase.
    cart: Option<usize>,
    customer: usize,
    card: Card,
    lines: Vec<Line>,
    status: Status,
    subtotal: i64,
    total: i64,
    due: i64,
    code: Option<usize>,
    /// Whether the use of the code is available again.
    is_code_released: bool,
    payment: Charge,
    charge: Charge,
    refunds: Vec<Refund>,
    /// Whether the provider can send a webhook about the charge.
    has_webhook: bool,
}

impl Order {
    fn captured(&self) -> i64 {
        if self.payment == Charge::Captured {
            self.total
        } else {
            0
        }
    }
}

/// See the module's documentation.
#[derive(Clone, Debug)]
pub struct ModelState {
    pub backorders: bool,
    pub by_row_lock: bool,
    pub products: [Product; PRODUCTS],
    pub uses: [i64; CODES],
    pub carts: [BTreeMap<usize, i64>; CARTS],
    holds: Vec<Hold>,
    pub orders: Vec<Order>,
    /// The result of the last step: `Ok`, or the name of an error.
    pub result: &'static str,
}

type StepResult = Result<(), &'static str>;

pub struct ModelMachine;

impl ReferenceStateMachine for ModelMachine {
    type State = ModelState;
    type Transition = Action;

    fn init_state() -> BoxedStrategy<ModelState> {
        (any::<bool>(), any::<bool>(), 0..9_i64)
            .prop_map(|(backorders, by_row_lock, stock)| {
                ModelState::new(backorders, by_row_lock, stock)
            })
            .boxed()
    }

    fn transitions(state: &ModelState) -> BoxedStrategy<Action> {
        action::any_in(state)
    }

    fn preconditions(state: &ModelState, action: &Action) -> bool {
        action.is_possible(state)
    }

    fn apply(mut state: ModelState, action: &Action) -> ModelState {
        // A rejected step changes nothing.
        let mut changed = state.clone();
        match changed.perform(action) {
            Ok(()) => {
                changed.result = "Ok";
                changed
            }
            Err(refusal) => {
                state.result = refusal;
                state
            }
        }
    }
}

impl ModelState {
    fn new(backorders: bool, by_row_lock: bool, stock: i64) -> Self {
        let product = Product {
            total: stock,
            available: stock,
            ..Product::default()
        };
        Self {
            backorders,
            by_row_lock,
            products: [product; PRODUCTS],
            uses: [0; CODES],
            carts: Default::default(),
            holds: Vec::new(),
            orders: Vec::new(),
            result: "Ok",
        }
    }

    fn perform(&mut self, action: &Action) -> StepResult {
        match *action {
            Action::Add {
                cart,
                product,
                units,
            } => {
                let had = self.carts[cart].get(&product).copied().unwrap_or(0);
                let added = self.put(cart, product, had + i64::from(units));
                // What is too much says that something is in the cart already.
                added.map_err(|error| match error {
                    "InsufficientStock" | "OverCustomerLimit" if had > 0 => "TooManyInCart",
                    other => other,
                })
            }
            Action::Set {
                cart,
                product,
                units,
            } => {
                self.carts[cart].get(&product).ok_or("CartEmpty")?;
                self.put(cart, product, units.into())
            }
            Action::Remove { cart, product } => {
                self.carts[cart].remove(&product);
                self.release(|hold| hold.is_of(cart) && hold.is_live && hold.product == product);
                Ok(())
            }
            Action::Reserve { cart } => self.reserve(cart),
            Action::Extend { cart } => self.extend(cart),
            Action::CartHoldsExpire { cart } => self.expire_holds(|hold| hold.is_of(cart)),
            Action::OrderHoldsExpire { order } => {
                self.expire_holds(|hold| hold.order == Some(order))
            }
            Action::Sweep => {
                self.release(|hold| !hold.is_live);
                Ok(())
            }
            Action::Pay {
                cart,
                card,
                code,
                customer,
            } => self.pay(cart, card, code, customer),
            Action::SlowChargeSettles { order } => self.end_slow(order),
            Action::Webhook { order, refund } => self.receive_webhook(order, refund),
            Action::QueryProvider { order, late } => self.query_provider(order, late),
            Action::Cancel { order } => self.cancel(order),
            Action::RefundAll { order } => self.refund_all(order),
            Action::RefundLine { order, line, units } => {
                self.refund_line(order, line, units.into())
            }
            Action::ReturnLine { order, line, units } => {
                self.return_line(order, line, units.into())
            }
            Action::Receive { product, units } => self.receive(product, units.into()),
            Action::Count { product, units } => self.count(product, units),
            Action::FulfillBackorders => {
                self.fulfill_backorders(None);
                Ok(())
            }
            Action::Express { product, units } => self.express(product, units.into()),
        }
    }

    /// Returns the orders whose payment has an unknown outcome.
    pub fn with_unknown_payment(&self) -> Vec<usize> {
        self.orders_where(|order| order.cart.is_some() && order.payment == Charge::Unknown)
    }

    /// Returns the orders that are placed, paid or backordered.
    pub fn sold_or_backordered(&self) -> Vec<usize> {
        self.orders_where(|order| {
            matches!(
                order.status,
                Status::Placed | Status::Paid | Status::Backordered
            )
        })
    }

    /// Returns the orders with a refund whose outcome the shop does not know.
    pub fn with_open_refunds(&self) -> Vec<usize> {
        self.orders_where(|order| order.refunds.iter().any(|refund| !refund.is_done))
    }

    fn orders_where(&self, matches: impl Fn(&Order) -> bool) -> Vec<usize> {
        (0..self.orders.len())
            .filter(|order| matches(&self.orders[*order]))
            .collect()
    }

    /// Summarizes all figures, with one line for each product, code, cart and order.
    pub fn summary(&self) -> String {
        let mut summary = String::new();
        for Product {
            total,
            available,
            reserved,
            sold,
        } in self.products
        {
            writeln!(
                summary,
                "product {total} = {available} + {reserved} + {sold}"
            )
            .expect("memory");
        }
        for uses in self.uses {
            writeln!(summary, "code {uses}").expect("memory");
        }
        for cart in &self.carts {
            let units: Vec<String> = cart.values().map(ToString::to_string).collect();
            writeln!(summary, "cart {}", units.join(" ")).expect("memory");
        }
        for order in &self.orders {
            let sum = |which: fn(&Refund) -> bool| -> i64 {
                order
                    .refunds
                    .iter()
                    .filter(|refund| which(refund))
                    .map(|refund| refund.cents)
                    .sum()
            };
            let lines: Vec<String> = order
                .lines
                .iter()
                .map(|line| format!("{}-{}-{}", line.units, line.returned, line.refunded))
                .collect();
            writeln!(
                summary,
                "order {} {}/{} taken {} back {}/{} lines {}",
                order.status.as_str(),
                order.due,
                order.total,
                order.captured(),
                sum(|refund| refund.is_done),
                sum(|_| true),
                lines.join(" ")
            )
            .expect("memory");
        }
        summary
    }

    /// Returns the captured and the refunded cents of each order, as the provider must have them.
    pub fn provider_amounts(&self) -> Vec<(i64, i64)> {
        let taken = |order: &Order| {
            if order.charge == Charge::Captured {
                order.total
            } else {
                0
            }
        };
        let back = |order: &Order| -> i64 {
            order
                .refunds
                .iter()
                .filter(|refund| refund.is_paid)
                .map(|refund| refund.cents)
                .sum()
        };
        self.orders
            .iter()
            .map(|order| (taken(order), back(order)))
            .collect()
    }
}

impl Hold {
    /// Returns true if the hold belongs to the cart and not to an order.
    fn is_of(&self, cart: usize) -> bool {
        self.cart == cart && self.order.is_none()
    }
}

impl Line {
    fn of(product: usize, units: i64) -> Self {
        Self {
            product,
            units,
            returned: 0,
            refunded: 0,
        }
    }
}

impl Status {
    fn as_str(self) -> &'static str {
        match self {
            Self::Placed => "placed",
            Self::Pending => "pending",
            Self::Declined => "declined",
            Self::Paid => "paid",
            Self::Backordered => "backordered",
            Self::Cancelled => "cancelled",
        }
    }
}
