//! The ring around a stage: one plain function that owns the claimed step while the stage borrows it, so that
//! after a panic or a timeout there is still something to settle.
//!
//! From the outside in: lease and cancellation, tracing span, timeout, catch-panic, metrics, log. The breaker
//! stands at the provider's door, not here.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures::FutureExt;
use hellosales_core::queue::{ClaimedStep, End, Settlement};
use hellosales_core::{ErrorCode, Failure, WorkerId, metrics};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use crate::environment::Environment;
use crate::leases::Contact;
use crate::registry::{CheckedRegistry, Executed, Work};
use crate::stream::{OpenStream, Streams};

/// A stage that is to stop has this long to close what it opened, its provider call's row above all.
const COURTESY: Duration = Duration::from_millis(250);
/// What is carried is fast, or runs as a step of its own: what comes before waits for it.
const CARRY_PATIENCE: Duration = Duration::from_secs(2);
/// What a stage has streamed has this long to reach its rows; the settlement tells the rest.
const FLUSH_PATIENCE: Duration = Duration::from_secs(2);

/// What every execution shares.
#[derive(Debug)]
pub struct Ring {
    /// Who executes.
    pub worker: WorkerId,
    /// The code.
    pub registry: CheckedRegistry,
    /// What stages may reach.
    pub environment: Environment,
    /// Where streaming stages write.
    pub streams: Streams,
    /// Whether the lease holds.
    pub contact: Contact,
    /// Fires when what still runs is to be given back.
    pub give_back: CancellationToken,
}

/// How the ring was left.
enum Left {
    Ended(Executed),
    Panicked,
    TimedOut,
    GivenBack,
    Lost,
}

/// Executes a step, and makes of whatever happens a settlement; of a lost step nothing. `lost` fires when the
/// lease is gone or the run cancelled.
pub async fn execute(ring: &Ring, step: ClaimedStep, lost: &CancellationToken) -> Option<Settlement> {
    let span = tracing::info_span!(
        "stage",
        run_id = %step.run().id,
        org_id = %step.run().org_id,
        stage = step.shape().name,
        attempt = step.attempt(),
        worker_id = %ring.worker,
        request_id = step.run().request_id.as_deref().unwrap_or_default(),
    );
    within(ring, step, lost).instrument(span).await
}

/// Goes on with the stages that follow, as long as they succeed at once and call nothing outside the database: one
/// settlement for all. `None`: the step is lost.
pub async fn go_on(ring: &Ring, mut settlement: Settlement, lost: &CancellationToken) -> Option<Settlement> {
    while let Some(step) = settlement.goes_on_with() {
        if ring.give_back.is_cancelled() {
            break;
        }
        let started = Instant::now();
        let span = tracing::info_span!("carried", run_id = %step.run().id, stage = step.shape().name);
        let ended = match timeout(CARRY_PATIENCE, execute_carried(ring, step, lost).instrument(span)).await {
            Ok(ended) => ended?,
            Err(_) => break,
        };
        if !settlement.carry(ended, started.elapsed()) {
            break;
        }
        metrics::CARRIED.add(1);
    }
    Some(settlement)
}

/// Whatever goes wrong here goes wrong again, and is told, when the stage runs as a step of its own.
async fn execute_carried(ring: &Ring, step: ClaimedStep, lost: &CancellationToken) -> Option<Settlement> {
    let left = guarded(ring, &step, lost, &mut None).await;
    match left {
        Left::Ended(Executed::Ended { end, effects, instead }) => {
            let end = judged(ring, &step, end);
            let mut settlement = Settlement::new(step, end);
            if let Some(effects) = effects {
                settlement = settlement.with_effects(effects);
            }
            if let Some(text) = instead {
                settlement = settlement.with_instead(text);
            }
            Some(settlement)
        }
        Left::Lost => None,
        Left::Panicked => Some(Settlement::new(step, retry(ErrorCode::StagePanicked, "the stage panicked"))),
        Left::TimedOut | Left::GivenBack | Left::Ended(Executed::Lost) => Some(Settlement::new(step, End::GiveBack)),
    }
}

async fn within(ring: &Ring, step: ClaimedStep, lost: &CancellationToken) -> Option<Settlement> {
    if step.is_past_deadline() {
        let failure = failure(ErrorCode::DeadlineExceeded, "the deadline passed before the stage could run");
        return settlement(step, End::Fail(failure));
    }
    let started = Instant::now();
    let mut stream = None;
    let left = guarded(ring, &step, lost, &mut stream).await;
    let (end, effects, instead) = match left {
        Left::Ended(Executed::Ended { end, effects, instead }) => (end, effects, instead),
        Left::Panicked => (retry(ErrorCode::StagePanicked, "the stage panicked"), None, None),
        Left::TimedOut => (retry(ErrorCode::StageTimeout, "the stage took longer than it may"), None, None),
        Left::GivenBack => (End::GiveBack, None, None),
        Left::Lost | Left::Ended(Executed::Lost) => {
            metrics::ABORTED.add(1);
            tracing::info!(elapsed_ms = elapsed_ms(started), "stage stopped: its lease or its run is gone");
            return None;
        }
    };
    let end = judged(ring, &step, end);
    log(&step, &end, started);
    let tail = match (&end, &stream) {
        (End::Ok(_), Some(stream)) => Some(stream.finish(FLUSH_PATIENCE).await),
        _ => None,
    };
    let mut settlement = Settlement::new(step, end);
    if let Some(effects) = effects {
        settlement = settlement.with_effects(effects);
    }
    if let Some(tail) = tail {
        settlement = settlement.with_stream(tail);
    }
    if let Some(text) = instead {
        settlement = settlement.with_instead(text);
    }
    Some(settlement)
}

