//! `cargo xtask api-key new`: makes an API key.
//!
//! The key goes to the standard error stream and the entry for the settings, which holds only its hash, to the standard
//! output: `cargo xtask api-key new >> settings.toml` shows the key and keeps the entry.

use anyhow::{Context, Result};
use api_keys::{ApiKey, KeyHash, Role};
use clap::Subcommand;

/// What to do about keys.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Print a new key, this once, and the entry for the settings that holds its hash.
    New(NewArgs),
}

#[derive(Debug, clap::Args)]
struct NewArgs {
    /// Whose key it is. A second key of the same name is the same holder's: both are known while it is exchanged [default: a
    /// name of its own].
    #[arg(long, value_parser = parse_name)]
    name: Option<String>,
    /// What its holder may do: customer or operator. Can be given twice.
    #[arg(long, value_name = "ROLE", value_parser = parse_role, default_value = "customer")]
    role: Vec<Role>,
}

/// Runs the command.
pub(crate) fn run(args: &Args) -> Result<()> {
    let Action::New(args) = &args.action;
    let text = new_text()?;
    let key = new_key(args, &text);
    eprintln!("The key, for its holder; it is shown this once:\n\n{text}\n\nFor the settings:\n");
    println!("{}", entry(&key));
    Ok(())
}

/// A key that nobody has.
pub(crate) fn new_text() -> Result<String> {
    let mut random = [0; 32];
    getrandom::fill(&mut random).context("the system has no random numbers")?;
    Ok(api_keys::key_text(&random))
}

fn new_key(args: &NewArgs, text: &str) -> ApiKey {
    let hash = KeyHash::of(text.as_bytes());
    let digits = hash.to_string();
    let (_, digits) = digits.split_once(':').unwrap_or_default();
    let own_name = || format!("key-{}", digits.chars().take(8).collect::<String>());
    ApiKey {
        name: args.name.clone().unwrap_or_else(own_name),
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
    Err("a name is 1 to 64 letters, digits, and - _ .".to_owned())
}

fn parse_role(word: &str) -> Result<Role, String> {
    Role::from_word(word).ok_or_else(|| "a role is customer or operator".to_owned())
}

#[cfg(test)]
mod tests {
    use settings::Settings;

    use super::*;

    #[test]
    fn what_is_printed_is_what_the_settings_read() {
        let args = NewArgs {
            name: Some("web-shop".to_owned()),
            role: vec![Role::Customer, Role::Operator],
        };
        let text = api_keys::key_text(&[7; 32]);
        let made = new_key(&args, &text);
        let file = tempfile::NamedTempFile::new().unwrap();
        let second = new_key(
            &NewArgs {
                name: None,
                role: vec![Role::Customer],
            },
            "another",
        );
        let content = format!("{}\n{}\n", entry(&made), entry(&second));
        assert!(!content.contains(&text));
        std::fs::write(file.path(), content).unwrap();
        let settings = Settings::load(Some(file.path())).unwrap();
        assert_eq!(settings.api_keys, [made, second.clone()]);
        let found = api_keys::find(&settings.api_keys, text.as_bytes());
        assert_eq!(found.map(|key| key.name.as_str()), Some("web-shop"));
        assert!(second.name.starts_with("key-") && second.name.len() == 12);
    }

    #[test]
    fn names_and_roles_that_cannot_be_are_refused() {
        assert!(parse_name("a b").is_err() && parse_name("a").is_ok());
        assert!(parse_role("admin").is_err() && parse_role("operator").is_ok());
    }
}
