//! One lane of a certificate: the equation, what must hold, and the statements with their answers.

use leptos::prelude::*;

use crate::{
    model::Verdict,
    simulation::certificate::{Answered, Balance, Check, Evidence, LaneProof, Standing},
};

#[component]
pub fn LaneSection(
    lane: LaneProof,
    /// Which of the page's lanes this is.
    index: usize,
) -> impl IntoView {
    let id = format!("lane-{index}");
    let (class, word) = match lane.standing {
        Standing::Holds => ("badge badge--ok", "Holds"),
        Standing::Exhibit => ("badge badge--bad", "Does not hold: an exhibit"),
        Standing::Broken => ("badge badge--bad", "Does not hold"),
        Standing::Removed => ("badge", "Cannot be proven any more"),
    };
    let proof = match &lane.evidence {
        Some(evidence) => {
            view! { <Proof evidence=evidence.clone() checks=lane.checks.clone()/> }.into_any()
        }
        None => view! { <Stored verdict=lane.stored.clone()/> }.into_any(),
    };
    view! {
        <section class="panel certificate__lane" aria-labelledby=id.clone()>
            <h2 class="panel__title lane__name" id=id.clone()>{lane.strategy.as_str()}" "<span class=class>{word}</span></h2>
            {proof}
        </section>
    }
}

#[component]
fn Proof(evidence: Evidence, checks: Vec<Check>) -> impl IntoView {
    let shelf = if evidence.is_private {
        format!(
            "{}, a private product: nobody but this lane’s buyers could buy it.",
            evidence.product_name
        )
    } else {
        format!(
            "{}, a product of the shop: others buy it too, and what comes in later or comes back counts as well. So the equation is of all that ever came in.",
            evidence.product_name
        )
    };
    let checks = checks.into_iter().map(|check| {
        let (class, word) = if check.holds {
            ("certificate__check", "holds")
        } else {
            (
                "certificate__check certificate__check--broken",
                "does not hold",
            )
        };
        view! { <li class=class><strong>{word}</strong>" "<span>{check.says}</span></li> }
    });
    let answers = evidence.answers.iter().map(answer).collect_view();
    view! {
        <p class="quiet">{shelf}</p>
        <Equation balance=evidence.balance() is_private=evidence.is_private/>
        <ul class="certificate__checks" aria-label="What must hold">{checks.collect_view()}</ul>
        <h3>"Statements and their answers"</h3>
        <p class="quiet">{format!("As of {}.", evidence.at)}</p>
        {answers}
    }
}

/// The equation in large figures.
#[component]
fn Equation(balance: Balance, is_private: bool) -> impl IntoView {
    let missing = balance.missing();
    let sign = if missing == 0 { "=" } else { "≠" };
    let mut terms = vec![
        ("", "Initial", balance.initial),
        (sign, "Remaining", balance.remaining),
        ("+", "Held", balance.held),
        (
            "+",
            if is_private {
                "Sold"
            } else {
                "Sold by this lane"
            },
            balance.sold,
        ),
    ];
    if !is_private || balance.sold_to_others != 0 {
        terms.push(("+", "Sold to others", balance.sold_to_others));
    }
    let terms = terms.into_iter().map(|(sign, name, units)| {
        let sign = (!sign.is_empty())
            .then(|| view! { <span class="equation__sign" aria-hidden="true">{sign}</span> });
        view! { <div class="equation__term">{sign}<dt>{name}</dt><dd>{units}</dd></div> }
    });
    let off = match missing {
        0 => None,
        missing if missing > 0 => Some(format!("{missing} units are nowhere.")),
        beyond => Some(format!("{} units more than ever came in.", -beyond)),
    };
    view! {
        <dl class="equation" aria-label="Initial is remaining and held and sold">{terms.collect_view()}</dl>
        {off.map(|off| view! { <p class="certificate__failure">{off}</p> })}
    }
}

fn answer(answered: &Answered) -> impl IntoView + use<> {
    let question = answered.question;
    let parameters = answered.parameters.iter().enumerate();
    let parameters: Vec<String> = parameters
        .map(|(index, value)| format!("${} = {value}", index + 1))
        .collect();
    let heads = answered
        .figures
        .iter()
        .map(|(name, _)| view! { <th scope="col" class="n"><code>{*name}</code></th> });
    let cells = answered
        .figures
        .iter()
        .map(|(_, value)| view! { <td class="n">{*value}</td> });
    view! {
        <figure class="certificate__answer">
            <figcaption>{question.says}</figcaption>
            <pre tabindex="0"><code>{question.sql}"\n-- "{parameters.join(", ")}</code></pre>
            <div class="table-wrap">
                <table class="table">
                    <caption class="vh">{format!("{}: the answer", question.says)}</caption>
                    <thead><tr>{heads.collect_view()}</tr></thead>
                    <tbody><tr>{cells.collect_view()}</tr></tbody>
                </table>
            </div>
        </figure>
    }
}

/// All that is left of a lane whose rows were removed.
#[component]
fn Stored(#[prop(optional_no_strip)] verdict: Option<Verdict>) -> impl IntoView {
    let Some(verdict) = verdict else {
        return view! { <p>"Its rows are there no more, and it never came to a verdict: nothing can be said of it."</p> }.into_any();
    };
    let facts = [
        ("Initial", verdict.stock),
        ("Remaining", verdict.remaining),
        ("Held", verdict.held),
        ("Sold", verdict.sold),
        ("Sold to others", verdict.sold_to_others),
        ("Oversold", verdict.oversold),
        ("Undersold", verdict.undersold),
    ];
    let facts = facts.map(|(name, units)| view! { <dt>{name}</dt><dd>{units}</dd> });
    view! {
        <p>"Its product, its orders and its ledger are there no more. This is what the verdict said when the run ended; nothing here can be asked of the database again."</p>
        <dl class="facts">{facts.collect_view()}</dl>
    }
    .into_any()
}
