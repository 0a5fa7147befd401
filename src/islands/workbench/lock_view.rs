//! The locks of a run's lanes as they are, and where the first buyers' time went.

use leptos::prelude::*;

use crate::{
    model::lock_queue::LaneLocks,
    ui::{
        lock_queue::{LockPicture, LockRows, MomentBadge, shown},
        waterfall::{FallRows, Falls, Legend, Patterns, note},
    },
};

/// Shows the locks of each lane, and is kept fresh by the page's one stream, which [`super::LiveRun`] reads.
#[island]
pub fn LockView(
    lanes: Vec<LaneLocks>,
    /// Whether the run goes on in this server.
    running: bool,
) -> impl IntoView {
    let several = lanes.len() > 1;
    let names: Vec<_> = lanes.iter().map(|lane| lane.strategy).collect();
    let lanes = RwSignal::new(lanes);
    #[cfg(feature = "hydrate")]
    Effect::new(move |_| stream::listen(lanes));
    let views = names
        .into_iter()
        .enumerate()
        .map(|(index, strategy)| {
            let of = several.then(|| format!(": {strategy}"));
            let first_buyers = falls(lanes, index, of.clone());
            // A row for each of forty buyers: of several lanes, who wants to see them asks for them.
            let first_buyers = if several {
                view! {
                    <details class="samples locks__falls">
                        <summary>{format!("The first buyers, moment by moment: {strategy}")}</summary>
                        {first_buyers}
                    </details>
                }
                .into_any()
            } else {
                first_buyers.into_any()
            };
            view! { {line(lanes, index, of, running)} {first_buyers} }
        })
        .collect_view();
    view! { <Patterns/> {views} }
}

/// The line at the lock of one lane.
fn line(
    lanes: RwSignal<Vec<LaneLocks>>,
    index: usize,
    of: Option<String>,
    running: bool,
) -> impl IntoView {
    // Without the rows of the waterfall, which change at other times.
    let lane = Memo::new(move |_| {
        lanes.with(|lanes| {
            lanes.get(index).map(|lane| LaneLocks {
                waterfall: crate::model::waterfall::Waterfall::default(),
                ..lane.clone()
            })
        })
    });
    let title = format!("locks-{index}");
    let picture =
        move || match lane.with(|lane| lane.as_ref().is_some_and(|lane| lane.now.is_some())) {
            true => "locks__picture locks__picture--live",
            false => "locks__picture",
        };
    let badge = move |locks: LaneLocks| {
        let (moment, queue) = shown(&locks, running);
        view! { <MomentBadge moment elapsed_ms=queue.map(|queue| queue.elapsed_ms)/> }
    };
    let caption = format!("Sessions at the lock{}", of.clone().unwrap_or_default());
    view! {
        <section class="panel locks" aria-labelledby=title.clone() data-testid="lock-queue">
            <div class="chart__head">
                <h2 id=title.clone()>"The line at the lock"{of}</h2>
                {move || lane.get().map(badge)}
            </div>
            <div class=picture>
                {move || lane.get().map(|locks| view! { <LockPicture locks running/> })}
            </div>
            <details class="locks__table">
                <summary>"The same as a table"</summary>
                <div class="table-wrap" tabindex="0" role="region" aria-label=caption.clone()>
                    <table class="table">
                        <caption>{caption.clone()}</caption>
                        <thead>
                            <tr>
                                <th scope="col">"Session"</th>
                                <th scope="col">"Role"</th>
                                <th scope="col">"State"</th>
                                <th scope="col" class="n">"At this lock, or in its transaction (ms)"</th>
                                <th scope="col" class="n">"In this statement (ms)"</th>
                                <th scope="col">"Waits for"</th>
                                <th scope="col">"Lock"</th>
                                <th scope="col">"Statement"</th>
                            </tr>
                        </thead>
                        <tbody>{move || lane.get().map(|locks| view! { <LockRows locks running/> })}</tbody>
                    </table>
                </div>
            </details>
        </section>
    }
}

/// Where the first buyers of one lane spent their time.
fn falls(lanes: RwSignal<Vec<LaneLocks>>, index: usize, of: Option<String>) -> impl IntoView {
    let waterfall = Memo::new(move |_| {
        lanes.with(|lanes| {
            let lane = lanes.get(index);
            lane.map(|lane| lane.waterfall.clone()).unwrap_or_default()
        })
    });
    let title = format!("falls-{index}");
    let caption = format!("First attempts{}", of.clone().unwrap_or_default());
    view! {
        <figure class="panel chart" aria-labelledby=title.clone() data-testid="waterfall">
            <div class="chart__head">
                <h2 id=title.clone()>"The first buyers, moment by moment"{of}</h2>
                <Legend/>
            </div>
            {move || view! { <Falls waterfall=waterfall.get() index/> }}
            <p class="quiet">{move || waterfall.with(|waterfall| note(waterfall.precision()))}</p>
            <details class="locks__table">
                <summary>"The same as a table"</summary>
                <div class="table-wrap" tabindex="0" role="region" aria-label=caption.clone()>
                    <table class="table">
                        <caption>{caption.clone()}</caption>
                        <thead>
                            <tr>
                                <th scope="col" class="n">"Buyer"</th>
                                <th scope="col" class="n">"Attempt"</th>
                                <th scope="col" class="n">"Start (ms)"</th>
                                <th scope="col" class="n">"Connection (ms)"</th>
                                <th scope="col" class="n">"Lock (ms)"</th>
                                <th scope="col" class="n">"Execute (ms)"</th>
                                <th scope="col" class="n">"Commit (ms)"</th>
                                <th scope="col" class="n">"Elsewhere (ms)"</th>
                                <th scope="col" class="n">"In all (ms)"</th>
                                <th scope="col">"Outcome"</th>
                                <th scope="col" class="n">"Retries"</th>
                            </tr>
                        </thead>
                        <tbody>{move || view! { <FallRows waterfall=waterfall.get()/> }}</tbody>
                    </table>
                </div>
            </details>
        </figure>
    }
}

#[cfg(feature = "hydrate")]
pub use stream::tell;

/// From the island that reads the page's stream to this one. They are siblings, which share no context.
#[cfg(feature = "hydrate")]
mod stream {
    use std::cell::Cell;

    use leptos::prelude::*;

    use crate::model::lock_queue::{LaneLocks, LaneLocksNews};

    thread_local! {
        static LISTENING: Cell<Option<RwSignal<Vec<LaneLocks>>>> = const { Cell::new(None) };
    }

    /// From now on, what is told goes to `lanes`.
    pub fn listen(lanes: RwSignal<Vec<LaneLocks>>) {
        LISTENING.set(Some(lanes));
    }

    /// Hands on what the stream said of the locks.
    pub fn tell(data: &str) {
        let Some(lanes) = LISTENING.get() else {
            return;
        };
        if let Ok(news) = serde_json::from_str::<Vec<LaneLocksNews>>(data) {
            lanes.update(|lanes| {
                for (lane, news) in lanes.iter_mut().zip(news) {
                    lane.take_in(news);
                }
            });
        }
    }
}
