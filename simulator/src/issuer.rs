//! The development token issuer: one RSA key, its public half as a JWKS, and its signature.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::error::{KeyRejected, Unspecified};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::token::TokenRequest;

/// Why there is no issuer.
#[derive(Debug, thiserror::Error)]
pub enum IssuerError {
    /// The key file can't be read or written.
    #[error("the issuer's key file {path}: {source}")]
    File {
        /// The key file.
        path: PathBuf,
        /// What the file system said.
        source: io::Error,
    },
    /// The file holds no RSA key in PKCS#8 DER.
    #[error("the issuer's key isn't an RSA key in PKCS#8 DER: {0}")]
    Key(#[from] KeyRejected),
    /// The key couldn't be made or written as DER.
    #[error("the issuer's key can't be made")]
    Crypto(#[from] Unspecified),
}

/// Signs development tokens. A clone shares the key.
#[derive(Clone)]
pub struct Issuer {
    key: Arc<KeyPair>,
    kid: Arc<str>,
    jwks: Arc<Value>,
}

impl std::fmt::Debug for Issuer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Issuer").field("kid", &self.kid).finish_non_exhaustive()
    }
}

impl Issuer {
    /// An issuer whose key lives as long as the process.
    ///
    /// # Errors
    /// When the key can't be made.
    pub fn ephemeral() -> Result<Self, IssuerError> {
        Self::with_key(KeyPair::generate(KeySize::Rsa2048)?)
    }

    /// The issuer whose key is in this file (PKCS#8 DER), made for its owner alone when absent.
    /// Of several processes that start at once, one makes the key and all use it.
    ///
    /// # Errors
    /// When the file can't be read or written, or holds no such key.
    pub fn load_or_create(path: &Path) -> Result<Self, IssuerError> {
        let file = |source| IssuerError::File { path: path.to_owned(), source };
        match fs::read(path) {
            Ok(der) => return Self::with_key(KeyPair::from_pkcs8(&der)?),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(file(error)),
        }
        let key = KeyPair::generate(KeySize::Rsa2048)?;
        let der: Pkcs8V1Der<'_> = key.as_der()?;
        if create_whole(path, der.as_ref()).map_err(file)? {
            Self::with_key(key)
        } else {
            Self::with_key(KeyPair::from_pkcs8(&fs::read(path).map_err(file)?)?)
        }
    }

    fn with_key(key: KeyPair) -> Result<Self, IssuerError> {
        let (n, e) = public_numbers(key.public_key().as_ref()).ok_or(Unspecified)?;
        let (n, e) = (URL_SAFE_NO_PAD.encode(n), URL_SAFE_NO_PAD.encode(e));
        // RFC 7638: the members in this order, without spaces.
        let thumbprint = Sha256::digest(format!(r#"{{"e":"{e}","kty":"RSA","n":"{n}"}}"#));
        let kid = URL_SAFE_NO_PAD.encode(thumbprint);
        let jwks = json!({"keys": [
            {"kty": "RSA", "use": "sig", "alg": "RS256", "kid": kid, "n": n, "e": e}
        ]});
        Ok(Self { key: Arc::new(key), kid: kid.into(), jwks: Arc::new(jwks) })
    }

    /// The key's id in the JWKS and in every token's header.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The public key as a JSON Web Key Set.
    pub fn jwks(&self) -> &Value {
        &self.jwks
    }

    /// A signed token that says what was asked.
    pub fn token(&self, request: &TokenRequest) -> String {
        let header = json!({"alg": "RS256", "typ": "JWT", "kid": self.kid()});
        self.sign(&header, &request.claims())
    }

    /// Signs any header and claims with RS256, whatever the header says: for tests of a verifier.
    pub fn sign(&self, header: &Value, claims: &Value) -> String {
        let encode = |part: &Value| URL_SAFE_NO_PAD.encode(part.to_string());
        let message = format!("{}.{}", encode(header), encode(claims));
        let mut signature = vec![0; self.key.public_modulus_len()];
        let random = SystemRandom::new();
        let signed = self.key.sign(&RSA_PKCS1_SHA256, &random, message.as_bytes(), &mut signature);
        if signed.is_err() {
            // Only a buffer of the wrong length or no memory leads here; a verifier refuses it.
            tracing::error!("a development token couldn't be signed");
            signature.clear();
        }
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

/// Writes a file that appears whole or not at all; false when another process was first.
fn create_whole(path: &Path, content: &[u8]) -> io::Result<bool> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    if let Some(folder) = folder {
        fs::create_dir_all(folder)?;
    }
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}", Uuid::now_v7().simple()));
    let unfinished = path.with_file_name(name);
    let written = write_private(&unfinished, content)
        // A link, unlike a rename, doesn't replace the key that another process just made.
        .and_then(|()| match fs::hard_link(&unfinished, path) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(error),
        });
    match fs::remove_file(&unfinished) {
        Err(error) if written.is_ok() => Err(error),
        _ => written,
    }
}

fn write_private(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(content)?;
    file.sync_all()
}

/// Modulus and exponent, big-endian without a leading zero, of an RSAPublicKey in DER (RFC 8017).
fn public_numbers(der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (sequence, _) = der_value(der, 0x30)?;
    let (n, rest) = der_value(sequence, 0x02)?;
    let (e, _) = der_value(rest, 0x02)?;
    Some((unsigned(n), unsigned(e)))
}

fn unsigned(number: &[u8]) -> &[u8] {
    number.strip_prefix(&[0]).unwrap_or(number)
}

/// The content of the value at the front, which has this tag, and what follows it.
fn der_value(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let rest = der.strip_prefix(&[tag])?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = if first < 0x80 {
        (usize::from(first), rest)
    } else {
        let (bytes, rest) = rest.split_at_checked(usize::from(first & 0x7f).min(4))?;
        let length = bytes.iter().fold(0, |sum, &byte| sum << 8 | usize::from(byte));
        (length, rest)
    };
    rest.split_at_checked(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> PathBuf {
        std::env::temp_dir().join(format!("issuer-{}", Uuid::now_v7().simple()))
    }

    #[test]
    fn the_key_is_made_once_for_its_owner_alone() {
        let folder = folder();
        let path = folder.join("keys/issuer.der");
        let made: Vec<String> = std::thread::scope(|scope| {
            let one = || Issuer::load_or_create(&path).unwrap().kid().to_owned();
            let threads: Vec<_> = (0..3).map(|_| scope.spawn(one)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let again = Issuer::load_or_create(&path).unwrap();
        assert!(made.iter().all(|kid| kid == again.kid()));
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_file_that_holds_no_key_is_refused_and_kept() {
        let folder = folder();
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join("issuer.der");
        fs::write(&path, "nothing").unwrap();
        assert!(matches!(Issuer::load_or_create(&path), Err(IssuerError::Key(_))));
        assert_eq!(fs::read(&path).unwrap(), b"nothing");
        fs::remove_dir_all(folder).unwrap();
    }
}
