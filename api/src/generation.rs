//! Having a script or an email written: what it is written from is looked at in the transaction that submits its run.

use hellosales_core::content::written::{self, Standing};
use hellosales_core::content::{Viewer, session};
use hellosales_core::database::OrgTx;
use hellosales_core::pipeline::PipelineInput;
use hellosales_core::queue::Wakes;
use hellosales_core::queue::submit::{self, NewRun};
use hellosales_core::run::{Lane, QualityMode};
use hellosales_core::{ClientId, ErrorCode, ProductId, RunId, SessionId};
use uuid::Uuid;

use crate::auth::Caller;
use crate::error::{Fault, Problem};
use crate::extract::Head;
use crate::state::AppState;
use crate::submit::{Accept, Accepted, Refusal};
use crate::turn::session_not_found;

/// What a text is asked to be written from.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Asked {
    pub(crate) product_id: Option<ProductId>,
    pub(crate) client_id: Option<ClientId>,
    /// The conversation that asks for it.
    pub(crate) session_id: Option<SessionId>,
}

/// A new script or email on its way in.
#[derive(Debug, Clone)]
pub(crate) struct Generation {
    pub(crate) viewer: Viewer,
    pub(crate) asked: Asked,
    /// The run, but for its rank.
    pub(crate) run: NewRun,
}

impl Accept for Generation {
    const LANE: Lane = Lane::Standard;

    fn run_id(&self) -> RunId {
        self.run.id
    }

    async fn accept(&self, org: &mut OrgTx<'_>, rank: i64) -> Result<Accepted, Refusal> {
        // Under its lock the session isn't deleted before it has the run.
        if let Some(session) = self.asked.session_id
            && !session::lock(org, session, self.viewer).await?
        {
            return Err(Refusal::Problem(session_not_found()));
        }
        let standing = standing(org, self.asked).await?;
        let given = [
            ("/product_id", self.asked.product_id.and(standing.product)),
            ("/client_id", self.asked.client_id.and(standing.client)),
        ];
        let put_away = given.iter().filter(|(_, is_active)| *is_active == Some(false));
        let faults: Vec<Fault> =
            put_away.map(|(pointer, _)| Fault::new(*pointer, "not_active", "is not active")).collect();
        if !faults.is_empty() {
            return Err(Refusal::Problem(Problem::invalid(faults)));
        }
        accept(org, &self.run, rank).await
    }
}

/// Looks at product and client, which must be there.
pub(crate) async fn standing(org: &mut OrgTx<'_>, asked: Asked) -> Result<Standing, Refusal> {
    let standing = written::standing(org, asked.product_id, asked.client_id).await?;
    if asked.product_id.is_some() && standing.product.is_none() {
        return Err(Refusal::Problem(product_not_found()));
    }
    if asked.client_id.is_some() && standing.client.is_none() {
        return Err(Refusal::Problem(client_not_found()));
    }
    Ok(standing)
}

/// Submits a run with its rank.
pub(crate) async fn accept(org: &mut OrgTx<'_>, run: &NewRun, rank: i64) -> Result<Accepted, Refusal> {
    submit::submit(org, &NewRun { rank, ..run.clone() }).await?;
    let mut wakes = Wakes::default();
    wakes.lane(run.lane);
    Ok(Accepted { run_id: run.id, replayed: false, wakes })
}

/// What a run that writes something has of the request that asks for it.
#[derive(Debug, Clone)]
pub(crate) struct Commission {
    pub(crate) run_id: RunId,
    pub(crate) caller: Caller,
    pub(crate) stage_timeout_ms: i32,
    pub(crate) request_id: Option<String>,
    pub(crate) traceparent: Option<String>,
    pub(crate) quality_mode: QualityMode,
}

impl Commission {
    /// Of a request.
    pub(crate) fn new(state: &AppState, caller: &Caller, head: &Head, quality_mode: Option<QualityMode>) -> Self {
        Self {
            run_id: RunId::new(),
            caller: caller.clone(),
            stage_timeout_ms: state.config.stage_timeout_ms,
            request_id: head.request_id.clone(),
            traceparent: head.traceparent.clone(),
            quality_mode: quality_mode.unwrap_or(QualityMode::Balanced),
        }
    }

    /// Its run, but for the rank.
    ///
    /// # Errors
    /// If the input can't be written as JSON.
    pub(crate) fn run<I: PipelineInput>(&self, input: &I, target: (&'static str, Uuid)) -> Result<NewRun, Problem> {
        Ok(NewRun {
            user_id: Some(self.caller.user()),
            target: Some(target),
            request_id: self.request_id.clone(),
            traceparent: self.traceparent.clone(),
            quality_mode: self.quality_mode,
            stream: true,
            ..NewRun::new(self.run_id, input, 0, self.stage_timeout_ms)?
        })
    }
}

/// For a product of others as for one that isn't there.
pub(crate) fn product_not_found() -> Problem {
    Problem::new(ErrorCode::ProductNotFound, "there is no such product")
}

/// For a client of others as for one that isn't there.
pub(crate) fn client_not_found() -> Problem {
    Problem::new(ErrorCode::ClientNotFound, "there is no such client")
}
