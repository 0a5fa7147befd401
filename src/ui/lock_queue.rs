//! A lock queue as a picture: the session that holds the lock, and the waiting sessions, numbered
//! in order. A table lists the same sessions in full.

mod words;

use leptos::prelude::*;

use self::words::{duration, duration_of_ms, format_pids, notes, outsider_label, summary};
use crate::model::lock_queue::{LaneLocks, LockQueue, LockSnapshot, QueuedSession};

/// Which lock snapshot of a lane is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShownSnapshot {
    /// The latest one.
    Current,
    /// The one with the longest queue.
    Busiest,
    /// None yet: the lane's buyers have not started.
    NotStarted,
    /// None: no snapshot was saved.
    NotSaved,
}

/// Selects the lock snapshot of a lane to show, if there is one. `running` is true while this
/// server executes the run.
pub fn select_snapshot(locks: &LaneLocks, running: bool) -> (ShownSnapshot, Option<&LockSnapshot>) {
    match (&locks.now, &locks.busiest) {
        (Some(now), _) => (ShownSnapshot::Current, Some(now)),
        (None, busiest) if locks.over => (ShownSnapshot::Busiest, busiest.as_ref()),
        _ if running => (ShownSnapshot::NotStarted, None),
        _ => (ShownSnapshot::NotSaved, None),
    }
}

/// Shows which snapshot is displayed, and when it was taken.
#[component]
pub fn SnapshotBadge(shown: ShownSnapshot, elapsed_ms: Option<u64>) -> impl IntoView {
    let (class, text) = match shown {
        ShownSnapshot::Current => ("badge badge--low", "Now"),
        ShownSnapshot::Busiest => ("badge", "Lane ended: longest queue"),
        ShownSnapshot::NotStarted => ("badge", "Not started"),
        ShownSnapshot::NotSaved => ("badge", "Not saved"),
    };
    let at = elapsed_ms.map(|ms| format!("{} after the start", duration_of_ms(ms)));
    view! {
        <p class="locks__when">
            <span class=class>{text}</span>
            {at.map(|at| view! { <span class="quiet num">{at}</span> })}
        </p>
    }
}

/// Shows the lock queues of a lane, with a summary and notes.
#[component]
pub fn LockPicture(locks: LaneLocks, running: bool) -> impl IntoView {
    let (shown, snapshot) = select_snapshot(&locks, running);
    let summary = summary(shown, snapshot);
    let queues = snapshot
        .map(|snapshot| snapshot.queues.clone())
        .unwrap_or_default();
    let hidden = snapshot.map_or(0, |snapshot| snapshot.hidden);
    let notes = notes(&locks, shown, snapshot);
    view! {
        <p class="locks__say" data-testid="locks-sentence">{summary}</p>
        {queues.into_iter().map(|queue| view! { <Queue queue/> }).collect_view()}
        {(hidden > 0).then(|| view! { <p class="quiet">{format!("{hidden} more sessions wait in queues that are not shown.")}</p> })}
        {notes.into_iter().map(|text| view! { <p class="quiet">{text}</p> }).collect_view()}
    }
}

#[component]
fn Queue(queue: LockQueue) -> impl IntoView {
    let common = queue.common_statement().map(ToOwned::to_owned);
    let statements_differ = common.is_none();
    let hidden = queue.hidden;
    let waiters = queue.waiters.into_iter().enumerate();
    let waiters = waiters
        .map(|(index, session)| view! { <Waiter number=index + 1 session with_statement=statements_differ/> })
        .collect_view();
    view! {
        <div class="lockqueue">
            <Holder session=queue.holder/>
            <div class="lockqueue__wait">
                {common.map(|statement| view! {
                    <p class="lockqueue__at">"All wait at "<code>{statement}</code></p>
                })}
                <ol class="lockqueue__tickets">
                    {waiters}
                    {(hidden > 0).then(|| view! {
                        <li class="lockticket lockticket--more">{format!("and {hidden} more")}</li>
                    })}
                </ol>
            </div>
        </div>
    }
}

