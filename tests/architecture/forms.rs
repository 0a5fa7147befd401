//! Each form that a page posts names its page: without that, an error has no page to return to if
//! the browser sends no `Referer`.

use crate::source::{self, Source, Strings};

/// The components that name the page of a form.
const NAMES_PAGE: [&str; 2] = ["<FormKey", "<FormPage"];

/// Returns the forms of a page that are posted without naming the page.
fn unnamed(source: &Source) -> Vec<String> {
    let code = source.code(Strings::Kept);
    let forms = code.split("<form").skip(1);
    forms
        .filter_map(|rest| rest.split("</form>").next())
        .filter(|form| form.contains("method=\"post\""))
        .filter(|form| !NAMES_PAGE.iter().any(|name| form.contains(name)))
        .map(|form| {
            let begin: String = form.chars().take(80).collect();
            format!("{}: <form{begin}", source.path)
        })
        .collect()
}

#[test]
fn every_form_of_a_page_names_the_page() {
    let found: Vec<_> = source::all()
        .iter()
        .filter(|source| source.path.starts_with("src/web/pages/"))
        .flat_map(unnamed)
        .collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn a_form_without_its_page_is_found() {
    for (form, expected) in [
        ("<form method=\"post\"><FormKey/></form>", 0),
        ("<form method=\"post\"><FormPage/></form>", 0),
        ("<form method=\"get\"></form>", 0),
        ("<form method=\"post\"></form> <FormKey/>", 1),
        ("<form method=\"post\"> // <FormKey/>\n</form>", 1),
    ] {
        let page = Source::new("src/web/pages/x.rs", form);
        assert_eq!(unnamed(&page).len(), expected, "{form}");
    }
}
