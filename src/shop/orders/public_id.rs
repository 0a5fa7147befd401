//! The id by which everyone who has an order's link may read it.

use uuid::{Builder, Uuid, Variant, Version};

/// Bytes of the time in milliseconds, with which the id begins: new orders are neighbours in the
/// index.
const TIME_BYTES: usize = 6;

/// Returns a new id of version 7. All bits but those of the time and of the version are random: a
/// key that was made in the same millisecond, such as that of a form, does not help to guess it.
/// [`Uuid::now_v7`] counts within a millisecond instead.
pub fn new() -> Uuid {
    let mut bytes = Uuid::now_v7().into_bytes();
    let random: [u8; 16] = rand::random();
    bytes[TIME_BYTES..].copy_from_slice(&random[TIME_BYTES..]);
    Builder::from_bytes(bytes)
        .with_version(Version::SortRand)
        .with_variant(Variant::RFC4122)
        .into_uuid()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_one_moment_have_nothing_in_common_but_the_time() {
        let ids: Vec<u128> = (0..1_000).map(|_| new().as_u128()).collect();
        // The 12 bits after the version, which are a counter in other ids.
        let after_version = |id: &u128| (id >> 64) & 0xfff;
        let mut distinct: Vec<u128> = ids.iter().map(after_version).collect();
        distinct.sort_unstable();
        distinct.dedup();
        // 1,000 of 4,096 values: about 886 are expected to differ.
        assert!(distinct.len() > 700, "{}", distinct.len());
        for id in ids {
            assert_eq!(Uuid::from_u128(id).get_version(), Some(Version::SortRand));
            assert_eq!(Uuid::from_u128(id).get_variant(), Variant::RFC4122);
        }
    }
}
