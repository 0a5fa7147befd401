//! What can be taken away from a run, and how it is shown to others: a part of the run's page.

use leptos::prelude::*;

use crate::{
    islands::workbench::{CopyText, SaveAsPng},
    model::RunSnapshot,
    web::qr_code::qr_code,
};

/// What can be downloaded: the end of the address, what it is, and what is in it.
const FILES: [(&str, &str, &str); 5] = [
    (
        "export.html",
        "Replay (HTML)",
        "One file that plays the run again, and needs no network.",
    ),
    (
        "export.json",
        "Everything (JSON)",
        "Plan, points and verdicts.",
    ),
    (
        "export.csv",
        "Points (CSV)",
        "A row for each point and lane.",
    ),
    (
        "figures.csv",
        "Figures (CSV)",
        "A row for each lane that was judged.",
    ),
    (
        "export.svg",
        "Picture (SVG)",
        "Its curves and what came of it.",
    ),
];

/// Certificate, comparison, files, and the page for an audience.
#[component]
pub fn Keep(run: RunSnapshot, public_url: String) -> impl IntoView {
    let address = format!("/admin/simulations/{}", run.id);
    let is_over = run.state.is_over();
    let certificate = is_over.then(|| {
        view! { <a class="btn btn--primary" href=format!("{address}/certificate")>"Certificate"</a> }
    });
    let hint = if is_over {
        "Files of this run."
    } else {
        "Files of the run as far as it has come; its certificate can be asked for when it is over."
    };
    let files = FILES.map(|(end, name, says)| {
        view! {
            <li>
                <a class="btn btn--line" href=format!("{address}/{end}") download="">{name}</a>
                <span class="quiet">{says}</span>
            </li>
        }
    });
    view! {
        <section class="panel keep" aria-labelledby="keep">
            <h2 class="panel__title" id="keep">"Keep and show"</h2>
            <div class="run__actions keep__first">
                {certificate}
                <a class="btn btn--line" href="/admin/simulations/runs">"Compare with other runs"</a>
            </div>
            <Present id=run.id.clone() public_url/>
            <p class="keep__hint">{hint}</p>
            <ul class="keep__files">
                {files.collect_view()}
                <li>
                    <SaveAsPng picture=format!("{address}/export.svg") name=format!("doorbuster-{}-curves.png", run.id)/>
                </li>
            </ul>
        </section>
    }
}

/// The address of the page for an audience, to be opened, copied or photographed.
#[component]
fn Present(id: String, public_url: String) -> impl IntoView {
    let path = format!("/present/{id}");
    let address = format!("{public_url}{path}");
    let code = qr_code(&address, format!("QR code of {address}"));
    view! {
        <details class="keep__present">
            <summary>"Present"</summary>
            <div class="keep__share">
                {code}
                <div>
                    <p>"Anybody who has this address can watch the run, and nothing else. It needs no login."</p>
                    <p><a class="code-no" href=path data-testid="present-address">{address.clone()}</a></p>
                    <CopyText text=address/>
                    <p class="quiet">
                        "On that page: "<kbd>"F"</kbd>" full screen, "<kbd>"B"</kbd>" curtain, "<kbd>"T"</kbd>" table instead of chart, "
                        <kbd>"Q"</kbd>" QR code, "<kbd>"H"</kbd>" these keys."
                    </p>
                </div>
            </div>
        </details>
    }
}
