//! `GET /products/{slug}/sale.ics`: the opening of a product's sale as a calendar file
//! ([RFC 5545](https://www.rfc-editor.org/rfc/rfc5545)).

use axum::{
    extract::{Path, State, rejection::PathRejection},
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use time::macros::format_description;

use super::{AppState, addresses, json::problem::Problem};
use crate::{
    model::{Product, ShopError},
    shop::moment,
};

const CONTENT_TYPE: HeaderValue = HeaderValue::from_static("text/calendar; charset=utf-8");
const FILE: HeaderValue = HeaderValue::from_static("attachment; filename=\"sale.ics\"");
/// The maximum length of a line, without its line break.
const LINE_OCTETS_MAX: usize = 75;

/// See the module's documentation.
pub async fn sale_ics(
    State(state): State<AppState>,
    slug: Result<Path<String>, PathRejection>,
) -> Result<Response, Problem> {
    let Path(slug) = slug.map_err(|_| ShopError::UnknownProduct)?;
    let product = state.catalog.product_by_slug(&slug).await?;
    let calendar = calendar_of(&product, &state.public_url).ok_or(ShopError::UnknownPage)?;
    let headers = [
        (header::CONTENT_TYPE, CONTENT_TYPE),
        (header::CONTENT_DISPOSITION, FILE),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
    ];
    Ok((headers, calendar).into_response())
}

/// Returns the calendar file; `None` if the sale has no start.
fn calendar_of(product: &Product, public_url: &str) -> Option<String> {
    let start = format_time(product.plan.starts_at_ms?);
    let end = product.plan.ends_at_ms.map(format_time);
    let name = escape(&product.name);
    let host = public_url
        .split_once("://")
        .map_or(public_url, |(_, host)| host);
    let mut about = format!("Price: {}.", product.price);
    if let Some(limit) = product.per_customer_limit {
        about.push_str(&format!(" Limit: {limit} per customer."));
    }
    let address = format!("{public_url}{}", addresses::product(&product.slug));
    let mut lines = vec![
        "BEGIN:VCALENDAR".to_owned(),
        "VERSION:2.0".to_owned(),
        "PRODID:-//Doorbuster//Sale//EN".to_owned(),
        "METHOD:PUBLISH".to_owned(),
        "BEGIN:VEVENT".to_owned(),
        // The same for each version of the plan, so that a later file replaces the event.
        format!("UID:sale-{}@{host}", product.id),
        format!("DTSTAMP:{}", format_time(product.read_at_ms)),
        format!("DTSTART:{start}"),
    ];
    lines.extend(end.map(|end| format!("DTEND:{end}")));
    lines.extend([
        format!("SUMMARY:{name} opens"),
        format!("DESCRIPTION:{}", escape(&format!("{about} {address}"))),
        format!("URL:{address}"),
        "TRANSP:TRANSPARENT".to_owned(),
        "BEGIN:VALARM".to_owned(),
        "ACTION:DISPLAY".to_owned(),
        format!("DESCRIPTION:{name} opens in 5 minutes"),
        "TRIGGER:-PT5M".to_owned(),
        "END:VALARM".to_owned(),
        "END:VEVENT".to_owned(),
        "END:VCALENDAR".to_owned(),
    ]);
    Some(lines.iter().map(|line| fold(line)).collect())
}

/// Formats a time of the database's clock, as `20261212T121205Z`.
fn format_time(unix_ms: i64) -> String {
    moment::from_ms(unix_ms)
        .format(format_description!(
            "[year][month][day]T[hour][minute][second]Z"
        ))
        .unwrap_or_default()
}

/// Escapes a text value. Control characters are not allowed in one.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' | ';' | ',' => escaped.extend(['\\', c]),
            '\n' => escaped.push_str("\\n"),
            c if c.is_control() => {}
            c => escaped.push(c),
        }
    }
    escaped
}

/// Ends a line, and splits it into lines of at most [`LINE_OCTETS_MAX`] octets, never inside of a
/// character. A space marks each continuation.
fn fold(line: &str) -> String {
    let mut folded = String::with_capacity(line.len() + 2);
    let mut octets = 0;
    for c in line.chars() {
        if octets + c.len_utf8() > LINE_OCTETS_MAX {
            folded.push_str("\r\n ");
            octets = 1;
        }
        folded.push(c);
        octets += c.len_utf8();
    }
    folded.push_str("\r\n");
    folded
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Currency, Money, SalePlan};

    fn product(name: &str) -> Product {
        Product {
            id: 7,
            slug: "a b".to_owned(),
            name: name.to_owned(),
            description: String::new(),
            category: "Audio".to_owned(),
            artwork: String::new(),
            price: Money::new(129_900, Currency::EUR),
            compare_at: None,
            per_customer_limit: Some(2),
            plan: SalePlan {
                starts_at_ms: Some(1_797_077_525_250),
                ends_at_ms: Some(1_797_081_125_000),
            },
            available: 5,
            reserved: 0,
            sold: 0,
            total: 5,
            read_at_ms: 1_797_000_000_000,
            sell_out: None,
        }
    }

    #[test]
    fn the_file_has_the_opening_with_an_alarm() {
        let calendar = calendar_of(&product("Lamp, big; \\bright\\"), "https://shop.test");
        assert_eq!(
            calendar.as_deref(),
            Some(
                "BEGIN:VCALENDAR\r\n\
                 VERSION:2.0\r\n\
                 PRODID:-//Doorbuster//Sale//EN\r\n\
                 METHOD:PUBLISH\r\n\
                 BEGIN:VEVENT\r\n\
                 UID:sale-7@shop.test\r\n\
                 DTSTAMP:20261211T144000Z\r\n\
                 DTSTART:20261212T121205Z\r\n\
                 DTEND:20261212T131205Z\r\n\
                 SUMMARY:Lamp\\, big\\; \\\\bright\\\\ opens\r\n\
                 DESCRIPTION:Price: €1\\,299.00. Limit: 2 per customer. https://shop.test/p\r\n\
                 \x20roducts/a%20b\r\n\
                 URL:https://shop.test/products/a%20b\r\n\
                 TRANSP:TRANSPARENT\r\n\
                 BEGIN:VALARM\r\n\
                 ACTION:DISPLAY\r\n\
                 DESCRIPTION:Lamp\\, big\\; \\\\bright\\\\ opens in 5 minutes\r\n\
                 TRIGGER:-PT5M\r\n\
                 END:VALARM\r\n\
                 END:VEVENT\r\n\
                 END:VCALENDAR\r\n"
            )
        );
        let always_open = Product {
            plan: SalePlan::default(),
            ..product("Lamp")
        };
        assert_eq!(calendar_of(&always_open, "https://shop.test"), None);
    }

    #[test]
    fn no_name_can_add_a_line() {
        let name = format!("Lamp\r\nEND:VEVENT\n\u{7}\u{2028}{}", "字".repeat(200));
        let calendar = calendar_of(&product(&name), "https://shop.test").unwrap_or_default();
        assert_eq!(calendar.matches("\r\nEND:VEVENT").count(), 1);
        for line in calendar.split("\r\n") {
            assert!(line.len() <= LINE_OCTETS_MAX, "{line}");
            assert!(!line.contains(['\r', '\n', '\u{7}']), "{line:?}");
        }
        let unfolded = calendar.replace("\r\n ", "");
        assert!(unfolded.contains(&format!("{} opens\r\n", "字".repeat(200))));
    }
}
