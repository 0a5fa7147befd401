//! The model: counters, carts, holds, orders and cents, and what each step makes of them.

use std::{collections::BTreeMap, fmt::Write};

use doorbuster::model::{Bill, Currency, DiscountValue, Money, bill::share};
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

    // ------------------------------------------------------------ carts and holds

    fn put(&mut self, cart: usize, product: usize, units: i64) -> Said {
        if LIMITS[product].is_some_and(|limit| units > limit) {
            return Err("OverCustomerLimit");
        }
        self.carts[cart].insert(product, units);
        if self
            .holds
            .iter()
            .any(|hold| hold.is_of(cart) && hold.is_live)
        {
            return self.fit(cart, false);
        }
        if self.products[product].available < units {
            return Err("InsufficientStock");
        }
        Ok(())
    }

    fn reserve(&mut self, cart: usize) -> Said {
        if self.carts[cart].is_empty() {
            return Err("CartEmpty");
        }
        self.fit(cart, true)
    }

    /// Makes what is held for the cart equal to what is in it. What has run out is given back only at the checkout.
    fn fit(&mut self, cart: usize, at_checkout: bool) -> Said {
        let wanted = self.carts[cart].clone();
        self.release(|hold| {
            let is_stale = if hold.is_live {
                !wanted.contains_key(&hold.product)
            } else {
                at_checkout
            };
            hold.is_of(cart) && is_stale
        });
        let is_extended = self
            .holds
            .iter()
            .find(|hold| hold.is_of(cart) && hold.is_live)
            .is_some_and(|hold| hold.is_extended);
        for (product, units) in wanted {
            let known = self
                .holds
                .iter_mut()
                .find(|hold| hold.is_of(cart) && hold.is_live && hold.product == product);
            let more = units - known.as_ref().map_or(0, |hold| hold.units);
            let row = &mut self.products[product];
            if row.available < more {
                return Err("InsufficientStock");
            }
            row.available -= more;
            row.reserved += more;
            match known {
                Some(hold) => hold.units = units,
                None => self.holds.push(Hold {
                    cart,
                    order: None,
                    product,
                    units,
                    is_live: true,
                    is_extended,
                }),
            }
        }
        Ok(())
    }

    fn extend(&mut self, cart: usize) -> Said {
        let mut live = self
            .holds
            .iter_mut()
            .filter(|hold| hold.is_of(cart) && hold.is_live)
            .peekable();
        match live.peek() {
            None => Err("ReservationGone"),
            Some(first) if first.is_extended => Err("AlreadyExtended"),
            Some(_) => {
                live.for_each(|hold| hold.is_extended = true);
                Ok(())
            }
        }
    }

    fn run_out(&mut self, which: impl Fn(&Hold) -> bool) -> Said {
        for hold in self.holds.iter_mut().filter(|hold| which(hold)) {
            hold.is_live = false;
        }
        Ok(())
    }

    /// Gives back what is held by those holds.
    fn release(&mut self, which: impl Fn(&Hold) -> bool) {
        for hold in self.holds.extract_if(.., |hold| which(hold)) {
            let row = &mut self.products[hold.product];
            row.reserved -= hold.units;
            row.available += hold.units;
        }
    }

    // ------------------------------------------------------------ orders and money

    fn pay(&mut self, cart: usize, card: Card, code: Option<usize>, customer: usize) -> Said {
        let wanted = self.carts[cart].clone();
        if wanted.is_empty() {
            return Err("CartEmpty");
        }
        if wanted
            .iter()
            .any(|(product, units)| self.is_over_limit(*product, *units, customer))
        {
            return Err("OverCustomerLimit");
        }
        self.fit(cart, true)?;
        let subtotal: i64 = wanted
            .iter()
            .map(|(product, units)| PRICES[*product] * units)
            .sum();
        if let Some(code) = code {
            self.use_code(code, customer, subtotal)?;
        }
        let discount = code.map(|code| CODE_RULES[code].value);
        let bill = Bill::delivered(Money::new(subtotal, Currency::EUR), discount).expect("it fits");
        let order = self.orders.len();
        for hold in self.holds.iter_mut().filter(|hold| hold.is_of(cart)) {
            hold.order = Some(order);
        }
        self.orders.push(Order {
            cart: Some(cart),
            customer,
            card,
            lines: wanted
                .iter()
                .map(|(product, units)| Line::of(*product, *units))
                .collect(),
            status: Status::Pending,
            subtotal,
            discount: bill.discount.cents,
            total: bill.total.cents,
            due: 0,
            code,
            payment: Charge::Unknown,
            charge: Charge::Unknown,
            refunds: Vec::new(),
            is_told: false,
        });
        self.carts[cart].clear();
        self.charge(order)
    }

    fn is_over_limit(&self, product: usize, units: i64, customer: usize) -> bool {
        let had: i64 = self
            .orders
            .iter()
            .filter(|order| order.cart.is_some() && order.customer == customer)
            .filter(|order| !matches!(order.status, Status::Declined | Status::Cancelled))
            .flat_map(|order| &order.lines)
            .filter(|line| line.product == product)
            .map(|line| line.units)
            .sum();
        LIMITS[product].is_some_and(|limit| had + units > limit)
    }

    fn use_code(&mut self, code: usize, customer: usize, subtotal: i64) -> Said {
        let rules = CODE_RULES[code];
        if subtotal < rules.minimum {
            return Err("CodeBelowMinimum");
        }
        if self.uses[code] >= rules.uses_max {
            return Err("CodeUsedUp");
        }
        let used = self.orders.iter().filter(|order| {
            order.code == Some(code)
                && order.customer == customer
                && !matches!(order.status, Status::Declined | Status::Cancelled)
        });
        let used = used.count().try_into().unwrap_or(i64::MAX);
        if rules.per_customer.is_some_and(|limit| used >= limit) {
            return Err("CodeOverCustomerLimit");
        }
        self.uses[code] += 1;
        Ok(())
    }

    /// What the provider does with a new charge, and what the shop makes of its answer.
    fn charge(&mut self, order: usize) -> Said {
        let card = self.orders[order].card;
        let charge = match card {
            Card::Good | Card::RefundAnswerLost | Card::AnswerLost | Card::AnswerAndWebhookLost => {
                Charge::Captured
            }
            Card::Declined => Charge::Declined,
            Card::Slow => Charge::Processing,
            Card::RequestLost | Card::ProviderAway => Charge::Unknown,
        };
        self.move_charge(order, charge);
        if card == Card::ProviderAway {
            self.settle(order, Charge::Voided);
        } else if card.is_answered() {
            self.settle(order, charge);
        }
        Ok(())
    }

    fn move_charge(&mut self, order: usize, charge: Charge) {
        let order = &mut self.orders[order];
        order.charge = charge;
        let is_final = matches!(charge, Charge::Captured | Charge::Declined | Charge::Voided);
        order.is_told = is_final && order.card != Card::AnswerAndWebhookLost;
    }

    /// The shop takes in how a charge stands, and pays back what has to go back.
    fn settle(&mut self, order: usize, charge: Charge) {
        if self.orders[order].payment == Charge::Unknown {
            match charge {
                Charge::Unknown | Charge::Processing => {}
                Charge::Captured => {
                    self.orders[order].payment = charge;
                    self.captured(order);
                }
                Charge::Declined | Charge::Voided => {
                    self.orders[order].payment = charge;
                    self.call_off(order);
                }
            }
        }
        self.pay_back(order);
    }

    fn captured(&mut self, order: usize) {
        let total = self.orders[order].total;
        if self.orders[order].status != Status::Pending {
            return self.plan_refund(order, total);
        }
        let lines = self.orders[order].lines.clone();
        let is_covered = |line: &Line| {
            let is_held = self
                .holds
                .iter()
                .any(|hold| hold.order == Some(order) && hold.product == line.product);
            is_held || self.products[line.product].available >= line.units
        };
        if lines.iter().all(is_covered) {
            return self.sell(order);
        }
        self.release(|hold| hold.order == Some(order));
        if self.backorders {
            self.orders[order].status = Status::Backordered;
            self.orders[order].due = total;
        } else {
            self.end(order, Status::Cancelled);
            self.plan_refund(order, total);
        }
    }

    /// Every line, out of its hold if it has one.
    fn sell(&mut self, order: usize) {
        for line in self.orders[order].lines.clone() {
            let held = self
                .holds
                .extract_if(.., |hold| {
                    hold.order == Some(order) && hold.product == line.product
                })
                .count();
            let row = &mut self.products[line.product];
            row.sold += line.units;
            if held > 0 {
                row.reserved -= line.units;
            } else {
                row.available -= line.units;
            }
        }
        let order = &mut self.orders[order];
        if order.status == Status::Pending {
            order.due = order.total;
        }
        order.status = Status::Paid;
    }

    /// The card was declined, or the charge withdrawn: the cart is as it was, if nobody has filled it anew.
    fn call_off(&mut self, order: usize) {
        let Order {
            status,
            cart,
            lines,
            ..
        } = self.orders[order].clone();
        if status != Status::Pending {
            return;
        }
        let cart = cart.expect("it was paid by card");
        if self.carts[cart].is_empty() {
            self.carts[cart] = lines
                .iter()
                .map(|line| (line.product, line.units))
                .collect();
            for hold in self
                .holds
                .iter_mut()
                .filter(|hold| hold.order == Some(order))
            {
                hold.order = None;
            }
        } else {
            self.release(|hold| hold.order == Some(order));
        }
        self.end(order, Status::Declined);
    }

    /// An order that comes to nothing.
    fn end(&mut self, order: usize, status: Status) {
        let order = &mut self.orders[order];
        order.status = status;
        order.due = 0;
        if let Some(code) = order.code {
            self.uses[code] -= 1;
        }
    }

    fn plan_refund(&mut self, order: usize, cents: i64) {
        if cents > 0 {
            self.orders[order].refunds.push(Refund {
                cents,
                is_paid: false,
                is_done: false,
            });
        }
    }

    /// The provider is asked for what has not gone back yet.
    fn pay_back(&mut self, order: usize) {
        let Order { refunds, card, .. } = &mut self.orders[order];
        for refund in refunds.iter_mut().filter(|refund| !refund.is_done) {
            refund.is_done = refund.is_paid || *card != Card::RefundAnswerLost;
            refund.is_paid = true;
        }
    }

    fn end_slow(&mut self, order: usize) -> Said {
        if self.orders[order].charge == Charge::Processing {
            self.move_charge(order, Charge::Captured);
        }
        Ok(())
    }

    fn hear(&mut self, order: usize, refund: Option<usize>) -> Said {
        let known = &mut self.orders[order];
        match refund {
            None if !known.is_told => return Err("nothing to tell"),
            None => {}
            Some(index) => {
                let refund = known.refunds.get_mut(index).filter(|refund| refund.is_paid);
                refund.ok_or("nothing to tell")?.is_done = true;
            }
        }
        let charge = known.charge;
        self.settle(order, charge);
        Ok(())
    }

    fn ask(&mut self, order: usize, late: bool) -> Said {
        if self.orders[order].cart.is_none() {
            return Ok(());
        }
        if self.orders[order].payment == Charge::Unknown {
            let charge = self.orders[order].charge;
            let is_withdrawn = match charge {
                Charge::Unknown => true,
                Charge::Processing => late,
                _ => false,
            };
            if is_withdrawn {
                self.move_charge(order, Charge::Voided);
                self.settle(order, Charge::Voided);
            } else if charge != Charge::Processing {
                self.settle(order, charge);
            }
        }
        // Those that were decided just now are due at once.
        self.pay_back(order);
        Ok(())
    }

    // ------------------------------------------------------------ the shop's people

    fn cancel(&mut self, order: usize) -> Said {
        let Order {
            status,
            due,
            payment,
            lines,
            ..
        } = self.orders[order].clone();
        match status {
            Status::Cancelled | Status::Declined => return Err("NotNow"),
            Status::Pending => self.release(|hold| hold.order == Some(order)),
            Status::Backordered => {}
            Status::Placed | Status::Paid => {
                for (index, line) in lines.iter().enumerate() {
                    self.put_back(order, index, line.units - line.returned);
                }
            }
        }
        self.end(order, Status::Cancelled);
        if payment == Charge::Captured {
            self.plan_refund(order, due);
            self.pay_back(order);
        }
        Ok(())
    }

    fn put_back(&mut self, order: usize, line: usize, units: i64) {
        let line = &mut self.orders[order].lines[line];
        line.returned += units;
        self.products[line.product].available += units;
        self.products[line.product].sold -= units;
    }

    fn refund_all(&mut self, order: usize) -> Said {
        let due = self.orders[order].due;
        for line in &mut self.orders[order].lines {
            line.refunded = line.units;
        }
        self.refund(order, due)
    }

    fn refund_line(&mut self, order: usize, line: usize, units: i64) -> Said {
        let known = &mut self.orders[order];
        let (subtotal, paid) = (known.subtotal, known.subtotal - known.discount);
        let line = known.lines.get_mut(line).ok_or("UnknownOrder")?;
        if line.refunded + units > line.units {
            return Err("NotNow");
        }
        let price = PRICES[line.product];
        let cost = |units: i64| share(price * units, paid, subtotal);
        let cents = cost(line.refunded + units) - cost(line.refunded);
        line.refunded += units;
        let cents = cents.min(known.due);
        self.refund(order, cents)
    }

    fn refund(&mut self, order: usize, cents: i64) -> Said {
        if self.orders[order].payment != Charge::Captured || cents <= 0 {
            return Err("NotNow");
        }
        self.orders[order].due -= cents;
        self.plan_refund(order, cents);
        self.pay_back(order);
        Ok(())
    }

    fn take_back(&mut self, order: usize, line: usize, units: i64) -> Said {
        let known = &self.orders[order];
        let found = known.lines.get(line).ok_or("UnknownOrder")?;
        let is_sold = matches!(known.status, Status::Placed | Status::Paid);
        if !is_sold || found.returned + units > found.units {
            return Err("NotNow");
        }
        self.put_back(order, line, units);
        self.pay_back(order);
        Ok(())
    }

    fn receive(&mut self, product: usize, units: i64) -> Said {
        self.products[product].total += units;
        self.products[product].available += units;
        self.serve(Some(product));
        Ok(())
    }

    /// Those who wait, of one product or of all, first come first served.
    fn serve(&mut self, product: Option<usize>) {
        for order in 0..self.orders.len() {
            let Order { status, lines, .. } = &self.orders[order];
            let is_meant =
                product.is_none_or(|product| lines.iter().any(|line| line.product == product));
            let is_there = lines
                .iter()
                .all(|line| self.products[line.product].available >= line.units);
            if *status == Status::Backordered && is_meant && is_there {
                self.sell(order);
            }
        }
    }

    fn count(&mut self, product: usize, counted: i64) -> Said {
        let row = &mut self.products[product];
        if counted < row.reserved {
            return Err("NotNow");
        }
        row.available = counted - row.reserved;
        row.total = counted + row.sold;
        Ok(())
    }

    fn express(&mut self, product: usize, units: i64) -> Said {
        if LIMITS[product].is_some_and(|limit| units > limit) {
            return Err("OverCustomerLimit");
        }
        let row = &mut self.products[product];
        if row.available < units {
            return Err("InsufficientStock");
        }
        row.available -= units;
        row.sold += units;
        let total = PRICES[product] * units;
        self.orders.push(Order {
            cart: None,
            customer: 0,
            card: Card::Good,
            lines: vec![Line::of(product, units)],
            status: Status::Placed,
            subtotal: total,
            discount: 0,
            total,
            due: total,
            code: None,
            payment: Charge::Unknown,
            charge: Charge::Unknown,
            refunds: Vec::new(),
            is_told: false,
        });
        Ok(())
    }

    // ------------------------------------------------------------ which orders there are

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

    // ------------------------------------------------------------ what must agree

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
