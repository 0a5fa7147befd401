//! Forms of the checkout. One form contains all fields, and its buttons choose the action, so that
//! every button preserves all input, also without JavaScript.

#![allow(
    clippy::too_many_arguments,
    reason = "a server function has one argument for each field of its form"
)]

use leptos::prelude::*;

use crate::model::ShopError;

/// Reserves the cart's stock and redirects to the checkout.
///
/// # Errors
/// The errors of [`crate::shop::reservations::Reservations::reserve`], which the cart shows.
#[server(prefix = "/api/form", endpoint = "checkout/enter")]
pub async fn enter_checkout(
    #[server(default)] idempotency_key: String,
    #[server(default)] cart_id: String,
) -> Result<(), ShopError> {
    let visit = crate::web::session::Visit::current()?;
    let result = server::enter(&visit, &idempotency_key, &cart_id).await;
    let result = result.map(|()| crate::model::cart::CHECKOUT.to_owned());
    visit.answer_from("/cart", result, &[]).await
}

/// Executes the action of the clicked button and redirects back to the checkout, which keeps all
/// input. `act` is `reserve`, `extend` or `apply-code`.
///
/// # Errors
/// The errors of the action, which the checkout shows.
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
    let form = server::CheckoutForm {
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
    let page = match server::page_of(&visit, &form.cart_id).await {
        Ok(page) => page,
        Err(error) => return visit.answer(Err(error), &[]).await,
    };
    let result = server::change(&visit, &act, &form).await;
    server::keep_draft(&visit, &form, &result);
    let result = result.map(|()| page.to_owned());
    visit.answer_from(page, result, &[("act", &act)]).await
}

