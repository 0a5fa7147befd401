//! `/admin/simulations/{id}/certificate`: accounts for every unit of a run, with the SQL statements
//! that prove it. The page can be printed.

mod lane;

use leptos::prelude::*;
use leptos_router::hooks::use_params_map;

use super::Subnav;
use crate::{
    model::ShopError,
    shop::{audit::AuditReport, moment},
    simulation::{
        certificate::{Certificate, CertificateAudit, ProofStatus},
        comparison::parameter_name,
        export::fields,
        store,
    },
    web::{
        pages::{
            frame::{Bundle, Page, framed},
            page_head::PageHead,
        },
        runs,
    },
};
use lane::LaneSection;

/// `/admin/simulations/{id}/certificate`
#[component]
pub fn CertificatePage() -> impl IntoView {
    let id = use_params_map()
        .get_untracked()
        .get("id")
        .unwrap_or_default();
    framed(|visit| async move {
        visit.require_admin().await?;
        let run = runs::find(visit.shop(), visit.runs(), &id).await?;
        if !run.state.is_over() {
            let error = ShopError::InvalidState("The run is still in progress.".to_owned());
            visit.set_status(&error);
            let body = view! { <NotYet id=run.id/> };
            return Ok(Page::private("Certificate", Bundle::None, body));
        }
        let certificate = store::certify(visit.shop().db(), runs::parse(&id)?).await?;
        let title = format!("Certificate: {}", certificate.run.name);
        let body = view! { <CertificateView certificate/> };
        Ok(Page::private(title, Bundle::None, body))
    })
}

#[component]
fn NotYet(id: String) -> impl IntoView {
    view! {
        <main class="page certificate" id="main" tabindex="-1">
            <Subnav current="/admin/simulations"/>
            <PageHead title="Certificate"/>
            <p class="certificate__word" role="status">"The run is still in progress. Its certificate is available when the run ends."</p>
            <p class="run__actions"><a class="btn btn--line" href=format!("/admin/simulations/{id}")>"Back to the run"</a></p>
        </main>
    }
}

#[component]
fn CertificateView(certificate: Certificate) -> impl IntoView {
    let class = match certificate.status() {
        ProofStatus::Holds => "certificate__word certificate__word--holds",
        ProofStatus::Exhibit | ProofStatus::Broken => "certificate__word certificate__word--broken",
        ProofStatus::Removed => "certificate__word",
    };
    let run = &certificate.run;
    let address = format!("/admin/simulations/{}", run.id);
    let failure = run
        .failure
        .as_ref()
        .map(|why| view! { <p class="certificate__failure">{format!("The run itself failed: {why}.")}</p> });
    let names = std::iter::once(run.name.clone()).chain(run.plan.on_servers());
    let names: Vec<_> = names.collect();
    let lead = format!("{}, of {}", names.join(", "), run.started_in_utc());
    let lanes = certificate.lanes.iter().enumerate();
    let lanes = lanes
        .map(|(index, lane)| view! { <LaneSection lane=lane.clone() index/> })
        .collect_view();
    view! {
        <main class="page certificate" id="main" tabindex="-1">
            <Subnav current="/admin/simulations"/>
            <PageHead title="Certificate" lead/>
            <p class=class role="status">{certificate.summary()}</p>
            {failure}
            <Provenance certificate=certificate.clone()/>
            {lanes}
            <AuditSection audited=certificate.audited.clone()/>
            <Parameters certificate=certificate.clone()/>
            <p class="run__actions no-print"><a class="btn btn--line" href=address>"Back to the run"</a></p>
        </main>
    }
}

/// Shows the run, the database and the time of the certificate.
#[component]
fn Provenance(certificate: Certificate) -> impl IntoView {
    let (run, server) = (&certificate.run, &certificate.server);
    let facts = [
        ("Name", run.name.clone()),
        ("Run", run.id.clone()),
        ("Started", run.started_in_utc()),
        ("Seed", run.plan.seed.to_string()),
        ("Certified", moment::in_utc(server.now)),
        (
            "Database",
            format!("{}, fsync {}", server.name, server.fsync),
        ),
        (
            "Version",
            format!("Doorbuster {}", env!("CARGO_PKG_VERSION")),
        ),
    ];
    let facts =
        facts.map(|(name, value)| view! { <dt>{name}</dt><dd class="code-no">{value}</dd> });
    view! {
        <section class="panel certificate__facts" aria-label="Run, database and time">
            <dl class="facts">{facts.collect_view()}</dl>
            <p class="quiet">
                "All statements ran in one read-only snapshot (REPEATABLE READ), so their results describe the same moment. Copy them into psql or mysql to run them again on the same database."
            </p>
        </section>
    }
}

#[component]
fn AuditSection(audited: CertificateAudit) -> impl IntoView {
    let report = match audited {
        CertificateAudit::Now(report) => audit_report(&report, "in the same snapshot"),
        CertificateAudit::Earlier(report) => {
            let when = format!(
                "at {}, because the shop has too much data for an audit per page view",
                report.at
            );
            audit_report(&report, &when)
        }
        CertificateAudit::Never => view! { <p>"No audit has run yet."</p> }.into_any(),
    };
    view! {
        <section class="panel certificate__audit" aria-labelledby="audit">
            <h2 class="panel__title" id="audit">"Audit of the whole shop"</h2>
            {report}
        </section>
    }
}

fn audit_report(report: &AuditReport, when: &str) -> AnyView {
    let rules = report.checked_rules();
    let violated = report.rules.iter().filter(|rule| rule.violations > 0);
    let violated = violated.map(|rule| {
        let listed = rule.listed.iter().map(|sentence| view! { <li>{sentence.clone()}</li> });
        view! { <li>{format!("{}: {} violations", rule.requirement, rule.violations)}<ul>{listed.collect_view()}</ul></li> }
    });
    let violated: Vec<_> = violated.collect();
    if violated.is_empty() {
        return view! { <p>{format!("None of {rules} rules is violated, checked {when}.")}</p> }
            .into_any();
    }
    view! {
        <p class="certificate__failure">{format!("{} of {rules} rules are violated, checked {when}:", violated.len())}</p>
        <ul>{violated}</ul>
    }
    .into_any()
}

#[component]
fn Parameters(certificate: Certificate) -> impl IntoView {
    let plan = fields(&certificate.run.plan)
        .into_iter()
        .map(|(name, value)| {
            let value = if value.is_empty() {
                "–".to_owned()
            } else {
                value
            };
            view! { <dt>{parameter_name(&name)}</dt><dd>{value}</dd> }
        });
    view! {
        <section class="panel certificate__plan" aria-labelledby="plan">
            <h2 class="panel__title" id="plan">"Plan"</h2>
            <dl class="facts">{plan.collect_view()}</dl>
        </section>
    }
}
