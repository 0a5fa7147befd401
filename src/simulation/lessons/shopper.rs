//! Somebody who shops on a lesson's shelf, through the shop's own code.

use uuid::Uuid;

use crate::{
    db::txn::TxnError,
    model::{Contact, OrderStatus, PaymentCard, Quantity, ShopError, StrategyKey},
    payment::provider::test_cards,
    shop::{
        Shop,
        cart::KeyedCart,
        checkout::{self, OrderRequest},
        inventory::PurchaseRequest,
    },
    simulation::store::Shelf,
};

/// A shopper with one unit of a shelf in the cart.
#[derive(Debug)]
pub struct Shopper {
    shop: Shop,
    cart_id: Uuid,
    lane_id: i64,
}

impl Shopper {
    /// Puts one unit of `shelf` into a new cart.
    pub async fn with_one_of(shop: &Shop, shelf: &Shelf) -> Result<Self, ShopError> {
        let one = Quantity::ONE;
        let cart_id = shop.add_to_cart(None, shelf.product_id, one, None).await?;
        Ok(Self {
            shop: shop.clone(),
            cart_id,
            lane_id: shelf.lane_id,
        })
    }

    pub fn cart_id(&self) -> Uuid {
        self.cart_id
    }

    /// Goes to the checkout, which sets the cart aside.
    pub async fn reserve(&self) -> Result<(), ShopError> {
        let reserved = self.shop.reserve_cart(self.cart_id, None).await;
        reserved.result.map_err(ShopError::from)
    }

    /// Puts one unit more into the cart.
    pub async fn add(&self, shelf: &Shelf) -> Result<(), ShopError> {
        let (cart, one) = (Some(self.cart_id), Quantity::ONE);
        let added = self.shop.add_to_cart(cart, shelf.product_id, one, None);
        added.await.map(drop)
    }

    /// Takes all of `shelf` out of the cart.
    pub async fn remove(&self, shelf: &Shelf) -> Result<(), ShopError> {
        let cart = KeyedCart {
            cart_id: self.cart_id,
            claim: None,
        };
        self.shop.remove_from_cart(cart, shelf.product_id).await
    }

    /// Orders what is in the cart and pays for it, with a card that the simulated provider takes.
    ///
    /// # Errors
    /// What the shop refuses; [`ShopError::NotNow`] if the provider does not say in time that it took the money.
    pub async fn pay(&self, code: Option<String>) -> Result<(), ShopError> {
        let key = Uuid::now_v7().to_string();
        let contact = contact(&key);
        let order = OrderRequest {
            cart_id: self.cart_id,
            claim: checkout::claim(&key, self.cart_id, &contact, code.as_deref())?,
            contact,
            code,
            expected_total_cents: None,
            lane_id: Some(self.lane_id),
        };
        let answer = self.shop.pay(order, card()).await;
        match answer.result.map_err(ShopError::from)?.status {
            OrderStatus::Paid => Ok(()),
            status => Err(ShopError::NotNow(format!(
                "The payment provider left the order {}. Run it again.",
                status.as_str()
            ))),
        }
    }
}

/// Buys one unit of `shelf` in one call, with the shop's own code.
///
/// # Errors
/// As [`Shop::purchase`]; nothing is logged.
pub async fn buy_one(shop: &Shop, strategy: StrategyKey, shelf: &Shelf) -> Result<(), TxnError> {
    let request = PurchaseRequest {
        product_id: shelf.product_id,
        quantity: Quantity::ONE,
        claim: None,
        lane_id: Some(shelf.lane_id),
    };
    shop.purchase(strategy, request).await.result.map(drop)
}

/// Whether a buyer was sold something, or told that it is sold out.
///
/// # Errors
/// Whatever else became of it.
pub fn was_sold(bought: Result<(), TxnError>) -> Result<bool, ShopError> {
    match bought {
        Ok(()) => Ok(true),
        Err(TxnError::Refused(ShopError::InsufficientStock { .. })) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

fn card() -> PaymentCard {
    PaymentCard {
        number: test_cards::CAPTURED.to_owned(),
        expiry: "12/34".to_owned(),
        cvc: "123".to_owned(),
    }
}

fn contact(key: &str) -> Contact {
    Contact {
        name: "Shopper of a Lesson".to_owned(),
        email: format!("{key}@lesson.invalid"),
        street: "1 Queue Street".to_owned(),
        postal_code: "00000".to_owned(),
        city: "Lane".to_owned(),
        country: "Nowhere".to_owned(),
    }
}
