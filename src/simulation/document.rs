//! Self-contained HTML documents: style, data and script are inline, and they load nothing. Each
//! document's content security policy makes the browser enforce this.

use base64::{Engine, engine::general_purpose::STANDARD};
use leptos::prelude::*;
use sha2::{Digest, Sha256};

use crate::model::StrategyKey;

const STYLE: &str = include_str!("document/document.css");

/// The head and frame of a document.
pub struct Document {
    pub title: String,
    pub heading: String,
    pub lead: String,
    /// Style rules in addition to those of all documents.
    pub style: &'static str,
    pub script: Option<Script>,
}

/// A script and its data.
pub struct Script {
    pub text: &'static str,
    /// JSON. It is stored in the element with the id `data`.
    pub data: String,
}

impl Document {
    /// Renders the whole file, with `body` in its `main` element.
    pub fn html(self, body: impl IntoView) -> String {
        let policy = self.policy();
        let script = self.script.map(|script| {
            // So that no text in the data can end the element.
            let data = script.data.replace('<', "\\u003c");
            view! {
                <script type="application/json" id="data">{data}</script>
                <script>{script.text}</script>
            }
        });
        let page = view! {
            <html lang="en">
                <head>
                    <meta charset="utf-8" />
                    <meta name="viewport" content="width=device-width, initial-scale=1" />
                    <meta http-equiv="Content-Security-Policy" content=policy />
                    <meta name="color-scheme" content="light dark" />
                    <title>{self.title}</title>
                    <style>{STYLE}</style>
                    <style>{StrategyKey::themed_line_rules()}</style>
                    <style>{self.style}</style>
                </head>
                <body>
                    <header>
                        <div class="bar">
                            <p class="brand">"Doorbuster"</p>
                            <h1>{self.heading}</h1>
                            <p class="lead">{self.lead}</p>
                        </div>
                    </header>
                    <main>{body}</main>
                    {script}
                </body>
            </html>
        };
        format!("<!DOCTYPE html>\n{}\n", page.to_html())
    }

    /// The content security policy: it allows inline styles and only the script with this hash.
    fn policy(&self) -> String {
        let mut policy = "default-src 'none'; style-src 'unsafe-inline'".to_owned();
        if let Some(script) = &self.script {
            let hash = STANDARD.encode(Sha256::digest(script.text));
            policy += &format!("; script-src 'sha256-{hash}'");
        }
        policy
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(script: Option<Script>) -> String {
        let document = Document {
            title: "</title><b>".to_owned(),
            heading: "Heading".to_owned(),
            lead: "<i>".to_owned(),
            style: "",
            script,
        };
        document.html(view! { <p>"a < b"</p> })
    }

    #[test]
    fn texts_are_escaped() {
        let html = document(None);
        assert!(html.contains("&lt;/title&gt;&lt;b&gt;"), "{html}");
        assert!(html.contains("&lt;i&gt;") && html.contains("a &lt; b"));
        assert!(!html.contains("script"), "{html}");
    }

    #[test]
    fn data_cannot_end_its_element_and_only_one_script_may_run() {
        let html = document(Some(Script {
            text: "1 < 2 && 3 > 2;",
            data: "\"</script><script>alert(1)</script>\"".to_owned(),
        }));
        assert_eq!(html.matches("</script>").count(), 2, "{html}");
        assert!(html.contains("<script>1 < 2 && 3 > 2;</script>"), "{html}");
        // printf '1 < 2 && 3 > 2;' | openssl dgst -sha256 -binary | base64
        let hash = "sha256-QcdjV06z+RRO7hFAqTMxPZcv332FxzG6V500Ez77+0s=";
        assert!(html.contains(hash), "{html}");
        assert_eq!(html.matches("script-src").count(), 1);
    }
}
