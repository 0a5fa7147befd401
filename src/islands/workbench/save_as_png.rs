//! Draws a picture of ours into a PNG, which the browser then saves. Only a browser has the fonts for it.

use leptos::prelude::*;

/// The picture's own size is too coarse for a projector.
#[cfg(feature = "hydrate")]
const SCALE: u32 = 2;

/// The button and what is said of it; hidden without JavaScript.
#[island]
pub fn SaveAsPng(
    /// The address of an SVG that has a size.
    picture: String,
    /// The file's name.
    name: String,
) -> impl IntoView {
    let is_awake = RwSignal::new(false);
    let failure = RwSignal::new(None::<&'static str>);
    #[cfg(feature = "hydrate")]
    Effect::new(move |_| is_awake.set(true));
    let save = move |_| {
        #[cfg(feature = "hydrate")]
        draw(&picture, name.clone(), failure);
        #[cfg(not(feature = "hydrate"))]
        let _ = (&picture, &name);
    };
    view! {
        <span class="keep__file" hidden=move || !is_awake.get()>
            <button class="btn btn--line" type="button" on:click=save>"Picture (PNG)"</button>
            <span class="quiet" role="status">{move || failure.get().unwrap_or("The same, for slides.")}</span>
        </span>
    }
}

#[cfg(feature = "hydrate")]
fn draw(picture: &str, name: String, failure: RwSignal<Option<&'static str>>) {
    use wasm_bindgen::{JsCast, closure::Closure};
    const REFUSED: &str = "The picture could not be drawn. Take the SVG instead.";
    failure.set(None);
    let Ok(image) = web_sys::HtmlImageElement::new() else {
        failure.set(Some(REFUSED));
        return;
    };
    let drawn = image.clone();
    let on_load = Closure::once_into_js(move || {
        if rasterise(&drawn, name).is_err() {
            failure.set(Some(REFUSED));
        }
    });
    let on_error = Closure::once_into_js(move || failure.set(Some(REFUSED)));
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
    let hand_out = Closure::once_into_js(move |blob: Option<web_sys::Blob>| {
        // Without a blob there was no memory for one, and nothing is saved.
        if let Some(blob) = blob {
            let _ = save(&blob, &name);
        }
    });
    canvas.to_blob(hand_out.unchecked_ref())
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