#[component]
fn Holder(session: QueuedSession) -> impl IntoView {
    let in_deadlock = !session.waits_for.is_empty();
    let label = if in_deadlock {
        "Deadlock: the database will abort one session"
    } else {
        "Holds the lock"
    };
    let activity = match session.state.as_str() {
        "active" => "running a statement",
        "idle in transaction" => "idle between statements",
        "" => "activity unknown",
        other => other,
    }
    .to_owned();
    view! {
        <div class="lockholder" data-testid="lock-holder">
            <p class="lockholder__label">{label}</p>
            <p class="lockholder__who">"Session "<span class="num">{session.pid}</span></p>
            {session.outsider.clone().map(|name| view! { <p>{outsider_label(&name)}</p> })}
            <p><span class="num">{duration(session.for_ms)}</span>" in this transaction, "{activity}</p>
            <code>{session.statement}</code>
            {(!session.locks.is_empty()).then(|| view! { <p class="lockholder__locks">{session.locks.join(" · ")}</p> })}
        </div>
    }
}

#[component]
fn Waiter(number: usize, session: QueuedSession, with_statement: bool) -> impl IntoView {
    let waits_for = format!("for {}", format_pids(&session.waits_for));
    view! {
        <li class="lockticket" data-testid="lock-waiter">
            <span class="lockticket__n" aria-hidden="true">{number}</span>
            <span class="lockticket__who">"Session "<span class="num">{session.pid}</span></span>
            <span class="num">"waits "{duration(session.statement_ms)}</span>
            <span class="lockticket__what">{session.locks.join(" · ")}" "{waits_for}</span>
            {session.outsider.map(|name| view! { <span>{outsider_label(&name)}</span> })}
            {with_statement.then(|| view! { <code>{session.statement}</code> })}
        </li>
    }
}

/// Shows the table of sessions; the children are its rows.
#[component]
pub fn LockTable(caption: String, children: Children) -> impl IntoView {
    view! {
        <div class="table-wrap" tabindex="0" role="region" aria-label=caption.clone()>
            <table class="table">
                <caption>{caption.clone()}</caption>
                <thead>
                    <tr>
                        <th scope="col">"Session"</th>
                        <th scope="col">"Role"</th>
                        <th scope="col">"State"</th>
                        <th scope="col" class="n">"Waiting, or in transaction (ms)"</th>
                        <th scope="col" class="n">"In statement (ms)"</th>
                        <th scope="col">"Waits for"</th>
                        <th scope="col">"Lock"</th>
                        <th scope="col">"Statement"</th>
                    </tr>
                </thead>
                <tbody>{children()}</tbody>
            </table>
        </div>
    }
}

/// Shows the same sessions as table rows, each queue with its holder first.
#[component]
pub fn LockRows(locks: LaneLocks, running: bool) -> impl IntoView {
    let queues = match select_snapshot(&locks, running).1 {
        Some(snapshot) => snapshot.queues.clone(),
        None => Vec::new(),
    };
    queues
        .into_iter()
        .map(|queue| {
            let waiters = queue.waiters.into_iter().enumerate();
            let waiters =
                waiters.map(|(index, session)| row(format!("waiter {}", index + 1), session));
            view! {
                {row("holder".to_owned(), queue.holder)}
                {waiters.collect_view()}
            }
        })
        .collect_view()
}

fn row(role: String, session: QueuedSession) -> impl IntoView {
    let waits_for: Vec<_> = session.waits_for.iter().map(i32::to_string).collect();
    let name = match session.outsider {
        Some(name) if name.is_empty() => format!("{} (not a buyer)", session.pid),
        Some(name) => format!("{} ({name})", session.pid),
        None => session.pid.to_string(),
    };
    view! {
        <tr>
            <th scope="row">{name}</th>
            <td>{role}</td>
            <td>{session.state}</td>
            <td class="n">{format!("{:.1}", session.for_ms)}</td>
            <td class="n">{format!("{:.1}", session.statement_ms)}</td>
            <td>{waits_for.join(", ")}</td>
            <td>{session.locks.join(", ")}</td>
            <td><code>{session.statement}</code></td>
        </tr>
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::StrategyKey;

    fn lane(now: Option<LockSnapshot>, over: bool) -> LaneLocks {
        LaneLocks {
            now,
            over,
            ..LaneLocks::empty(StrategyKey::RowLock)
        }
    }

    #[test]
    fn each_lane_state_selects_its_snapshot() {
        let snapshot = Some(LockSnapshot::default());
        for (locks, running, shown) in [
            (lane(snapshot, false), true, ShownSnapshot::Current),
            (lane(None, false), true, ShownSnapshot::NotStarted),
            (lane(None, true), true, ShownSnapshot::Busiest),
            (lane(None, true), false, ShownSnapshot::Busiest),
            (lane(None, false), false, ShownSnapshot::NotSaved),
        ] {
            assert_eq!(select_snapshot(&locks, running).0, shown);
        }
    }
}
