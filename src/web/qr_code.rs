//! A QR code, rendered on the server. It is dark on light in every palette, as cameras need it.

use std::fmt::Write;

use leptos::prelude::*;
use qrcode::{Color, EcLevel, QrCode};

/// Width of the quiet zone that the standard requires around a code, in modules.
const QUIET_ZONE: usize = 4;

/// Renders `text` as a QR code with the accessible name `label`, or `None` if it is too long.
pub fn qr_code(text: &str, label: String) -> Option<impl IntoView + use<>> {
    let code = QrCode::with_error_correction_level(text, EcLevel::M).ok()?;
    let width = code.width();
    let modules = code.to_colors();
    let mut path = String::new();
    for (y, row) in modules.chunks(width).enumerate() {
        let mut x = 0;
        // Neighbouring modules of one colour are one rectangle.
        for run in row.chunk_by(|one, next| one == next) {
            if run[0] == Color::Dark {
                let (left, top, length) = (x + QUIET_ZONE, y + QUIET_ZONE, run.len());
                // Writing to a String cannot fail.
                let _ = write!(path, "M{left} {top}h{length}v1h-{length}z");
            }
            x += run.len();
        }
    }
    let size = width + 2 * QUIET_ZONE;
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
    fn a_url_has_a_code_and_a_text_that_is_too_long_has_none() {
        let html =
            qr_code("https://shop.test/present/1", "Scan".to_owned()).map(|code| code.to_html());
        let html = html.unwrap_or_default();
        assert!(html.contains("M4 4h7v1h-7z"), "a corner is dark: {html}");
        assert!(!html.contains("style="), "{html}");
        assert!(qr_code(&"x".repeat(5_000), String::new()).is_none());
    }
}
