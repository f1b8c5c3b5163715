//! Reading an answer while the lease holds.

use hellosales_core::pipeline::PipelineInput;

use crate::provider::ProviderError;
use crate::provider::call::{Answer, Call};
use crate::stage::{StageContext, StageError};

/// The next piece of an answer, as [`Call::next`] has it.
///
/// # Errors
/// If the run was cancelled or the lease lost: the call is to be dropped at once.
pub async fn next<R: PipelineInput>(
    cx: &StageContext<R>,
    call: &mut Call,
) -> Result<Result<Option<String>, ProviderError>, StageError> {
    tokio::select! {
        biased;
        () = cx.cancelled.cancelled() => Err(StageError::Lost),
        piece = call.next() => Ok(piece),
    }
}

/// The whole answer.
///
/// # Errors
/// What the call's fault means to the stage; or that the lease is lost.
pub async fn whole<R: PipelineInput>(cx: &StageContext<R>, mut call: Call) -> Result<Answer, StageError> {
    loop {
        match next(cx, &mut call).await? {
            Ok(Some(_)) => {}
            Ok(None) => return call.finish().await,
            Err(error) => return Err(call.fail(error).await),
        }
    }
}
