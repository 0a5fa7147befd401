//! E-mail addresses: their syntax, which spellings are one mailbox, and which are one customer.
//!
//! Two comparisons, and they must not be mixed up:
//! - [`normalize_email`]: the same address, however it was typed. Only this one may decide what a
//!   visitor sees.
//! - [`fold_email`]: the same customer, for limits. Two people may share a folded address, so it
//!   never shows anything.

use std::net::IpAddr;

use crate::model::text::clean_token;

/// Maximum length of the part before the `@`, in bytes (RFC 5321).
const USER_LEN_MAX: usize = 64;
/// Maximum length of the part after the `@`, in bytes (RFC 5321).
const DOMAIN_LEN_MAX: usize = 255;
/// Maximum length of a part of the domain, in bytes (RFC 1034).
const LABEL_LEN_MAX: usize = 63;

/// Maximum length of an address with the ASCII form of its domain, in bytes: its column's.
const ADDRESS_LEN_MAX: usize = 254;
/// The domains of Gmail, which ignores dots in front of the `@`. The first one is the folded one.
const GMAIL: [&str; 2] = ["gmail.com", "googlemail.com"];

/// Returns the address in the spelling by which two of them are compared: lower case, without
/// spaces and invisible characters, the domain in its ASCII form and without a dot at its end.
/// Nothing else is changed, so different mailboxes stay different.
pub fn normalize_email(email: &str) -> String {
    let email = clean_token(email);
    match email.rsplit_once('@') {
        Some((user, domain)) => {
            let domain = ascii_domain(domain.trim_end_matches('.'));
            format!("{}@{domain}", user.to_lowercase())
        }
        None => email.to_lowercase(),
    }
}

/// Returns the address that identifies a customer for limits: normalized, without a plus-tag, and
/// at Gmail without dots. A user part that would become empty, or that is quoted, stays as it is.
pub fn fold_email(email: &str) -> String {
    let email = normalize_email(email);
    let Some((user, domain)) = email.rsplit_once('@') else {
        return email;
    };
    if user.starts_with('"') {
        return email;
    }
    let name = user.split_once('+').map_or(user, |(name, _)| name);
    let name = if name.is_empty() { user } else { name };
    if !GMAIL.contains(&domain) {
        return format!("{name}@{domain}");
    }
    let dotless = name.replace('.', "");
    let name = if dotless.is_empty() {
        name
    } else {
        dotless.as_str()
    };
    format!("{name}@{}", GMAIL[0])
}

/// Returns the domain in lower case and, if it is international, in its ASCII form (`xn--…`). Text
/// that is no domain is only lower-cased.
fn ascii_domain(domain: &str) -> String {
    // The parser of URLs would decode percent signs.
    match url::Host::parse(domain) {
        Ok(url::Host::Domain(ascii)) if !domain.contains('%') => ascii,
        _ => domain.to_lowercase(),
    }
}

/// Returns true if `text` is an e-mail address by the rule of HTML's `<input type="email">`, or has
/// the IP address of a mail server in brackets after its `@`. The domain may be international,
/// as it is typed or in its ASCII form. Whether the mailbox exists is another question.
pub fn is_email_address(text: &str) -> bool {
    text.split_once('@').is_some_and(|(user, domain)| {
        let domain = ascii_domain(domain);
        is_user(user) && is_domain(&domain) && user.len() + 1 + domain.len() <= ADDRESS_LEN_MAX
    })
}

fn is_user(user: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b".!#$%&'*+/=?^_`{|}~-".contains(&b);
    (1..=USER_LEN_MAX).contains(&user.len()) && user.bytes().all(allowed)
}

fn is_domain(domain: &str) -> bool {
    let in_brackets = domain
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    match in_brackets {
        Some(address) => address.parse::<IpAddr>().is_ok(),
        None => domain.len() <= DOMAIN_LEN_MAX && domain.split('.').all(is_label),
    }
}

