//! Admin forms for the sales of products.

#![allow(
    clippy::too_many_arguments,
    reason = "a server function has one argument for each field of its form"
)]

use leptos::prelude::*;

use crate::model::ShopError;

/// Plans the sale of a product. `from` and `until` are in the shop's time zone; `seen` is the last
/// change that the page showed.
///
/// # Errors
/// [`ShopError::NotSignedIn`]; the errors of [`crate::shop::sales::SaleAdministration::plan`].
#[server(prefix = "/api/form", endpoint = "admin/plan-sale")]
pub async fn plan_sale(
    #[server(default)] idempotency_key: String,
    #[server(default)] product_id: String,
    #[server(default)] from: String,
    #[server(default)] until: String,
    #[server(default)] price: String,
    #[server(default)] compare_at: String,
    #[server(default)] limit: String,
    #[server(default)] seen: String,
) -> Result<(), ShopError> {
    let visit = crate::web::session::Visit::current()?;
    let administrator = visit.require_admin().await?;
    let form = server::PlanForm {
        product_id,
        from,
        until,
        price,
        compare_at,
        limit,
        seen,
    };
    let result = server::plan(&visit, &administrator, &idempotency_key, &form).await;
    visit.answer(result, &form.fields()).await
}

/// Opens or ends the sale of a product now. `act` is `open` or `end`.
///
/// # Errors
/// [`ShopError::NotSignedIn`]; the errors of
/// [`crate::shop::sales::SaleAdministration::open_now`].
#[server(prefix = "/api/form", endpoint = "admin/change-sale")]
pub async fn change_sale(
    #[server(default)] idempotency_key: String,
    #[server(default)] product_id: String,
    #[server(default)] act: String,
) -> Result<(), ShopError> {
    let visit = crate::web::session::Visit::current()?;
    let administrator = visit.require_admin().await?;
    let result = server::change(
        &visit,
        &administrator,
        &idempotency_key,
        [&product_id, &act],
    )
    .await;
    visit.answer(result, &[]).await
}

#[cfg(feature = "ssr")]
mod server {
    use crate::{
        model::{FieldError, ShopError, address::path_segment, money::parse_cents},
        shop::{
            administrator::Administrator,
            local_time, moment,
            sales::{NewPlan, NewValue, SaleReport},
        },
        web::session::Visit,
    };

    /// The input of the form.
    pub struct PlanForm {
        pub product_id: String,
        pub from: String,
        pub until: String,
        pub price: String,
        pub compare_at: String,
        pub limit: String,
        pub seen: String,
    }

    impl PlanForm {
        /// The names and values of the fields.
        pub fn fields(&self) -> [(&'static str, &str); 6] {
            [
                ("product_id", &self.product_id),
                ("from", &self.from),
                ("until", &self.until),
                ("price", &self.price),
                ("compare_at", &self.compare_at),
                ("limit", &self.limit),
            ]
        }

        /// Returns the product's id and the plan, or the errors of all fields at once.
        async fn parse(&self, visit: &Visit) -> Result<(i64, NewPlan), ShopError> {
            let product_id = parse_id(&self.product_id)?;
            let product = visit.shop().catalog().product_by_id(product_id).await?;
            let current = product.product.plan;
            let zone = &visit.shop().terms().time_zone;
            let mut errors = Vec::new();
            let plan = NewPlan {
                starts_at: checked(
                    local_time::parse_field(
                        zone,
                        "from",
                        &self.from,
                        current.starts_at_ms.map(moment::from_ms),
                    ),
                    &mut errors,
                )
                .flatten(),
                ends_at: checked(
                    local_time::parse_field(
                        zone,
                        "until",
                        &self.until,
                        current.ends_at_ms.map(moment::from_ms),
                    ),
                    &mut errors,
                )
                .flatten(),
                price_cents: checked(cents("price", &self.price), &mut errors),
                compare_at_cents: checked(
                    optional(&self.compare_at, |text| cents("compare_at", text)),
                    &mut errors,
                )
                .unwrap_or(NewValue::Unchanged),
                per_customer_limit: checked(optional(&self.limit, whole_limit), &mut errors)
                    .unwrap_or(NewValue::Unchanged),
            };
            if errors.is_empty() {
                Ok((product_id, plan))
            } else {
                Err(ShopError::FieldsInvalid(errors))
            }
        }
    }

    fn parse_id(text: &str) -> Result<i64, ShopError> {
        text.trim().parse().map_err(|_| ShopError::UnknownProduct)
    }

    /// Returns the value, or adds its errors to those of the other fields.
    fn checked<T>(result: Result<T, ShopError>, errors: &mut Vec<FieldError>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(ShopError::FieldsInvalid(more)) => {
                errors.extend(more);
                None
            }
            Err(other) => {
                errors.push(FieldError::new("from", other.to_string()));
                None
            }
        }
    }

    /// An empty field removes the value.
    fn optional(
        text: &str,
        parse: impl FnOnce(&str) -> Result<i64, ShopError>,
    ) -> Result<NewValue, ShopError> {
        match text.trim() {
            "" => Ok(NewValue::Absent),
            text => parse(text).map(NewValue::Set),
        }
    }

    fn cents(field: &str, text: &str) -> Result<i64, ShopError> {
        parse_cents(text)
            .ok_or_else(|| ShopError::field_invalid(field, "Enter an amount, as in 12.50."))
    }

    fn whole_limit(text: &str) -> Result<i64, ShopError> {
        text.parse().map_err(|_| {
            ShopError::field_invalid("limit", "Enter a whole number from 1 to 1,000,000.")
        })
    }

    /// Returns the page of the product, at its sale.
    fn page_of(report: &SaleReport) -> String {
        format!("/admin/products/{}#sale", path_segment(&report.slug))
    }

    /// Plans the sale and returns the address of its page.
    pub async fn plan(
        visit: &Visit,
        administrator: &Administrator,
        key: &str,
        form: &PlanForm,
    ) -> Result<String, ShopError> {
        let parts = form.fields().map(|(_, value)| value);
        let claim = visit.claim_of_administrator(administrator, key, "plan sale", &parts)?;
        let (product_id, plan) = form.parse(visit).await?;
        let sales = visit.shop().sale_administration(administrator);
        let report = match form.seen.trim().parse::<i64>() {
            Ok(seen) => sales.plan_as_seen(product_id, plan, seen, claim).await?,
            Err(_) => sales.plan(product_id, plan, claim).await?,
        };
        Ok(page_of(&report))
    }

    /// Opens or ends the sale now and returns the address of its page.
    pub async fn change(
        visit: &Visit,
        administrator: &Administrator,
        key: &str,
        [product_id, act]: [&str; 2],
    ) -> Result<String, ShopError> {
        let parts = [product_id, act];
        let claim = visit.claim_of_administrator(administrator, key, "change sale", &parts)?;
        let product_id = parse_id(product_id)?;
        let sales = visit.shop().sale_administration(administrator);
        let report = match act {
            "open" => sales.open_now(product_id, claim).await?,
            "end" => sales.end_now(product_id, claim).await?,
            _ => return Err(ShopError::Malformed("unknown action".to_owned())),
        };
        Ok(page_of(&report))
    }
}
