//! The frame of every page (header, footer and scripts), and the error page that replaces a page
//! that cannot be shown.

use axum::http::request::Parts;
use leptos::prelude::*;

use super::{
    document_head::{DocumentHead, HeadSlot, Metadata},
    error_view::ErrorView,
};
use crate::{
    model::{ShopError, product_query::TEXT_CHARS_MAX},
    web::{assets, retry_page::Retry, session::Visit},
};

/// The script bundle that a page's islands need.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bundle {
    /// None: the page has no islands.
    None,
    /// `pkg/shop.js`
    Shop,
    /// `pkg/workbench.js`
    Workbench,
}

impl Bundle {
    const fn name(self) -> Option<&'static str> {
        match self {
            Self::None => None,
            Self::Shop => Some("shop"),
            Self::Workbench => Some("workbench"),
        }
    }
}

/// A loaded page.
pub struct Page {
    pub title: String,
    pub bundle: Bundle,
    /// What the page says about itself; `None` if search engines must not index it.
    pub metadata: Option<Metadata>,
    /// A browser that runs no scripts loads the page again after so many seconds.
    pub refresh_after_s: Option<u64>,
    /// The text in the header's search field.
    pub searched: String,
    /// True if it has the shop's header and footer.
    pub has_frame: bool,
    /// True if the frame is wide enough for several columns.
    pub is_wide: bool,
    /// True if the header shows the number of units in the visitor's cart.
    pub counts_cart: bool,
    pub body: AnyView,
}

impl Page {
    /// Creates a public page, which search engines may index: [`is_public`] knows its address.
    ///
    /// [`is_public`]: crate::web::search_engines::is_public
    pub fn public(title: impl Into<String>, bundle: Bundle, body: impl IntoView + 'static) -> Self {
        Self {
            title: title.into(),
            bundle,
            metadata: Some(Metadata::default()),
            refresh_after_s: None,
            searched: String::new(),
            has_frame: true,
            is_wide: false,
            counts_cart: true,
            body: body.into_any(),
        }
    }

    /// Creates a page that search engines must not index.
    pub fn private(
        title: impl Into<String>,
        bundle: Bundle,
        body: impl IntoView + 'static,
    ) -> Self {
        Self {
            metadata: None,
            ..Self::public(title, bundle, body)
        }
    }

    /// Creates a page for a projector, without header and footer.
    pub fn bare(title: impl Into<String>, bundle: Bundle, body: impl IntoView + 'static) -> Self {
        Self {
            has_frame: false,
            ..Self::private(title, bundle, body)
        }
    }

    /// Describes a public page.
    #[must_use]
    pub fn with_metadata(self, metadata: Metadata) -> Self {
        Self {
            metadata: Some(metadata),
            ..self
        }
    }

    /// Lets a browser that runs no scripts load the page again after `seconds`.
    #[must_use]
    pub fn refreshed_after(self, seconds: u64) -> Self {
        Self {
            refresh_after_s: Some(seconds),
            ..self
        }
    }

    /// Shows `text` in the header's search field.
    #[must_use]
    pub fn with_searched(self, text: impl Into<String>) -> Self {
        Self {
            searched: text.into(),
            ..self
        }
    }

    /// Leaves the number of units in the cart out: the page needs neither session nor database.
    #[must_use]
    pub fn independent(self) -> Self {
        Self {
            counts_cart: false,
            ..self
        }
    }

    /// Makes the frame wide.
    #[must_use]
    pub fn wide(self) -> Self {
        Self {
            is_wide: true,
            ..self
        }
    }
}

/// Loads a page and shows it, or shows the error view with the error's status.
pub fn framed<F, Fut>(load: F) -> AnyView
where
    F: FnOnce(Visit) -> Fut,
    Fut: Future<Output = Result<Page, ShopError>> + Send + 'static,
{
    // Without a request, the router is only listing its routes.
    let (Ok(visit), Some(head)) = (Visit::current(), use_context::<HeadSlot>()) else {
        return ().into_any();
    };
    let retry = use_context::<Parts>().map(|parts| Retry::of(&parts.uri));
    let page = load(visit.clone());
    Suspend::new(async move {
        let loaded = page.await;
        let is_reachable = !matches!(&loaded, Err(error) if error.status() == 503);
        let page = loaded.unwrap_or_else(|error| {
            visit.set_status(&error);
            Page::private(
                error_title(&error),
                Bundle::None,
                view! { <ErrorView error retry/> },
            )
        });
        // If the database is unavailable, do not query it again: the visitor has waited enough.
        let cart_units = if is_reachable && page.has_frame && page.counts_cart {
            cart_units(&visit).await
        } else {
            0
        };
        let path = visit.path().to_owned();
        head.set(DocumentHead {
            title: page.title.clone(),
            metadata: page.metadata.clone(),
            path: path.clone(),
            public_url: visit.public_url().to_owned(),
            refresh_after_s: page.refresh_after_s,
        });
        if page.has_frame {
            view! { <Frame page path cart_units/> }.into_any()
        } else {
            view! { <Bare page/> }.into_any()
        }
    })
    .into_any()
}

