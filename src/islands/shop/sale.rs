//! A product's sale on its page: the islands change by themselves when it opens, changes, sells out
//! and ends.
//!
//! Each island is rendered by the server with the sale as it was read. In the browser, the stream
//! of [`super::LiveSales`] replaces it, and the server's clock decides the state.

use std::cell::Cell;

use leptos::prelude::*;

use super::{
    live_stock::{HydratedLive, Live},
    quantity_stepper::note_id,
};
use crate::{
    islands::changing::{changing, changing_text},
    model::{
        CartUnits, LiveSale, SaleState,
        utc_time::{format_unix_ms, unix_ms_in_rfc3339},
    },
    ui::{
        sale_line::{
            advice, announcement, badge_of, cart_button_label, describe_stock, format_countdown,
            quantity_note,
        },
        stock_line::roll_class,
    },
};

/// The id of the product page's quantity field.
pub const QUANTITY_FIELD: &str = "quantity";

/// The latest sale of one product.
#[derive(Clone, Copy)]
pub(super) struct Shown {
    pub sale: Memo<LiveSale>,
    state: Memo<SaleState>,
    latest: Latest,
}

/// What the page knows by now.
#[derive(Clone, Copy)]
struct Latest {
    live: HydratedLive,
    rendered_at_ms: i64,
}

impl Latest {
    /// True once the page has the server's clock. Until then a countdown would be wrong.
    fn has_clock(self) -> bool {
        self.live.get().and_then(Live::now_ms).is_some()
    }

    fn now_ms(self) -> i64 {
        self.live
            .get()
            .and_then(Live::now_ms)
            .unwrap_or(self.rendered_at_ms)
    }

    fn sale(self, rendered: &LiveSale) -> LiveSale {
        let id = rendered.product_id;
        let live = self.live.get();
        let mut sale = live
            .and_then(|live| live.sale(id))
            .unwrap_or_else(|| rendered.clone());
        sale.available = live
            .and_then(|live| live.available(id))
            .unwrap_or(rendered.available);
        sale
    }
}

impl Shown {
    /// Follows the sale that the server rendered at `rendered_at_ms`.
    pub fn new(rendered: LiveSale, rendered_at_ms: i64) -> Self {
        let latest = Latest {
            live: HydratedLive::from_context(),
            rendered_at_ms,
        };
        let sale = Memo::new(move |_| latest.sale(&rendered));
        let state = Memo::new(move |_| sale.with(|sale| sale.state_at(latest.now_ms())));
        Self {
            sale,
            state,
            latest,
        }
    }

    /// The state of the sale.
    ///
    /// What reads the state depends on the sale, too, and first. Otherwise Leptos would miss a sale
    /// that changes while its state does not: to check the state, it updates the sale, and does not
    /// tell that to the view that checks.
    pub fn state(self) -> SaleState {
        self.sale.track();
        self.state.get()
    }

    fn is(self, state: SaleState) -> bool {
        self.state() == state
    }

    fn available(self) -> i64 {
        self.sale.with(|sale| sale.available)
    }

    fn starts_at_ms(self) -> Option<i64> {
        self.sale.with(|sale| sale.plan.starts_at_ms)
    }

    /// The start of the sale, which a script shows in the visitor's own time zone.
    fn starts_at(self) -> String {
        self.starts_at_ms().map(format_unix_ms).unwrap_or_default()
    }

    /// The time until the sale starts; empty once it has started.
    fn countdown(self) -> String {
        match self.starts_at_ms() {
            Some(starts_at_ms) if self.is(SaleState::Announced) => {
                format_countdown(starts_at_ms.saturating_sub(self.latest.now_ms()))
            }
            _ => String::new(),
        }
    }

    /// The class and the text of the badge.
    fn badge(self) -> (&'static str, String) {
        badge_of(self.state(), self.available())
    }
}

/// Shows the shutter over a product's picture: down until the sale starts, with a countdown, and
/// down again after its end. `calendar` is the address of the calendar file.
#[island]
pub fn SaleShutter(sale: LiveSale, now_ms: i64, calendar: String) -> impl IntoView {
    let shown = Shown::new(sale, now_ms);
    let is_started = || changing(move || !shown.is(SaleState::Announced));
    let class = changing(move || match shown.state() {
        SaleState::Announced => "shutter",
        SaleState::Ended => "shutter shutter--ended",
        SaleState::SoldOut => "shutter shutter--up shutter--sold-out",
        SaleState::Open | SaleState::ReservedOut => "shutter shutter--up",
    });
    let label = changing_text(move || match shown.state() {
        SaleState::Announced if shown.latest.has_clock() => "Opens in",
        SaleState::Announced => "Opens",
        SaleState::Ended => "Sale ended",
        _ => "Open",
    });
    let datetime = changing_text(move || {
        let starts_at_ms = shown.starts_at_ms();
        starts_at_ms.map(unix_ms_in_rfc3339).unwrap_or_default()
    });
    view! {
        <div class=class>
            <p class="shutter__label">{label}</p>
            <p class="shutter__clock" role="timer" hidden=is_started()>{changing_text(move || shown.countdown())}</p>
            <p class="shutter__when" hidden=is_started()>
                <time datetime=datetime>{changing_text(move || shown.starts_at())}</time>
            </p>
            <a class="btn shutter__calendar" href=calendar hidden=is_started()>"Add to calendar"</a>
        </div>
    }
}

