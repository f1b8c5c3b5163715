//! A batch as it is asked for: the body of a submit and of an estimate.

use hellosales_core::batch::{AcceptError, Choice, ClientFilter, MAX_IDS, NewBatch};
use hellosales_core::content::email::EmailType;
use hellosales_core::run::QualityMode;
use hellosales_core::{BatchId, ClientId, ErrorCode, ImportId, ProductId};
use rust_decimal::Decimal;
use utoipa::ToSchema;

use crate::auth::Caller;
use crate::error::{Fault, Problem};
use crate::extract::{Fields, Given, ReadBody};
use crate::state::AppState;

/// A name may have this many characters.
pub(super) const MAX_NAME_CHARS: usize = 255;
/// What is asked for may have this many characters.
pub(super) const MAX_INSTRUCTIONS_CHARS: usize = 4_000;
/// No batch may cost more, in cents.
pub(super) const MAX_COST_CENTS: u32 = 100_000_000;
/// A sample is looked at by a person.
const MAX_SAMPLE: u32 = 100;
/// So many faults are told.
const MAX_FAULTS: usize = 100;
const MAX_WORDS_CHARS: usize = 255;

const QUALITY_MODES: &[(&str, QualityMode)] =
    &[("fast", QualityMode::Fast), ("balanced", QualityMode::Balanced), ("quality", QualityMode::Quality)];

/// Which clients; all active ones if nothing is said.
#[derive(Debug, ToSchema)]
#[schema(as = BatchFilter)]
#[expect(dead_code, reason = "describes the filter in the document; core's own type is read")]
pub(super) struct FilterBody {
    /// Words, each the beginning of one of the client's.
    #[schema(min_length = 1, max_length = 255, pattern = r"\S")]
    q: Option<String>,
    #[schema(min_length = 1, max_length = 255, pattern = r"\S")]
    industry: Option<String>,
    #[schema(min_length = 1, max_length = 255, pattern = r"\S")]
    company: Option<String>,
    /// Only `true`: others get no email.
    is_active: Option<bool>,
    has_email: Option<bool>,
    #[schema(value_type = Option<uuid::Uuid>)]
    import_id: Option<ImportId>,
}

/// One email for each client of a list: exactly one of `client_ids`, `filter` and `import_id` says of which.
#[derive(Debug, ToSchema)]
#[schema(as = NewEmailBatch)]
pub(super) struct NewBatchBody {
    #[schema(min_length = 1, max_length = 255, pattern = r"\S")]
    name: Option<String>,
    #[schema(value_type = Option<uuid::Uuid>)]
    product_id: Option<ProductId>,
    #[schema(value_type = Option<Vec<uuid::Uuid>>, min_items = 1, max_items = 10_000)]
    client_ids: Option<Vec<ClientId>>,
    #[schema(value_type = Option<FilterBody>)]
    filter: Option<ClientFilter>,
    #[schema(value_type = Option<uuid::Uuid>)]
    import_id: Option<ImportId>,
    #[schema(value_type = String, pattern = "^(cold_outreach|follow_up|proposal|closing|general)$")]
    email_type: Option<EmailType>,
    #[schema(min_length = 1, max_length = 4_000, pattern = r"\S")]
    instructions: Option<String>,
    /// `fast`, `balanced` or `quality`.
    #[schema(value_type = Option<String>, pattern = "^(fast|balanced|quality)$")]
    quality_mode: Option<QualityMode>,
    /// So many first, then wait for a yes.
    #[schema(minimum = 1, maximum = 100)]
    sample: Option<u32>,
    /// Never passed.
    #[schema(value_type = Option<f64>, exclusive_minimum = 0, maximum = 100_000_000)]
    max_cost_cents: Option<Decimal>,
}

impl ReadBody for NewBatchBody {
    const KNOWN: &'static [&'static str] = &[
        "name",
        "product_id",
        "client_ids",
        "filter",
        "import_id",
        "email_type",
        "instructions",
        "quality_mode",
        "sample",
        "max_cost_cents",
    ];
    const IDS: Option<(&'static str, usize)> = Some(("client_ids", MAX_IDS));

    fn read(fields: &mut Fields) -> Self {
        let types: Vec<_> = EmailType::ALL.iter().map(|one| (one.as_str(), Some(*one))).collect();
        let client_ids = fields.ids("client_ids", MAX_IDS);
        let filter = fields.nested("filter", FILTER, filter);
        let import_id = fields.id("import_id");
        one_of_three(
            fields,
            [
                ("client_ids", is_there(fields, "client_ids", &client_ids)),
                ("filter", is_there(fields, "filter", &filter)),
                ("import_id", is_there(fields, "import_id", &import_id)),
            ],
        );
        let email_type = fields.word("email_type", &types);
        Self {
            name: fields.text("name", 1..=MAX_NAME_CHARS).value(),
            product_id: fields.id("product_id").value(),
            client_ids: client_ids.value(),
            filter: filter.value(),
            import_id: import_id.value(),
            email_type: if fields.has_fault("email_type") { None } else { fields.required("email_type", email_type) },
            instructions: fields.text("instructions", 1..=MAX_INSTRUCTIONS_CHARS).value(),
            quality_mode: fields.word("quality_mode", QUALITY_MODES).value(),
            sample: fields.integer("sample", 1..=MAX_SAMPLE).value(),
            max_cost_cents: fields.cents("max_cost_cents", MAX_COST_CENTS).value(),
        }
    }
}

