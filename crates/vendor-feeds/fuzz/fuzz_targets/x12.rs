//! The reader of X12 846, on any bytes.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    vendor_feeds::fuzzing::x12(bytes);
});
