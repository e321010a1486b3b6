//! The reader of separated values, on any bytes.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    vendor_feeds::fuzzing::csv(bytes);
});
