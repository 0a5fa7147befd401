//! Admin forms for orders and stock.

use leptos::prelude::*;

use crate::model::ShopError;

/// Executes the action of the clicked button on an order. `act` is `cancel`, `refund-all`,
/// `refund-line` or `take-back`.
///
/// # Errors
/// [`ShopError::NotSignedIn`]; the errors of [`crate::shop::refunds::OrderAdministration::apply`].
#[server(prefix = "/api/form", endpoint = "admin/order")]
pub async fn act_on_order(
    #[server(default)] idempotency_key: String,
    #[server(default)] order_id: String,
    #[server(default)] act: String,
    #[server(default)] line_id: String,
    #[server(default)] quantity: String,
) -> Result<(), ShopError> {
    let visit = crate::web::session::Visit::current()?;
    let administrator = visit.require_admin().await?;
    let result = server::act(
        &visit,
        &administrator,
        &idempotency_key,
        [&order_id, &act, &line_id, &quantity],
    )
    .await;
    let result = result.map(|id| format!("/admin/orders/{id}"));
    visit.answer(result, &[]).await
}

/// Adds received units to the stock.
///
/// # Errors
/// [`ShopError::NotSignedIn`]; the errors of
/// [`crate::shop::stock_admin::StockAdministration::receive`].
#[server(prefix = "/api/form", endpoint = "admin/receive")]
pub async fn receive_stock(
    #[server(default)] idempotency_key: String,
    #[server(default)] product_id: String,
    #[server(default)] quantity: String,
) -> Result<(), ShopError> {
    let visit = crate::web::session::Visit::current()?;
    let administrator = visit.require_admin().await?;
    let result = server::receive(
        &visit,
        &administrator,
        &idempotency_key,
        &product_id,
        &quantity,
    )
    .await;
    // The page highlights the changed row.
    let result = result.map(|()| format!("/admin/stock#stock-{product_id}"));
    visit
        .answer(
            result,
            &[("product_id", &product_id), ("quantity", &quantity)],
        )
        .await
}

/// Corrects the stock to a physical count.
///
/// # Errors
/// [`ShopError::NotSignedIn`]; the errors of
/// [`crate::shop::stock_admin::StockAdministration::record_count`].
#[server(prefix = "/api/form", endpoint = "admin/take-stock")]
pub async fn take_stock(
    #[server(default)] idempotency_key: String,
    #[server(default)] product_id: String,
    #[server(default)] counted: String,
    #[server(default)] reason: String,
) -> Result<(), ShopError> {
    let visit = crate::web::session::Visit::current()?;
    let administrator = visit.require_admin().await?;
    let result = server::take_stock(
        &visit,
        &administrator,
        &idempotency_key,
        [&product_id, &counted, &reason],
    )
    .await;
    // The page highlights the changed row.
    let result = result.map(|()| format!("/admin/stock#stock-{product_id}"));
    visit
        .answer(
            result,
            &[
                ("counted_product_id", &product_id),
                ("counted", &counted),
                ("reason", &reason),
            ],
        )
        .await
}

#[cfg(feature = "ssr")]
mod server {
    use crate::{
        model::{Quantity, ShopError},
        shop::{administrator::Administrator, refunds::OrderAction},
        web::session::Visit,
    };

    pub async fn act(
        visit: &Visit,
        administrator: &Administrator,
        key: &str,
        [order_id, act, line_id, quantity]: [&str; 4],
    ) -> Result<String, ShopError> {
        let claim = visit.claim_of_administrator(
            administrator,
            key,
            "act on order",
            &[order_id, act, line_id, quantity],
        )?;
        let line = || -> Result<(i64, Quantity), ShopError> {
            let line_id = line_id.parse().map_err(|_| ShopError::UnknownOrder)?;
            Ok((line_id, Quantity::parse(quantity)?))
        };
        let act = match act {
            "cancel" => OrderAction::Cancel,
            "refund-all" => OrderAction::RefundAll,
            "refund-line" => {
                let (line_id, quantity) = line()?;
                OrderAction::RefundLine { line_id, quantity }
            }
            "take-back" => {
                let (line_id, quantity) = line()?;
                OrderAction::ReturnLine { line_id, quantity }
            }
            _ => {
                return Err(ShopError::Malformed("unknown action".to_owned()));
            }
        };
        visit
            .shop()
            .order_administration(administrator)
            .apply(order_id, act, claim)
            .await?;
        Ok(order_id.to_owned())
    }

    pub async fn receive(
        visit: &Visit,
        administrator: &Administrator,
        key: &str,
        product_id: &str,
        quantity: &str,
    ) -> Result<(), ShopError> {
        let claim = visit.claim_of_administrator(
            administrator,
            key,
            "receive stock",
            &[product_id, quantity],
        )?;
        let product_id = product_id.parse().map_err(|_| ShopError::UnknownProduct)?;
        let quantity = Quantity::parse(quantity)?;
        visit
            .shop()
            .stock_administration(administrator)
            .receive(product_id, quantity, claim)
            .await
    }

    pub async fn take_stock(
        visit: &Visit,
        administrator: &Administrator,
        key: &str,
        [product_id, counted, reason]: [&str; 3],
    ) -> Result<(), ShopError> {
        let claim = visit.claim_of_administrator(
            administrator,
            key,
            "stock-take",
            &[product_id, counted, reason],
        )?;
        let product_id = product_id.parse().map_err(|_| ShopError::UnknownProduct)?;
        let counted = counted
            .trim()
            .parse()
            .map_err(|_| ShopError::field_invalid("counted", "Enter a whole number."))?;
        visit
            .shop()
            .stock_administration(administrator)
            .record_count(product_id, counted, reason, claim)
            .await
    }
}
