//! The time that a reservation still has. Without JavaScript its end stands there as text.

use leptos::prelude::*;

/// From here on the time left is a warning, in seconds.
const WARNED_FROM_S: u32 = 60;

/// What a reservation looks like from the outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Calm,
    Ending,
    Over,
}

const fn phase(left_s: u32) -> Phase {
    match left_s {
        0 => Phase::Over,
        1..=WARNED_FROM_S => Phase::Ending,
        _ => Phase::Calm,
    }
}

/// Minutes and seconds.
fn clock(left_s: u32) -> String {
    format!("{}:{:02}", left_s / 60, left_s % 60)
}

/// Counts down from `seconds_left`, as it was when the page was made. With `buttons`, which belong into the checkout's form, it offers
/// to keep the reservation longer, and when it is over, to reserve again.
#[island]
pub fn HoldTimer(
    seconds_left: u32,
    ttl_s: u32,
    ends_at: String,
    extended: bool,
    buttons: bool,
) -> impl IntoView {
    let left = RwSignal::new(seconds_left);
    let ticking = RwSignal::new(false);
    #[cfg(feature = "hydrate")]
    Effect::new(move |_| tick(seconds_left, left, ticking));
    let now = Memo::new(move |_| phase(left.get()));
    let class = move || match now.get() {
        Phase::Calm => "hold",
        Phase::Ending => "hold hold--ending",
        Phase::Over => "hold hold--over",
    };
    let headline = move || match now.get() {
        Phase::Over => "Your reservation has run out".to_owned(),
        _ => format!("Reserved for you until {ends_at}"),
    };
    let note = move || match (now.get(), buttons) {
        (Phase::Calm, true) if extended => "Kept longer once, which is as often as it goes.",
        (Phase::Calm, _) => "",
        (Phase::Ending, _) => "Less than a minute is left.",
        (Phase::Over, true) => {
            "What you typed is still here. Reserve again to go on, while there is stock."
        }
        (Phase::Over, false) => "The checkout reserves again, while there is stock.",
    };
    let actions = buttons.then(|| {
        view! {
            <div class="hold__actions">
                <button
                    class="btn"
                    type="submit"
                    name="act"
                    value="extend"
                    formaction="/api/form/checkout/change"
                    formnovalidate
                    hidden=move || extended || now.get() == Phase::Over
                >
                    "Keep it longer"
                </button>
                <button
                    class="btn btn--primary"
                    type="submit"
                    name="act"
                    value="reserve"
                    formaction="/api/form/checkout/change"
                    formnovalidate
                    hidden=move || now.get() != Phase::Over
                >
                    "Reserve again"
                </button>
            </div>
        }
    });
    view! {
        <div class=class role="group" aria-label="Reservation">
            <p class="hold__line">
                <span class="hold__until">{headline}</span>
                <span class="hold__clock" role="timer" hidden=move || !ticking.get()>
                    {move || clock(left.get())}
                </span>
            </p>
            <progress
                class="hold__bar"
                max=ttl_s
                value=move || left.get().min(ttl_s)
                aria-label="Time left"
                hidden=move || !ticking.get()
            ></progress>
            <p class="hold__note" role="status">{note}</p>
            {actions}
        </div>
    }
}

/// Follows the browser's own clock, which goes on while the page sleeps.
#[cfg(feature = "hydrate")]
fn tick(seconds_left: u32, left: RwSignal<u32>, ticking: RwSignal<bool>) {
    let update = move || {
        // Milliseconds since the page was asked for: never less than since it was made.
        let gone_ms = window().performance().map_or(0.0, |clock| clock.now());
        let left_s = (f64::from(seconds_left) - gone_ms / 1_000.0)
            .ceil()
            .max(0.0);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "from 0 to what fits"
        )]
        left.set(left_s as u32);
    };
    update();
    ticking.set(true);
    // The page is merely without a countdown if the browser refuses.
    let _ = set_interval_with_handle(update, std::time::Duration::from_millis(250));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reservation_warns_before_it_ends() {
        assert_eq!(phase(61), Phase::Calm);
        assert_eq!(phase(60), Phase::Ending);
        assert_eq!(phase(0), Phase::Over);
        assert_eq!(clock(605), "10:05");
    }
}
