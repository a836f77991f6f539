//! The hash by which categories and words are spread over a stated number of buckets: 64-bit FNV-1a of their UTF-8 bytes, its bits
//! then mixed by MurmurHash3's finalizer, since FNV-1a leaves those of short words close together. The same on every machine and in
//! every version: it is part of what a checkpoint means.

/// The bucket of a word, below `buckets`, which is at least 1.
pub(super) fn bucket(word: &str, buckets: u32) -> u32 {
    // Multiplying by the number of buckets uses the high bits, all of them alike (Lemire 2019).
    ((u128::from(mixed(fnv1a(word.as_bytes()))) * u128::from(buckets.max(1))) >> 64) as u32
}

/// Fowler, Noll and Vo; https://datatracker.ietf.org/doc/draft-eastlake-fnv.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3))
}

/// Appleby's fmix64.
fn mixed(mut hash: u64) -> u64 {
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^ (hash >> 33)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fnv_gives_its_published_values() {
        assert_eq!(fnv1a(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv1a(b"a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(fnv1a(b"foobar"), 0x8594_4171_f739_67e8);
    }

    #[test]
    fn words_are_spread_evenly_and_every_bucket_is_within() {
        for buckets in [1, 7, 64, 1000] {
            let mut counts = vec![0u32; buckets as usize];
            (0..50_000).for_each(|i| counts[bucket(&format!("word{i}"), buckets) as usize] += 1);
            let expected = 50_000.0 / f64::from(buckets);
            let chi: f64 = counts.iter().map(|count| (f64::from(*count) - expected).powi(2) / expected).sum();
            // The chi-square of even counts has mean k - 1 and standard deviation √2(k - 1).
            let freedom = f64::from(buckets - 1);
            assert!((chi - freedom).abs() <= 4.0 * (2.0 * freedom).sqrt() + 1e-9, "{buckets}: {chi}");
        }
    }
}
