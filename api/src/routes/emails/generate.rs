//! Emails that runs write.

use axum::extract::State;
use axum::response::Response;
use hellosales_core::content::email::{self, Email, EmailType};
use hellosales_core::content::written as texts;
use hellosales_core::database::OrgTx;
use hellosales_core::pipeline::EmailInput;
use hellosales_core::run::Lane;
use hellosales_core::{EmailId, ErrorCode, RunId};
use utoipa::ToSchema;

use super::{email_not_found, types};
use crate::auth::{Generate, May};
use crate::error::{Problem, ProblemBody};
use crate::extract::{Body, Fields, Head, Id, Query, ReadBody};
use crate::generation::{self, Asked, Commission, Generation};
use crate::object::RunObject;
use crate::routes::runs;
use crate::routes::written::{AnewBody, Order};
use crate::state::AppState;
use crate::submit::{self, Accept, Accepted, Refusal, Submission};

const TARGET: &str = "email";

/// An email to be written.
#[derive(Debug, ToSchema)]
#[schema(as = EmailOrder)]
#[expect(dead_code, reason = "the document shows the members; they are read into other types")]
pub(super) struct EmailOrderBody {
    /// `cold_outreach`, `follow_up`, `proposal`, `closing` or `general`, which it is if nothing is said.
    #[schema(pattern = "^(cold_outreach|follow_up|proposal|closing|general)$")]
    email_type: Option<String>,
    product_id: Option<uuid::Uuid>,
    client_id: Option<uuid::Uuid>,
    /// The chat session that asks for it.
    session_id: Option<uuid::Uuid>,
    #[schema(min_length = 1, max_length = 10_000, pattern = r"\S")]
    instructions: Option<String>,
    #[schema(min_length = 1, max_length = 255, pattern = r"\S")]
    name: Option<String>,
    #[schema(min_length = 1, max_length = 5_000, pattern = r"\S")]
    description: Option<String>,
    #[schema(pattern = "^(fast|balanced|quality)$")]
    quality_mode: Option<String>,
}

/// What was read of it.
#[derive(Debug)]
pub(super) struct EmailOrder {
    email_type: Option<EmailType>,
    order: Order,
}

impl ReadBody for EmailOrder {
    const KNOWN: &'static [&'static str] =
        &["email_type", "product_id", "client_id", "session_id", "instructions", "name", "description", "quality_mode"];

    fn read(fields: &mut Fields) -> Self {
        Self { email_type: fields.word("email_type", &types()).value(), order: Order::read(fields) }
    }
}

/// Has an email written.
#[utoipa::path(post, path = "/emails/generate", tag = "content", request_body = EmailOrderBody,
    params(("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255, pattern = "^[ -~]*[!-~][ -~]*$"), ("Prefer" = Option<String>, Header)),
    responses((status = 202, body = RunObject), (status = 200, body = RunObject, description = "done within the wait that was preferred"),
              (status = 404, body = ProblemBody), (status = 409, body = ProblemBody), (status = 422, body = ProblemBody),
              (status = 429, body = ProblemBody)))]
pub(super) async fn generate(
    State(state): State<AppState>,
    may: May<Generate>,
    _: Query<()>,
    head: Head,
    body: Body<EmailOrder>,
) -> Result<Response, Problem> {
    let caller = may.caller;
    let EmailOrder { email_type, order } = body.content;
    let asked = Asked { product_id: order.product_id, client_id: order.client_id, session_id: order.session_id };
    let input = EmailInput {
        email_id: EmailId::new(),
        email_type: email_type.unwrap_or(EmailType::General),
        product_id: order.product_id,
        client_id: order.client_id,
        instructions: order.instructions,
        name: order.name,
        description: order.description,
        session_id: order.session_id,
        previous: None,
    };
    let commission = Commission::new(&state, &caller, &head, order.quality_mode);
    let mut run = commission.run(&input, (TARGET, input.email_id.uuid()))?;
    run.session_id = order.session_id;
    let submission = Submission {
        org: caller.org(),
        viewer: caller.viewer(),
        key: head.key.with(caller.user(), &body.sha256),
        work: Generation { viewer: caller.viewer(), asked, run },
    };
    let work = state.clone();
    let submitted = state.detached(async move { submit::submit(&work, &submission).await }).await?;
    runs::submitted(&state, &caller, submitted, head.wait).await
}

/// An email that is to be written anew.
struct Anew {
    id: EmailId,
    instructions: Option<String>,
    commission: Commission,
}

impl Accept for Anew {
    const LANE: Lane = Lane::Standard;

    fn run_id(&self) -> RunId {
        self.commission.run_id
    }

    async fn accept(&self, org: &mut OrgTx<'_>, rank: i64) -> Result<Accepted, Refusal> {
        email::lock(org, self.id).await?.ok_or_else(email_not_found)?;
        let latest = email::get(org, self.id).await?.ok_or_else(email_not_found)?;
        if !latest.is_active {
            return Err(Problem::new(ErrorCode::InvalidState, "the email was put away").into());
        }
        if let Some(run) = texts::is_being_written(org, self.id.uuid()).await? {
            let message = format!("the email is being written by run {run}");
            return Err(Problem::new(ErrorCode::InvalidState, message).into());
        }
        let asked = Asked { product_id: latest.product_id, client_id: latest.client_id, session_id: None };
        let standing = generation::standing(org, asked).await?;
        if standing.product == Some(false) || standing.client == Some(false) {
            return Err(Problem::new(ErrorCode::InvalidState, "the email's product or client is not active").into());
        }
        let run = self.commission.run(&self.input(latest)?, (TARGET, self.id.uuid()))?;
        generation::accept(org, &run, rank).await
    }
}

impl Anew {
    /// What was asked for before is asked for again, unless something else is.
    fn input(&self, latest: Email) -> Result<EmailInput, Refusal> {
        Ok(EmailInput {
            email_id: self.id,
            email_type: EmailType::parse(&latest.email_type)?,
            product_id: latest.product_id,
            client_id: latest.client_id,
            instructions: self.instructions.clone().or(latest.generation_prompt),
            name: Some(latest.name),
            description: latest.description,
            session_id: None,
            previous: Some(latest.version_id),
        })
    }
}

/// Has an email written anew: its next version, from the latest.
#[utoipa::path(post, path = "/emails/{id}/regenerate", tag = "content", request_body = Option<AnewBody>,
    params(("id" = uuid::Uuid, Path), ("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255, pattern = "^[ -~]*[!-~][ -~]*$"), ("Prefer" = Option<String>, Header)),
    responses((status = 202, body = RunObject), (status = 200, body = RunObject, description = "done within the wait that was preferred"),
              (status = 404, body = ProblemBody), (status = 409, body = ProblemBody), (status = 422, body = ProblemBody),
              (status = 429, body = ProblemBody)))]
pub(super) async fn regenerate(
    State(state): State<AppState>,
    may: May<Generate>,
    (Id(id), _): (Id<EmailId>, Query<()>),
    head: Head,
    body: Body<AnewBody>,
) -> Result<Response, Problem> {
    let caller = may.caller;
    let commission = Commission::new(&state, &caller, &head, body.content.quality_mode);
    let submission = Submission {
        org: caller.org(),
        viewer: caller.viewer(),
        key: head.key.with(caller.user(), &body.sha256),
        work: Anew { id, instructions: body.content.instructions, commission },
    };
    let work = state.clone();
    let submitted = state.detached(async move { submit::submit(&work, &submission).await }).await?;
    runs::submitted(&state, &caller, submitted, head.wait).await
}
