#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| transom_rfb::fuzz::client_messages(data));