/// Returns the number for the cart badge; 0 on an error, which is not worth an error page.
async fn cart_units(visit: &Visit) -> u32 {
    let Ok(cart_id) = visit.cart_id().await else {
        return 0;
    };
    visit.shop().carts().unit_count(cart_id).await.unwrap_or(0)
}

fn error_title(error: &ShopError) -> &'static str {
    match error.status() {
        404 => "Not found",
        503 => "Please try again",
        _ => "Something went wrong",
    }
}

#[component]
fn Frame(page: Page, path: String, cart_units: u32) -> impl IntoView {
    let current = |href: &str| (path == href).then_some("page");
    let count_class = if cart_units == 0 {
        "cart-count cart-count--none"
    } else {
        "cart-count"
    };
    view! {
        <a class="skip" href="#main">"Skip to content"</a>
        <header class="site-header" class=("site-header--wide", page.is_wide)>
            <div class="site-header__bar">
                <a class="brand" href="/">
                    <img class="brand__mark" src=assets::href("logo.svg") alt="" width="44" height="36"/>
                    <span class="brand__name">"Doorbuster"</span>
                </a>
                <SearchForm text=page.searched/>
                <nav class="site-nav" aria-label="Main">
                    <ul>
                        <li><a href="/" aria-current=current("/")>"Shop"</a></li>
                        <li>
                            <a href="/cart" aria-current=current("/cart")>
                                "Cart "
                                <span class=count_class>
                                    <span class="num">{cart_units}</span><span class="vh">" items"</span>
                                </span>
                            </a>
                        </li>
                    </ul>
                </nav>
            </div>
        </header>
        {page.body}
        <footer class="site-footer" class=("site-footer--wide", page.is_wide)>
            <div class="site-footer__in">
                <p>"One ticket per unit. When the roll ends, the sale ends."</p>
                <nav aria-label="Footer">
                    <ul>
                        <li><a href="/orders/find">"Find your order"</a></li>
                        <li><a href="/api/docs">"API"</a></li>
                        <li><a href="/admin/simulations">"Workbench"</a></li>
                        <li><a href="/admin">"Admin"</a></li>
                    </ul>
                </nav>
            </div>
        </footer>
        <PageScripts bundle=page.bundle/>
        <BootScript bundle=page.bundle/>
    }
}

#[component]
fn SearchForm(text: String) -> impl IntoView {
    view! {
        <form class="site-search" role="search" aria-label="Products" action="/search" method="get">
            <label class="vh" for="search">"Search products"</label>
            <input
                class="site-search__text"
                id="search"
                name="q"
                type="search"
                maxlength=TEXT_CHARS_MAX
                placeholder="Products"
                autocomplete="off"
                enterkeyhint="search"
                dir="auto"
                value=text
            />
            <button class="site-search__go" type="submit">"Search"</button>
        </form>
    }
}

#[component]
fn Bare(page: Page) -> impl IntoView {
    view! {
        {page.body}
        <BootScript bundle=page.bundle/>
    }
}

/// Loads the script of the buttons beside quantities, in the shop.
#[component]
fn PageScripts(bundle: Bundle) -> impl IntoView {
    (bundle == Bundle::Shop)
        .then(|| view! { <script defer src=assets::href("quantities.js")></script> })
}

/// Loads the page's islands, if it has any and this binary contains their bundle.
#[component]
fn BootScript(bundle: Bundle) -> impl IntoView {
    let (module, wasm) = assets::bundle(bundle.name()?)?;
    Some(view! {
        <script defer src=assets::href("streams.js")></script>
        <script
            defer
            src=assets::href("boot.js")
            data-module=assets::href(&module)
            data-wasm=assets::href(&wasm)
        ></script>
    })
}