fn is_label(label: &str) -> bool {
    (1..=LABEL_LEN_MAX).contains(&label.len())
        && label
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-')
        && !label.starts_with('-')
        && !label.ends_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Most cases are from the tests of Django's validator.
    #[test]
    fn addresses_are_accepted() {
        let label = "a".repeat(63);
        for address in [
            "email@here.com",
            "weirder-email@here.and.there.com",
            "!def!xyz%abc@example.com",
            "ann+sale@example.com",
            "a.@x.cz",
            "abc@bar",
            "email@127.0.0.1",
            "email@[127.0.0.1]",
            "email@[2001:dB8::1]",
            "email@[::fffF:127.0.0.1]",
            "example@valid-----hyphens.com",
            "juergen@exämple.com",
            "info@例え.テスト",
            &format!("a@atm.{label}"),
            &format!("a@{label}.bbbbbbbbbb.atm"),
            &format!("{}@mail.com", "a".repeat(64)),
        ] {
            assert!(is_email_address(address), "{address}");
        }
    }

    #[test]
    fn other_texts_are_rejected() {
        for text in [
            "",
            "abc",
            "abc@",
            "@abc",
            "a @x.cz",
            "abc@.com",
            "abc@x..com",
            "something@@somewhere.com",
            "\"test@test\"@example.com",
            "email@[127.0.0.256]",
            "email@[2001:db8::12345]",
            "email@[127.0.0.1",
            "email@[]",
            "example@invalid-.com",
            "example@-invalid.com",
            "trailingdot@shouldfail.com.",
            "a@b.com\n",
            "a\n@b.com",
            "a@[127.0.0.1]\n",
            "John.Doe@exam_ple.com",
            "jürgen@example.com",
            "juergen@ex%61mple.com",
            &format!("a@atm.{}", "a".repeat(64)),
            &format!("{}@mail.com", "a".repeat(65)),
            &format!("a@{}com", "aaa.".repeat(64)),
        ] {
            assert!(!is_email_address(text), "{text}");
        }
    }

    #[test]
    fn spellings_of_one_address_are_the_same_mailbox() {
        for typed in [
            "ann@example.com",
            " Ann@Example.COM\t",
            "ann@example.com.",
            "\u{feff}ann@exam\u{200b}ple.com",
            "ａｎｎ＠ｅｘａｍｐｌｅ．ｃｏｍ",
        ] {
            assert_eq!(normalize_email(typed), "ann@example.com", "{typed:?}");
        }
        for typed in [
            "ann@exämple.com",
            "ANN@EXÄMPLE.com",
            "ann@XN--EXMPLE-CUA.com",
        ] {
            assert_eq!(normalize_email(typed), "ann@xn--exmple-cua.com", "{typed}");
        }
    }

    #[test]
    fn different_mailboxes_stay_different() {
        let addresses = [
            "ann@example.com",
            "ann+sale@example.com",
            "a.nn@example.com",
            "\"ann\"@example.com",
            "ann@gmail.com",
            "a.nn@gmail.com",
            "ann@googlemail.com",
            "+ann@example.org",
            "+bob@example.org",
            "",
            "ann",
        ];
        let normalized: std::collections::BTreeSet<_> = addresses
            .iter()
            .map(|typed| normalize_email(typed))
            .collect();
        assert_eq!(normalized.len(), addresses.len());
    }

    #[test]
    fn spellings_of_one_customer_are_folded() {
        for typed in [
            "ann@example.com",
            " Ann@Example.COM ",
            "ann+sale@example.com",
            "ANN+1+2@example.com.",
        ] {
            assert_eq!(fold_email(typed), "ann@example.com", "{typed}");
        }
        for typed in [
            "ann.lee@gmail.com",
            "A.n.n.L.e.e+shop@GoogleMail.com",
            "annlee@gmail.com",
        ] {
            assert_eq!(fold_email(typed), "annlee@gmail.com", "{typed}");
        }
    }

    #[test]
    fn an_address_that_would_fold_to_nothing_is_not_folded() {
        for typed in [
            "+ann@example.org",
            "+bob@example.org",
            "++@example.org",
            "a.b@example.org",
            "\"a+b\"@example.org",
            "...@gmail.com",
            "no-at-sign",
            "",
        ] {
            assert_eq!(fold_email(typed), typed, "{typed}");
        }
        assert_eq!(fold_email("+a.nn@googlemail.com"), "+ann@gmail.com");
    }
}
