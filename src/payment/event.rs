//! Parses the bodies of webhooks.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    gateway::{ChargeReport, ProviderEvent},
    wire::{AmountMissing, ChargeBody, RefundBody},
};

/// The JSON body of a webhook. Every event carries the state of its charge at the time of the
/// event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = PaymentEvent)]
pub struct EventBody {
    /// `evt_…`, the same in every delivery of the event.
    #[schema(example = "evt_1", min_length = 1, max_length = 100)]
    pub id: String,
    /// The event type, for example `charge.captured`.
    #[serde(rename = "type")]
    #[schema(example = "charge.captured", min_length = 1, max_length = 40)]
    pub kind: String,
    /// Time of the event, in RFC 3339 format.
    #[schema(example = "2026-11-27T08:00:00Z")]
    pub created: String,
    pub charge: ChargeBody,
    /// The refund, if the event concerns one.
    pub refund: Option<RefundBody>,
}

/// The body of a webhook could not be parsed.
#[derive(Debug, thiserror::Error)]
pub enum EventError {
    #[error("the webhook body is not a valid event: {0}")]
    Json(#[from] serde_json::Error),
    #[error("the webhook body is not a valid event: {0}")]
    AmountMissing(#[from] AmountMissing),
}

/// Parses the body of a webhook. Verify its signature with [`super::signature::verify`] first.
///
/// # Errors
/// [`EventError`].
pub fn parse(body: &[u8]) -> Result<ProviderEvent, EventError> {
    let event: EventBody = serde_json::from_slice(body)?;
    let charge = event.charge.reference;
    let report = ChargeReport::try_from(event.charge)?;
    Ok(ProviderEvent {
        event_id: event.id,
        kind: event.kind,
        charge,
        charge_state: report.state,
        captured: report.captured,
        refund_cents: event.refund.as_ref().map(|refund| refund.amount_cents),
        refund: event
            .refund
            .map(|refund| (refund.reference, refund.state.into())),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use uuid::Uuid;

    use super::*;
    use crate::payment::gateway::{ChargeState, RefundState, ReportedAmount};

    #[test]
    fn a_declined_charge_event_is_parsed() {
        let charge = Uuid::from_u128(1);
        let body = json!({
            "id": "evt_1",
            "type": "charge.declined",
            "created": "2026-11-27T08:00:00Z",
            "charge": {
                "reference": charge,
                "state": "declined",
                "amountCents": 1250,
                "currency": "EUR",
                "declineReason": "The card was declined.",
            },
            "refund": null,
        });
        let event = parse(body.to_string().as_bytes()).expect("an event");
        assert_eq!(event.event_id, "evt_1");
        assert_eq!(event.kind, "charge.declined");
        assert_eq!(event.charge, charge);
        let reason = "The card was declined.".to_owned();
        assert_eq!(event.charge_state, ChargeState::Declined { reason });
        assert_eq!(event.refund, None);
    }

    #[test]
    fn a_refund_event_is_parsed() {
        let (charge, refund) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let body = json!({
            "id": "evt_2",
            "type": "refund.succeeded",
            "created": "2026-11-27T08:00:00Z",
            "charge": {
                "reference": charge,
                "state": "captured",
                "amountCents": 1250,
                "currency": "EUR",
                "declineReason": null,
            },
            "refund": {"reference": refund, "state": "succeeded", "amountCents": 250},
        });
        let event = parse(body.to_string().as_bytes()).expect("an event");
        assert_eq!(event.charge_state, ChargeState::Captured);
        assert_eq!(event.captured, Some(ReportedAmount::new(1_250, "EUR")));
        assert_eq!(event.refund, Some((refund, RefundState::Succeeded)));
        assert_eq!(event.refund_cents, Some(250));
    }

    /// The shop compares the amount with what is due, so parsing must not reject or repair it.
    #[test]
    fn any_amount_and_currency_is_parsed() {
        for (cents, currency, shown) in [
            (1, "EUR", "0.01 EUR"),
            (-5, "EUR", "-0.05 EUR"),
            (1_250, "usd", "12.50 usd"),
            (i64::MIN, "", "-92233720368547758.08 "),
            (0, "EUR\0", "0.00 EUR?"),
            (0, "a very long currency", "0.00 a?very?lon"),
        ] {
            let body = json!({
                "id": "evt_3",
                "type": "charge.captured",
                "created": "2026-11-27T08:00:00Z",
                "charge": {
                    "reference": Uuid::from_u128(1),
                    "state": "captured",
                    "amountCents": cents,
                    "currency": currency,
                    "declineReason": null,
                },
                "refund": null,
            });
            let event = parse(body.to_string().as_bytes()).expect("an event");
            let captured = event.captured.map(|captured| captured.to_string());
            assert_eq!(captured.as_deref(), Some(shown));
        }
    }

    #[test]
    fn an_invalid_event_body_is_rejected() {
        for body in [
            &b""[..],
            b"{}",
            b"[]",
            b"\xff",
            br#"{"id":"evt_1","type":"charge.captured","created":"","charge":{"reference":"x"},"refund":null}"#,
            br#"{"id":"evt_1","type":"charge.captured","created":"","charge":{"reference":"00000000-0000-0000-0000-000000000001","state":"lost"},"refund":null}"#,
            br#"{"id":"evt_1","type":"charge.captured","created":"","charge":{"reference":"00000000-0000-0000-0000-000000000001","state":"captured","amountCents":5},"refund":null}"#,
            br#"{"id":"evt_1","type":"charge.captured","created":"","charge":{"reference":"00000000-0000-0000-0000-000000000001","state":"captured","currency":"EUR"},"refund":null}"#,
        ] {
            assert!(parse(body).is_err(), "{}", String::from_utf8_lossy(body));
        }
    }
}