/// Shows the price of a unit, and the price before the sale, in a paragraph of the page; `on_card`
/// in that of a product's card.
#[island]
pub fn SalePrice(sale: LiveSale, now_ms: i64, on_card: bool) -> impl IntoView {
    let shown = Shown::new(sale, now_ms);
    let price = changing_text(move || shown.sale.with(|sale| sale.price.clone()));
    let compare_at = move || shown.sale.with(|sale| sale.compare_at.clone());
    let (class, was_class) = if on_card {
        ("card__price", "card__was")
    } else {
        ("ticket ticket--big", "price__was")
    };
    view! {
        <span class=class><span class="vh">"Price "</span>{price}</span>
        " "
        <s class=was_class hidden=changing(move || compare_at().is_none())>
            <span class="vh">"Was "</span>
            {changing_text(move || compare_at().unwrap_or_default())}
        </s>
    }
}

/// Shows the badge, the count and the stock bar.
///
/// The count is not announced: during a sale, a screen reader would read nothing else.
/// [`SaleAnnouncement`] announces the states.
#[island]
pub fn StockLine(sale: LiveSale, now_ms: i64) -> impl IntoView {
    let shown = Shown::new(sale, now_ms);
    let stock = changing_text(move || {
        let state = shown.state();
        shown.sale.with(|sale| describe_stock(state, sale))
    });
    view! {
        <p class="buybox__line" id="stock" role="status" aria-live="off">
            <span class=changing(move || shown.badge().0)>{changing_text(move || shown.badge().1)}</span>
            " "
            <span>{stock}</span>
        </p>
        <progress
            class=changing(move || roll_class(shown.available()))
            max=changing(move || shown.sale.with(|sale| sale.total.max(1)))
            value=changing(move || shown.available().max(0))
            aria-labelledby="stock"
        ></progress>
    }
}

/// Announces each change of the state to screen readers. Another change of the sale does not end
/// the announcement.
#[island]
pub fn SaleAnnouncement(sale: LiveSale, now_ms: i64) -> impl IntoView {
    let shown = Shown::new(sale, now_ms);
    let before = Cell::new(shown.state.get_untracked());
    let text = changing_text(move || {
        let state = shown.state.get();
        match before.replace(state) {
            before if before == state => "",
            before => announcement(before, state),
        }
    });
    view! { <p class="vh" role="status">{text}</p> }
}

/// Bounds the product page's quantity field by the latest stock and limit, less what is in the
/// shopper's cart, and says why there are no more. See [`CartUnits`].
#[island]
pub fn QuantityNote(sale: LiveSale, now_ms: i64, in_cart: u32, held: i64) -> impl IntoView {
    let shown = Shown::new(sale, now_ms);
    let own = CartUnits { in_cart, held };
    let room = move || shown.sale.with(|sale| sale.room_beside(own));
    #[cfg(feature = "hydrate")]
    crate::islands::changing::effect(move || {
        let most = crate::ui::sale_line::quantity_bound(shown.state(), room()).to_string();
        if let Some(field) = document().get_element_by_id(QUANTITY_FIELD) {
            // The server checks the quantity too.
            let _ = field.set_attribute("max", &most);
        }
    });
    view! {
        <p class="quantity__note" id=note_id(QUANTITY_FIELD)>
            {changing_text(move || quantity_note(shown.state(), room()))}
        </p>
    }
}

/// Shows the two buttons to buy, disabled unless the sale is open, and what a shopper can do.
#[island]
pub fn BuyButtons(sale: LiveSale, now_ms: i64) -> impl IntoView {
    let shown = Shown::new(sale, now_ms);
    let disabled = || changing(move || !shown.state().is_for_sale());
    view! {
        <div class="buybox__actions">
            <button
                class="btn btn--primary btn--big"
                type="submit"
                formaction="/api/form/cart/buy-now"
                disabled=disabled()
                aria-describedby="why"
            >
                "Buy now"
            </button>
            <button class="btn btn--line btn--big" type="submit" disabled=disabled() aria-describedby="why">
                {changing_text(move || cart_button_label(shown.state()))}
            </button>
        </div>
        <p class="buybox__note" id="why">{changing_text(move || advice(shown.state()))}</p>
    }
}

/// Shows the state of a product's sale on its card: a badge, and the countdown or how fast it sold
/// out. `data-sale` has the state and the start, by which `public/sale_groups.js` finds the card's
/// place on the home page.
#[island]
pub fn CardState(sale: LiveSale, now_ms: i64) -> impl IntoView {
    let shown = Shown::new(sale, now_ms);
    let note = changing_text(move || match shown.state() {
        SaleState::Announced if shown.latest.has_clock() => {
            format!("Opens in {}", shown.countdown())
        }
        SaleState::Announced => format!("Opens {}", shown.starts_at()),
        SaleState::SoldOut => shown
            .sale
            .with(|sale| describe_stock(SaleState::SoldOut, sale)),
        _ => String::new(),
    });
    let place = changing_text(move || {
        let starts_at_ms = shown.starts_at_ms().unwrap_or_default();
        format!("{} {starts_at_ms}", shown.state().as_str())
    });
    view! {
        <p class="card__state" data-sale=place>
            <span class=changing(move || shown.badge().0)>{changing_text(move || shown.badge().1)}</span>
            " "
            <span class="card__note">{note}</span>
        </p>
    }
}
