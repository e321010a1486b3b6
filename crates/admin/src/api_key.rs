//! `order-aggregator-admin api-key new`: generates an API key.
//!
//! The key is printed to standard error and the settings entry, which contains only its hash, to standard output:
//! `order-aggregator-admin api-key new >> settings.toml` shows the key and stores the entry.

use anyhow::{Context, Result};
use api_keys::{ApiKey, KeyHash, Role};
use clap::Subcommand;

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
    /// Role of the holder: customer or operator. Repeat for both.
    #[arg(long, value_name = "ROLE", value_parser = parse_role, default_value = "customer")]
    role: Vec<Role>,
}

/// Runs the command.
pub(crate) fn run(args: &Args) -> Result<()> {
    let Action::New(args) = &args.action;
    let mut random = [0; 32];
    getrandom::fill(&mut random).context("cannot read random numbers from the system")?;
    let text = api_keys::key_text(&random);
    let key = new_key(args, &text);
    eprintln!("API key (shown only once):\n\n{text}\n\nSettings entry:\n");
    println!("{}", entry(&key));
    Ok(())
}

fn new_key(args: &NewArgs, text: &str) -> ApiKey {
    let hash = KeyHash::of(text.as_bytes());
    let digits = hash.to_string();
    let (_, digits) = digits.split_once(':').unwrap_or_default();
    let generated_name = || format!("key-{}", digits.chars().take(8).collect::<String>());
    ApiKey {
        name: args.name.clone().unwrap_or_else(generated_name),
        hash,
        roles: args.role.clone(),
    }
}

fn entry(key: &ApiKey) -> String {
    let roles: Vec<String> = key.roles.iter().map(|role| format!("\"{role}\"")).collect();
    format!(
        "[[api_keys]]\nname = \"{}\"\nroles = [{}]\nhash = \"{}\"",
        key.name,
        roles.join(", "),
        key.hash
    )
}

fn parse_name(text: &str) -> Result<String, String> {
    if api_keys::is_name(text) {
        return Ok(text.to_owned());
    }
    Err("a name has 1 to 64 letters, digits, or - _ .".to_owned())
}

fn parse_role(value: &str) -> Result<Role, String> {
    let role = value.parse();
    role.map_err(|_| "the role must be customer or operator".to_owned())
}

#[cfg(test)]
mod tests {
    use settings::Settings;

    use super::*;

    #[test]
    fn printed_entry_is_valid_in_the_settings() {
        let args = NewArgs {
            name: Some("web-shop".to_owned()),
            role: vec![Role::Customer, Role::Operator],
        };
        let text = api_keys::key_text(&[7; 32]);
        let generated = new_key(&args, &text);
        let file = tempfile::NamedTempFile::new().unwrap();
        let second = new_key(
            &NewArgs {
                name: None,
                role: vec![Role::Customer],
            },
            "another",
        );
        let content = format!("{}\n{}\n", entry(&generated), entry(&second));
        assert!(!content.contains(&text));
        std::fs::write(file.path(), content).unwrap();
        let settings = Settings::load(Some(file.path())).unwrap();
        assert_eq!(settings.api_keys, [generated, second.clone()]);
        let found = api_keys::find(&settings.api_keys, text.as_bytes());
        assert_eq!(found.map(|key| key.name.as_str()), Some("web-shop"));
        assert!(second.name.starts_with("key-") && second.name.len() == 12);
    }

    #[test]
    fn invalid_names_and_roles_are_refused() {
        assert!(parse_name("a b").is_err() && parse_name("a").is_ok());
        assert!(parse_role("admin").is_err() && parse_role("operator").is_ok());
    }
}
