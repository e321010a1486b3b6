//! The tokenizer of EDI interchanges, on any bytes.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    vendor_feeds::fuzzing::edi_tokenizer(bytes);
});
