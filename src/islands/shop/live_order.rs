//! Where an order stands, kept fresh while its page is open.

use leptos::prelude::*;

use crate::{model::Standing, ui::order_badge::badge_class};

/// What the stream said last, or what the page was made with.
#[derive(Clone, Copy)]
struct Latest(RwSignal<Option<Standing>>);

/// Follows the order for the islands among its children, for as long as it may change by itself.
#[island]
pub fn LiveOrder(public_id: String, is_open: bool, children: Children) -> impl IntoView {
    let latest = RwSignal::new(None);
    provide_context(Latest(latest));
    #[cfg(feature = "hydrate")]
    Effect::new(move |_| {
        if is_open {
            let url = format!("/live/orders/{public_id}");
            crate::islands::stream::follow(url, &["order"], move |_, data| {
                let news = decode(data);
                // A stream that has ended and is not closed here would be opened again and again.
                let goes_on = news.as_ref().is_none_or(|news| news.is_open);
                latest.set(news);
                goes_on
            });
        }
    });
    #[cfg(not(feature = "hydrate"))]
    {
        let _ = (public_id, is_open);
    }
    children()
}

/// `open`, `closed`, or `retry` where the cart can be ordered again; then tone, heading, status, sentence and payment, a line each.
#[cfg(any(feature = "hydrate", test))]
fn decode(data: &str) -> Option<Standing> {
    let mut lines = data.split('\n').map(ToOwned::to_owned);
    let state = lines.next()?;
    Some(Standing {
        is_open: state == "open",
        can_retry: state == "retry",
        tone: crate::model::Tone::parse(&lines.next()?),
        heading: lines.next()?,
        status: lines.next()?,
        sentence: lines.next()?,
        payment: lines.next()?,
    })
}

fn standing(rendered: Standing) -> impl Fn() -> Standing + Copy {
    let latest = use_context::<Latest>();
    let rendered = StoredValue::new(rendered);
    move || {
        latest
            .and_then(|Latest(latest)| latest.get())
            .unwrap_or_else(|| rendered.get_value())
    }
}

/// The page's heading.
#[island]
pub fn OrderHeading(rendered: Standing) -> impl IntoView {
    let now = standing(rendered);
    view! { <h1>{move || now().heading}</h1> }
}

/// The sentence about the goods.
#[island]
pub fn OrderSentence(rendered: Standing) -> impl IntoView {
    let now = standing(rendered);
    view! { <p class="receipt__news" role="status">{move || now().sentence}</p> }
}

/// The badge.
#[island]
pub fn OrderBadge(rendered: Standing) -> impl IntoView {
    let now = standing(rendered);
    view! { <span class=move || badge_class(now().tone) data-testid="order-status">{move || now().status}</span> }
}

/// The sentence about the money.
#[island]
pub fn OrderPayment(rendered: Standing) -> impl IntoView {
    let now = standing(rendered);
    view! { <span data-testid="order-payment">{move || now().payment}</span> }
}

/// Where to go from here.
#[island]
pub fn OrderWayOn(rendered: Standing) -> impl IntoView {
    let now = standing(rendered);
    let place = move || match now().can_retry {
        true => ("/checkout", "Back to the checkout"),
        false => ("/", "Back to the shop"),
    };
    view! { <a class="btn btn--primary" href=move || place().0>{move || place().1}</a> }
}

#[cfg(test)]
mod tests {
    use super::decode;
    use crate::model::Tone;

    #[test]
    fn news_is_six_lines() {
        let news = decode("open\nwait\nThank you\nConfirming\nIt is being confirmed.\nAwaited.");
        assert_eq!(news.as_ref().map(|news| news.tone), Some(Tone::Waiting));
        assert_eq!(news.as_ref().map(|news| news.is_open), Some(true));
        assert_eq!(news.map(|news| news.payment).as_deref(), Some("Awaited."));
        assert_eq!(decode("closed\nok\nThank you"), None);
    }
}
