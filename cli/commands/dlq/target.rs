//! Whom a command about dead letters means, and what it says of them before it asks.

use hellosales_core::content::{COUNT_LIMIT, Total};
use hellosales_core::dead_letter::summary::{self, Reach};
use hellosales_core::id::DeadLetterId;
use hellosales_core::operation::Kind;
use hellosales_core::operation::create::Targets;
use hellosales_core::pulse::filter::Filter;
use hellosales_core::pulse::prefix::Noun;

use super::columns::LETTERS_IN_BULK;
use crate::bulk::{BulkArgs, Chosen, count};
use crate::filter::FilterArgs;
use crate::operator::Operator;
use crate::output::Output;
use crate::problem::{Exit, Problem};

/// Whom it means.
pub(super) enum Meant {
    /// One letter, which is dealt with at once.
    One(DeadLetterId),
    /// Some, by name.
    Some(Vec<DeadLetterId>),
    /// Those of a filter.
    Filtered(Box<Filter>),
}

impl Meant {
    pub(super) async fn read(
        ids: &[String],
        filter: &FilterArgs,
        bulk: &BulkArgs,
        (operator, output): (&Operator, Output),
    ) -> anyhow::Result<Self> {
        if bulk.choose(ids, filter)? == Chosen::Filtered {
            return Ok(Self::Filtered(Box::new(filter.read(operator, &LETTERS_IN_BULK, output).await?)));
        }
        let mut found: Vec<DeadLetterId> =
            operator.ids(Noun::DeadLetter, ids).await?.into_iter().map(DeadLetterId::from).collect();
        Ok(match (found.len(), found.pop()) {
            (1, Some(one)) => Self::One(one),
            (_, last) => Self::Some(found.into_iter().chain(last).collect()),
        })
    }

    pub(super) fn targets(&self) -> Targets<'_> {
        match self {
            Self::One(id) => Targets::LetterIds(std::slice::from_ref(id)),
            Self::Some(ids) => Targets::LetterIds(ids),
            Self::Filtered(filter) => Targets::Letters(filter),
        }
    }

    /// How many they are, in words: `34 dead letters, 2 organisations, about 1.9 cents`. Nobody is exit 3.
    pub(super) async fn words(&self, kind: Kind, bulk: &BulkArgs, operator: &Operator) -> anyhow::Result<String> {
        let ids = match self {
            Self::One(_) => 1,
            Self::Some(ids) => ids.len(),
            Self::Filtered(filter) => {
                let reach = reach(&kind.narrow(filter), kind, bulk, operator).await?;
                return said(&reach, kind, bulk);
            }
        };
        let total = Total::from(i64::try_from(ids).unwrap_or(i64::MAX));
        Ok(count(total, "dead letter", "dead letters"))
    }
}

async fn reach(filter: &Filter, kind: Kind, bulk: &BulkArgs, operator: &Operator) -> anyhow::Result<Reach> {
    let limit = bulk.max.map_or(COUNT_LIMIT + 1, |max| i64::from(max).min(COUNT_LIMIT + 1));
    let reach = async {
        let mut tx = operator.db.begin().await?;
        summary::reach(&mut tx, filter, kind == Kind::Reopen, limit).await
    };
    reach.await.map_err(|error| operator.fault(error))
}

fn said(reach: &Reach, kind: Kind, bulk: &BulkArgs) -> anyhow::Result<String> {
    if reach.count == 0 {
        return Err(Problem::new(Exit::NothingMatched, "no dead letter is like that").into());
    }
    let letters = count(Total::from(reach.count), "dead letter", "dead letters");
    let organisations = count(Total::from(reach.organisations), "organisation", "organisations");
    let most = bulk.max.filter(|max| i64::from(*max) <= reach.count).map(|max| format!(" (at most {max})"));
    // What failed before a model worked has cost nothing, and says nothing of what it will.
    let cents = if kind == Kind::Redrive && !reach.cost_cents.round_dp(1).is_zero() {
        format!(", about {} cents", reach.cost_cents.round_dp(1).normalize())
    } else {
        String::new()
    };
    Ok(format!("{letters}{}, {organisations}{cents}", most.unwrap_or_default()))
}
