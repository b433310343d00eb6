//! Drives `baton_fuzz_targets::redaction`.
#![no_main]

libfuzzer_sys::fuzz_target!(|content: &[u8]| baton_fuzz_targets::redaction(content));
