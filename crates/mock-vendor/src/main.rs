//! Serves the two vendors of the default settings.

use std::io::Write;
use std::net::{IpAddr, SocketAddr};

use anyhow::Context;
use clap::{Parser, ValueEnum};
use mock_vendor::MockVendor;
use mock_vendor::original::{OriginalVendor, VENDOR_A, VENDOR_B};
use tokio::signal::unix::{SignalKind, signal};

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

  curl -X PUT -H 'Content-Type: application/json' -d '{"1": 5}' http://127.0.0.1:5001/control/stock"#;

/// Serve the stock of one or two mock vendors over HTTP until Ctrl-C or SIGTERM. Reads no settings.
#[derive(Debug, Parser)]
#[command(name = "mock-vendor", version, after_help = CONTROL)]
struct Arguments {
    /// Vendors to serve.
    #[arg(long, value_enum, default_value_t = VendorChoice::Both)]
    vendor: VendorChoice,
    /// TCP port of vendor A; 0 selects a free port.
    #[arg(long, default_value_t = 5001)]
    port_a: u16,
    /// TCP port of vendor B; 0 selects a free port.
    #[arg(long, default_value_t = 5002)]
    port_b: u16,
    /// IP address to listen on. Any client that can reach it can control the vendors.
    #[arg(long, default_value = "127.0.0.1")]
    address: IpAddr,
    /// Number of additional products (SKU-0000001, …), with deterministic quantities.
    #[arg(long, default_value_t = 0)]
    products: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum VendorChoice {
    A,
    B,
    Both,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let mut interrupted = signal(SignalKind::interrupt())?;
    let mut terminated = signal(SignalKind::terminate())?;

    let mut vendors = Vec::new();
    if arguments.vendor != VendorChoice::B {
        vendors.push(start(&arguments, VENDOR_A, arguments.port_a)?);
    }
    if arguments.vendor != VendorChoice::A {
        vendors.push(start(&arguments, VENDOR_B, arguments.port_b)?);
    }

    tokio::select! {
        _ = interrupted.recv() => {}
        _ = terminated.recv() => {}
    }
    for vendor in vendors {
        vendor.stop().await;
    }
    Ok(())
}

fn start(arguments: &Arguments, original: OriginalVendor, port: u16) -> anyhow::Result<MockVendor> {
    let (name, address) = (original.name, SocketAddr::new(arguments.address, port));
    let vendor = original
        .start(address, arguments.products)
        .with_context(|| format!("cannot listen on {address} for vendor {name}"))?;
    // Keep serving if standard output is closed.
    let _ = writeln!(
        std::io::stdout(),
        "vendor {name} listens on {}",
        vendor.url()
    );
    Ok(vendor)
}
