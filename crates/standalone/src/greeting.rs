//! What a user reads once everything is ready.

use std::path::Path;

use wiring::trial::RunningApi;

/// Where things are, and what to try. `product_id` is one to order.
pub(crate) fn text(api: &RunningApi, data: &Path, product_id: &str) -> String {
    let url = &api.url;
    format!(
        "\nThe order aggregator is ready. Ctrl-C ends it; the data stays.\n\n  \
         API   {url}\n  docs  {url}/docs\n  data  {}\n\nTo try it:\n\n  {}\n",
        data.display(),
        api.commands(product_id).join("\n  ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_names_what_a_user_needs() {
        let api = RunningApi {
            url: "http://127.0.0.1:3000".to_owned(),
            asks_for_key: false,
        };
        let text = text(&api, Path::new("/data/shop.db"), "SKU-1");
        for part in [
            "API   http://127.0.0.1:3000\n",
            "docs  http://127.0.0.1:3000/docs\n",
            "data  /data/shop.db\n",
        ] {
            assert!(text.contains(part), "{text}");
        }
        assert_eq!(text.matches("  curl ").count(), 3, "{text}");
        assert!(text.contains(r#""product_id":"SKU-1""#), "{text}");
    }
}
