//! Paid orders, their charges and their refunds.

use doorbuster::model::{Bill, Currency, Money};

use super::{
    CODE_RULES, Charge, LIMITS, Line, ModelState, Order, PRICES, Refund, Status, StepResult,
};
use crate::model::action::Card;

impl ModelState {
    pub(super) fn pay(
        &mut self,
        cart: usize,
        card: Card,
        code: Option<usize>,
        customer: usize,
    ) -> StepResult {
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
        self.fit(cart)?;
        let subtotal: i64 = wanted
            .iter()
            .map(|(product, units)| PRICES[*product] * units)
            .sum();
        if let Some(code) = code {
            self.use_code(code, customer, subtotal)?;
        }
        let discount = code.map(|code| CODE_RULES[code].value);
        let bill =
            Bill::with_delivery(Money::new(subtotal, Currency::EUR), discount).expect("it fits");
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
            total: bill.total.cents,
            due: 0,
            code,
            is_code_released: false,
            payment: Charge::Unknown,
            charge: Charge::Unknown,
            refunds: Vec::new(),
            has_webhook: false,
        });
        self.carts[cart].clear();
        self.charge(order)
    }

    pub(super) fn is_over_limit(&self, product: usize, units: i64, customer: usize) -> bool {
        let kept: i64 = self
            .orders
            .iter()
            .filter(|order| order.cart.is_some() && order.customer == customer)
            .filter(|order| !matches!(order.status, Status::Declined | Status::Cancelled))
            .flat_map(|order| &order.lines)
            .filter(|line| line.product == product)
            .map(|line| line.units - line.returned)
            .sum();
        LIMITS[product].is_some_and(|limit| kept + units > limit)
    }

    pub(super) fn use_code(&mut self, code: usize, customer: usize, subtotal: i64) -> StepResult {
        let rules = CODE_RULES[code];
        if subtotal < rules.minimum {
            return Err("CodeBelowMinimum");
        }
        if self.uses[code] >= rules.uses_max {
            return Err("CodeUsedUp");
        }
        let used = self.orders.iter().filter(|order| {
            order.code == Some(code) && order.customer == customer && !order.is_code_released
        });
        let used = used.count().try_into().unwrap_or(i64::MAX);
        if rules.per_customer.is_some_and(|limit| used >= limit) {
            return Err("CodeOverCustomerLimit");
        }
        self.uses[code] += 1;
        Ok(())
    }

    /// Performs a new charge at the provider, and the shop's reaction to the answer.
    pub(super) fn charge(&mut self, order: usize) -> StepResult {
        let card = self.orders[order].card;
        let charge = match card {
            Card::Good | Card::RefundAnswerLost | Card::AnswerLost | Card::AnswerAndWebhookLost => {
                Charge::Captured
            }
            Card::Declined => Charge::Declined,
            Card::Slow => Charge::Processing,
            Card::RequestLost | Card::ProviderUnavailable => Charge::Unknown,
        };
        self.move_charge(order, charge);
        if card == Card::ProviderUnavailable {
            self.settle(order, Charge::Voided);
        } else if card.is_answered() {
            self.settle(order, charge);
        }
        Ok(())
    }

    pub(super) fn move_charge(&mut self, order: usize, charge: Charge) {
        let order = &mut self.orders[order];
        order.charge = charge;
        let is_final = matches!(charge, Charge::Captured | Charge::Declined | Charge::Voided);
        order.has_webhook = is_final && order.card != Card::AnswerAndWebhookLost;
    }

    /// Applies the state of a charge in the shop, and sends open refunds.
    pub(super) fn settle(&mut self, order: usize, charge: Charge) {
        if self.orders[order].payment == Charge::Unknown {
            match charge {
                Charge::Unknown | Charge::Processing => {}
                Charge::Captured => {
                    self.orders[order].payment = charge;
                    self.captured(order);
                }
                Charge::Declined | Charge::Voided => {
                    self.orders[order].payment = charge;
                    self.cancel_unpaid(order);
                }
            }
        }
        self.send_refunds(order);
    }

    pub(super) fn captured(&mut self, order: usize) {
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

    /// Sells every line, from its hold if it has one.
    pub(super) fn sell(&mut self, order: usize) {
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

    /// Cancels an order whose charge was declined or voided. The lines return to the cart, unless
    /// the shopper has filled it again.
    pub(super) fn cancel_unpaid(&mut self, order: usize) {
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

    /// Ends an order without a sale.
    pub(super) fn end(&mut self, index: usize, status: Status) {
        let order = &mut self.orders[index];
        order.status = status;
        order.due = 0;
        self.release_code(index);
    }

    /// Makes the use of the order's code available again, once.
    pub(super) fn release_code(&mut self, order: usize) {
        let order = &mut self.orders[order];
        if let Some(code) = order.code
            && !order.is_code_released
        {
            order.is_code_released = true;
            self.uses[code] -= 1;
        }
    }

    pub(super) fn plan_refund(&mut self, order: usize, cents: i64) {
        if cents > 0 {
            self.orders[order].refunds.push(Refund {
                cents,
                is_paid: false,
                is_done: false,
            });
        }
    }

    /// Sends the open refunds to the provider.
    pub(super) fn send_refunds(&mut self, order: usize) {
        let Order { refunds, card, .. } = &mut self.orders[order];
        for refund in refunds.iter_mut().filter(|refund| !refund.is_done) {
            refund.is_done = refund.is_paid || *card != Card::RefundAnswerLost;
            refund.is_paid = true;
        }
    }

    pub(super) fn end_slow(&mut self, order: usize) -> StepResult {
        if self.orders[order].charge == Charge::Processing {
            self.move_charge(order, Charge::Captured);
        }
        Ok(())
    }

    pub(super) fn receive_webhook(&mut self, order: usize, refund: Option<usize>) -> StepResult {
        let known = &mut self.orders[order];
        match refund {
            None if !known.has_webhook => return Err("no webhook"),
            None => {}
            Some(index) => {
                let refund = known.refunds.get_mut(index).filter(|refund| refund.is_paid);
                refund.ok_or("no webhook")?.is_done = true;
            }
        }
        let charge = known.charge;
        self.settle(order, charge);
        Ok(())
    }

    pub(super) fn query_provider(&mut self, order: usize, late: bool) -> StepResult {
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
        // New refunds are due at once.
        self.send_refunds(order);
        Ok(())
    }
}
