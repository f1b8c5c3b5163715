//! What makes and changes a client.

use hellosales_core::ClientId;
use hellosales_core::content::client::Client;
use utoipa::ToSchema;

use crate::extract::{Fields, Given, Made, ReadBody};

/// What is to change; what is left out stays, and null clears.
#[derive(Debug, ToSchema)]
#[schema(as = ClientChange)]
pub(crate) struct ClientBody {
    #[schema(value_type = Option<String>, min_length = 1, max_length = 255, pattern = r"\S")]
    external_id: Given<String>,
    #[schema(value_type = String, required = false, min_length = 1, max_length = 255, pattern = r"\S")]
    name: Given<String>,
    #[schema(value_type = Option<String>, min_length = 1, max_length = 255, pattern = r"\S")]
    company: Given<String>,
    #[schema(value_type = Option<String>, min_length = 1, max_length = 255, pattern = r"\S")]
    title: Given<String>,
    #[schema(value_type = Option<String>, min_length = 1, max_length = 100, pattern = r"\S")]
    industry: Given<String>,
    #[schema(value_type = Option<String>, min_length = 1, max_length = 255, format = "email")]
    email: Given<String>,
    #[schema(value_type = Option<Vec<String>>, max_items = 50)]
    pain_points: Given<Vec<String>>,
    #[schema(value_type = Option<Vec<String>>, max_items = 50)]
    goals: Given<Vec<String>>,
    #[schema(value_type = Option<Vec<String>>, max_items = 50)]
    objection_patterns: Given<Vec<String>>,
    #[schema(value_type = Option<String>, min_length = 1, max_length = 10000, pattern = r"\S")]
    communication_style: Given<String>,
    #[schema(value_type = Option<Vec<String>>, max_items = 50)]
    decision_criteria: Given<Vec<String>>,
    #[schema(value_type = bool, required = false)]
    is_active: Given<bool>,
}

impl ReadBody for ClientBody {
    const KNOWN: &'static [&'static str] = &[
        "external_id",
        "name",
        "company",
        "title",
        "industry",
        "email",
        "pain_points",
        "goals",
        "objection_patterns",
        "communication_style",
        "decision_criteria",
        "is_active",
    ];

    fn read(fields: &mut Fields) -> Self {
        let name = fields.text("name", 1..=255);
        let is_active = fields.flag("is_active");
        Self {
            external_id: fields.text("external_id", 1..=255),
            name: fields.not_null("name", name),
            company: fields.text("company", 1..=255),
            title: fields.text("title", 1..=255),
            industry: fields.text("industry", 1..=100),
            email: fields.email("email"),
            pain_points: fields.texts("pain_points"),
            goals: fields.texts("goals"),
            objection_patterns: fields.texts("objection_patterns"),
            communication_style: fields.prose("communication_style"),
            decision_criteria: fields.texts("decision_criteria"),
            is_active: fields.not_null("is_active", is_active),
        }
    }
}

impl Made for ClientBody {
    const REQUIRED: &'static [&'static str] = &["name"];
    const NAME: &'static str = "NewClient";
}

impl ClientBody {
    /// The change that puts one away.
    pub(super) fn away() -> Self {
        Self {
            external_id: Given::Absent,
            name: Given::Absent,
            company: Given::Absent,
            title: Given::Absent,
            industry: Given::Absent,
            email: Given::Absent,
            pain_points: Given::Absent,
            goals: Given::Absent,
            objection_patterns: Given::Absent,
            communication_style: Given::Absent,
            decision_criteria: Given::Absent,
            is_active: Given::Value(false),
        }
    }

    /// Whether it is shown from now on.
    pub(super) fn is_active(&self, is_active: bool) -> bool {
        if let Given::Value(is_active) = self.is_active { is_active } else { is_active }
    }

    /// A new one.
    pub(super) fn make(self, id: ClientId) -> Client {
        self.apply(Client {
            id,
            external_id: None,
            name: String::new(),
            company: None,
            title: None,
            industry: None,
            email: None,
            pain_points: Vec::new(),
            goals: Vec::new(),
            objection_patterns: Vec::new(),
            communication_style: None,
            decision_criteria: Vec::new(),
        })
    }

    /// What becomes of one.
    pub(super) fn apply(self, client: Client) -> Client {
        Client {
            id: client.id,
            external_id: self.external_id.change().unwrap_or(client.external_id),
            name: self.name.value().unwrap_or(client.name),
            company: self.company.change().unwrap_or(client.company),
            title: self.title.change().unwrap_or(client.title),
            industry: self.industry.change().unwrap_or(client.industry),
            email: self.email.change().unwrap_or(client.email),
            pain_points: self.pain_points.change().map_or(client.pain_points, Option::unwrap_or_default),
            goals: self.goals.change().map_or(client.goals, Option::unwrap_or_default),
            objection_patterns: self
                .objection_patterns
                .change()
                .map_or(client.objection_patterns, Option::unwrap_or_default),
            communication_style: self.communication_style.change().unwrap_or(client.communication_style),
            decision_criteria: self
                .decision_criteria
                .change()
                .map_or(client.decision_criteria, Option::unwrap_or_default),
        }
    }
}
