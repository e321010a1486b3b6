//! Logs in to an SSH server with a password or a key.

use std::sync::Arc;

use russh::client::{AuthResult, Handle, KeyboardInteractiveAuthResponse};
use russh::keys::{HashAlg, PrivateKey, PrivateKeyWithHashAlg, PublicKey, decode_secret_key};
use russh::{MethodKind, MethodSet};
use secrecy::{ExposeSecret, SecretString};

use super::broken;
use super::host_key::HostKeyCheck;
use crate::excerpt::excerpt;
use crate::options::SftpLogin;
use crate::source::directory::Failure;

/// Maximum number of messages of a server that requests the password in a dialogue.
const MAX_DIALOGUE: usize = 8;

/// The user, and the proof of its identity.
pub(super) struct Login {
    user: String,
    proof: Proof,
}

enum Proof {
    Password(SecretString),
    Key(Arc<PrivateKey>),
}

impl Login {
    /// The error is a one-line description of the invalid option.
    pub(super) fn new(user: &str, login: &SftpLogin) -> Result<Self, String> {
        let proof = match login {
            SftpLogin::Password(password) => Proof::Password(password.clone()),
            SftpLogin::Key { key, passphrase } => {
                let passphrase = passphrase.as_ref().map(ExposeSecret::expose_secret);
                Proof::Key(Arc::new(private_key(key.expose_secret(), passphrase)?))
            }
        };
        Ok(Self {
            user: user.to_owned(),
            proof,
        })
    }

    pub(super) async fn perform(&self, handle: &mut Handle<HostKeyCheck>) -> Result<(), Failure> {
        match &self.proof {
            Proof::Password(password) => self.with_password(handle, password).await,
            Proof::Key(key) => {
                let hash = handle.best_supported_rsa_hash().await.map_err(broken)?;
                let key = PrivateKeyWithHashAlg::new(Arc::clone(key), hash.flatten());
                let result = handle.authenticate_publickey(&self.user, key).await;
                match result.map_err(broken)? {
                    AuthResult::Success => Ok(()),
                    AuthResult::Failure {
                        remaining_methods,
                        partial_success,
                    } => Err(self.refused(&remaining_methods, partial_success)),
                }
            }
        }
    }

    async fn with_password(
        &self,
        handle: &mut Handle<HostKeyCheck>,
        password: &SecretString,
    ) -> Result<(), Failure> {
        let result = handle
            .authenticate_password(&self.user, password.expose_secret())
            .await;
        let (methods, is_partial) = match result.map_err(broken)? {
            AuthResult::Success => return Ok(()),
            AuthResult::Failure {
                remaining_methods,
                partial_success,
            } => (remaining_methods, partial_success),
        };
        // A server with this method alone requests the password in a dialogue.
        let is_dialogue = methods.contains(&MethodKind::KeyboardInteractive)
            && !methods.contains(&MethodKind::Password);
        if is_dialogue && !is_partial {
            return self.in_dialogue(handle, password).await;
        }
        Err(self.refused(&methods, is_partial))
    }

    async fn in_dialogue(
        &self,
        handle: &mut Handle<HostKeyCheck>,
        password: &SecretString,
    ) -> Result<(), Failure> {
        let mut response = handle
            .authenticate_keyboard_interactive_start(&self.user, None::<String>)
            .await
            .map_err(broken)?;
        let mut is_sent = false;
        for _ in 0..MAX_DIALOGUE {
            let responses = match response {
                KeyboardInteractiveAuthResponse::Success => return Ok(()),
                KeyboardInteractiveAuthResponse::Failure {
                    remaining_methods,
                    partial_success,
                } => return Err(self.refused(&remaining_methods, partial_success)),
                KeyboardInteractiveAuthResponse::InfoRequest { prompts, .. } => {
                    match &prompts[..] {
                        [] => Vec::new(),
                        // Text that is shown while it is typed is not a password.
                        [prompt] if !prompt.echo && !is_sent => {
                            is_sent = true;
                            vec![password.expose_secret().to_owned()]
                        }
                        _ => break,
                    }
                }
            };
            response = handle
                .authenticate_keyboard_interactive_respond(responses)
                .await
                .map_err(broken)?;
        }
        Err(Failure::permanent(
            "the server requests more than a password, which is not supported",
        ))
    }

    /// The failure of a login that the server refused.
    fn refused(&self, accepted: &MethodSet, is_partial: bool) -> Failure {
        let user = excerpt(&self.user);
        let proof = match &self.proof {
            Proof::Password(_) => format!("the password of the user {user}"),
            Proof::Key(key) => {
                let fingerprint = key.public_key().fingerprint(HashAlg::Sha256);
                format!("the key {fingerprint} of the user {user}")
            }
        };
        let accepted: Vec<&str> = accepted.iter().map(<&str>::from).collect();
        // The library reports a connection that ended as a refusal.
        if accepted.is_empty() {
            return Failure::transient(format!(
                "the server ended the connection at the login with {proof} (source.auth)"
            ));
        }
        let accepted = accepted.join(", ");
        Failure::permanent(if is_partial {
            format!(
                "the server accepted {proof}, and requires a second login by {accepted}, which is not supported"
            )
        } else {
            format!("the server refused {proof} (source.auth); it accepts a login by {accepted}")
        })
    }
}

/// Reads a private key. The error says why the file is not one that can be used.
fn private_key(text: &str, passphrase: Option<&str>) -> Result<PrivateKey, String> {
    if let Ok(key) = decode_secret_key(text, passphrase) {
        return Ok(key);
    }
    let is_public = text.parse::<PublicKey>().is_ok() || text.contains("BEGIN SSH2 PUBLIC KEY");
    let is_encrypted = text.contains("ENCRYPTED")
        || matches!(
            decode_secret_key(text, None),
            Err(russh::keys::Error::KeyIsEncrypted)
        );
    let problem = match passphrase {
        _ if is_public => {
            "is a public key, expected the private key, whose file usually has the same name without .pub"
        }
        None if is_encrypted => "needs a passphrase, and source.auth.passphrase_env is not set",
        Some(_) if is_encrypted => "is not opened by its passphrase (source.auth.passphrase_env)",
        _ => "is not a private key in the format of OpenSSH or PEM",
    };
    Err(format!("source.auth.key_file {problem}"))
}
