//! The status of an order, updated while its page is open.

use leptos::prelude::*;

use crate::{
    islands::changing::{changing, changing_text},
    model::OrderStatusView,
    ui::order_badge::badge_class,
};

/// The latest status from the stream; none until the first event.
#[derive(Clone, Copy)]
struct Latest(RwSignal<Option<OrderStatusView>>);

/// Follows the order and updates the islands among its children, while the order may still change.
#[island]
pub fn LiveOrder(public_id: String, is_open: bool, children: Children) -> impl IntoView {
    let latest = RwSignal::new(None);
    provide_context(Latest(latest));
    #[cfg(feature = "hydrate")]
    crate::islands::changing::effect(move || {
        if is_open {
            let url = format!("/live/orders/{public_id}");
            crate::islands::stream::follow(url, &["order"], move |_, data| {
                let status = decode(data);
                // The browser would reopen an ended stream again and again unless it is closed
                // here.
                let may_change = status.as_ref().is_none_or(|status| status.is_open);
                latest.set(status);
                may_change
            });
        }
    });
    #[cfg(not(feature = "hydrate"))]
    {
        let _ = (public_id, is_open);
    }
    children()
}

/// Decodes an event: `open`, `closed`, or `retry` where the customer can order the cart again; then
/// tone, heading, status, sentence and payment, one per line.
#[cfg(any(feature = "hydrate", test))]
fn decode(data: &str) -> Option<OrderStatusView> {
    let mut lines = data.split('\n').map(ToOwned::to_owned);
    let state = lines.next()?;
    Some(OrderStatusView {
        is_open: state == "open",
        can_retry: state == "retry",
        tone: crate::model::Tone::parse(&lines.next()?),
        heading: lines.next()?,
        status: lines.next()?,
        sentence: lines.next()?,
        payment: lines.next()?,
    })
}

/// Returns the latest status of the order, or the one that the server rendered.
fn current_status(rendered: OrderStatusView) -> impl Fn() -> OrderStatusView + Copy {
    let latest = use_context::<Latest>();
    let rendered = StoredValue::new(rendered);
    move || {
        latest
            .and_then(|Latest(latest)| latest.get())
            .unwrap_or_else(|| rendered.get_value())
    }
}

/// Shows the page's heading.
#[island]
pub fn OrderHeading(rendered: OrderStatusView) -> impl IntoView {
    let status = current_status(rendered);
    view! { <h1>{changing_text(move || status().heading)}</h1> }
}

/// Shows the sentence about the goods.
#[island]
pub fn OrderSentence(rendered: OrderStatusView) -> impl IntoView {
    let status = current_status(rendered);
    view! { <p class="receipt__news" role="status">{changing_text(move || status().sentence)}</p> }
}

/// Shows the status badge.
#[island]
pub fn OrderBadge(rendered: OrderStatusView) -> impl IntoView {
    let status = current_status(rendered);
    view! { <span class=changing(move || badge_class(status().tone)) data-testid="order-status">{changing_text(move || status().status)}</span> }
}

/// Shows the sentence about the payment.
#[island]
pub fn OrderPayment(rendered: OrderStatusView) -> impl IntoView {
    let status = current_status(rendered);
    view! { <span data-testid="order-payment">{changing_text(move || status().payment)}</span> }
}

/// Links to the next page: back to checkout if the customer can order the cart again, else the
/// shop.
#[island]
pub fn OrderNextLink(rendered: OrderStatusView) -> impl IntoView {
    let status = current_status(rendered);
    let target = move || match status().can_retry {
        true => ("/checkout", "Back to checkout"),
        false => ("/", "Back to the shop"),
    };
    view! { <a class="btn btn--primary" href=changing_text(move || target().0)>{changing_text(move || target().1)}</a> }
}

#[cfg(test)]
mod tests {
    use super::decode;
    use crate::model::Tone;

    #[test]
    fn an_event_has_six_lines() {
        let status = decode("open\nwait\nThank you\nConfirming\nIt is being confirmed.\nAwaited.");
        assert_eq!(
            status.as_ref().map(|status| status.tone),
            Some(Tone::Waiting)
        );
        assert_eq!(status.as_ref().map(|status| status.is_open), Some(true));
        assert_eq!(
            status.map(|status| status.payment).as_deref(),
            Some("Awaited.")
        );
        assert_eq!(decode("closed\nok\nThank you"), None);
    }
}
