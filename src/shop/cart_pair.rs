//! The two carts of a shopper: the one that they fill, and the one of *Buy now*, which contains
//! what they buy alone.

use uuid::Uuid;

/// Returns the id of the shopper's other cart.
///
/// The ids differ in one bit, so that each cart leads to the other without a query, and so that two
/// tabs that buy at the same time share one cart of *Buy now*: there is no second id that both
/// would have to write into their session.
pub const fn other_cart(cart_id: Uuid) -> Uuid {
    Uuid::from_u128(cart_id.as_u128() ^ 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_cart_leads_to_the_other() {
        let id = Uuid::now_v7();
        assert_ne!(other_cart(id), id);
        assert_eq!(other_cart(other_cart(id)), id);
    }
}
