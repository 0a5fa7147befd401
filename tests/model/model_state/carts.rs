//! Carts and their holds.

use super::{Hold, LIMITS, ModelState, StepResult};

impl ModelState {
    pub(super) fn put(&mut self, cart: usize, product: usize, units: i64) -> StepResult {
        if LIMITS[product].is_some_and(|limit| units > limit) {
            return Err("OverCustomerLimit");
        }
        self.carts[cart].insert(product, units);
        if self
            .holds
            .iter()
            .any(|hold| hold.is_of(cart) && hold.is_live)
        {
            return self.fit(cart);
        }
        // Expired units stay reserved for this cart until they are swept.
        let own_of = |hold: &&Hold| hold.is_of(cart) && hold.product == product;
        let expired: i64 = self
            .holds
            .iter()
            .filter(own_of)
            .map(|hold| hold.units)
            .sum();
        if self.products[product].available + expired < units {
            return Err("InsufficientStock");
        }
        Ok(())
    }

    pub(super) fn reserve(&mut self, cart: usize) -> StepResult {
        if self.carts[cart].is_empty() {
            return Err("CartEmpty");
        }
        self.fit(cart)
    }

    /// Makes the holds of the cart equal to its contents, and releases expired holds.
    pub(super) fn fit(&mut self, cart: usize) -> StepResult {
        let wanted = self.carts[cart].clone();
        self.release(|hold| {
            let is_stale = !hold.is_live || !wanted.contains_key(&hold.product);
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

    pub(super) fn extend(&mut self, cart: usize) -> StepResult {
        let mut live = self
            .holds
            .iter_mut()
            .filter(|hold| hold.is_of(cart) && hold.is_live)
            .peekable();
        match live.peek() {
            None => Err("ReservationExpired"),
            Some(first) if first.is_extended => Err("AlreadyExtended"),
            Some(_) => {
                live.for_each(|hold| hold.is_extended = true);
                Ok(())
            }
        }
    }

    pub(super) fn expire_holds(&mut self, which: impl Fn(&Hold) -> bool) -> StepResult {
        for hold in self.holds.iter_mut().filter(|hold| which(hold)) {
            hold.is_live = false;
        }
        Ok(())
    }

    /// Releases the selected holds.
    pub(super) fn release(&mut self, which: impl Fn(&Hold) -> bool) {
        for hold in self.holds.extract_if(.., |hold| which(hold)) {
            let row = &mut self.products[hold.product];
            row.reserved -= hold.units;
            row.available += hold.units;
        }
    }
}
