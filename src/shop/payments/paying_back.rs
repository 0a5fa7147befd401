//! Paying back what was decided to be paid back.

use uuid::Uuid;

use crate::{
    config::crash_point,
    db::txn,
    payment::gateway::{PaymentGateway, RefundRequest, RefundState},
    shop::{Shop, settlement},
};

impl Shop {
    /// Pays back what is to be paid back from this charge. What fails is tried again by [`Shop::resolve_unknown`].
    pub(in crate::shop) async fn pay_back(&self, charge: Uuid) {
        let Ok(gateway) = self.gateway() else {
            return;
        };
        match settlement::pending_refunds(self.db.reader(), charge).await {
            Ok(refunds) => {
                for refund in refunds {
                    self.pay_back_one(&*gateway, refund).await;
                }
            }
            Err(error) => tracing::warn!(%charge, %error, "looking for refunds"),
        }
    }

    /// Pays one refund back, if it is still to be paid.
    pub(super) async fn pay_back_one(&self, gateway: &dyn PaymentGateway, refund: Uuid) {
        let done = match settlement::refund_request(self.db.reader(), refund).await {
            Ok(Some(request)) => self.ask_for_refund(gateway, &request).await,
            Ok(None) => Ok(()),
            Err(error) => Err(error.to_string()),
        };
        if let Err(error) = done {
            tracing::warn!(%refund, error, "a refund is to be tried again");
        }
    }

    async fn ask_for_refund(
        &self,
        gateway: &dyn PaymentGateway,
        request: &RefundRequest,
    ) -> Result<(), String> {
        crash_point::pass("before call of", "refund");
        let answer = gateway.refund(request).await;
        crash_point::pass("after call of", "refund");
        match answer {
            Ok(RefundState::Succeeded) => {
                let reference = request.reference;
                txn::run_for_result(&self.db, self.policy("settle refund"), move |work| {
                    Box::pin(settlement::refund_succeeded(work, reference))
                })
                .await
                .map_err(|error| error.to_string())
            }
            Ok(RefundState::Processing) => Ok(()),
            Err(error) => Err(error.to_string()),
        }
    }
}
