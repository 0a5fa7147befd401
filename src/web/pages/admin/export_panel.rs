//! The panel on a run's page to download its results and to share it.

use leptos::prelude::*;

use crate::{
    islands::workbench::{CertificateLink, CopyText, DownloadHint, SaveAsPng},
    model::RunSnapshot,
    web::{
        audience::{Audience, Reach, host_of},
        qr_code::qr_code,
    },
};

/// The downloads of a run: the end of the path, the name and the contents.
const FILES: [(&str, &str, &str); 5] = [
    (
        "export.html",
        "Replay (HTML)",
        "Interactive replay in one file. Works offline.",
    ),
    (
        "export.json",
        "Everything (JSON)",
        "Plan, samples and verdicts.",
    ),
    (
        "export.csv",
        "Samples (CSV)",
        "One row per sample and lane.",
    ),
    (
        "figures.csv",
        "Figures (CSV)",
        "One row per lane with a verdict.",
    ),
    ("export.svg", "Picture (SVG)", "Charts and results."),
];

/// Links to the certificate, the comparison, the downloads and the page for an audience.
#[component]
pub fn ExportPanel(run: RunSnapshot, audience: Audience) -> impl IntoView {
    let address = format!("/admin/simulations/{}", run.id);
    let is_over = run.state.is_over();
    let files = FILES.map(|(end, name, contents)| {
        view! {
            <li>
                <a class="btn btn--line" href=format!("{address}/{end}") download="">{name}</a>
                <span class="quiet">{contents}</span>
            </li>
        }
    });
    view! {
        <section class="panel keep" aria-labelledby="keep">
            <h2 class="panel__title" id="keep">"Export and share"</h2>
            <div class="run__actions keep__first">
                <CertificateLink path=address.clone() is_over/>
                <a class="btn btn--line" href="/admin/simulations/runs">"Compare with other runs"</a>
            </div>
            <Present id=run.id.clone() audience/>
            <DownloadHint is_over/>
            <ul class="keep__files">
                {files.collect_view()}
                <li>
                    <SaveAsPng picture=format!("{address}/export.svg") name=format!("doorbuster-{}-curves.png", run.id)/>
                </li>
            </ul>
        </section>
    }
}

/// The link to the page for an audience, to open, copy or scan. If there are several addresses, one
/// of them is open.
#[component]
fn Present(id: String, audience: Audience) -> impl IntoView {
    let path = format!("/present/{id}");
    let warning = warning(&audience);
    let shares = match audience.origins.as_slice() {
        [only] => share(only, path.clone()).into_any(),
        several => several
            .iter()
            .enumerate()
            .map(|(index, origin)| {
                // The page shows the same code as this choice.
                let host = host_of(origin).unwrap_or_default();
                let path = format!("{path}?at={host}");
                view! {
                    <details class="keep__address" name="address" open={index == 0}>
                        <summary>{origin.clone()}</summary>
                        {share(origin, path)}
                    </details>
                }
            })
            .collect_view()
            .into_any(),
    };
    view! {
        <details class="keep__present">
            <summary>"Present"</summary>
            {warning}
            {shares}
            <p class="quiet">
                "Keys on that page: "<kbd>"F"</kbd>" full screen, "<kbd>"B"</kbd>" blank screen, "<kbd>"T"</kbd>" table instead of chart, "
                <kbd>"Q"</kbd>" QR code, "<kbd>"H"</kbd>" these keys."
            </p>
        </details>
    }
}

/// Shows the QR code and the link of `path` at `origin`.
fn share(origin: &str, path: String) -> impl IntoView + use<> {
    let address = format!("{origin}{path}");
    let code = qr_code(&address, format!("QR code of {address}"));
    view! {
        <div class="keep__share">
            {code}
            <div>
                <p>"Anyone with this link can watch the run, nothing else. No sign-in needed."</p>
                <p><a class="code-no" href=path data-testid="present-address">{address.clone()}</a></p>
                <CopyText text=address/>
            </div>
        </div>
    }
}

/// Says who cannot open the link, and what to do about it.
fn warning(audience: &Audience) -> Option<AnyView> {
    match audience.reach {
        Reach::Public => None,
        Reach::Network => Some(
            view! {
                <p class="notice notice--warn" role="note">
                    "The server’s own address leads to this machine only. Choose one that your audience can reach, in the same network."
                </p>
            }
            .into_any(),
        ),
        Reach::OwnMachine => {
            let port = audience.listens_on.port();
            let commands = audience.possible.iter().map(|origin| {
                let command = format!(
                    "DOORBUSTER_ADDR=0.0.0.0:{port} PUBLIC_URL={origin} ./makew start"
                );
                view! { <li><code>{command}</code></li> }
            });
            let commands = (!audience.possible.is_empty()).then(|| {
                view! {
                    <p>"To show the run to others, start the server with one of this machine’s addresses:"</p>
                    <ul>{commands.collect_view()}</ul>
                }
            });
            Some(
                view! {
                    <div class="notice notice--warn" role="note">
                        <p class="notice__title">{format!("Only this machine can open this link: the server listens on {}.", audience.listens_on)}</p>
                        {commands}
                    </div>
                }
                .into_any(),
            )
        }
    }
}
