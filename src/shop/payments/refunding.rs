//! Sends pending refunds to the payment provider.

use uuid::Uuid;

use super::Payments;
use crate::{
    config::crash_point,
    db::txn,
    payment::gateway::{PaymentGateway, RefundRequest, RefundState},
    shop::settlement,
};

impl Payments<'_> {
    /// Sends the pending refunds of this charge. [`Payments::resolve_unknown_outcomes`] retries
    /// those that fail.
    pub(in crate::shop) async fn send_refunds(self, charge: Uuid) {
        let Ok(gateway) = self.shop.gateway() else {
            return;
        };
        match settlement::pending_refunds(self.shop.db.reader(), charge).await {
            Ok(refunds) => {
                for refund in refunds {
                    self.send_refund(&*gateway, refund).await;
                }
            }
            Err(error) => tracing::warn!(%charge, %error, "could not read pending refunds"),
        }
    }

    /// Sends one refund if it is still pending.
    pub(super) async fn send_refund(self, gateway: &dyn PaymentGateway, refund: Uuid) {
        let result = match settlement::refund_request(self.shop.db.reader(), refund).await {
            Ok(Some(request)) => self.request_refund(gateway, &request).await,
            Ok(None) => Ok(()),
            Err(error) => Err(error.to_string()),
        };
        if let Err(error) = result {
            tracing::warn!(%refund, error, "could not complete a refund; it will be retried");
        }
    }

    async fn request_refund(
        self,
        gateway: &dyn PaymentGateway,
        request: &RefundRequest,
    ) -> Result<(), String> {
        crash_point::pass("before call of", "refund");
        let response = gateway.refund(request).await;
        crash_point::pass("after call of", "refund");
        match response {
            Ok(RefundState::Succeeded) => {
                let (shop, reference) = (self.shop.clone(), request.reference);
                txn::run_for_result(
                    &self.shop.db,
                    self.shop.policy("settle refund"),
                    move |work| {
                        let shop = shop.clone();
                        Box::pin(async move {
                            settlement::mark_refund_succeeded(work, &shop, reference, None).await
                        })
                    },
                )
                .await
                .map_err(|error| error.to_string())
            }
            Ok(RefundState::Processing) => Ok(()),
            Err(error) => Err(error.to_string()),
        }
    }
}
