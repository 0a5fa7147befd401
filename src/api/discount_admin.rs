//! Admin forms for discount codes.

#![allow(
    clippy::too_many_arguments,
    reason = "a server function has one argument for each field of its form"
)]

use leptos::prelude::*;

use crate::model::ShopError;

/// Creates a discount code.
///
/// # Errors
/// [`ShopError::NotSignedIn`]; the errors of
/// [`crate::shop::discounts::DiscountAdministration::create`].
#[server(prefix = "/api/form", endpoint = "admin/create-code")]
pub async fn create_code(
    #[server(default)] idempotency_key: String,
    #[server(default)] code: String,
    #[server(default)] kind: String,
    #[server(default)] value: String,
    #[server(default)] min_subtotal: String,
    #[server(default)] starts_at: String,
    #[server(default)] ends_at: String,
    #[server(default)] uses_max: String,
    #[server(default)] per_customer_limit: String,
) -> Result<(), ShopError> {
    let visit = crate::web::session::Visit::current()?;
    let administrator = visit.require_admin().await?;
    let form = server::CodeForm {
        code,
        kind,
        value,
        min_subtotal,
        starts_at,
        ends_at,
        uses_max,
        per_customer_limit,
    };
    let result = server::create_code(&visit, &administrator, &idempotency_key, &form).await;
    let code = crate::shop::discounts::fold_code(&form.code);
    let result = result.map(|()| format!("/admin/discounts#code-{code}"));
    visit.answer(result, &form.fields()).await
}

/// Switches a discount code off or on. `act` is `off` or `on`.
///
/// # Errors
/// [`ShopError::NotSignedIn`]; the errors of
/// [`crate::shop::discounts::DiscountAdministration::switch`].
#[server(prefix = "/api/form", endpoint = "admin/switch-code")]
pub async fn switch_code(
    #[server(default)] idempotency_key: String,
    #[server(default)] code: String,
    #[server(default)] act: String,
) -> Result<(), ShopError> {
    let visit = crate::web::session::Visit::current()?;
    let administrator = visit.require_admin().await?;
    let result = server::switch_code(&visit, &administrator, &idempotency_key, [&code, &act]).await;
    // The page highlights the changed row.
    let result = result.map(|code| format!("/admin/discounts#code-{code}"));
    visit.answer(result, &[]).await
}

#[cfg(feature = "ssr")]
mod server {
    use crate::{
        model::{DiscountValue, ShopError},
        shop::{Shop, administrator::Administrator, discounts::NewCode, local_time},
        web::session::Visit,
    };

    /// Switches the code and returns its stored form.
    pub async fn switch_code(
        visit: &Visit,
        administrator: &Administrator,
        key: &str,
        [code, act]: [&str; 2],
    ) -> Result<String, ShopError> {
        let claim =
            visit.claim_of_administrator(administrator, key, "switch code", &[code, act])?;
        let is_on = match act {
            "on" => true,
            "off" => false,
            _ => return Err(ShopError::Malformed("unknown action".to_owned())),
        };
        visit
            .shop()
            .discount_administration(administrator)
            .switch(code, is_on, claim)
            .await
    }

    /// The input of the form.
    pub struct CodeForm {
        pub code: String,
        pub kind: String,
        pub value: String,
        pub min_subtotal: String,
        pub starts_at: String,
        pub ends_at: String,
        pub uses_max: String,
        pub per_customer_limit: String,
    }

    impl CodeForm {
        pub fn fields(&self) -> [(&'static str, &str); 8] {
            [
                ("code", &self.code),
                ("kind", &self.kind),
                ("value", &self.value),
                ("min_subtotal", &self.min_subtotal),
                ("starts_at", &self.starts_at),
                ("ends_at", &self.ends_at),
                ("uses_max", &self.uses_max),
                ("per_customer_limit", &self.per_customer_limit),
            ]
        }

        fn parse(&self, shop: &Shop) -> Result<NewCode, ShopError> {
            let zone = &shop.terms().time_zone;
            let time = |field: &str, text: &str| local_time::parse_field(zone, field, text, None);
            Ok(NewCode {
                code: self.code.clone(),
                value: self.value()?,
                min_subtotal_cents: match self.min_subtotal.trim() {
                    "" => 0,
                    text => cents("min_subtotal", text)?,
                },
                starts_at: time("starts_at", &self.starts_at)?,
                ends_at: time("ends_at", &self.ends_at)?,
                uses_max: number("uses_max", &self.uses_max)?,
                per_customer_limit: match self.per_customer_limit.trim() {
                    "" => None,
                    text => Some(number("per_customer_limit", text)?),
                },
            })
        }

        fn value(&self) -> Result<DiscountValue, ShopError> {
            match self.kind.as_str() {
                "percent" => {
                    let percent = number("value", &self.value)?;
                    // A value above 255 becomes 0, which the shop rejects with a readable error.
                    Ok(DiscountValue::Percent(u8::try_from(percent).unwrap_or(0)))
                }
                "amount" => Ok(DiscountValue::Cents(cents("value", &self.value)?)),
                _ => Err(ShopError::field_invalid(
                    "kind",
                    "Choose percent or amount.",
                )),
            }
        }
    }

    pub async fn create_code(
        visit: &Visit,
        administrator: &Administrator,
        key: &str,
        form: &CodeForm,
    ) -> Result<(), ShopError> {
        let parts = form.fields().map(|(_, value)| value);
        let claim = visit.claim_of_administrator(administrator, key, "create code", &parts)?;
        visit
            .shop()
            .discount_administration(administrator)
            .create(form.parse(visit.shop())?, claim)
            .await
    }

    fn number(field: &str, text: &str) -> Result<u32, ShopError> {
        match text.trim().parse() {
            Ok(number @ 1..=1_000_000) => Ok(number),
            _ => Err(ShopError::field_invalid(
                field,
                "Enter a whole number from 1 to 1,000,000.",
            )),
        }
    }

    fn cents(field: &str, text: &str) -> Result<i64, ShopError> {
        crate::model::money::parse_cents(text)
            .ok_or_else(|| ShopError::field_invalid(field, "Enter an amount, as in 12.50."))
    }
}
