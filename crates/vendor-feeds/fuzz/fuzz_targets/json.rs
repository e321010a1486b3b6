//! The reader of JSON and JSON lines, on any bytes.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    vendor_feeds::fuzzing::json(bytes);
});
