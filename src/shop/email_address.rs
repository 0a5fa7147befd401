//! The syntax of e-mail addresses.

use std::net::IpAddr;

/// Maximum length of the part before the `@`, in bytes (RFC 5321).
const USER_LEN_MAX: usize = 64;
/// Maximum length of the part after the `@`, in bytes (RFC 5321).
const DOMAIN_LEN_MAX: usize = 255;
/// Maximum length of a part of the domain, in bytes (RFC 1034).
const LABEL_LEN_MAX: usize = 63;

/// Returns true if `text` is an e-mail address by the rule of HTML's `<input type="email">`, or has
/// the IP address of a mail server in brackets after its `@`. Whether the mailbox exists is another
/// question.
pub fn is_email_address(text: &str) -> bool {
    text.split_once('@')
        .is_some_and(|(user, domain)| is_user(user) && is_domain(domain))
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
    use super::is_email_address;

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
            "juergen@exämple.com",
            &format!("a@atm.{}", "a".repeat(64)),
            &format!("{}@mail.com", "a".repeat(65)),
            &format!("a@{}com", "aaa.".repeat(64)),
        ] {
            assert!(!is_email_address(text), "{text}");
        }
    }
}