/// Orders the cart, pays for it, and redirects to the order's page. A form sent twice places one
/// order.
///
/// # Errors
/// The errors of [`crate::shop::payments::Payments::pay`]. The form shows them and keeps all input
/// except the card.
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
    #[server(default)] expected_items: String,
    #[server(default)] card_number: String,
    #[server(default)] card_expiry: String,
    #[server(default)] card_cvc: String,
) -> Result<(), ShopError> {
    let visit = crate::web::session::Visit::current()?;
    let form = server::CheckoutForm {
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
    let page = match server::page_of(&visit, &form.cart_id).await {
        Ok(page) => page,
        Err(error) => return visit.answer(Err(error), &[]).await,
    };
    let shown = server::Shown {
        total_cents: expected_total_cents,
        items: expected_items,
    };
    let result = server::pay(&visit, &form, &shown, &card).await;
    server::keep_draft(&visit, &form, &result);
    if result.is_ok() {
        visit.forget_draft();
    }
    let result = result.map(|order_id| format!("/orders/{order_id}"));
    visit.answer_from(page, result, &[]).await
}

#[cfg(feature = "ssr")]
mod server {
    use uuid::Uuid;

    use crate::{
        model::{
            Contact, PaymentCard, ShopError,
            cart::{BUY_NOW_CHECKOUT, CHECKOUT},
        },
        shop::{
            cart::CheckoutDraft,
            cart_pair::other_cart,
            checkout::{self, OrderRequest},
            discounts::{CODE_LEN_MAX, fold_code},
        },
        web::session::Visit,
    };

    /// The input of the form, except the card.
    pub struct CheckoutForm {
        pub key: String,
        pub cart_id: String,
        pub contact: Contact,
        pub code: String,
    }

    /// What the form's page showed.
    pub struct Shown {
        pub total_cents: String,
        pub items: String,
    }

    impl CheckoutForm {
        fn draft(&self) -> CheckoutDraft {
            CheckoutDraft {
                contact: self.contact.clone(),
                code: fold_code(&self.code),
            }
        }
    }

    pub async fn enter(visit: &Visit, key: &str, cart_id: &str) -> Result<(), ShopError> {
        let own = own_cart(visit, cart_id).await?;
        let claim = visit.claim_of_cart(own, key, "reserve", &[])?;
        let outcome = visit.shop().reservations().reserve(own, claim).await;
        Ok(outcome.result?)
    }

    pub async fn change(visit: &Visit, act: &str, form: &CheckoutForm) -> Result<(), ShopError> {
        let own = own_cart(visit, &form.cart_id).await?;
        let code_check = check_code_attempt(visit, own, form).await;
        save_draft(visit, own, form, code_check.is_ok()).await?;
        code_check?;
        let claim = visit.claim_of_cart(own, &form.key, act, &[&form.code])?;
        match act {
            "reserve" => Ok(visit
                .shop()
                .reservations()
                .reserve(own, claim)
                .await
                .result?),
            "extend" => visit.shop().reservations().extend(own, claim).await,
            "apply-code" => apply_code(visit, own, &fold_code(&form.code)).await,
            _ => Err(ShopError::Malformed("unknown action".to_owned())),
        }
    }

    /// Checks a code. The draft already contains it, and the page shows each time whether it is
    /// valid.
    async fn apply_code(visit: &Visit, cart_id: Uuid, code: &str) -> Result<(), ShopError> {
        if code.is_empty() {
            return Ok(());
        }
        let cart = visit.shop().carts().view(Some(cart_id)).await?;
        visit
            .shop()
            .discounts()
            .preview(code, cart.subtotal)
            .await
            .map(drop)
    }

    /// Orders and pays. The form names its cart, so that a second click after the first response
    /// finds the same request under its idempotency key.
    pub async fn pay(
        visit: &Visit,
        form: &CheckoutForm,
        shown: &Shown,
        card: &PaymentCard,
    ) -> Result<String, ShopError> {
        let own = own_cart(visit, &form.cart_id).await?;
        let code_check = check_code_attempt(visit, own, form).await;
        let may_save_code = code_check.is_ok();
        let paid = match code_check {
            Ok(()) => order_and_pay(visit, own, form, shown, card).await,
            Err(error) => Err(error),
        };
        if matches!(&paid, Err(error) if matches!(error.status(), 409 | 422 | 429)) {
            // A failure to save the draft is logged where it occurs; the shopper needs the payment
            // error.
            let _ = save_draft(visit, own, form, may_save_code).await;
        }
        paid
    }

    /// Limits wrong guesses of a code. A code that differs from the saved one is a guess, whichever
    /// button sent it: the page shows whether a saved code is valid.
    async fn check_code_attempt(
        visit: &Visit,
        cart_id: Uuid,
        form: &CheckoutForm,
    ) -> Result<(), ShopError> {
        let code = fold_code(&form.code);
        if code.is_empty() || code == visit.shop().carts().draft(Some(cart_id)).await?.code {
            return Ok(());
        }
        let exists = visit.shop().discounts().check_exists(&code);
        match visit.limit_wrong_guesses(exists).await {
            // Counted; the button's action and the page report that the code does not exist.
            Err(ShopError::CodeUnknown(_)) => Ok(()),
            other => other,
        }
    }

    /// Saves the input; replaces the saved code only if `with_code`.
    async fn save_draft(
        visit: &Visit,
        cart_id: Uuid,
        form: &CheckoutForm,
        with_code: bool,
    ) -> Result<(), ShopError> {
        let mut draft = form.draft();
        if !with_code {
            draft.code = visit.shop().carts().draft(Some(cart_id)).await?.code;
        }
        visit.shop().carts().save_draft(cart_id, &draft).await
    }

    async fn order_and_pay(
        visit: &Visit,
        cart_id: Uuid,
        form: &CheckoutForm,
        shown: &Shown,
        card: &PaymentCard,
    ) -> Result<String, ShopError> {
        let contact = checkout::check_contact(&form.contact);
        let card = checkout::check_card(card);
        let (contact, card) = checkout::combine_checks(contact, card)?;
        let code = Some(fold_code(&form.code)).filter(|code| !code.is_empty());
        let key = visit.order_key(cart_id, &form.key)?;
        let claim = checkout::claim(key, cart_id, &contact, code.as_deref());
        let request = OrderRequest {
            cart_id,
            contact,
            code,
            expected_total_cents: shown.total_cents.parse().ok(),
            expected_items: Some(shown.items.clone()).filter(|items| !items.is_empty()),
            claim,
            lane_id: None,
        };
        let outcome = visit.shop().payments().pay(request, card).await;
        Ok(outcome.result?.receipt.order_id)
    }

    /// Keeps what was typed if the session has ended, and with it the cart that would keep it.
    pub fn keep_draft<T>(visit: &Visit, form: &CheckoutForm, result: &Result<T, ShopError>) {
        if matches!(result, Err(ShopError::SessionEnded)) {
            let mut draft = form.draft();
            // A longer text is no code, and might leave no room for the contact in the cookie.
            if draft.code.chars().count() > CODE_LEN_MAX {
                draft.code.clear();
            }
            visit.keep_draft(&draft);
        }
    }

    /// Returns the cart that the form names, if it is one of the shopper's two.
    async fn own_cart(visit: &Visit, cart_id: &str) -> Result<Uuid, ShopError> {
        let main = visit.cart_id().await?;
        let main = main.ok_or_else(|| visit.missing_cart())?;
        match Uuid::try_parse(cart_id) {
            Ok(named) if named == main || named == other_cart(main) => Ok(named),
            _ => Err(ShopError::SessionEnded),
        }
    }

    /// Returns the address of the page that contains the form.
    ///
    /// # Errors
    /// [`ShopError::Unavailable`] if the session cannot be read.
    pub async fn page_of(visit: &Visit, cart_id: &str) -> Result<&'static str, ShopError> {
        let now = visit.cart_id().await?.map(other_cart);
        let is_buy_now = now.is_some() && Uuid::try_parse(cart_id).ok() == now;
        Ok(if is_buy_now {
            BUY_NOW_CHECKOUT
        } else {
            CHECKOUT
        })
    }
}
