//! The model: counters, carts, holds, orders and cents, and what each step makes of them.

mod carts;
mod money;
mod people;

use std::{collections::BTreeMap, fmt::Write};

use doorbuster::model::DiscountValue;
use proptest::{prelude::*, strategy::BoxedStrategy};
use proptest_state_machine::ReferenceStateMachine;

use super::act::{self, Act, Card};

pub const CARTS: usize = 4;
pub const PRODUCTS: usize = 3;
pub const CODES: usize = 2;
pub const CUSTOMERS: usize = 2;

/// Of each product.
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

/// How a charge stands: with the provider, or as far as the shop knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Charge {
    /// The provider never heard of it; to the shop, its outcome is not known.
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
    /// Whether the provider has paid it back.
    is_paid: bool,
    /// Whether the shop knows.
    is_done: bool,
}

#[derive(Clone, Debug)]
pub struct Order {
    /// None: an express purchase.
    cart: Option<usize>,
    customer: usize,
    card: Card,
    lines: Vec<Line>,
    status: Status,
    subtotal: i64,
    discount: i64,
    total: i64,
    due: i64,
    code: Option<usize>,
    payment: Charge,
    charge: Charge,
    refunds: Vec<Refund>,
    /// Whether the provider has something to tell of the charge.
    is_told: bool,
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
pub struct World {
    pub backorders: bool,
    pub by_row_lock: bool,
    pub products: [Product; PRODUCTS],
    pub uses: [i64; CODES],
    pub carts: [BTreeMap<usize, i64>; CARTS],
    holds: Vec<Hold>,
    pub orders: Vec<Order>,
    /// What the last step answered: `Ok`, or the name of a refusal.
    pub said: &'static str,
}

type Said = Result<(), &'static str>;

pub struct Machine;

impl ReferenceStateMachine for Machine {
    type State = World;
    type Transition = Act;

    fn init_state() -> BoxedStrategy<World> {
        (any::<bool>(), any::<bool>(), 0..9_i64)
            .prop_map(|(backorders, by_row_lock, stock)| World::new(backorders, by_row_lock, stock))
            .boxed()
    }

    fn transitions(world: &World) -> BoxedStrategy<Act> {
        act::any_in(world)
    }

    fn preconditions(world: &World, act: &Act) -> bool {
        act.is_possible(world)
    }

    fn apply(mut world: World, act: &Act) -> World {
        // What is refused changes nothing.
        let mut changed = world.clone();
        match changed.take(act) {
            Ok(()) => {
                changed.said = "Ok";
                changed
            }
            Err(refusal) => {
                world.said = refusal;
                world
            }
        }
    }
}

impl World {
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
            said: "Ok",
        }
    }

    fn take(&mut self, act: &Act) -> Said {
        match *act {
            Act::Add {
                cart,
                product,
                units,
            } => {
                let had = self.carts[cart].get(&product).copied().unwrap_or(0);
                self.put(cart, product, had + i64::from(units))
            }
            Act::Set {
                cart,
                product,
                units,
            } => {
                self.carts[cart].get(&product).ok_or("CartEmpty")?;
                self.put(cart, product, units.into())
            }
            Act::Remove { cart, product } => {
                self.carts[cart].remove(&product);
                self.release(|hold| hold.is_of(cart) && hold.is_live && hold.product == product);
                Ok(())
            }
            Act::Reserve { cart } => self.reserve(cart),
            Act::Extend { cart } => self.extend(cart),
            Act::CartRunsOut { cart } => self.run_out(|hold| hold.is_of(cart)),
            Act::OrderRunsOut { order } => self.run_out(|hold| hold.order == Some(order)),
            Act::Sweep => {
                self.release(|hold| !hold.is_live);
                Ok(())
            }
            Act::Pay {
                cart,
                card,
                code,
                customer,
            } => self.pay(cart, card, code, customer),
            Act::SlowEnds { order } => self.end_slow(order),
            Act::Webhook { order, refund } => self.hear(order, refund),
            Act::Ask { order, late } => self.ask(order, late),
            Act::Cancel { order } => self.cancel(order),
            Act::RefundAll { order } => self.refund_all(order),
            Act::RefundLine { order, line, units } => self.refund_line(order, line, units.into()),
            Act::TakeBack { order, line, units } => self.take_back(order, line, units.into()),
            Act::Receive { product, units } => self.receive(product, units.into()),
            Act::Count { product, units } => self.count(product, units),
            Act::ServeBackorders => {
                self.serve(None);
                Ok(())
            }
            Act::Express { product, units } => self.express(product, units.into()),
        }
    }

    /// Those whose payment's outcome the shop does not know.
    pub fn unsettled(&self) -> Vec<usize> {
        self.orders_that(|order| order.cart.is_some() && order.payment == Charge::Unknown)
    }

    /// Those that were sold, or will be.
    pub fn standing(&self) -> Vec<usize> {
        self.orders_that(|order| {
            matches!(
                order.status,
                Status::Placed | Status::Paid | Status::Backordered
            )
        })
    }

    /// Those with a refund of which the shop does not know that it was paid.
    pub fn owing(&self) -> Vec<usize> {
        self.orders_that(|order| order.refunds.iter().any(|refund| !refund.is_done))
    }

    fn orders_that(&self, are: impl Fn(&Order) -> bool) -> Vec<usize> {
        (0..self.orders.len())
            .filter(|order| are(&self.orders[*order]))
            .collect()
    }

    /// Everything that can be counted, a line each for products, codes, carts and orders.
    pub fn told(&self) -> String {
        let mut told = String::new();
        for Product {
            total,
            available,
            reserved,
            sold,
        } in self.products
        {
            writeln!(told, "product {total} = {available} + {reserved} + {sold}").expect("memory");
        }
        for uses in self.uses {
            writeln!(told, "code {uses}").expect("memory");
        }
        for cart in &self.carts {
            let units: Vec<String> = cart.values().map(ToString::to_string).collect();
            writeln!(told, "cart {}", units.join(" ")).expect("memory");
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
                told,
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
        told
    }

    /// What the provider's books must say of each order: cents taken, and cents paid back.
    pub fn provider_books(&self) -> Vec<(i64, i64)> {
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
    /// Held for the cart, which is not being paid for.
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
