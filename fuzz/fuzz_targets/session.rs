//! Drives `baton_fuzz_targets::session`.
#![no_main]

libfuzzer_sys::fuzz_target!(|content: &[u8]| baton_fuzz_targets::session(content));
