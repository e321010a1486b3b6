//! The vendors of the default settings, to run beside the aggregator.

use std::io::Write;
use std::net::{IpAddr, SocketAddr};

use anyhow::Context;
use clap::{Parser, ValueEnum};
use mock_vendor::MockVendor;
use mock_vendor::original::{OriginalVendor, VENDOR_A, VENDOR_B};
use tokio::signal::unix::{SignalKind, signal};

/// What `--help` says beyond the options.
const CONTROL: &str = r#"Vendor A has products 1 and 2 with 50 and 100 units at /vendorA/stock, vendor B products 3 and 4 with 60 and 40 at
/vendorB/stock. While it runs, PUT with a JSON body changes what a vendor answers:

  /control/stock   {"1": 5, "2": 0}                 all of its products and their units
  /control/as-of   "2026-11-23T12:00:00Z" or null   the moment for which its report is true;
                                                    from then on the report is {"as_of": …, "items": […]},
                                                    for a vendor with items = "/items" and as_of = "/as_of"
  /control/fault   {"kind": "status", "status": 500, "times": 2}

Kinds of fault: none, status (with "status"), delay (with "ms"), truncate, stall, garbage, hang, huge, body (with "body", a text
to answer instead). With "times" a fault ends by itself after so many answers. For example:

  curl -X PUT -H 'Content-Type: application/json' -d '{"1": 5}' http://127.0.0.1:5001/control/stock"#;

/// Serves the stock of one or two made-up vendors over HTTP, until Ctrl-C or SIGTERM. Needs no settings.
#[derive(Debug, Parser)]
#[command(name = "mock-vendor", version, after_help = CONTROL)]
struct Arguments {
    /// Which vendors to serve.
    #[arg(long, value_enum, default_value_t = Which::Both)]
    vendor: Which,
    /// TCP port of vendor A; 0 lets the system choose.
    #[arg(long, default_value_t = 5001)]
    port_a: u16,
    /// TCP port of vendor B; 0 lets the system choose.
    #[arg(long, default_value_t = 5002)]
    port_b: u16,
    /// IP address to listen on. Whoever reaches it controls the vendors.
    #[arg(long, default_value = "127.0.0.1")]
    address: IpAddr,
    /// Serve so many products more, SKU-0000001 and so on, with quantities that are the same on every run.
    #[arg(long, default_value_t = 0)]
    products: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Which {
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
    if arguments.vendor != Which::B {
        vendors.push(start(&arguments, VENDOR_A, arguments.port_a)?);
    }
    if arguments.vendor != Which::A {
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
    // A closed standard output is no reason not to serve.
    let _ = writeln!(
        std::io::stdout(),
        "vendor {name} listens on {}",
        vendor.url()
    );
    Ok(vendor)
}
