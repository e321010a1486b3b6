//! The reader of workbooks, on any sheets and shared texts. Panics of calamine are not reported: the reader contains them.

#![no_main]

libfuzzer_sys::fuzz_target!(
    init: {
        let report = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            let place = panic.location().map_or("", |location| location.file());
            if !place.contains("/calamine-") {
                report(panic);
            } else if std::env::var_os("SHOW_CONTAINED").is_some() {
                eprintln!("contained: {panic}");
            }
        }));
    },
    |bytes: &[u8]| {
        vendor_feeds::fuzzing::xlsx(bytes);
    }
);
