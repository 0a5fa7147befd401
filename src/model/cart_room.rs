//! How many units of a product a cart may contain, and what bounds them.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{digit_groups::group_digits, quantity::QUANTITY_MAX};

/// What bounds the units of a product in a cart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CartBound {
    /// The units that are left.
    Stock,
    /// The limit per customer.
    Customer,
    /// [`QUANTITY_MAX`].
    Line,
}

/// The units of a product in a shopper's cart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CartUnits {
    pub in_cart: u32,
    /// How many of them are reserved, and therefore not available to others.
    pub held: i64,
}

/// The units of a product that a cart may contain, and does. Its `Display` is the sentence that
/// says why there may be no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CartRoom {
    /// The lowest bound.
    pub bound: CartBound,
    /// The units that the cart may contain.
    pub most: u32,
    /// The units that it contains already.
    pub in_cart: u32,
}

impl CartRoom {
    /// Creates the room in a cart with `in_cart` units of a product, of which `left` units are
    /// left, with those that are reserved for the cart, and `limit` may be bought by one customer.
    pub fn new(left: i64, limit: Option<u32>, in_cart: u32) -> Self {
        let left = u32::try_from(left.max(0)).unwrap_or(u32::MAX);
        let most = left.min(limit.unwrap_or(QUANTITY_MAX)).min(QUANTITY_MAX);
        let bound = if limit == Some(most) {
            CartBound::Customer
        } else if left == most {
            CartBound::Stock
        } else {
            CartBound::Line
        };
        Self {
            bound,
            most,
            in_cart,
        }
    }

    /// The units that can be added.
    pub const fn more(self) -> u32 {
        self.most.saturating_sub(self.in_cart)
    }
}

impl fmt::Display for CartRoom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = |units: u32| group_digits(&units.to_string());
        let most = number(self.most);
        match self.bound {
            CartBound::Stock => write!(f, "Only {most} left")?,
            CartBound::Customer => write!(f, "{most} is the limit per customer")?,
            CartBound::Line => write!(f, "{most} is the limit per product")?,
        }
        if self.in_cart == 0 {
            return write!(f, ".");
        }
        let verb = if self.in_cart == 1 { "is" } else { "are" };
        let in_cart = number(self.in_cart);
        match self.more() {
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
    fn the_lowest_bound_counts() {
        for (left, limit, in_cart, bound, most, more) in [
            (5, None, 0, CartBound::Stock, 5, 5),
            (5, None, 1, CartBound::Stock, 5, 4),
            (5, Some(2), 1, CartBound::Customer, 2, 1),
            (2, Some(2), 0, CartBound::Customer, 2, 2),
            (1, Some(2), 0, CartBound::Stock, 1, 1),
            // The stock fell after the units were put into the cart.
            (1, Some(5), 3, CartBound::Stock, 1, 0),
            (0, Some(2), 0, CartBound::Stock, 0, 0),
            (-3, None, 0, CartBound::Stock, 0, 0),
            (5_000, None, 9, CartBound::Line, 1_000, 991),
            (i64::MAX, Some(2_000), 0, CartBound::Line, 1_000, 1_000),
        ] {
            let room = CartRoom::new(left, limit, in_cart);
            let expected = CartRoom {
                bound,
                most,
                in_cart,
            };
            assert_eq!(room, expected, "{left} {limit:?} {in_cart}");
            assert_eq!(room.more(), more, "{left} {limit:?} {in_cart}");
        }
    }

    #[test]
    fn a_bound_says_what_is_in_the_cart_already() {
        for (bound, most, in_cart, sentence) in [
            (CartBound::Stock, 5, 0, "Only 5 left."),
            (CartBound::Customer, 2, 0, "2 is the limit per customer."),
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
                "2 is the limit per customer, and 1 is in your cart: you can add 1 more.",
            ),
            (
                CartBound::Line,
                1_000,
                9,
                "1,000 is the limit per product, and 9 are in your cart: you can add 991 more.",
            ),
        ] {
            let room = CartRoom {
                bound,
                most,
                in_cart,
            };
            assert_eq!(room.to_string(), sentence);
        }
    }
}
