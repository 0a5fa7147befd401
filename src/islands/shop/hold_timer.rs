//! The remaining time of a reservation. Without JavaScript, the page shows its end as text.

use leptos::prelude::*;

use crate::islands::changing::{changing, changing_text};

/// The timer shows a warning from this many seconds before the end.
const WARNING_FROM_S: i64 = 60;

/// The phase of a reservation, which determines its appearance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Calm,
    Ending,
    Over,
}

const fn phase(left_s: i64) -> Phase {
    match left_s {
        ..=0 => Phase::Over,
        1..=WARNING_FROM_S => Phase::Ending,
        _ => Phase::Calm,
    }
}

/// Formats seconds as minutes and seconds.
fn format_clock(left_s: i64) -> String {
    format!("{}:{:02}", left_s / 60, left_s % 60)
}

/// Labels the button that extends a reservation by `ttl_s` seconds from now.
fn extend_label(ttl_s: u32) -> String {
    match (ttl_s / 60, ttl_s % 60) {
        (1, 0) => "Add 1 minute".to_owned(),
        (minutes, 0) => format!("Add {minutes} minutes"),
        _ => format!("Add {ttl_s} seconds"),
    }
}

/// Counts down from `seconds_left`, as of when the server rendered the page. With `buttons`, which
/// belong in the checkout's form, it offers to extend the reservation and, once expired, to reserve
/// again.
#[island]
pub fn HoldTimer(
    seconds_left: u32,
    ttl_s: u32,
    ends_at: String,
    extended: bool,
    buttons: bool,
) -> impl IntoView {
    // Until it ticks, the page shows what the server rendered.
    let ticking = RwSignal::new(None::<i64>);
    #[cfg(feature = "hydrate")]
    crate::islands::changing::effect(move || start_countdown(seconds_left, ticking));
    let left_s = move || ticking.get().unwrap_or_else(|| seconds_left.into());
    let now = move || phase(left_s());
    let class = changing(move || match now() {
        Phase::Calm => "hold",
        Phase::Ending => "hold hold--ending",
        Phase::Over => "hold hold--over",
    });
    let headline = changing_text(move || match now() {
        Phase::Over => "Your reservation has expired".to_owned(),
        _ => format!("Reserved until {ends_at}"),
    });
    let clock_class = changing(move || match ticking.get() {
        Some(_) => "hold__clock",
        None => "hold__clock hold__idle",
    });
    let bar_class = changing(move || match ticking.get() {
        Some(_) => "hold__bar",
        None => "hold__bar hold__idle",
    });
    let note = changing_text(move || match (now(), buttons) {
        (Phase::Calm, true) if extended => "Extended once. You cannot extend it again.",
        (Phase::Calm, _) => "",
        (Phase::Ending, _) => "Less than a minute left.",
        (Phase::Over, true) => "Your details are saved. Reserve again while stock lasts.",
        (Phase::Over, false) => "Checkout reserves your items again, while stock lasts.",
    });
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
                    hidden=changing(move || extended || now() == Phase::Over)
                >
                    {extend_label(ttl_s)}
                </button>
                <button
                    class="btn btn--primary"
                    type="submit"
                    name="act"
                    value="reserve"
                    formaction="/api/form/checkout/change"
                    formnovalidate
                    hidden=changing(move || now() != Phase::Over)
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
                <span class=clock_class role="timer">{changing_text(move || format_clock(left_s()))}</span>
            </p>
            <progress
                class=bar_class
                max=ttl_s
                value=changing(move || left_s().min(ttl_s.into()))
                aria-label="Time left"
            ></progress>
            <p class="hold__note" role="status">{note}</p>
            {actions}
        </div>
    }
}

/// Counts down to the end of the reservation, also while the computer sleeps, and catches up when
/// it wakes, without asking the server.
#[cfg(feature = "hydrate")]
fn start_countdown(seconds_left: u32, ticking: RwSignal<Option<i64>>) {
    let clock = crate::islands::elapsed::Elapsed::since_request();
    let update = move || {
        let left_s = (f64::from(seconds_left) - clock.ms() / 1_000.0)
            .ceil()
            .max(0.0);
        #[expect(clippy::cast_possible_truncation, reason = "from 0 to seconds_left")]
        ticking.set(Some(left_s as i64));
    };
    update();
    // If the browser refuses the timer, the page only lacks the countdown.
    let _ = set_interval_with_handle(update, std::time::Duration::from_millis(250));
    // The timers of a page that was hidden or suspended start again late.
    crate::islands::elapsed::on_return(update);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reservation_warns_before_it_ends() {
        assert_eq!(phase(61), Phase::Calm);
        assert_eq!(phase(60), Phase::Ending);
        assert_eq!(phase(0), Phase::Over);
        assert_eq!(format_clock(605), "10:05");
        assert_eq!(extend_label(600), "Add 10 minutes");
        assert_eq!(extend_label(90), "Add 90 seconds");
    }
}
