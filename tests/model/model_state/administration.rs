//! The actions of the administrator, and the express purchase.

use doorbuster::model::shares::paid_for_units;

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
        self.refund(order, due)?;
        self.release_code_if_nothing_is_kept(order);
        Ok(())
    }

    pub(super) fn refund_line(&mut self, order: usize, line: usize, units: i64) -> StepResult {
        let known = &mut self.orders[order];
        let found = known.lines.get_mut(line).ok_or("UnknownOrder")?;
        if found.refunded + units > found.units {
            return Err("InvalidState");
        }
        found.refunded += units;
        let (mut before, mut paid) = (0, 0);
        for line in &known.lines {
            let price = PRICES[line.product];
            paid += paid_for_units(known.total, known.subtotal, before, price, line.refunded);
            before += price * line.units;
        }
        let cents = paid - (known.total - known.due);
        self.refund(order, cents)?;
        self.release_code_if_nothing_is_kept(order);
        Ok(())
    }

    pub(super) fn refund(&mut self, order: usize, cents: i64) -> StepResult {
        let known = &self.orders[order];
        if known.payment != Charge::Captured
            || known.status == Status::Backordered
            || known.due <= 0
        {
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
        self.release_code_if_nothing_is_kept(order);
        self.send_refunds(order);
        Ok(())
    }

    /// A customer who returned everything and got all money back may use the code again.
    fn release_code_if_nothing_is_kept(&mut self, order: usize) {
        let known = &self.orders[order];
        let is_kept = known.lines.iter().any(|line| line.returned < line.units);
        if known.status == Status::Paid && known.due == 0 && !is_kept {
            self.release_code(order);
        }
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
            total,
            due: total,
            code: None,
            is_code_released: false,
            payment: Charge::Unknown,
            charge: Charge::Unknown,
            refunds: Vec::new(),
            has_webhook: false,
        });
        Ok(())
    }
}
