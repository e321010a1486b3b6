//! The program `order-aggregator-mock-vendor`: serves the two vendors of the default settings, or those of a script.

use std::fs;
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::{Parser, ValueEnum};
use futures_util::future::select_all;
use mock_vendor::original::{self, VENDOR_A, VENDOR_B};
use mock_vendor::script::Script;
use wiring::program::{self, ConfigArgs};

/// Text after the options in `--help`.
const CONTROL: &str = r#"Vendor A has products 1 and 2 with 50 and 100 units at /vendorA/stock, vendor B products 3 and 4 with 60 and 40 at
/vendorB/stock. To change a vendor's response while the program runs, send PUT with a JSON body:

  /control/stock   {"1": 5, "2": 0}                 replace the whole stock: units by product
  /control/as-of   "2026-11-23T12:00:00Z" or null   set the instant for which the report holds;
                                                    the report is then {"as_of": …, "items": […]}, for a
                                                    feed with items = "/items" and as_of = "/as_of"
  /control/fault   {"kind": "status", "status": 500, "times": 2}

Kinds of fault: none, status (with "status"), delay (with "ms"), truncate, stall, garbage, hang, huge, body (with "body", the
response body). With "times", the fault ends after that number of responses. Example:

  curl -X PUT -H 'Content-Type: application/json' -d '{"1": 5}' http://127.0.0.1:5001/control/stock

With --script, the vendors are those of the file instead, in any format, over HTTP, SFTP, FTPS, as a bucket, as files, or
sending their reports, with faults in steps. A vendor is:

  [[vendors]]
  name = "acme"
  listen = "127.0.0.1:5101"
  path = "/stock.csv"
  charset = "windows-1252"
  stock = { "A-1" = 5, "B-2" = 0 }
  format = { type = "csv", delimiter = ";" }
  [[vendors.steps]]
  requests = 3
  fault = { kind = "quantity", value = "10+" }

docs/use/mock-vendors.md has all keys and faults, config/examples/mock-vendors.toml twelve vendors with the settings that read
them."#;

/// Serve the stock of mock vendors until Ctrl-C or SIGTERM.
///
/// Without --script, the settings select the vendors and their addresses: those whose URL is on this machine with the path /vendorA/stock or
/// /vendorB/stock, as in the default settings. The options override them.
#[derive(Debug, Parser)]
#[command(name = env!("CARGO_BIN_NAME"), version = wiring::build::VERSION_AND_COMMIT, max_term_width = 100, after_help = CONTROL)]
struct Arguments {
    #[command(flatten)]
    config: ConfigArgs,
    /// Vendors to serve [default: those in the settings, or both if there is none].
    #[arg(long, value_enum)]
    vendor: Option<VendorChoice>,
    /// TCP port of vendor A; 0 selects a free port [default: the port in the settings, 5001].
    #[arg(long)]
    port_a: Option<u16>,
    /// TCP port of vendor B; 0 selects a free port [default: the port in the settings, 5002].
    #[arg(long)]
    port_b: Option<u16>,
    /// IP address to listen on. Any client that can reach it can control the vendors [default: the address in the settings,
    /// 127.0.0.1].
    #[arg(long)]
    address: Option<IpAddr>,
    /// Number of additional products (SKU-0000001, …), with deterministic quantities.
    #[arg(long, default_value_t = 0)]
    products: u64,
    /// File that describes other vendors, in TOML. The settings are not read then.
    #[arg(
        long,
        value_name = "FILE",
        value_parser = program::absolute_path(),
        conflicts_with_all = ["vendor", "port_a", "port_b", "address", "products"]
    )]
    script: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum VendorChoice {
    A,
    B,
    Both,
}

fn main() -> ExitCode {
    program::run_async(run)
}

async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let stop = wiring::stop_signal()?;
    if let Some(path) = &arguments.script {
        return run_script(path, stop).await;
    }
    let settings = arguments.config.load()?;
    let configured = original::read_from(settings.vendors.iter().map(|vendor| vendor.source.url()));
    let mut started = Vec::new();
    for (vendor, choice, port) in [
        (VENDOR_A, VendorChoice::A, arguments.port_a),
        (VENDOR_B, VendorChoice::B, arguments.port_b),
    ] {
        let found = configured.iter().find(|(found, _)| *found == vendor);
        let is_selected = match arguments.vendor {
            Some(selected) => [choice, VendorChoice::Both].contains(&selected),
            None => found.is_some() || configured.is_empty(),
        };
        if !is_selected {
            continue;
        }
        let default = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), vendor.port);
        let mut address = found.map_or(default, |(_, address)| *address);
        address.set_ip(arguments.address.unwrap_or(address.ip()));
        address.set_port(port.unwrap_or(address.port()));
        let running = vendor
            .start(address, arguments.products)
            .with_context(|| format!("cannot listen on {address} for vendor {}", vendor.name))?;
        print(&format!(
            "vendor {} listens on {}",
            vendor.name,
            running.url()
        ));
        started.push(running);
    }
    stop.await;
    for vendor in started {
        vendor.stop().await;
    }
    Ok(())
}

/// Prints a line, and keeps serving if standard output is closed.
fn print(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

async fn run_script(path: &Path, stop: impl Future<Output = &'static str>) -> anyhow::Result<()> {
    let shown = path.display();
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {shown}"))?;
    let script = Script::parse(&text).with_context(|| format!("{shown} is invalid"))?;
    let mut vendors = script.start()?;
    if vendors.is_empty() {
        bail!("{shown} has no vendors");
    }
    for vendor in &vendors {
        print(&vendor.description());
    }
    let mut stop = pin!(stop);
    let failure = {
        let failures = vendors.iter_mut().map(|vendor| Box::pin(vendor.failed()));
        let failed = select_all(failures);
        tokio::select! {
            _ = &mut stop => None,
            (failure, _, _) = failed => Some(failure),
        }
    };
    for vendor in vendors {
        vendor.stop().await;
    }
    failure.map_or(Ok(()), |failure| Err(failure.into()))
}

#[cfg(test)]
mod tests {
    #[test]
    fn help_is_as_recorded() {
        insta::assert_snapshot!(wiring::program::help::<super::Arguments>());
    }
}