const FILTER: &[&str] = &["q", "industry", "company", "is_active", "has_email", "import_id"];

fn filter(fields: &mut Fields) -> ClientFilter {
    if fields.flag("is_active") == Given::Value(false) {
        fields.fault("is_active", "out_of_range", "must be true: clients that aren't active get no email");
    }
    ClientFilter {
        q: fields.text("q", 1..=MAX_WORDS_CHARS).value(),
        industry: fields.text("industry", 1..=MAX_WORDS_CHARS).value(),
        company: fields.text("company", 1..=MAX_WORDS_CHARS).value(),
        has_email: fields.flag("has_email").value(),
        import_id: fields.id("import_id").value(),
    }
}

/// A member with a fault of its own is there all the same.
fn is_there<T>(fields: &Fields, name: &str, given: &Given<T>) -> bool {
    matches!(given, Given::Value(_)) || fields.has_fault(name)
}

fn one_of_three(fields: &mut Fields, given: [(&'static str, bool); 3]) {
    let mut names = given.iter().filter(|(_, is_there)| *is_there).map(|(name, _)| *name);
    match (names.next(), names.next()) {
        (Some(_), None) => {}
        (None, _) => fields.fault("client_ids", "required", "or filter or import_id must say who is written to"),
        (Some(first), Some(second)) => {
            fields.fault(second, "not_together", format!("can't be given together with {first}"));
        }
    }
}

impl NewBatchBody {
    /// The batch that this asks for.
    pub(super) fn into_batch(self, state: &AppState, caller: &Caller) -> NewBatch {
        let choice = match (self.client_ids, self.import_id) {
            (Some(ids), _) => Choice::Clients(ids),
            (None, Some(import)) => Choice::Import(import),
            (None, None) => Choice::Filter(self.filter.unwrap_or_default()),
        };
        NewBatch {
            id: BatchId::new(),
            name: self.name,
            product_id: self.product_id,
            email_type: self.email_type.unwrap_or(EmailType::General),
            instructions: self.instructions,
            quality_mode: self.quality_mode.unwrap_or(QualityMode::Balanced),
            choice,
            sample: self.sample.and_then(|sample| i32::try_from(sample).ok()),
            max_cost_cents: self.max_cost_cents,
            created_by: caller.user(),
            request_id: None,
            traceparent: None,
            max_live: state.config.batches_per_org.into(),
        }
    }
}

/// Why a batch is not accepted, for its client. `Err`: the database failed.
pub(super) fn refused(error: AcceptError, choice: &Choice) -> Result<Problem, hellosales_core::DatabaseError> {
    let message = error.to_string();
    let pointer = match choice {
        Choice::Clients(_) => "/client_ids",
        Choice::Filter(_) => "/filter",
        Choice::Import(_) => "/import_id",
    };
    let fault = |pointer: &str, code, message: &str| Problem::invalid(vec![Fault::new(pointer, code, message)]);
    Ok(match error {
        AcceptError::Database(error) => return Err(error),
        AcceptError::ProductNotFound => Problem::new(ErrorCode::ProductNotFound, message),
        AcceptError::ImportNotFound => Problem::new(ErrorCode::ImportNotFound, message),
        AcceptError::ClientsNotFound(places) => {
            let fault = |n: &usize| Fault::new(format!("/client_ids/{n}"), "not_found", "is no client of yours");
            Problem::new(ErrorCode::ClientNotFound, message)
                .with_faults(places.iter().take(MAX_FAULTS).map(fault).collect())
        }
        AcceptError::NoMatch => fault(pointer, "no_match", "matches no active client"),
        AcceptError::AllSkipped => fault(pointer, "all_skipped", "has no active client"),
        AcceptError::TooMany => fault(pointer, "too_many", &message),
        AcceptError::SampleTooLarge(total) => {
            fault("/sample", "out_of_range", &format!("must be at most {total}: so many clients are written to"))
        }
        AcceptError::TooManyLive => Problem::new(ErrorCode::RateLimited, message).retry_after(30),
    })
}
