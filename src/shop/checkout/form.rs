//! What a shopper typed into the checkout's form: understood as people write it, and checked.

use crate::{
    model::{
        Contact, FieldError, PaymentCard, ShopError,
        card_expiry::parse_card_expiry,
        country::{self, Country, PostalCode},
        text::{ascii_digits, clean, clean_token},
    },
    shop::email_address::is_email_address,
};

/// Maximum length of an e-mail address, in characters (RFC 5321).
const EMAIL_LEN_MAX: usize = 254;

/// Checks the format of a card, however it is typed. The provider checks the rest.
///
/// # Errors
/// [`ShopError::FieldsInvalid`].
pub fn check_card(typed: &PaymentCard) -> Result<PaymentCard, ShopError> {
    let without_separators = |text: &str| -> String {
        let text = clean_token(&ascii_digits(text));
        text.chars()
            .filter(|c| !matches!(c, '-' | '–' | '—' | '.' | '/' | '_'))
            .collect()
    };
    let expiry = parse_card_expiry(&typed.expiry);
    let card = PaymentCard {
        number: without_separators(&typed.number),
        expiry: expiry.clone().unwrap_or_default(),
        cvc: clean_token(&ascii_digits(&typed.cvc)),
    };
    let digits = |text: &str, lengths: std::ops::RangeInclusive<usize>| {
        lengths.contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit())
    };
    let mut errors = Vec::new();
    let mut add_error = |field, message| errors.push(FieldError::new(field, message));
    if !digits(&card.number, 12..=19) {
        add_error("card_number", "Enter the 12 to 19 digits of the card.");
    }
    if expiry.is_none() {
        add_error("card_expiry", "Enter month and year, as in 12/30.");
    }
    if !digits(&card.cvc, 3..=4) {
        add_error("card_cvc", "Enter the 3 or 4 digits.");
    }
    if errors.is_empty() {
        Ok(card)
    } else {
        Err(ShopError::FieldsInvalid(errors))
    }
}

/// Combines the results of two form checks: returns both values, or the field errors of both.
///
/// # Errors
/// [`ShopError::FieldsInvalid`].
pub fn combine_checks<A, B>(
    a: Result<A, ShopError>,
    b: Result<B, ShopError>,
) -> Result<(A, B), ShopError> {
    match (a, b) {
        (Ok(a), Ok(b)) => Ok((a, b)),
        (Err(ShopError::FieldsInvalid(mut errors)), Err(ShopError::FieldsInvalid(more))) => {
            errors.extend(more);
            Err(ShopError::FieldsInvalid(errors))
        }
        (Err(error), _) | (_, Err(error)) => Err(error),
    }
}

/// Cleans and checks the contact fields. The country becomes its code; a country without postal
/// codes has none.
///
/// # Errors
/// [`ShopError::FieldsInvalid`], with one message per field.
pub fn check_contact(typed: &Contact) -> Result<Contact, ShopError> {
    let mut contact = Contact {
        email: clean_token(&typed.email),
        postal_code: clean(&ascii_digits(&typed.postal_code)),
        ..typed.map(clean)
    };
    let country = country::find(&contact.country);
    if let Some(country) = country {
        country.code.clone_into(&mut contact.country);
        if country.postal_code == PostalCode::Absent {
            contact.postal_code.clear();
        }
    }
    let checks = [
        ("name", text_error(&contact.name, 200)),
        ("email", email_error(&contact.email)),
        ("street", text_error(&contact.street, 160)),
        (
            "postal_code",
            postal_code_error(&contact.postal_code, country),
        ),
        ("city", city_error(&contact.city, country)),
        ("country", country_error(&contact.country, country)),
    ];
    let errors: Vec<_> = checks
        .into_iter()
        .filter_map(|(field, message)| Some(FieldError::new(field, message?)))
        .collect();
    if errors.is_empty() {
        Ok(contact)
    } else {
        Err(ShopError::FieldsInvalid(errors))
    }
}

fn country_error(typed: &str, country: Option<&Country>) -> Option<String> {
    match country {
        Some(_) => None,
        None if typed.is_empty() => Some("Choose a country.".to_owned()),
        None => Some("Choose a country from the list.".to_owned()),
    }
}

fn postal_code_error(value: &str, country: Option<&Country>) -> Option<String> {
    let may_be_empty = country.is_some_and(|country| country.postal_code != PostalCode::Required);
    if value.is_empty() && may_be_empty {
        return None;
    }
    text_error(value, 20).or_else(|| {
        let country = country.filter(|country| !country.accepts_postal_code(value))?;
        let (name, example) = (country.name, country.postal_example);
        Some(format!(
            "This is not a postal code of {name}. One looks like {example}."
        ))
    })
}

fn city_error(value: &str, country: Option<&Country>) -> Option<String> {
    let may_be_empty = country.is_some_and(|country| !country.has_city);
    if value.is_empty() && may_be_empty {
        return None;
    }
    text_error(value, 80)
}

/// Returns what is wrong with the text of a required field, if anything is.
fn text_error(value: &str, length_max: usize) -> Option<String> {
    let length = value.chars().count();
    if length == 0 {
        Some("Fill this in.".to_owned())
    } else if length > length_max {
        Some(format!("At most {length_max} characters."))
    } else {
        None
    }
}

