//! The lines of an open cart: they say at once what the sales and the stock of their products have
//! changed. The sums come from the server, see `public/cart.js`.

use std::sync::Arc;

use leptos::prelude::*;

use super::{live_stock::HydratedLive, sale::Shown};
use crate::{
    islands::changing::{changing, changing_text},
    model::{CartUnits, LineProblem, LiveSale, utc_time::format_unix_ms},
};

/// Says what is wrong with a line, and what the shopper can do.
fn problem_text(problem: LineProblem, is_sold_out: bool) -> String {
    match problem {
        LineProblem::NotStarted { starts_at_ms } => {
            let starts_at = format_unix_ms(starts_at_ms);
            format!("On sale from {starts_at}. It is not in the total until then.")
        }
        LineProblem::Ended => {
            "This sale has ended. It is not in the total. You can remove it.".to_owned()
        }
        LineProblem::OverLimit { limit } => {
            format!("{limit} is the limit per customer. Change the quantity to continue.")
        }
        LineProblem::Short { left: 0 } if is_sold_out => {
            "Sold out. Remove it to continue.".to_owned()
        }
        LineProblem::Short { left: 0 } => {
            "All reserved. Remove it, or wait: some may become available.".to_owned()
        }
        LineProblem::Short { left } => {
            format!("Only {left} left. Change the quantity to continue.")
        }
    }
}

/// Shows what is wrong with a cart line of `in_cart` units, of which `held` are reserved for this
/// cart.
///
/// `data-terms` is what the server's part of the cart depends on: if the line is in the total, the
/// price and the limit.
#[island]
pub fn CartLineNote(sale: LiveSale, now_ms: i64, in_cart: u32, held: i64) -> impl IntoView {
    let id = format!("msg-{}", sale.product_id);
    let shown = Shown::new(sale, now_ms);
    let own = CartUnits { in_cart, held };
    let note = move || {
        let state = shown.state();
        shown.sale.with(|sale| {
            LineProblem::of(sale, state, own)
                .map(|problem| problem_text(problem, sale.is_sold_out))
                .unwrap_or_default()
        })
    };
    let terms = changing_text(move || {
        let is_on_sale = shown.state().is_on_sale();
        let (price, limit) = shown.sale.with(|sale| (sale.price.clone(), sale.limit));
        format!("{is_on_sale} {price} {}", limit.unwrap_or_default())
    });
    let is_hidden = changing(move || note().is_empty());
    view! {
        <p class="line__msg" id=id role="status" data-terms=terms hidden=is_hidden>
            {changing_text(note)}
        </p>
    }
}

/// Shows the checkout button, disabled while stock does not cover a line. Each of `lines` has the
/// product id, the units beyond those reserved for this cart, and the stock that the server
/// rendered.
#[island]
pub fn CheckoutButton(lines: Vec<(i64, i64, i64)>) -> impl IntoView {
    let live = HydratedLive::from_context();
    let lines: Arc<[_]> = lines.into();
    let is_covered = move || {
        let live = live.get();
        lines.iter().all(|(product_id, missing, rendered)| {
            let latest = live.and_then(|live| live.available(*product_id));
            *missing <= 0 || latest.unwrap_or(*rendered) >= *missing
        })
    };
    let disabled = changing({
        let is_covered = is_covered.clone();
        move || !is_covered()
    });
    let note = changing_text(move || match is_covered() {
        true => "",
        false => "Change the marked items to continue.",
    });
    view! {
        <button
            class="btn btn--primary btn--big btn--block"
            type="submit"
            disabled=disabled
            aria-describedby="blocked"
        >
            "Checkout"
        </button>
        <p class="quiet" id="blocked" role="status">{note}</p>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_says_what_the_shopper_can_do() {
        for (problem, is_sold_out, expected) in [
            (
                LineProblem::NotStarted { starts_at_ms: 0 },
                false,
                "On sale from 1970-01-01 00:00 UTC. It is not in the total until then.",
            ),
            (
                LineProblem::Ended,
                true,
                "This sale has ended. It is not in the total. You can remove it.",
            ),
            (
                LineProblem::OverLimit { limit: 2 },
                false,
                "2 is the limit per customer. Change the quantity to continue.",
            ),
            (
                LineProblem::Short { left: 0 },
                true,
                "Sold out. Remove it to continue.",
            ),
            (
                LineProblem::Short { left: 0 },
                false,
                "All reserved. Remove it, or wait: some may become available.",
            ),
            (
                LineProblem::Short { left: 1 },
                false,
                "Only 1 left. Change the quantity to continue.",
            ),
        ] {
            assert_eq!(problem_text(problem, is_sold_out), expected);
        }
    }
}
