//! Why units cannot be added to those in a cart.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::digit_groups::group_digits;

/// What bounds the units of a product in a cart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CartBound {
    /// The units that are left.
    Stock,
    /// The limit for each customer.
    Customer,
    /// [`super::quantity::QUANTITY_MAX`].
    Line,
}

/// Units that were to be added to those in a cart, but are too many.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CartExcess {
    /// The bound that they exceed.
    pub bound: CartBound,
    /// The units that the cart may contain.
    pub most: u32,
    /// The units that it contains already.
    pub in_cart: u32,
}

impl fmt::Display for CartExcess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = |units: u32| group_digits(&units.to_string());
        let most = number(self.most);
        match self.bound {
            CartBound::Stock => write!(f, "Only {most} left")?,
            CartBound::Customer => write!(f, "{most} is the limit for each customer")?,
            CartBound::Line => write!(f, "{most} is the limit for each product")?,
        }
        let verb = if self.in_cart == 1 { "is" } else { "are" };
        let in_cart = number(self.in_cart);
        match self.most.saturating_sub(self.in_cart) {
            0 => write!(f, ", and {in_cart} {verb} in your cart already."),
            more => write!(
                f,
                ", and {in_cart} {verb} in your cart: you can add {} more.",
                number(more)
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_says_what_is_in_the_cart_already() {
        for (bound, most, in_cart, sentence) in [
            (
                CartBound::Stock,
                5,
                1,
                "Only 5 left, and 1 is in your cart: you can add 4 more.",
            ),
            (
                CartBound::Stock,
                1,
                1,
                "Only 1 left, and 1 is in your cart already.",
            ),
            (
                CartBound::Stock,
                2,
                3,
                "Only 2 left, and 3 are in your cart already.",
            ),
            (
                CartBound::Customer,
                2,
                1,
                "2 is the limit for each customer, and 1 is in your cart: you can add 1 more.",
            ),
            (
                CartBound::Line,
                1_000,
                9,
                "1,000 is the limit for each product, and 9 are in your cart: you can add 991 more.",
            ),
        ] {
            let excess = CartExcess {
                bound,
                most,
                in_cart,
            };
            assert_eq!(excess.to_string(), sentence);
        }
    }
}
