//! One lane of a certificate: the equation, the checks, and the SQL statements with their results.

use leptos::prelude::*;

use crate::{
    model::Verdict,
    simulation::certificate::{Balance, Check, Evidence, LaneProof, ProofResult, ProofStatus},
};

#[component]
pub fn LaneSection(
    lane: LaneProof,
    /// The lane's index on the page.
    index: usize,
) -> impl IntoView {
    let id = format!("lane-{index}");
    let (class, word) = match lane.status {
        ProofStatus::Holds => ("badge badge--ok", "Holds"),
        ProofStatus::Exhibit => ("badge badge--bad", "Does not hold (expected)"),
        ProofStatus::Broken => ("badge badge--bad", "Does not hold"),
        ProofStatus::Removed => ("badge", "No longer provable"),
    };
    let proof = match &lane.evidence {
        Some(evidence) => {
            view! { <Proof evidence=evidence.clone() checks=lane.checks.clone()/> }.into_any()
        }
        None => view! { <StoredVerdict verdict=lane.stored.clone()/> }.into_any(),
    };
    view! {
        <section class="panel certificate__lane" aria-labelledby=id.clone()>
            <h2 class="panel__title lane__name" id=id.clone()>{lane.name.clone()}" "<span class=class>{word}</span></h2>
            {proof}
        </section>
    }
}

#[component]
fn Proof(evidence: Evidence, checks: Vec<Check>) -> impl IntoView {
    let product = if evidence.is_private {
        format!(
            "{}, a private product. Only this lane’s buyers could buy it.",
            evidence.product_name
        )
    } else {
        format!(
            "{}, a product of the shop. Other customers buy it too, and later deliveries and returns count. So the equation covers all units ever received.",
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
        view! { <li class=class><strong>{word}</strong>" "<span>{check.text}</span></li> }
    });
    let answers = evidence.results.iter().map(answer).collect_view();
    view! {
        <p class="quiet">{product}</p>
        <Equation balance=evidence.balance() is_private=evidence.is_private/>
        <ul class="certificate__checks" aria-label="Checks">{checks.collect_view()}</ul>
        <h3>"Statements and results"</h3>
        <p class="quiet">{format!("As of {}.", evidence.at)}</p>
        {answers}
    }
}

/// Shows the equation in large figures.
#[component]
fn Equation(balance: Balance, is_private: bool) -> impl IntoView {
    let missing = balance.missing();
    let sign = if missing == 0 { "=" } else { "≠" };
    let mut terms = vec![
        ("", "Initial", balance.initial),
        (sign, "Remaining", balance.remaining),
        ("+", "Reserved", balance.held),
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
        missing if missing > 0 => Some(format!("{missing} units are missing.")),
        surplus => Some(format!("{} units more than were ever received.", -surplus)),
    };
    view! {
        <dl class="equation" aria-label="Initial equals remaining plus reserved plus sold">{terms.collect_view()}</dl>
        {off.map(|off| view! { <p class="certificate__failure">{off}</p> })}
    }
}

fn answer(answered: &ProofResult) -> impl IntoView + use<> {
    let description = answered.query.description;
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
            <figcaption>{description}</figcaption>
            <pre tabindex="0"><code>{answered.statement()}</code></pre>
            <div class="table-wrap" tabindex="0">
                <table class="table">
                    <caption class="vh">{format!("{description}: result")}</caption>
                    <thead><tr>{heads.collect_view()}</tr></thead>
                    <tbody><tr>{cells.collect_view()}</tr></tbody>
                </table>
            </div>
        </figure>
    }
}

/// Shows the stored verdict of a lane whose rows were deleted.
#[component]
fn StoredVerdict(#[prop(optional_no_strip)] verdict: Option<Verdict>) -> impl IntoView {
    let Some(verdict) = verdict else {
        return view! { <p>"The rows of this lane were deleted and it has no verdict, so nothing can be proven."</p> }.into_any();
    };
    let undersold = verdict.known_undersold();
    let facts = [
        ("Initial", verdict.stock),
        ("Remaining", verdict.remaining),
        ("Reserved", verdict.held),
        ("Sold", verdict.sold),
        ("Sold to others", verdict.sold_to_others),
        ("Oversold", verdict.oversold),
    ]
    .into_iter()
    .chain(undersold.map(|units| ("Undersold", units)));
    let facts = facts.map(|(name, units)| view! { <dt>{name}</dt><dd>{units}</dd> });
    view! {
        <p>"The product, orders and ledger of this lane were deleted. These figures are from the verdict when the run ended; you can no longer query them."</p>
        <dl class="facts">{facts.collect_view()}</dl>
    }
    .into_any()
}
