#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| transom_websocket::fuzz::websocket_frames(data));
