//! The banner that is printed when the process is ready.

use std::path::Path;

use wiring::trial::RunningApi;

/// The URLs, the data file and example commands. `product_id` is the product of the example order.
pub(crate) fn text(api: &RunningApi, data: &Path, product_id: &str) -> String {
    let url = &api.url;
    format!(
        "\nThe order aggregator is ready. Ctrl-C stops it; the data is kept.\n\n  \
         API   {url}\n  docs  {url}/docs\n  data  {}\n\nTo try it:\n\n  {}\n",
        data.display(),
        api.commands(product_id).join("\n  ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn banner_contains_urls_data_file_and_commands() {
        let api = RunningApi {
            url: "http://127.0.0.1:3000".to_owned(),
            requires_key: false,
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
