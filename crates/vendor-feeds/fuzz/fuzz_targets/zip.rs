//! The entries of zip archives, packed as the input states and compared with what is read.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| vendor_feeds::fuzzing::zip(bytes));
