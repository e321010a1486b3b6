//! `order-aggregator-admin api-key new`: generates an API key.
//!
//! The key is printed to standard error and the settings entry, which contains only its hash, to standard output:
//! `order-aggregator-admin api-key new >> settings.toml` shows the key and stores the entry.

use anyhow::{Context, Result, bail};
use api_keys::{ApiKey, Grant, KeyHash, Role, VENDOR_ROLE};
use clap::Subcommand;
use domain::identifiers::{InvalidId, VendorId};

/// Manage API keys.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Generate a key and its settings entry. The key is shown only once.
    New(NewArgs),
}

#[derive(Debug, clap::Args)]
struct NewArgs {
    /// Name of the key's holder. Keys with the same name belong to the same holder; use this to rotate a key [default: a
    /// generated name].
    #[arg(long, value_parser = parse_name)]
    name: Option<String>,
    /// Role of the holder: customer or operator. Repeat for both. Or vendor alone, together with --vendor: such a key pushes the
    /// reports of that vendor, and may do nothing else.
    #[arg(long, value_name = "ROLE", value_parser = parse_role, default_value = "customer")]
    role: Vec<RoleArg>,
    /// Id of the vendor whose reports a key of the role vendor pushes.
    #[arg(long, value_name = "ID", value_parser = parse_vendor_id)]
    vendor: Option<VendorId>,
}

/// A role on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum RoleArg {
    Client(Role),
    Vendor,
}

/// Runs the command.
pub(crate) fn run(args: &Args) -> Result<()> {
    let Action::New(args) = &args.action;
    let mut random = [0; 32];
    getrandom::fill(&mut random).context("cannot read random numbers from the system")?;
    let text = api_keys::key_text(&random);
    let key = new_key(args, &text)?;
    eprintln!("API key (shown only once):\n\n{text}\n\nSettings entry:\n");
    println!("{}", entry(&key));
    Ok(())
}

fn new_key(args: &NewArgs, text: &str) -> Result<ApiKey> {
    let hash = KeyHash::of(text.as_bytes());
    let digits = hash.to_string();
    let (_, digits) = digits.split_once(':').unwrap_or_default();
    let generated_name = || format!("key-{}", digits.chars().take(8).collect::<String>());
    Ok(ApiKey {
        name: args.name.clone().unwrap_or_else(generated_name),
        hash,
        grant: grant(args)?,
    })
}

fn grant(args: &NewArgs) -> Result<Grant> {
    let clients = args.role.iter().filter_map(|role| match role {
        RoleArg::Client(role) => Some(*role),
        RoleArg::Vendor => None,
    });
    let roles: Vec<Role> = clients.collect();
    Ok(match (roles.len() == args.role.len(), &args.vendor) {
        (true, None) => Grant::Roles(roles),
        (true, Some(_)) => bail!("--vendor requires --role vendor"),
        (false, Some(vendor_id)) if roles.is_empty() => Grant::Vendor(vendor_id.clone()),
        (false, None) => bail!("--role vendor requires --vendor with the id of the vendor"),
        (false, Some(_)) => bail!("--role vendor excludes every other role"),
    })
}

fn entry(key: &ApiKey) -> String {
    let permissions = match &key.grant {
        Grant::Roles(roles) => {
            let roles: Vec<String> = roles.iter().map(|role| format!("\"{role}\"")).collect();
            format!("roles = [{}]", roles.join(", "))
        }
        Grant::Vendor(vendor_id) => format!(
            "roles = [\"{VENDOR_ROLE}\"]\nvendor = {}",
            toml_string(vendor_id.as_str())
        ),
    };
    format!(
        "[[api_keys]]\nname = \"{}\"\n{permissions}\nhash = \"{}\"",
        key.name, key.hash
    )
}

/// A basic string of TOML. An id contains no control characters, so quotes and backslashes are all that is escaped.
fn toml_string(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

fn parse_name(text: &str) -> Result<String, String> {
    if api_keys::is_name(text) {
        return Ok(text.to_owned());
    }
    Err("a name has 1 to 64 letters, digits, or - _ .".to_owned())
}

fn parse_role(value: &str) -> Result<RoleArg, String> {
    if value == VENDOR_ROLE {
        return Ok(RoleArg::Vendor);
    }
    let role = value.parse().map(RoleArg::Client);
    role.map_err(|_| "the role must be customer, operator or vendor".to_owned())
}

fn parse_vendor_id(text: &str) -> Result<VendorId, InvalidId> {
    VendorId::parse(text)
}

#[cfg(test)]
mod tests {
    use settings::Settings;

    use super::*;

    fn args(name: Option<&str>, role: &[RoleArg], vendor: Option<&str>) -> NewArgs {
        NewArgs {
            name: name.map(str::to_owned),
            role: role.to_vec(),
            vendor: vendor.map(|id| VendorId::parse(id).unwrap()),
        }
    }

    #[test]
    fn printed_entry_is_valid_in_the_settings() {
        const CUSTOMER: RoleArg = RoleArg::Client(Role::Customer);
        let text = api_keys::key_text(&[7; 32]);
        let both = [CUSTOMER, RoleArg::Client(Role::Operator)];
        let generated = new_key(&args(Some("web-shop"), &both, None), &text).unwrap();
        let second = new_key(&args(None, &[CUSTOMER], None), "another").unwrap();
        let of_vendor = args(None, &[RoleArg::Vendor], Some("a\"\\c"));
        let of_vendor = new_key(&of_vendor, "third").unwrap();
        let file = tempfile::NamedTempFile::new().unwrap();
        let content = format!(
            "{}\n{}\n{}\n[[vendors]]\nid = 'a\"\\c'\nsource = {{ type = 'push' }}\n",
            entry(&generated),
            entry(&second),
            entry(&of_vendor)
        );
        assert!(!content.contains(&text));
        std::fs::write(file.path(), content).unwrap();
        let settings = Settings::load(Some(file.path())).unwrap();
        assert_eq!(settings.api_keys, [generated, second.clone(), of_vendor]);
        let found = api_keys::find(&settings.api_keys, text.as_bytes());
        assert_eq!(found.map(|key| key.name.as_str()), Some("web-shop"));
        assert!(second.name.starts_with("key-") && second.name.len() == 12);
    }

    #[test]
    fn vendor_is_required_by_its_role_and_excludes_others() {
        let both = [RoleArg::Vendor, RoleArg::Client(Role::Operator)];
        for (role, vendor) in [
            (&[RoleArg::Vendor][..], None),
            (&[RoleArg::Client(Role::Customer)], Some("acme")),
            (&both, Some("acme")),
            (&both, None),
        ] {
            let error = new_key(&args(None, role, vendor), "k").unwrap_err();
            assert!(error.to_string().contains("vendor"), "{error}");
        }
    }

    #[test]
    fn invalid_names_and_roles_are_refused() {
        assert!(parse_name("a b").is_err() && parse_name("a").is_ok());
        assert!(parse_role("admin").is_err() && parse_role("operator").is_ok());
    }
}
