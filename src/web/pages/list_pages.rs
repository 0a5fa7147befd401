//! The address of a list of products, and the links to its other pages.

use leptos::prelude::*;
use url::form_urlencoded;

use crate::model::product_query::{PageNumber, ProductSort};

/// Where a list is, without its order and its page.
#[derive(Clone, Debug)]
pub struct ListAddress {
    pub path: String,
    pub parameters: Vec<(&'static str, String)>,
}

impl ListAddress {
    /// Returns the address of a page of the list in an order. The shop's own order and the first
    /// page need no parameter, so that each page has one address.
    pub fn of(&self, sort: ProductSort, page: PageNumber) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        for (name, value) in &self.parameters {
            query.append_pair(name, value);
        }
        if sort != ProductSort::default() {
            query.append_pair("sort", sort.key());
        }
        if page != PageNumber::FIRST {
            query.append_pair("page", &page.get().to_string());
        }
        match query.finish().as_str() {
            "" => self.path.clone(),
            query => format!("{}?{query}", self.path),
        }
    }
}

/// Links to the pages before and after, around `Page 2 of 7`; nothing if there is one page.
#[component]
pub fn PageNav(
    address: ListAddress,
    sort: ProductSort,
    page: PageNumber,
    last: PageNumber,
) -> impl IntoView {
    let link = |to: Option<PageNumber>, rel: &'static str, text: &'static str| {
        to.map(|to| {
            let href = address.of(sort, to);
            view! { <li><a class="btn btn--line" href=href rel=rel>{text}</a></li> }
        })
    };
    let previous = link(page.previous(), "prev", "Previous page");
    let next = link(page.next(last), "next", "Next page");
    let place = format!("Page {} of {}", page.get(), last.get());
    (last > PageNumber::FIRST).then(|| {
        view! {
            <nav class="pages" aria-label="Pages">
                <ul>
                    {previous}
                    <li aria-current="page">{place}</li>
                    {next}
                </ul>
            </nav>
        }
    })
}

/// Shown instead of a page after the last one: the list has become shorter, or the address was
/// changed by hand.
#[component]
pub fn PageMissing(
    address: ListAddress,
    sort: ProductSort,
    page: PageNumber,
    last: PageNumber,
) -> impl IntoView {
    let (pages, text) = match last.get() {
        1 => ("1 page".to_owned(), "Show the list".to_owned()),
        last => (format!("{last} pages"), format!("Show page {last}")),
    };
    let sentence = format!("Page {} does not exist: the list has {pages}.", page.get());
    view! {
        <div class="panel">
            <h2 class="panel__title">"Page not found"</h2>
            <p>{sentence}</p>
            <p class="panel__go"><a class="btn btn--line" href=address.of(sort, last)>{text}</a></p>
        </div>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(text: &str) -> PageNumber {
        PageNumber::parse(text).expect("a number")
    }

    #[test]
    fn order_and_page_are_parameters_of_the_list() {
        let search = ListAddress {
            path: "/search".to_owned(),
            parameters: vec![("q", "50% “off” & more".to_owned())],
        };
        assert_eq!(
            search.of(ProductSort::PriceUp, page("3")),
            "/search?q=50%25+%E2%80%9Coff%E2%80%9D+%26+more&sort=price-up&page=3"
        );
        let category = ListAddress {
            path: "/categories/audio".to_owned(),
            parameters: Vec::new(),
        };
        for (sort, number, expected) in [
            (ProductSort::Featured, "1", "/categories/audio"),
            (ProductSort::Featured, "2", "/categories/audio?page=2"),
            (ProductSort::Name, "1", "/categories/audio?sort=name"),
            (ProductSort::Name, "2", "/categories/audio?sort=name&page=2"),
        ] {
            assert_eq!(category.of(sort, page(number)), expected);
        }
    }
}
