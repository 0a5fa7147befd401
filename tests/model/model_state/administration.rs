//! The actions of the administrator, and the express purchase.

use doorbuster::model::bill::share;

use super::{Charge, LIMITS, Line, ModelState, Order, PRICES, Status, StepResult};
use crate::model::action::Card;

impl ModelState {
    pub(super) fn cancel(&mut self, order: usize) -> StepResult {
        let Order {
            status,
            due,
            payment,
            lines,
            ..
        } = self.orders[order].clone();
        match status {
            Status::Cancelled | Status::Declined => return Err("InvalidState"),
            Status::Pending => self.release(|hold| hold.order == Some(order)),
            Status::Backordered => {}
            Status::Placed | Status::Paid => {
                for (index, line) in lines.iter().enumerate() {
                    self.return_units(order, index, line.units - line.returned);
                }
            }
        }
        self.end(order, Status::Cancelled);
        if payment == Charge::Captured {
            self.plan_refund(order, due);
            self.send_refunds(order);
        }
        Ok(())
    }

    pub(super) fn return_units(&mut self, order: usize, line: usize, units: i64) {
        let line = &mut self.orders[order].lines[line];
        line.returned += units;
        self.products[line.product].available += units;
        self.products[line.product].sold -= units;
    }

    pub(super) fn refund_all(&mut self, order: usize) -> StepResult {
        let due = self.orders[order].due;
        for line in &mut self.orders[order].lines {
            line.refunded = line.units;
        }
        self.refund(order, due)
    }

    pub(super) fn refund_line(&mut self, order: usize, line: usize, units: i64) -> StepResult {
        let known = &mut self.orders[order];
        let (subtotal, paid) = (known.subtotal, known.subtotal - known.discount);
        let line = known.lines.get_mut(line).ok_or("UnknownOrder")?;
        if line.refunded + units > line.units {
            return Err("InvalidState");
        }
        let price = PRICES[line.product];
        let cost = |units: i64| share(price * units, paid, subtotal);
        let cents = cost(line.refunded + units) - cost(line.refunded);
        line.refunded += units;
        let cents = cents.min(known.due);
        self.refund(order, cents)
    }

    pub(super) fn refund(&mut self, order: usize, cents: i64) -> StepResult {
        let known = &self.orders[order];
        if known.payment != Charge::Captured || known.status == Status::Backordered || cents <= 0 {
            return Err("InvalidState");
        }
        self.orders[order].due -= cents;
        self.plan_refund(order, cents);
        self.send_refunds(order);
        Ok(())
    }

    pub(super) fn return_line(&mut self, order: usize, line: usize, units: i64) -> StepResult {
        let known = &self.orders[order];
        let found = known.lines.get(line).ok_or("UnknownOrder")?;
        let is_sold = matches!(known.status, Status::Placed | Status::Paid);
        if !is_sold || found.returned + units > found.units {
            return Err("InvalidState");
        }
        self.return_units(order, line, units);
        self.send_refunds(order);
        Ok(())
    }

    pub(super) fn receive(&mut self, product: usize, units: i64) -> StepResult {
        self.products[product].total += units;
        self.products[product].available += units;
        self.fulfill_backorders(Some(product));
        Ok(())
    }

    /// Fulfils backorders of one product or of all products, in order of arrival.
    pub(super) fn fulfill_backorders(&mut self, product: Option<usize>) {
        for order in 0..self.orders.len() {
            let Order { status, lines, .. } = &self.orders[order];
            let is_selected =
                product.is_none_or(|product| lines.iter().any(|line| line.product == product));
            let is_covered = lines
                .iter()
                .all(|line| self.products[line.product].available >= line.units);
            if *status == Status::Backordered && is_selected && is_covered {
                self.sell(order);
            }
        }
    }

    pub(super) fn count(&mut self, product: usize, counted: i64) -> StepResult {
        let row = &mut self.products[product];
        if counted < row.reserved {
            return Err("InvalidState");
        }
        row.available = counted - row.reserved;
        row.total = counted + row.sold;
        Ok(())
    }

    pub(super) fn express(&mut self, product: usize, units: i64) -> StepResult {
        if LIMITS[product].is_some() {
            return Err("LimitedPerCustomer");
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
            has_webhook: false,
        });
        Ok(())
    }
}
