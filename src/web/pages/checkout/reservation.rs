//! The reservation of what is about to be bought.

use leptos::prelude::*;

use crate::{
    islands::shop::HoldTimer,
    model::{ReleasedLine, Reservation},
};

/// Shows the reservation, or the button that makes one.
#[component]
pub(super) fn ReservationPanel(
    reservation: Option<Reservation>,
    released: Vec<ReleasedLine>,
) -> impl IntoView {
    match reservation {
        Some(Reservation {
            ends_at,
            seconds_left,
            ttl_s,
            extended,
        }) => view! { <HoldTimer seconds_left ttl_s ends_at extended buttons=true/> }.into_any(),
        None => {
            let (headline, note) = if released.is_empty() {
                let note = "Reserve them now, before they sell out.".to_owned();
                ("Your items are not reserved", note)
            } else {
                let units: Vec<_> = released.iter().map(ReleasedLine::in_words).collect();
                let note = format!(
                    "{} returned to stock. Your details are saved. Reserve again while stock lasts.",
                    units.join(", ")
                );
                ("Your reservation has expired", note)
            };
            view! {
                <div class="hold hold--over" role="group" aria-label="Reservation">
                    <p class="hold__line"><span class="hold__until">{headline}</span></p>
                    <p class="hold__note" role="status">{note}</p>
                    <div class="hold__actions">
                        <button
                            class="btn btn--primary"
                            type="submit"
                            name="act"
                            value="reserve"
                            formaction="/api/form/checkout/change"
                            formnovalidate
                        >
                            {if released.is_empty() { "Reserve now" } else { "Reserve again" }}
                        </button>
                    </div>
                </div>
            }
            .into_any()
        }
    }
}
