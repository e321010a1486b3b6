//! Maps products to queues.

use domain::identifiers::ProductId;

/// Returns the shard of a product: the CRC-32 (IEEE) of the bytes of its id, modulo the number of shards.
///
/// Every process and every version must agree, otherwise two consumers process one product concurrently; a test pins
/// the values.
pub(crate) fn shard_of(product_id: &ProductId, shards: u16) -> u16 {
    let shard = crc32fast::hash(product_id.as_str().as_bytes()) % u32::from(shards.max(1));
    // The remainder of a division by a u16 is a u16.
    u16::try_from(shard).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_never_changes() {
        // Product and its CRC-32 (IEEE), as computed by other implementations.
        let table = [
            ("123456789", 0xcbf4_3926_u32),
            ("1", 0x83dc_efb7),
            ("2", 0x1ad5_be0d),
            ("3", 0x6dd2_8e9b),
            ("4", 0xf3b6_1b38),
            ("a", 0xe8b7_be43),
        ];
        for (product, crc) in table {
            let id = ProductId::parse(product).unwrap();
            for shards in [1_u16, 3, 8, 1024] {
                assert_eq!(
                    u32::from(shard_of(&id, shards)),
                    crc % u32::from(shards),
                    "{product} over {shards}"
                );
            }
        }
        let shards: Vec<u16> = ["1", "2", "3", "4", "grün"]
            .into_iter()
            .map(|id| shard_of(&ProductId::parse(id).unwrap(), 8))
            .collect();
        assert_eq!(shards, [7, 5, 3, 0, 5]);
    }
}