/// Lease and cancellation, timeout, catch-panic. A stage that is stopped hears it first, and has a moment.
async fn guarded(ring: &Ring, step: &ClaimedStep, lost: &CancellationToken, stream: &mut Option<OpenStream>) -> Left {
    let stop = lost.child_token();
    let mut stage = Box::pin(AssertUnwindSafe(stage(ring, step, &stop, stream)).catch_unwind());
    let left = tokio::select! {
        biased;
        () = lost.cancelled() => Left::Lost,
        () = ring.give_back.cancelled() => Left::GivenBack,
        ended = timeout(step.timeout(), &mut stage) => match ended {
            Ok(Ok(executed)) => return Left::Ended(executed),
            Ok(Err(_)) => return Left::Panicked,
            Err(_) => Left::TimedOut,
        },
    };
    stop.cancel();
    match timeout(COURTESY, stage).await {
        // It had just finished: its result is as good as any.
        Ok(Ok(executed)) if is_good(&executed) && !matches!(left, Left::Lost) => Left::Ended(executed),
        _ => left,
    }
}

const fn is_good(executed: &Executed) -> bool {
    matches!(executed, Executed::Ended { end: End::Ok(_) | End::Skip { .. } | End::Cancel { .. }, .. })
}

async fn stage(ring: &Ring, step: &ClaimedStep, stop: &CancellationToken, stream: &mut Option<OpenStream>) -> Executed {
    let Some(code) = ring.registry.of(step) else {
        return Executed::plain(End::GiveBack);
    };
    if step.shape().streams && step.run().stream {
        match ring.streams.open(step).await {
            Ok(open) => *stream = Some(open),
            Err(_) => return Executed::Lost,
        }
    }
    let work = Work {
        step,
        cancelled: stop.clone(),
        contact: ring.contact.clone(),
        environment: ring.environment.clone(),
        stream: stream.as_ref().map(OpenStream::handle),
    };
    match stream {
        Some(open) => tokio::select! {
            executed = code.execute(work) => executed,
            _ = open.keep(step) => Executed::Lost,
        },
        None => code.execute(work).await,
    }
}

/// What the ring adds to a stage's own word: whom it was, and that a stage which others need may not skip.
fn judged(ring: &Ring, step: &ClaimedStep, end: End) -> End {
    let named = |mut failure: Failure| {
        failure.stage.get_or_insert_with(|| step.shape().name.to_owned());
        failure.attempt.get_or_insert_with(|| i32::from(step.attempt()));
        failure
    };
    match end {
        End::Skip { .. } if !ring.registry.may_skip(step.pipeline(), step.stage()) => {
            End::Fail(named(failure(ErrorCode::StageFailed, "a stage was skipped that another one needs")))
        }
        End::Retry { failure, retry_after } => End::Retry { failure: named(failure), retry_after },
        End::Fail(failure) => End::Fail(named(failure)),
        end => end,
    }
}

fn settlement(step: ClaimedStep, end: End) -> Option<Settlement> {
    log(&step, &end, Instant::now());
    Some(Settlement::new(step, end))
}

fn failure(code: ErrorCode, message: &str) -> Failure {
    Failure::new(code, message)
}

fn retry(code: ErrorCode, message: &str) -> End {
    End::Retry { failure: failure(code, message), retry_after: None }
}

fn elapsed_ms(started: Instant) -> u64 {
    u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX)
}

fn log(step: &ClaimedStep, end: &End, started: Instant) {
    let elapsed_ms = elapsed_ms(started);
    match end {
        End::Ok(_) => tracing::debug!(elapsed_ms, "stage done"),
        End::Skip { reason } => tracing::debug!(elapsed_ms, reason, "stage skipped"),
        End::Cancel { reason, .. } => tracing::info!(elapsed_ms, %reason, "stage ended its run"),
        End::Snooze { reason, .. } => tracing::info!(elapsed_ms, %reason, "stage waits"),
        End::GiveBack => tracing::info!(elapsed_ms, "stage given back"),
        End::Retry { failure, .. } if !step.is_last_attempt() => {
            tracing::warn!(elapsed_ms, code = %failure.code, "stage failed, and is tried again");
        }
        End::Retry { failure, .. } | End::Fail(failure) => {
            tracing::warn!(elapsed_ms, code = %failure.code, "stage failed");
        }
    }
}
