//! The line at a lock as a picture: who holds stands at the door, who waits stands behind it with a number. Beside it, for those who want
//! every word, a table of the same.

mod words;

use leptos::prelude::*;

use self::words::{beside, duration, duration_of_ms, outsider, sentence, whom};
use crate::model::lock_queue::{AtLock, LaneLocks, LockLine, LockQueue};

/// Where the picture of a lane comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    Now,
    Busiest,
    /// Its buyers have not come yet.
    Ahead,
    /// Nothing was kept.
    Missing,
}

/// The moment that is to be shown of a lane, and its lines, if there are any. `running` is true while the run goes on in this server.
pub fn shown(locks: &LaneLocks, running: bool) -> (Moment, Option<&LockQueue>) {
    match (&locks.now, &locks.busiest) {
        (Some(now), _) => (Moment::Now, Some(now)),
        (None, busiest) if locks.over => (Moment::Busiest, busiest.as_ref()),
        _ if running => (Moment::Ahead, None),
        _ => (Moment::Missing, None),
    }
}

/// What the moment is called.
#[component]
pub fn MomentBadge(moment: Moment, elapsed_ms: Option<u64>) -> impl IntoView {
    let (class, text) = match moment {
        Moment::Now => ("badge badge--low", "Now"),
        Moment::Busiest => ("badge", "This lane has ended: its busiest moment"),
        Moment::Ahead => ("badge", "Not begun"),
        Moment::Missing => ("badge", "Not kept"),
    };
    let at = elapsed_ms.map(|ms| format!("{} after the start", duration_of_ms(ms)));
    view! {
        <p class="locks__when">
            <span class=class>{text}</span>
            {at.map(|at| view! { <span class="quiet num">{at}</span> })}
        </p>
    }
}

/// The picture, with the sentences around it.
#[component]
pub fn LockPicture(locks: LaneLocks, running: bool) -> impl IntoView {
    let (moment, queue) = shown(&locks, running);
    let sentence = sentence(moment, queue);
    let lines = queue.map(|queue| queue.lines.clone()).unwrap_or_default();
    let hidden = queue.map_or(0, |queue| queue.hidden);
    let beside = beside(&locks, moment, queue);
    view! {
        <p class="locks__say" data-testid="locks-sentence">{sentence}</p>
        {lines.into_iter().map(|line| view! { <Line line/> }).collect_view()}
        {(hidden > 0).then(|| view! { <p class="quiet">{format!("{hidden} more wait in lines that are not drawn.")}</p> })}
        {beside.into_iter().map(|text| view! { <p class="quiet">{text}</p> }).collect_view()}
    }
}

#[component]
fn Line(line: LockLine) -> impl IntoView {
    let common = line.common_statement().map(ToOwned::to_owned);
    let apart = common.is_none();
    let hidden = line.hidden;
    let tickets = line.waiters.into_iter().enumerate();
    let tickets = tickets
        .map(|(index, at)| view! { <Ticket number=index + 1 at with_statement=apart/> })
        .collect_view();
    view! {
        <div class="lockline">
            <Door at=line.holder/>
            <div class="lockline__wait">
                {common.map(|statement| view! {
                    <p class="lockline__at">"All of them stand at "<code>{statement}</code></p>
                })}
                <ol class="lockline__tickets">
                    {tickets}
                    {(hidden > 0).then(|| view! {
                        <li class="lockticket lockticket--more">{format!("and {hidden} more")}</li>
                    })}
                </ol>
            </div>
        </div>
    }
}

#[component]
fn Door(at: AtLock) -> impl IntoView {
    let circle = !at.waits_for.is_empty();
    let label = if circle {
        "Waits in a circle: the database will end one"
    } else {
        "Holds the lock"
    };
    let doing = match at.state.as_str() {
        "active" => "its statement runs",
        "idle in transaction" => "between two statements",
        "" => "what it does is not told",
        other => other,
    }
    .to_owned();
    view! {
        <div class="lockdoor" data-testid="lock-holder">
            <p class="lockdoor__label">{label}</p>
            <p class="lockdoor__who">"Session "<span class="num">{at.pid}</span></p>
            {at.outsider.clone().map(|name| view! { <p>{outsider(&name)}</p> })}
            <p><span class="num">{duration(at.for_ms)}</span>" in its transaction, "{doing}</p>
            <code>{at.statement}</code>
            {(!at.locks.is_empty()).then(|| view! { <p class="lockdoor__locks">{at.locks.join(" · ")}</p> })}
        </div>
    }
}

#[component]
fn Ticket(number: usize, at: AtLock, with_statement: bool) -> impl IntoView {
    let waits = format!("for {}", whom(&at.waits_for));
    view! {
        <li class="lockticket" data-testid="lock-waiter">
            <span class="lockticket__n" aria-hidden="true">{number}</span>
            <span class="lockticket__who">"Session "<span class="num">{at.pid}</span></span>
            <span class="num">"waits "{duration(at.statement_ms)}</span>
            <span class="lockticket__what">{at.locks.join(" · ")}" "{waits}</span>
            {at.outsider.map(|name| view! { <span>{outsider(&name)}</span> })}
            {with_statement.then(|| view! { <code>{at.statement}</code> })}
        </li>
    }
}

/// The same for those who want every word: one row for each session, holders first in their lines.
#[component]
pub fn LockRows(locks: LaneLocks, running: bool) -> impl IntoView {
    let lines = match shown(&locks, running).1 {
        Some(queue) => queue.lines.clone(),
        None => Vec::new(),
    };
    lines
        .into_iter()
        .map(|line| {
            let waiters = line.waiters.into_iter().enumerate();
            let waiters = waiters.map(|(index, at)| row(format!("waits, {}", index + 1), at));
            view! {
                {row("holds".to_owned(), line.holder)}
                {waiters.collect_view()}
            }
        })
        .collect_view()
}

fn row(role: String, at: AtLock) -> impl IntoView {
    let whom: Vec<_> = at.waits_for.iter().map(i32::to_string).collect();
    let name = match at.outsider {
        Some(name) if name.is_empty() => format!("{} (no buyer)", at.pid),
        Some(name) => format!("{} ({name})", at.pid),
        None => at.pid.to_string(),
    };
    view! {
        <tr>
            <th scope="row">{name}</th>
            <td>{role}</td>
            <td>{at.state}</td>
            <td class="n">{format!("{:.1}", at.for_ms)}</td>
            <td class="n">{format!("{:.1}", at.statement_ms)}</td>
            <td>{whom.join(", ")}</td>
            <td>{at.locks.join(", ")}</td>
            <td><code>{at.statement}</code></td>
        </tr>
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::StrategyKey;

    fn lane(now: Option<LockQueue>, over: bool) -> LaneLocks {
        LaneLocks {
            now,
            over,
            ..LaneLocks::unseen(StrategyKey::RowLock)
        }
    }

    #[test]
    fn each_state_of_a_lane_has_its_moment() {
        let queue = Some(LockQueue::default());
        for (locks, running, moment) in [
            (lane(queue, false), true, Moment::Now),
            (lane(None, false), true, Moment::Ahead),
            (lane(None, true), true, Moment::Busiest),
            (lane(None, true), false, Moment::Busiest),
            (lane(None, false), false, Moment::Missing),
        ] {
            assert_eq!(shown(&locks, running).0, moment);
        }
    }
}
