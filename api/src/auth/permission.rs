//! Permissions, and which role has which where a token names none.

macro_rules! permissions {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)+) => {
        /// What a person may do.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub(crate) enum Permission { $($(#[$doc])* $variant,)+ }

        impl Permission {
            /// All, in the order of the contract.
            pub(crate) const ALL: &[Self] = &[$(Self::$variant),+];

            /// The name in tokens and in `/auth/me`.
            #[must_use]
            pub(crate) const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }
        }
    };
}

permissions! {
    /// Hold conversations.
    ChatUse = "chat:use",
    /// Read products, clients, scripts, emails.
    ContentRead = "content:read",
    /// Write them.
    ContentWrite = "content:write",
    /// Have scripts and emails written.
    Generate = "generate",
    /// Submit and steer batches.
    BatchManage = "batch:manage",
    /// See runs and metrics of the organisation.
    PulseRead = "pulse:read",
    /// See what others said and were answered; audited.
    PulsePayloads = "pulse:payloads",
    /// Work on dead letters.
    DlqManage = "dlq:manage",
    /// Settings of the organisation.
    OrgAdmin = "org:admin",
    /// See across organisations.
    PulseOperator = "pulse:operator",
}

const MEMBER: &[Permission] = &[
    Permission::ChatUse,
    Permission::ContentRead,
    Permission::ContentWrite,
    Permission::Generate,
    Permission::BatchManage,
];
const MANAGER: &[Permission] = &[Permission::PulseRead, Permission::DlqManage];
const ADMIN: &[Permission] = &[Permission::PulsePayloads, Permission::OrgAdmin];
const OPERATOR: &[Permission] = &[Permission::PulseOperator];

/// A token's role as one of ours. One that we don't know is the least of them.
pub(super) fn role(name: Option<&str>) -> &'static str {
    ["manager", "admin", "operator"].into_iter().find(|role| Some(*role) == name).unwrap_or("member")
}

/// What a role may do: what the one below it may, and more.
fn of_role(role: &str) -> Vec<Permission> {
    let groups: &[&[Permission]] = match role {
        "operator" => &[MEMBER, MANAGER, ADMIN, OPERATOR],
        "admin" => &[MEMBER, MANAGER, ADMIN],
        "manager" => &[MEMBER, MANAGER],
        _ => &[MEMBER],
    };
    groups.concat()
}

/// The token's own list, as far as we know its names; the role's where the token has none.
pub(super) fn permissions(named: Option<&[String]>, role: &str) -> Vec<Permission> {
    match named {
        Some(names) => {
            Permission::ALL.iter().copied().filter(|p| names.iter().any(|name| name == p.as_str())).collect()
        }
        None => of_role(role),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tokens_own_permissions_go_before_its_role() {
        let named = ["chat:use".to_owned(), "made:up".to_owned()];
        assert_eq!(permissions(Some(&named), "admin"), [Permission::ChatUse]);
        assert!(permissions(Some(&[]), "admin").is_empty());
    }

    #[test]
    fn an_unknown_role_is_a_member() {
        assert_eq!(role(Some("root")), "member");
        assert_eq!(permissions(None, role(None)), MEMBER);
        assert!(!permissions(None, "admin").contains(&Permission::PulseOperator));
        assert_eq!(permissions(None, "operator").len(), Permission::ALL.len());
    }
}
