//! What the shop's people do, and the express purchase.

use doorbuster::model::bill::share;

use super::{Charge, LIMITS, Line, Order, PRICES, Said, Status, World};
use crate::model::act::Card;

impl World {
    pub(super) fn cancel(&mut self, order: usize) -> Said {
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

    pub(super) fn put_back(&mut self, order: usize, line: usize, units: i64) {
        let line = &mut self.orders[order].lines[line];
        line.returned += units;
        self.products[line.product].available += units;
        self.products[line.product].sold -= units;
    }

    pub(super) fn refund_all(&mut self, order: usize) -> Said {
        let due = self.orders[order].due;
        for line in &mut self.orders[order].lines {
            line.refunded = line.units;
        }
        self.refund(order, due)
    }

    pub(super) fn refund_line(&mut self, order: usize, line: usize, units: i64) -> Said {
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

    pub(super) fn refund(&mut self, order: usize, cents: i64) -> Said {
        let known = &self.orders[order];
        if known.payment != Charge::Captured || known.status == Status::Backordered || cents <= 0 {
            return Err("NotNow");
        }
        self.orders[order].due -= cents;
        self.plan_refund(order, cents);
        self.pay_back(order);
        Ok(())
    }

    pub(super) fn take_back(&mut self, order: usize, line: usize, units: i64) -> Said {
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

    pub(super) fn receive(&mut self, product: usize, units: i64) -> Said {
        self.products[product].total += units;
        self.products[product].available += units;
        self.serve(Some(product));
        Ok(())
    }

    /// Those who wait, of one product or of all, first come first served.
    pub(super) fn serve(&mut self, product: Option<usize>) {
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

    pub(super) fn count(&mut self, product: usize, counted: i64) -> Said {
        let row = &mut self.products[product];
        if counted < row.reserved {
            return Err("NotNow");
        }
        row.available = counted - row.reserved;
        row.total = counted + row.sold;
        Ok(())
    }

    pub(super) fn express(&mut self, product: usize, units: i64) -> Said {
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
}
