//! A run: one execution of a pipeline for one input. No SQL here.

use crate::error::DatabaseError;

macro_rules! text_enum {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $text:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
        pub enum $name { $($(#[$vdoc])* #[serde(rename = $text)] $variant,)+ }

        impl $name {
            /// Every value.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The word in the database and on the wire.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }

            /// Reads the word that the database holds.
            ///
            /// # Errors
            /// If this program does not know the word.
            pub fn parse(text: &str) -> Result<Self, $crate::error::DatabaseError> {
                Self::ALL.iter().copied().find(|v| v.as_str() == text).ok_or_else(|| $crate::error::DatabaseError::Unknown(text.to_owned()))
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}
pub(crate) use text_enum;

text_enum! {
    /// Where a run stands.
    RunStatus {
        /// Accepted; none of its steps has been settled yet.
        Queued = "queued",
        /// At least one of its steps has been settled.
        Running = "running",
        /// All stages are done.
        Completed = "completed",
        /// A step is dead; the run is kept whole, with a dead letter.
        Failed = "failed",
        /// Stopped by its user, a guard or an operator.
        Cancelled = "cancelled",
    }
}

impl RunStatus {
    /// Nothing changes a run in an end state but a redrive of a failed one.
    #[must_use]
    pub const fn has_ended(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Cancelled)
    }
}

text_enum! {
    /// Why a run ended as it did.
    StatusReason {
        /// Its user stopped it.
        User = "user",
        /// A guard refused its input.
        Guard = "guard",
        /// An operator stopped it.
        Operator = "operator",
        /// Its batch was cancelled.
        Batch = "batch",
        /// A step died.
        Error = "error",
    }
}

text_enum! {
    /// How much thought a run's model may take.
    QualityMode {
        /// The quickest model.
        Fast = "fast",
        /// The usual one.
        Balanced = "balanced",
        /// The best one.
        Quality = "quality",
    }
}

text_enum! {
    /// Who goes before whom.
    Lane {
        /// Chat: somebody is waiting.
        Interactive = "interactive",
        /// Single scripts and emails, summaries.
        Standard = "standard",
        /// Batches.
        Bulk = "bulk",
    }
}

impl Lane {
    /// The lane's number in the database.
    #[must_use]
    pub const fn number(self) -> i16 {
        match self {
            Self::Interactive => 0,
            Self::Standard => 1,
            Self::Bulk => 2,
        }
    }

    /// Reads the lane's number.
    ///
    /// # Errors
    /// If there is no such lane.
    pub fn from_number(number: i16) -> Result<Self, DatabaseError> {
        match number {
            0 => Ok(Self::Interactive),
            1 => Ok(Self::Standard),
            2 => Ok(Self::Bulk),
            _ => Err(DatabaseError::Unknown(format!("lane {number}"))),
        }
    }

    /// How long a run of this lane may take, from when its work may start.
    #[must_use]
    pub const fn deadline_ms(self) -> i64 {
        match self {
            Self::Interactive => 5 * 60 * 1000,
            Self::Standard => 60 * 60 * 1000,
            Self::Bulk => 24 * 60 * 60 * 1000,
        }
    }
}
