//! Pages, one file each, rendered on the server only. A page loads its data once and passes it to a
//! pure view.

pub mod admin;
mod api_docs;
mod cart;
mod catalog;
mod category_nav;
mod chart_assets;
mod checkout;
mod cookies;
pub mod document_head;
mod error_view;
mod find_order;
mod form_error;
mod form_key;
mod frame;
mod home;
mod list_pages;
mod not_found;
mod order;
mod page_head;
mod present;
mod price_notice;
mod problem_types;
mod product;
mod product_card;
mod product_metadata;
mod query;
mod refill;
mod refresh_time;

pub use api_docs::ApiDocsPage;
pub use cart::CartPage;
pub use catalog::{CategoryPage, SearchPage};
pub use checkout::CheckoutPage;
pub use cookies::CookiesPage;
pub use find_order::FindOrderPage;
pub use home::HomePage;
pub use not_found::NotFoundPage;
pub use order::OrderPage;
pub use present::PresentPage;
pub use problem_types::ProblemTypesPage;
pub use product::ProductPage;
