//! `chat`: one turn of a conversation.

mod input_guard;
mod llm;
mod output_guard;
mod persist;
mod profile_enrich;
mod prompt;
mod summary_enrich;

use hellosales_core::content::answer::Answer;
use hellosales_core::pipeline::ChatInput;
use hellosales_core::{ProviderCallId, SessionId};

pub use input_guard::InputGuard;
pub use llm::{Generated, Llm};
pub use output_guard::{Checked, OutputGuard};
pub use persist::{Persist, Persisted};
pub use profile_enrich::{Profile, ProfileEnrich};
pub use summary_enrich::{SummaryEnrich, SummarySoFar};

use crate::registry::Stages;
use crate::stage::StageContext;

/// The stages of a turn.
#[must_use]
pub fn stages() -> Stages {
    Stages::new().with(InputGuard).with(ProfileEnrich).with(SummaryEnrich).with(Llm).with(OutputGuard).with(Persist)
}

/// The assistant's row of this turn; `None` for a run that is no turn of a session.
fn answer(cx: &StageContext<ChatInput>, text: &str, filtered: bool, call: Option<ProviderCallId>) -> Option<Answer> {
    let (session_id, user_sequence) = turn(cx)?;
    Some(Answer {
        id: cx.input.assistant_interaction_id,
        session_id,
        run_id: cx.run.id,
        user_interaction_id: cx.input.user_interaction_id,
        sequence_number: user_sequence.saturating_add(1),
        content: text.to_owned(),
        filtered,
        llm_provider_call_id: call,
    })
}

/// The session and the number of what the user said.
fn turn(cx: &StageContext<ChatInput>) -> Option<(SessionId, i32)> {
    cx.run.session_id.zip(cx.run.user_sequence)
}
