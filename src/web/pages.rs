//! Pages, one file each, rendered on the server only. A page loads its data once and passes it to a
//! pure view.

pub mod admin;
mod cart;
mod catalog;
mod chart_assets;
mod checkout;
mod cookies;
mod error_view;
mod find_order;
mod form_error;
mod form_key;
mod frame;
mod not_found;
mod order;
mod page_head;
mod present;
mod price_notice;
mod product;
mod refill;

pub use cart::CartPage;
pub use catalog::CatalogPage;
pub use checkout::CheckoutPage;
pub use cookies::CookiesPage;
pub use find_order::FindOrderPage;
pub use not_found::NotFoundPage;
pub use order::OrderPage;
pub use present::PresentPage;
pub use product::ProductPage;
