//! The reader of EDIFACT INVRPT, on any bytes.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    vendor_feeds::fuzzing::edifact(bytes);
});
