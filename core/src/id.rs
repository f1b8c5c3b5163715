//! Ids: a UUIDv7 for everything that is kept, a random UUID for a lease's token.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, sqlx::Type)]
        #[serde(transparent)]
        #[sqlx(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// The id as the database and the wire have it.
            #[must_use]
            pub const fn uuid(self) -> Uuid {
                self.0
            }
        }

        impl From<Uuid> for $name {
            fn from(id: Uuid) -> Self {
                Self(id)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Uuid::try_parse(text).map(Self)
            }
        }
    };
}

macro_rules! sortable_id {
    ($($(#[$doc:meta])* $name:ident;)+) => { $(
        id! { $(#[$doc])* $name }

        impl $name {
            /// A new id; sorts after the ones made before it.
            #[must_use]
            #[expect(clippy::new_without_default, reason = "a default id would be a different one each time")]
            pub fn new() -> Self {
                Self(Uuid::now_v7())
            }

            /// The id of the `n`-th thing of this kind that a stage of a run makes: the same each time the
            /// stage is executed, so that its effects are upserts. The time is the run's, the other bits
            /// come from SHA-256(run id, stage name, n) (`protocol.md` 5).
            #[must_use]
            pub fn derived(run: RunId, stage: &str, n: u32) -> Self {
                Self(derive(run.0, stage, n))
            }
        }
    )+ };
}

sortable_id! {
    /// An organisation: the tenant.
    OrgId;
    /// A person who signs in.
    UserId;
    /// A conversation.
    SessionId;
    /// One thing said in a session.
    InteractionId;
    /// A summary of a session.
    SummaryId;
    /// One execution of a pipeline.
    RunId;
    /// A process that claims steps; new at every start.
    WorkerId;
    /// A client of an organisation: whom it sells to.
    ClientId;
    /// What an organisation sells.
    ProductId;
    /// A script, whatever its version.
    ScriptId;
    /// One version of a script.
    ScriptVersionId;
    /// An email, whatever its version.
    EmailId;
    /// One version of an email.
    EmailVersionId;
    /// Many emails submitted and followed as one.
    BatchId;
    /// A list of clients that came in by file.
    ImportId;
    /// One call of a provider, in the ledger.
    ProviderCallId;
    /// An event of a run.
    EventId;
    /// A dead letter.
    DeadLetterId;
    /// What an operator does to many things at once.
    OperationId;
}

id! {
    /// The fence: random, and new with each claim of a step.
    LeaseToken
}

impl LeaseToken {
    /// A token that nobody has had before.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the one place where an id must not be guessable from the time")]
    pub fn random() -> Self {
        Self(Uuid::new_v4())
    }
}

impl EmailId {
    /// The email of a batch's item, whichever run writes it: one email a client, and another version of it for each sample
    /// and each retry.
    #[must_use]
    pub fn of_item(batch: BatchId, n: i32) -> Self {
        Self(derive(batch.0, "item", n.cast_unsigned()))
    }
}

fn derive(from: Uuid, word: &str, n: u32) -> Uuid {
    let digest = Sha256::new()
        .chain_update(from.as_bytes())
        .chain_update(word.as_bytes())
        .chain_update(n.to_be_bytes())
        .finalize();
    let mut bytes = [0_u8; 16];
    for (to, from) in bytes.iter_mut().zip(from.as_bytes().iter().take(6).chain(digest.iter().take(10))) {
        *to = *from;
    }
    uuid::Builder::from_bytes(bytes)
        .with_variant(uuid::Variant::RFC4122)
        .with_version(uuid::Version::SortRand)
        .into_uuid()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_derived_id_is_the_same_each_time_and_its_own_for_each_stage_and_number() {
        let run = RunId::new();
        assert_eq!(InteractionId::derived(run, "persist", 0), InteractionId::derived(run, "persist", 0));
        assert_ne!(InteractionId::derived(run, "persist", 0), InteractionId::derived(run, "persist", 1));
        assert_ne!(InteractionId::derived(run, "persist", 0), InteractionId::derived(run, "llm", 0));
        let derived = InteractionId::derived(run, "persist", 0).uuid();
        assert_eq!(derived.get_version(), Some(uuid::Version::SortRand));
        assert_eq!(derived.as_bytes()[..6], run.uuid().as_bytes()[..6]);
    }

    #[test]
    fn an_item_has_one_email_whichever_run_writes_it() {
        let batch = BatchId::new();
        assert_eq!(EmailId::of_item(batch, 7), EmailId::of_item(batch, 7));
        assert_ne!(EmailId::of_item(batch, 7), EmailId::of_item(batch, 8));
        assert_ne!(EmailId::of_item(batch, 7), EmailId::of_item(BatchId::new(), 7));
    }
}
