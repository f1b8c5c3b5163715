//! What a development token says: who, where, and what they may do.

use std::str::FromStr;
use std::time::Duration;

use chrono::Utc;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// The `iss` of every development token: a name, not an address, so that tokens outlive a restart
/// on another port.
pub const ISSUER: &str = "hellosales-development-issuer";

/// A role that the product knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// Works with content.
    Member,
    /// Also sees the traffic and handles dead letters.
    Manager,
    /// Everything inside the organisation.
    Admin,
    /// Across organisations.
    Operator,
}

/// A role's name that isn't one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no such role: {0} (member, manager, admin, operator)")]
pub struct ParseRoleError(String);

impl FromStr for Role {
    type Err = ParseRoleError;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        [Self::Member, Self::Manager, Self::Admin, Self::Operator]
            .into_iter()
            .find(|role| role.as_str() == name)
            .ok_or_else(|| ParseRoleError(name.to_owned()))
    }
}

const PERMISSIONS: [&str; 10] = [
    "chat:use",
    "content:read",
    "content:write",
    "generate",
    "batch:manage",
    "pulse:read",
    "dlq:manage",
    "pulse:payloads",
    "org:admin",
    "pulse:operator",
];

impl Role {
    /// The role's name in a token.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Member => "member",
            Self::Manager => "manager",
            Self::Admin => "admin",
            Self::Operator => "operator",
        }
    }

    /// What the role may do unless a token says otherwise.
    pub fn permissions(self) -> Vec<String> {
        // Each role adds to the one below it.
        let count = match self {
            Self::Member => 5,
            Self::Manager => 7,
            Self::Admin => 9,
            Self::Operator => 10,
        };
        PERMISSIONS.iter().take(count).map(|&permission| permission.to_owned()).collect()
    }
}

/// What a token shall say.
#[derive(Clone, Debug)]
pub struct TokenRequest {
    /// The organisation's name; its id follows from it.
    pub org_name: String,
    /// The user's name; their id follows from it, the same in every organisation.
    pub user_name: String,
    /// The user's role in the organisation.
    pub role: Role,
    /// The permissions that the token lists.
    pub permissions: Vec<String>,
    /// How long the token is good for.
    pub expires_in: Duration,
    /// The `iss` claim.
    pub issuer: String,
}

impl TokenRequest {
    /// A token for an hour, with the role's own permissions, from [`ISSUER`].
    pub fn new(org_name: impl Into<String>, user_name: impl Into<String>, role: Role) -> Self {
        Self {
            org_name: org_name.into(),
            user_name: user_name.into(),
            role,
            permissions: role.permissions(),
            expires_in: Duration::from_secs(3_600),
            issuer: ISSUER.to_owned(),
        }
    }

    /// The `org_id` claim.
    pub fn org_id(&self) -> String {
        stable_id("org", &self.org_name)
    }

    /// The `sub` claim.
    pub fn sub(&self) -> String {
        stable_id("user", &self.user_name)
    }

    /// All claims of a token issued now.
    pub fn claims(&self) -> Value {
        let now = Utc::now().timestamp();
        let lifetime = i64::try_from(self.expires_in.as_secs()).unwrap_or(i64::MAX);
        json!({
            "iss": self.issuer,
            "sub": self.sub(),
            "org_id": self.org_id(),
            "role": self.role.as_str(),
            "permissions": self.permissions,
            "iat": now,
            "nbf": now,
            "exp": now.saturating_add(lifetime),
            "jti": Uuid::now_v7().to_string(),
            "org_name": self.org_name,
            "name": self.user_name,
            "email": format!("{}@{}.example", slug(&self.user_name), slug(&self.org_name)),
        })
    }
}

/// The same id for the same name, readable, and distinct where two names share their letters.
fn stable_id(kind: &str, name: &str) -> String {
    format!("{kind}_{}_{}", slug(name).replace('-', "_"), short_hash(name.trim()))
}

fn short_hash(text: &str) -> String {
    let digest = Sha256::digest(text);
    digest.iter().take(4).map(|byte| format!("{byte:02x}")).collect()
}

/// A name's ASCII letters and digits, lower case, joined by `-`; its hash when it has none.
fn slug(name: &str) -> String {
    let letters: String = name.to_lowercase().chars().take(60).collect();
    let words: Vec<&str> =
        letters.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty()).collect();
    if words.is_empty() { short_hash(name.trim()) } else { words.join("-") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_give_stable_ids() {
        let request = TokenRequest::new("Acme Inc.", "Ana Pérez", Role::Manager);
        let claims = request.claims();
        assert_eq!(claims["email"], "ana-p-rez@acme-inc.example");
        assert_eq!(claims["org_id"], TokenRequest::new("Acme Inc.", "Bo", Role::Member).org_id());
        assert_ne!(claims["org_id"], TokenRequest::new("Acme-Inc", "Bo", Role::Member).org_id());
        assert_eq!(claims["sub"], TokenRequest::new("Other", "Ana Pérez", Role::Member).sub());
        assert_eq!(claims["iss"], ISSUER);
        assert_eq!(slug("東京").len(), 8);
    }

    #[test]
    fn each_role_adds_to_the_one_below() {
        let roles = ["member", "manager", "admin", "operator"];
        let counts = roles.map(|role| role.parse::<Role>().unwrap().permissions().len());
        assert_eq!(counts, [5, 7, 9, 10]);
        assert!(Role::Manager.permissions().contains(&"dlq:manage".to_owned()));
        assert!(!Role::Manager.permissions().contains(&"org:admin".to_owned()));
        assert!("owner".parse::<Role>().is_err());
    }
}
