//! Where an order stands, kept fresh while its page is open.

use leptos::prelude::*;

use crate::model::{Standing, Tone};

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
                latest.set(decode(data));
                true
            });
        }
    });
    #[cfg(not(feature = "hydrate"))]
    {
        let _ = (public_id, is_open);
    }
    children()
}

/// Tone, status, sentence and payment, a line each.
#[cfg(any(feature = "hydrate", test))]
fn decode(data: &str) -> Option<Standing> {
    let mut lines = data.split('\n').map(ToOwned::to_owned);
    Some(Standing {
        tone: Tone::parse(&lines.next()?),
        status: lines.next()?,
        sentence: lines.next()?,
        payment: lines.next()?,
        is_open: true,
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
    let class = move || match now().tone {
        Tone::Good => "badge badge--ok",
        Tone::Waiting => "badge badge--low",
        Tone::Bad => "badge badge--bad",
    };
    view! { <span class=class data-testid="order-status">{move || now().status}</span> }
}

/// The sentence about the money.
#[island]
pub fn OrderPayment(rendered: Standing) -> impl IntoView {
    let now = standing(rendered);
    view! { <span data-testid="order-payment">{move || now().payment}</span> }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn news_is_four_lines() {
        let news = decode("wait\nConfirming\nIt is being confirmed.\nAwaited.");
        assert_eq!(news.as_ref().map(|news| news.tone), Some(Tone::Waiting));
        assert_eq!(news.map(|news| news.payment).as_deref(), Some("Awaited."));
        assert_eq!(decode("ok\nPaid"), None);
    }
}
