//! A product's sale on its page: the islands change by themselves when it opens, changes, sells out
//! and ends.
//!
//! Each island is rendered by the server with the sale as it was read. In the browser, the stream
//! of [`super::LiveSales`] replaces it, and the server's clock decides the state.

use leptos::prelude::*;

use super::{live_stock::Live, quantity_stepper::note_id};
use crate::{
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
    now_ms: Memo<i64>,
    pub state: Memo<SaleState>,
    /// False as long as the page stays as the server rendered it: a countdown would be wrong.
    is_live: Memo<bool>,
}

impl Shown {
    /// Follows the sale that the server rendered at `rendered_at_ms`.
    pub fn new(rendered: LiveSale, rendered_at_ms: i64) -> Self {
        // Hydration takes the server's text as it is: what already differs then would never be
        // corrected. So the first state is the rendered one.
        let is_hydrated = RwSignal::new(false);
        Effect::new(move |_| is_hydrated.set(true));
        let context = use_context::<Live>();
        let live = move || context.filter(|_| is_hydrated.get());
        let now_ms = Memo::new(move |_| live().and_then(Live::now_ms).unwrap_or(rendered_at_ms));
        let sale = Memo::new(move |_| {
            let id = rendered.product_id;
            let live = live();
            let mut sale = live
                .and_then(|live| live.sale(id))
                .unwrap_or_else(|| rendered.clone());
            sale.available = live
                .and_then(|live| live.available(id))
                .unwrap_or(rendered.available);
            sale
        });
        let state = Memo::new(move |_| sale.with(|sale| sale.state_at(now_ms.get())));
        let is_live = Memo::new(move |_| live().and_then(Live::now_ms).is_some());
        Self {
            sale,
            now_ms,
            state,
            is_live,
        }
    }

    fn is(self, state: SaleState) -> bool {
        self.state.get() == state
    }

    fn starts_at_ms(self) -> Option<i64> {
        self.sale.with(|sale| sale.plan.starts_at_ms)
    }

    /// The start of the sale, which a script shows in the visitor's own time zone.
    fn starts_at(self) -> String {
        self.starts_at_ms().map(format_unix_ms).unwrap_or_default()
    }

    /// The time until the sale starts; empty once it has started.
    fn countdown(self) -> Memo<String> {
        Memo::new(move |_| match self.starts_at_ms() {
            Some(starts_at_ms) if self.is(SaleState::Announced) => {
                format_countdown(starts_at_ms.saturating_sub(self.now_ms.get()))
            }
            _ => String::new(),
        })
    }
}

/// Shows the shutter over a product's picture: down until the sale starts, with a countdown, and
/// down again after its end. `calendar` is the address of the calendar file.
#[island]
pub fn SaleShutter(sale: LiveSale, now_ms: i64, calendar: String) -> impl IntoView {
    let shown = Shown::new(sale, now_ms);
    let countdown = shown.countdown();
    let is_announced = move || shown.is(SaleState::Announced);
    let class = move || match shown.state.get() {
        SaleState::Announced => "shutter",
        SaleState::Ended => "shutter shutter--ended",
        SaleState::SoldOut => "shutter shutter--up shutter--sold-out",
        SaleState::Open | SaleState::ReservedOut => "shutter shutter--up",
    };
    let label = move || match shown.state.get() {
        SaleState::Announced if shown.is_live.get() => "Opens in",
        SaleState::Announced => "Opens",
        SaleState::Ended => "Sale ended",
        _ => "Open",
    };
    view! {
        <div class=class>
            <p class="shutter__label">{label}</p>
            <p class="shutter__clock" role="timer" hidden=move || !is_announced()>{move || countdown.get()}</p>
            <p class="shutter__when" hidden=move || !is_announced()>
                <time datetime=move || shown.starts_at_ms().map(unix_ms_in_rfc3339)>{move || shown.starts_at()}</time>
            </p>
            <a class="btn shutter__calendar" href=calendar hidden=move || !is_announced()>"Add to calendar"</a>
        </div>
    }
}

