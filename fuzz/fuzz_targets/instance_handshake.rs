#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| transom_rfb::fuzz::instance_handshake(data));
