//! Converts an SVG picture to a PNG file, which the browser saves. Only the browser has the fonts
//! for it.

use leptos::prelude::*;

/// Scale factor: the picture's own size is too coarse for a projector.
#[cfg(feature = "hydrate")]
const SCALE: u32 = 2;

/// Shows the button with its note; hidden without JavaScript.
#[island]
pub fn SaveAsPng(
    /// The address of an SVG with a defined size.
    picture: String,
    /// The name of the PNG file.
    name: String,
) -> impl IntoView {
    let is_hydrated = RwSignal::new(false);
    let failure = RwSignal::new(None::<&'static str>);
    #[cfg(feature = "hydrate")]
    Effect::new(move |_| is_hydrated.set(true));
    let save = move |_| {
        #[cfg(feature = "hydrate")]
        draw(&picture, name.clone(), failure);
        #[cfg(not(feature = "hydrate"))]
        let _ = (&picture, &name);
    };
    view! {
        <span class="keep__file" hidden=move || !is_hydrated.get()>
            <button class="btn btn--line" type="button" on:click=save>"Picture (PNG)"</button>
            <span class="quiet" role="status">{move || failure.get().unwrap_or("The same picture, for slides.")}</span>
        </span>
    }
}

#[cfg(feature = "hydrate")]
fn draw(picture: &str, name: String, failure: RwSignal<Option<&'static str>>) {
    use wasm_bindgen::{JsCast, closure::Closure};
    const FAILED: &str = "The PNG could not be created. Download the SVG instead.";
    failure.set(None);
    let Ok(image) = web_sys::HtmlImageElement::new() else {
        failure.set(Some(FAILED));
        return;
    };
    let drawn = image.clone();
    let on_load = Closure::once_into_js(move || {
        if rasterise(&drawn, name).is_err() {
            failure.set(Some(FAILED));
        }
    });
    let on_error = Closure::once_into_js(move || failure.set(Some(FAILED)));
    image.set_onload(Some(on_load.unchecked_ref()));
    image.set_onerror(Some(on_error.unchecked_ref()));
    image.set_src(picture);
}

#[cfg(feature = "hydrate")]
fn rasterise(image: &web_sys::HtmlImageElement, name: String) -> Result<(), wasm_bindgen::JsValue> {
    use wasm_bindgen::{JsCast, JsValue, closure::Closure};
    let (width, height) = (
        image.natural_width() * SCALE,
        image.natural_height() * SCALE,
    );
    let canvas: web_sys::HtmlCanvasElement = document().create_element("canvas")?.unchecked_into();
    canvas.set_width(width);
    canvas.set_height(height);
    let context = canvas.get_context("2d")?.ok_or(JsValue::NULL)?;
    let context: web_sys::CanvasRenderingContext2d = context.unchecked_into();
    context.draw_image_with_html_image_element_and_dw_and_dh(
        image,
        0.0,
        0.0,
        width.into(),
        height.into(),
    )?;
    let on_blob = Closure::once_into_js(move |blob: Option<web_sys::Blob>| {
        // The browser passes no blob if it lacks memory; then nothing is saved.
        if let Some(blob) = blob {
            let _ = save(&blob, &name);
        }
    });
    canvas.to_blob(on_blob.unchecked_ref())
}

#[cfg(feature = "hydrate")]
fn save(blob: &web_sys::Blob, name: &str) -> Result<(), wasm_bindgen::JsValue> {
    use wasm_bindgen::JsCast;
    let address = web_sys::Url::create_object_url_with_blob(blob)?;
    let link: web_sys::HtmlAnchorElement = document().create_element("a")?.unchecked_into();
    link.set_href(&address);
    link.set_download(name);
    link.click();
    web_sys::Url::revoke_object_url(&address)
}
