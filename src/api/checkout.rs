//! The checkout's forms. One form holds everything, and its buttons say what is to be done with it, so that whatever was typed is kept
//! whichever is pressed, without JavaScript too.

#![allow(
    clippy::too_many_arguments,
    reason = "a server function has one for each field of its form"
)]

use leptos::prelude::*;

use crate::model::ShopError;

/// Sets the cart's stock aside, and leads to the checkout.
///
/// # Errors
/// What [`crate::shop::Shop::reserve_cart`] refuses; the cart then says why.
#[server(prefix = "/api/form", endpoint = "checkout/enter")]
pub async fn enter_checkout(
    #[server(default)] idempotency_key: String,
    #[server(default)] cart_id: String,
) -> Result<(), ShopError> {
    let visit = crate::web::session::Visit::current()?;
    let done = server::enter(&visit, &idempotency_key, &cart_id).await;
    let done = done.map(|()| "/checkout".to_owned());
    visit.answer(done, &[]).await
}

/// Does what the pressed button says, `act` being `reserve`, `extend`, or `apply-code`, and leads back to the checkout with all that was
/// typed.
///
/// # Errors
/// What the shop refuses; the checkout then says why.
#[server(prefix = "/api/form", endpoint = "checkout/change")]
pub async fn change_checkout(
    #[server(default)] act: String,
    #[server(default)] idempotency_key: String,
    #[server(default)] cart_id: String,
    #[server(default)] name: String,
    #[server(default)] email: String,
    #[server(default)] street: String,
    #[server(default)] postal_code: String,
    #[server(default)] city: String,
    #[server(default)] country: String,
    #[server(default)] code: String,
) -> Result<(), ShopError> {
    let visit = crate::web::session::Visit::current()?;
    let form = server::Form {
        key: idempotency_key,
        cart_id,
        contact: crate::model::Contact {
            name,
            email,
            street,
            postal_code,
            city,
            country,
        },
        code,
    };
    let done = server::change(&visit, &act, &form).await;
    let done = done.map(|()| "/checkout".to_owned());
    visit.answer(done, &[("act", &act)]).await
}

/// Orders the cart, pays for it, and leads to the order's page. The same form sent twice is one order.
///
/// # Errors
/// What [`crate::shop::Shop::pay`] refuses; the form then says why and keeps what was typed, but for the card.
#[server(prefix = "/api/form", endpoint = "checkout/pay")]
pub async fn pay(
    #[server(default)] idempotency_key: String,
    #[server(default)] cart_id: String,
    #[server(default)] name: String,
    #[server(default)] email: String,
    #[server(default)] street: String,
    #[server(default)] postal_code: String,
    #[server(default)] city: String,
    #[server(default)] country: String,
    #[server(default)] code: String,
    #[server(default)] expected_total_cents: String,
    #[server(default)] card_number: String,
    #[server(default)] card_expiry: String,
    #[server(default)] card_cvc: String,
) -> Result<(), ShopError> {
    let visit = crate::web::session::Visit::current()?;
    let form = server::Form {
        key: idempotency_key,
        cart_id,
        contact: crate::model::Contact {
            name,
            email,
            street,
            postal_code,
            city,
            country,
        },
        code,
    };
    let card = crate::model::PaymentCard {
        number: card_number,
        expiry: card_expiry,
        cvc: card_cvc,
    };
    let done = server::pay(&visit, &form, &expected_total_cents, &card).await;
    let done = done.map(|order_id| format!("/orders/{order_id}"));
    visit.answer(done, &[]).await
}

#[cfg(feature = "ssr")]
mod server {
    use uuid::Uuid;

    use crate::{
        model::{Contact, PaymentCard, ShopError},
        shop::{
            cart::Draft,
            checkout::{self, OrderRequest},
            discounts::fold_code,
        },
        web::session::Visit,
    };

    /// What was typed, but for the card.
    pub struct Form {
        pub key: String,
        pub cart_id: String,
        pub contact: Contact,
        pub code: String,
    }

    impl Form {
        fn draft(&self) -> Draft {
            Draft {
                contact: self.contact.clone(),
                code: fold_code(&self.code),
            }
        }
    }