/// Shows the price of a unit, and the price before the sale, in a paragraph of the page; `on_card`
/// in that of a product's card.
#[island]
pub fn SalePrice(sale: LiveSale, now_ms: i64, on_card: bool) -> impl IntoView {
    let shown = Shown::new(sale, now_ms);
    let price = move || shown.sale.with(|sale| sale.price.clone());
    let compare_at = move || shown.sale.with(|sale| sale.compare_at.clone());
    let (class, was_class) = if on_card {
        ("card__price", "card__was")
    } else {
        ("ticket ticket--big", "price__was")
    };
    view! {
        <span class=class><span class="vh">"Price "</span>{price}</span>
        " "
        <s class=was_class hidden=move || compare_at().is_none()>
            <span class="vh">"Was "</span>
            {move || compare_at().unwrap_or_default()}
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
    let available = move || shown.sale.with(|sale| sale.available);
    let badge = Memo::new(move |_| badge_of(shown.state.get(), available()));
    let stock = move || {
        shown
            .sale
            .with(|sale| describe_stock(shown.state.get(), sale))
    };
    view! {
        <p class="buybox__line" id="stock" role="status" aria-live="off">
            <span class=move || badge.get().0>{move || badge.get().1}</span>
            " "
            <span>{stock}</span>
        </p>
        <progress
            class=move || roll_class(available())
            max=move || shown.sale.with(|sale| sale.total.max(1))
            value=move || available().max(0)
            aria-labelledby="stock"
        ></progress>
    }
}

/// Announces each change of the state to screen readers.
#[island]
pub fn SaleAnnouncement(sale: LiveSale, now_ms: i64) -> impl IntoView {
    let shown = Shown::new(sale, now_ms);
    let text = RwSignal::new("");
    Effect::new(move |before: Option<SaleState>| {
        let state = shown.state.get();
        if let Some(before) = before
            && before != state
        {
            text.set(announcement(before, state));
        }
        state
    });
    view! { <p class="vh" role="status">{move || text.get()}</p> }
}

/// Bounds the product page's quantity field by the latest stock and limit, less what is in the
/// shopper's cart, and says why there are no more. See [`CartUnits`].
#[island]
pub fn QuantityNote(sale: LiveSale, now_ms: i64, in_cart: u32, held: i64) -> impl IntoView {
    let shown = Shown::new(sale, now_ms);
    let own = CartUnits { in_cart, held };
    let room = Memo::new(move |_| shown.sale.with(|sale| sale.room_beside(own)));
    #[cfg(feature = "hydrate")]
    Effect::new(move |_| {
        let most = room.get().more().max(1).to_string();
        if let Some(field) = document().get_element_by_id(QUANTITY_FIELD) {
            // The server checks the quantity too.
            let _ = field.set_attribute("max", &most);
        }
    });
    view! {
        <p class="quantity__note" id=note_id(QUANTITY_FIELD)>
            {move || quantity_note(shown.state.get(), room.get())}
        </p>
    }
}

/// Shows the two buttons to buy, disabled unless the sale is open, and what a shopper can do.
#[island]
pub fn BuyButtons(sale: LiveSale, now_ms: i64) -> impl IntoView {
    let shown = Shown::new(sale, now_ms);
    let disabled = move || !shown.state.get().is_for_sale();
    view! {
        <div class="buybox__actions">
            <button
                class="btn btn--primary btn--big"
                type="submit"
                formaction="/api/form/cart/buy-now"
                disabled=disabled
                aria-describedby="why"
            >
                "Buy now"
            </button>
            <button class="btn btn--line btn--big" type="submit" disabled=disabled aria-describedby="why">
                {move || cart_button_label(shown.state.get())}
            </button>
        </div>
        <p class="buybox__note" id="why">{move || advice(shown.state.get())}</p>
    }
}

/// Shows the state of a product's sale on its card: a badge, and the countdown or how fast it sold
/// out. `data-sale` has the state and the start, by which `public/sale_groups.js` finds the card's
/// place on the home page.
#[island]
pub fn CardState(sale: LiveSale, now_ms: i64) -> impl IntoView {
    let shown = Shown::new(sale, now_ms);
    let countdown = shown.countdown();
    let badge =
        Memo::new(move |_| badge_of(shown.state.get(), shown.sale.with(|sale| sale.available)));
    let note = move || match shown.state.get() {
        SaleState::Announced if shown.is_live.get() => format!("Opens in {}", countdown.get()),
        SaleState::Announced => format!("Opens {}", shown.starts_at()),
        SaleState::SoldOut => shown
            .sale
            .with(|sale| describe_stock(SaleState::SoldOut, sale)),
        _ => String::new(),
    };
    let place = move || {
        let starts_at_ms = shown.starts_at_ms().unwrap_or_default();
        format!("{} {starts_at_ms}", shown.state.get().as_str())
    };
    view! {
        <p class="card__state" data-sale=place>
            <span class=move || badge.get().0>{move || badge.get().1}</span>
            " "
            <span class="card__note">{note}</span>
        </p>
    }
}