fn email_error(value: &str) -> Option<String> {
    if value.is_empty() {
        return text_error(value, EMAIL_LEN_MAX);
    }
    let is_valid = text_error(value, EMAIL_LEN_MAX).is_none() && is_email_address(value);
    (!is_valid).then(|| "Enter an e-mail address, as in name@example.com.".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_invalid_field_has_one_error() {
        let error = check_contact(&Contact {
            name: "  ".to_owned(),
            email: "no-at-sign".to_owned(),
            city: "x".repeat(81),
            ..Contact::default()
        })
        .err();
        let about = |field| error.as_ref().and_then(|error| error.field_message(field));
        assert_eq!(about("name"), Some("Fill this in."));
        assert_eq!(
            about("email"),
            Some("Enter an e-mail address, as in name@example.com.")
        );
        assert_eq!(about("city"), Some("At most 80 characters."));
        assert_eq!(about("street"), Some("Fill this in."));
    }

    #[test]
    fn errors_are_in_the_order_of_the_form() {
        let Err(ShopError::FieldsInvalid(errors)) = check_contact(&Contact::default()) else {
            panic!("an empty form has errors");
        };
        let errors: Vec<_> = errors
            .iter()
            .map(|error| (error.field.as_str(), error.message.as_str()))
            .collect();
        let fields = ["name", "email", "street", "postal_code", "city", "country"];
        let messages = fields.map(|field| match field {
            "country" => (field, "Choose a country."),
            _ => (field, "Fill this in."),
        });
        assert_eq!(errors, messages);
    }

    fn ann() -> Contact {
        Contact {
            name: "Ann Buyer".to_owned(),
            email: "ann@example.com".to_owned(),
            street: "1 Test Street".to_owned(),
            postal_code: "12345".to_owned(),
            city: "Testford".to_owned(),
            country: "DE".to_owned(),
        }
    }

    #[test]
    fn invisible_characters_do_not_count() {
        let typed = ann().map(|field| format!("\u{200b}{field}\u{feff}\u{7}"));
        assert_eq!(check_contact(&typed), Ok(ann()));
        let nameless = Contact {
            name: "\u{200b}\u{a0}\u{2060}".to_owned(),
            ..ann()
        };
        let error = check_contact(&nameless).err();
        let about = error.as_ref().and_then(|error| error.field_message("name"));
        assert_eq!(about, Some("Fill this in."));
    }

    #[test]
    fn a_name_may_have_200_characters_of_any_script() {
        for letter in ["a", "ם", "ن", "山", "ж", "न", "😀"] {
            let contact = |length| Contact {
                name: letter.repeat(length),
                ..ann()
            };
            assert_eq!(check_contact(&contact(200)), Ok(contact(200)), "{letter}");
            assert!(check_contact(&contact(201)).is_err(), "{letter}");
        }
    }

    #[test]
    fn the_country_says_whether_there_is_a_postal_code() {
        let with = |country: &str, postal_code: &str| {
            check_contact(&Contact {
                country: country.to_owned(),
                postal_code: postal_code.to_owned(),
                ..ann()
            })
        };
        let stored = with("Hong Kong", "999077").expect("Hong Kong has none");
        assert_eq!(
            (stored.country.as_str(), stored.postal_code.as_str()),
            ("HK", "")
        );
        with("HK", "").expect("none is needed");
        with("IE", "").expect("it is optional");
        with("GB", "sw1y 4jh").expect("it is one");
        let stored = with("DE", "١٢٣٤٥").expect("its digits are Arabic");
        assert_eq!(stored.postal_code, "12345");
        let message = |country, postal_code, field| {
            let error = with(country, postal_code).err()?;
            error.field_message(field).map(ToOwned::to_owned)
        };
        let wrong = message("DE", "1234", "postal_code");
        assert_eq!(
            wrong.as_deref(),
            Some("This is not a postal code of Germany. One looks like 26133.")
        );
        let missing = message("DE", "", "postal_code");
        assert_eq!(missing.as_deref(), Some("Fill this in."));
        let unknown = message("Testland", "12345", "country");
        assert_eq!(unknown.as_deref(), Some("Choose a country from the list."));
    }

    #[test]
    fn a_card_is_understood_however_it_is_typed() {
        let typed = |number: &str, expiry: &str, cvc: &str| {
            check_card(&PaymentCard {
                number: number.to_owned(),
                expiry: expiry.to_owned(),
                cvc: cvc.to_owned(),
            })
            .map(|card| (card.number, card.expiry, card.cvc))
        };
        for number in [
            "4242 4242 4242 4242",
            "4242-4242-4242-4242",
            " 4242\u{a0}4242\u{2009}42424242\u{200b}",
            "4242–4242–4242–4242",
            "４２４２４２４２４２４２４２４２",
            "٤٢٤٢ ٤٢٤٢ ٤٢٤٢ ٤٢٤٢",
            "۴۲۴۲-۴۲۴۲-۴۲۴۲-۴۲۴۲",
            "४२४२४२४२४२४२४२४२",
        ] {
            let meant = ("4242424242424242", "12/30", "123");
            let meant = (meant.0.to_owned(), meant.1.to_owned(), meant.2.to_owned());
            assert_eq!(typed(number, "12 / 2030", " 123 "), Ok(meant), "{number}");
        }
        let card = typed("4242424242424242", "١٢/٣٠", "١٢٣").expect("its digits are Arabic");
        assert_eq!((card.1.as_str(), card.2.as_str()), ("12/30", "123"));
        let Err(ShopError::FieldsInvalid(errors)) = typed("4242x", "13/30", "12") else {
            panic!("nothing of it is right");
        };
        let fields: Vec<_> = errors.iter().map(|error| error.field.as_str()).collect();
        assert_eq!(fields, ["card_number", "card_expiry", "card_cvc"]);
    }
}
