//! A shopper who buys a lesson's products through the shop's own code.

use uuid::Uuid;

use crate::{
    db::txn::TxnError,
    model::{Contact, OrderStatus, PaymentCard, Quantity, ShopError, StrategyKey},
    payment::provider::test_cards,
    shop::{
        Shop,
        cart::KeyedCart,
        checkout::{self, OrderRequest},
        idempotency::Key,
        inventory::PurchaseRequest,
    },
    simulation::store::LessonProduct,
};

/// A shopper with one unit of a product in the cart.
#[derive(Debug)]
pub struct Shopper {
    shop: Shop,
    cart_id: Uuid,
    lane_id: i64,
}

impl Shopper {
    /// Adds one unit of `product` to a new cart.
    pub async fn with_one_of(shop: &Shop, product: &LessonProduct) -> Result<Self, ShopError> {
        let one = Quantity::ONE;
        let cart_id = shop
            .carts()
            .add(None, product.product_id, one, None)
            .await?;
        Ok(Self {
            shop: shop.clone(),
            cart_id,
            lane_id: product.lane_id,
        })
    }

    pub fn cart_id(&self) -> Uuid {
        self.cart_id
    }

    /// Goes to the checkout, which reserves the cart's units.
    pub async fn reserve(&self) -> Result<(), ShopError> {
        let reserved = self.shop.reservations().reserve(self.cart_id, None).await;
        reserved.result.map_err(ShopError::from)
    }

    /// Adds another unit to the cart.
    pub async fn add(&self, product: &LessonProduct) -> Result<(), ShopError> {
        let (cart, one) = (Some(self.cart_id), Quantity::ONE);
        let added = self.shop.carts().add(cart, product.product_id, one, None);
        added.await.map(drop)
    }

    /// Removes all units of `product` from the cart.
    pub async fn remove(&self, product: &LessonProduct) -> Result<(), ShopError> {
        let cart = KeyedCart {
            cart_id: self.cart_id,
            claim: None,
        };
        self.shop.carts().remove(cart, product.product_id).await
    }

    /// Orders the cart and pays with a test card that the simulated provider captures.
    ///
    /// # Errors
    /// [`ShopError::InvalidState`] if the provider does not confirm the charge in time; and the
    /// errors of the checkout.
    pub async fn pay(&self, code: Option<String>) -> Result<(), ShopError> {
        let key = Uuid::now_v7().to_string();
        let contact = contact(&key);
        let key = Key::of_cart(self.cart_id, &key)?;
        let order = OrderRequest {
            cart_id: self.cart_id,
            claim: checkout::claim(key, self.cart_id, &contact, code.as_deref()),
            contact,
            code,
            expected_total_cents: None,
            expected_items: None,
            lane_id: Some(self.lane_id),
        };
        let answer = self.shop.payments().pay(order, card()).await;
        match answer.result.map_err(ShopError::from)?.status {
            OrderStatus::Paid => Ok(()),
            status => Err(ShopError::InvalidState(format!(
                "The payment provider did not confirm in time (order: {}). Run the card again.",
                status.as_str()
            ))),
        }
    }
}

/// Buys one unit of `product` in one call, through the shop's own code. Logs nothing.
pub async fn buy_one(
    shop: &Shop,
    strategy: StrategyKey,
    product: &LessonProduct,
) -> Result<(), TxnError> {
    let request = PurchaseRequest {
        product_id: product.product_id,
        quantity: Quantity::ONE,
        claim: None,
        lane_id: Some(product.lane_id),
    };
    shop.purchase(strategy, request).await.result.map(drop)
}

/// Returns `true` if a purchase succeeded, and `false` if it was rejected because stock ran out.
///
/// # Errors
/// Any other failure of the purchase.
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