    pub async fn enter(visit: &Visit, key: &str, cart_id: &str) -> Result<(), ShopError> {
        let own = own_cart(visit, cart_id).await?;
        let claim = visit.claim(key, "reserve", &[&own.to_string()])?;
        let outcome = visit.shop().reserve_cart(own, claim).await;
        Ok(outcome.result?)
    }

    pub async fn change(visit: &Visit, act: &str, form: &Form) -> Result<(), ShopError> {
        let own = own_cart(visit, &form.cart_id).await?;
        let guessed = check_guess(visit, own, form).await;
        keep(visit, own, form, guessed.is_ok()).await?;
        guessed?;
        let claim = visit.claim(&form.key, act, &[&own.to_string(), &form.code])?;
        match act {
            "reserve" => Ok(visit.shop().reserve_cart(own, claim).await.result?),
            "extend" => visit.shop().extend_reservation(own, claim).await,
            "apply-code" => apply_code(visit, own, &fold_code(&form.code)).await,
            _ => Err(ShopError::Malformed(
                "the form has no such button".to_owned(),
            )),
        }
    }

    /// The draft holds the code by now; whether it counts, the page says each time it is shown.
    async fn apply_code(visit: &Visit, cart_id: Uuid, code: &str) -> Result<(), ShopError> {
        if code.is_empty() {
            return Ok(());
        }
        let cart = visit.shop().cart(Some(cart_id)).await?;
        visit
            .shop()
            .look_at_code(code, cart.subtotal)
            .await
            .map(drop)
    }

    /// The form names its cart, so that a second press after the first one's answer finds the same request under its key.
    pub async fn pay(
        visit: &Visit,
        form: &Form,
        expected_total_cents: &str,
        card: &PaymentCard,
    ) -> Result<String, ShopError> {
        visit.check_purchase()?;
        let own = own_cart(visit, &form.cart_id).await?;
        let guessed = check_guess(visit, own, form).await;
        let may_keep_code = guessed.is_ok();
        let paid = match guessed {
            Ok(()) => order_and_pay(visit, own, form, expected_total_cents, card).await,
            Err(error) => Err(error),
        };
        if matches!(&paid, Err(error) if matches!(error.status(), 409 | 422 | 429)) {
            // A draft that cannot be kept is logged where it failed; the refusal matters more to the shopper.
            let _ = keep(visit, own, form, may_keep_code).await;
        }
        paid
    }

    /// Whoever sends another code than the one that is kept guesses, whichever button sent it: the page says of a code that is kept
    /// whether it counts.
    async fn check_guess(visit: &Visit, cart_id: Uuid, form: &Form) -> Result<(), ShopError> {
        let code = fold_code(&form.code);
        if code.is_empty() || code == visit.shop().draft(Some(cart_id)).await?.code {
            return Ok(());
        }
        visit.check_guess()
    }

    /// Keeps what was typed; of the code only one that was let through.
    async fn keep(
        visit: &Visit,
        cart_id: Uuid,
        form: &Form,
        with_code: bool,
    ) -> Result<(), ShopError> {
        let mut draft = form.draft();
        if !with_code {
            draft.code = visit.shop().draft(Some(cart_id)).await?.code;
        }
        visit.shop().keep_draft(cart_id, &draft).await
    }

    async fn order_and_pay(
        visit: &Visit,
        cart_id: Uuid,
        form: &Form,
        expected_total_cents: &str,
        card: &PaymentCard,
    ) -> Result<String, ShopError> {
        let contact = checkout::check_contact(&form.contact);
        let card = checkout::check_card(card);
        let (contact, card) = checkout::both(contact, card)?;
        let code = Some(fold_code(&form.code)).filter(|code| !code.is_empty());
        let claim = checkout::claim(visit.key(&form.key), cart_id, &contact, code.as_deref())?;
        let request = OrderRequest {
            cart_id,
            contact,
            code,
            expected_total_cents: expected_total_cents.parse().ok(),
            claim,
            lane_id: None,
        };
        let outcome = visit.shop().pay(request, card).await;
        Ok(outcome.result?.receipt.order_id)
    }

    async fn own_cart(visit: &Visit, cart_id: &str) -> Result<Uuid, ShopError> {
        let own = visit.cart_id().await?.ok_or(ShopError::CartEmpty)?;
        if Uuid::try_parse(cart_id) == Ok(own) {
            Ok(own)
        } else {
            Err(ShopError::CartEmpty)
        }
    }
}
