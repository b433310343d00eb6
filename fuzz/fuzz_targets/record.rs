//! Drives `baton_fuzz_targets::record`.
#![no_main]

libfuzzer_sys::fuzz_target!(|content: &[u8]| baton_fuzz_targets::record(content));
