//! A QR code, drawn on the server: dark on light in any palette, as cameras want it.

use std::fmt::Write;

use leptos::prelude::*;
use qrcode::{Color, EcLevel, QrCode};

/// Light modules around the code, which the standard asks for.
const QUIET: usize = 4;

/// The code for `text`, with `label` for those who do not see it; nothing if the text is too long for any code.
pub fn qr_code(text: &str, label: String) -> Option<impl IntoView + use<>> {
    let code = QrCode::with_error_correction_level(text, EcLevel::M).ok()?;
    let width = code.width();
    let modules = code.to_colors();
    let mut path = String::new();
    for (y, row) in modules.chunks(width).enumerate() {
        for (x, _) in row
            .iter()
            .enumerate()
            .filter(|(_, colour)| **colour == Color::Dark)
        {
            // Writing to a String cannot fail.
            let _ = write!(path, "M{} {}h1v1h-1z", x + QUIET, y + QUIET);
        }
    }
    let size = width + 2 * QUIET;
    Some(view! {
        <svg class="qr" viewBox=format!("0 0 {size} {size}") role="img" aria-label=label shape-rendering="crispEdges">
            <rect class="qr__light" width=size height=size></rect>
            <path class="qr__dark" d=path></path>
        </svg>
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_a_code_and_a_novel_has_none() {
        let html =
            qr_code("https://shop.test/present/1", "Scan".to_owned()).map(|code| code.to_html());
        let html = html.unwrap_or_default();
        assert!(html.contains("M4 4h1v1h-1z"), "a corner is dark: {html}");
        assert!(!html.contains("style="), "{html}");
        assert!(qr_code(&"x".repeat(5_000), String::new()).is_none());
    }
}
