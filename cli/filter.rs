//! FILTER: the same words for runs, steps and dead letters, in lists and in bulk.

use hellosales_core::pulse::filter::{ErrorPattern, Filter};
use hellosales_core::pulse::prefix::Noun;

use crate::operator::Operator;
use crate::output::Output;
use crate::problem::{Exit, Problem};
use crate::times::{self, When};

/// Which ones.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Filter")]
pub(crate) struct FilterArgs {
    /// Of this pipeline
    #[arg(long, value_name = "NAME")]
    pub(crate) pipeline: Option<String>,
    /// At, or failed at, this stage
    #[arg(long, value_name = "NAME")]
    pub(crate) stage: Option<String>,
    /// That stand like this; several with commas
    #[arg(long, value_name = "STATUS,…", value_delimiter = ',')]
    pub(crate) status: Vec<String>,
    /// With this error; with a star at its end, with those that begin so
    #[arg(long, value_name = "CODE|PREFIX*")]
    pub(crate) error: Option<String>,
    /// Of this provider
    #[arg(long, value_name = "NAME")]
    pub(crate) provider: Option<String>,
    /// Of this batch
    #[arg(long, value_name = "ID")]
    pub(crate) batch: Option<String>,
    /// Of this session
    #[arg(long, value_name = "ID")]
    pub(crate) session: Option<String>,
    /// Of this user
    #[arg(long, value_name = "ID")]
    pub(crate) user: Option<String>,
    /// With this cause, as 'dlq summary --by fingerprint' shows it
    #[arg(long, value_name = "FINGERPRINT")]
    pub(crate) fingerprint: Option<String>,
    /// Made since then: 1h ago, or a time
    #[arg(long, value_name = "AGO|TIME", value_parser = times::parse)]
    pub(crate) since: Option<When>,
    /// Made before then: 1h ago, or a time
    #[arg(long, value_name = "AGO|TIME", value_parser = times::parse)]
    pub(crate) until: Option<When>,
}

/// What a kind of thing can be filtered by.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Filtered {
    /// What they are called, in the plural: `runs`.
    pub(crate) nouns: &'static str,
    /// How they can stand.
    pub(crate) statuses: &'static [&'static str],
    /// The filters that they know nothing of: `fingerprint`.
    pub(crate) lacks: &'static [&'static str],
    /// How far a list looks back where nothing is said; it is printed.
    pub(crate) since: Option<&'static str>,
}

impl FilterArgs {
    /// Whether nothing was asked for: then a bulk command needs `--all`.
    pub(crate) fn is_empty(&self) -> bool {
        self.given().iter().all(|(_, given)| !given)
    }

    const fn given(&self) -> [(&'static str, bool); 11] {
        [
            ("pipeline", self.pipeline.is_some()),
            ("stage", self.stage.is_some()),
            ("status", !self.status.is_empty()),
            ("error", self.error.is_some()),
            ("provider", self.provider.is_some()),
            ("batch", self.batch.is_some()),
            ("session", self.session.is_some()),
            ("user", self.user.is_some()),
            ("fingerprint", self.fingerprint.is_some()),
            ("since", self.since.is_some()),
            ("until", self.until.is_some()),
        ]
    }

    /// The filter that is meant, within the operator's organisation. Says what it adds.
    pub(crate) async fn read(&self, operator: &Operator, of: &Filtered, output: Output) -> anyhow::Result<Filter> {
        self.check(of)?;
        let (mut since, mut until) = (None, None);
        if self.since.is_some() || self.until.is_some() || of.since.is_some() {
            let now = operator.now().await?;
            let added = if self.since.is_none() { of.since } else { None };
            if let Some(added) = added {
                output.say(format!("--since {added}"));
            }
            let default = added.and_then(|text| times::parse(text).ok());
            since = self.since.or(default).map(|when| when.at(now));
            until = self.until.map(|when| when.at(now));
        }
        Ok(Filter {
            org_id: operator.org,
            pipeline: self.pipeline.clone(),
            stage: self.stage.clone(),
            status: self.status.clone(),
            error: self.error.as_deref().map(ErrorPattern::parse),
            provider: self.provider.clone(),
            batch_id: find(operator, Noun::Batch, self.batch.as_deref()).await?.map(Into::into),
            session_id: find(operator, Noun::Session, self.session.as_deref()).await?.map(Into::into),
            user_id: find(operator, Noun::User, self.user.as_deref()).await?.map(Into::into),
            run_id: None,
            fingerprint: self.fingerprint.clone(),
            since,
            until,
        })
    }

    /// What a kind of thing doesn't have would match nothing, or all: it is refused.
    fn check(&self, of: &Filtered) -> Result<(), Problem> {
        if let Some((name, _)) = self.given().iter().find(|(name, given)| *given && of.lacks.contains(name)) {
            return Err(Problem::new(Exit::Usage, format!("{} have no --{name}", of.nouns)));
        }
        if let Some(status) = self.status.iter().find(|status| !of.statuses.contains(&status.as_str())) {
            return Err(Problem::new(Exit::Usage, format!("{} don't stand '{status}'", of.nouns))
                .fix(format!("--status is one of: {}", of.statuses.join(", "))));
        }
        Ok(())
    }
}

async fn find(operator: &Operator, noun: Noun, text: Option<&str>) -> anyhow::Result<Option<uuid::Uuid>> {
    match text {
        Some(text) => Ok(Some(operator.id(noun, text).await?)),
        None => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUNS: Filtered =
        Filtered { nouns: "runs", statuses: &["failed", "queued"], lacks: &["fingerprint"], since: None };

    #[test]
    fn an_empty_filter_is_empty_and_each_word_makes_it_full() {
        assert!(FilterArgs::default().is_empty());
        assert!(!FilterArgs { until: times::parse("1h").ok(), ..FilterArgs::default() }.is_empty());
        assert!(!FilterArgs { status: vec!["failed".to_owned()], ..FilterArgs::default() }.is_empty());
    }

    #[test]
    fn what_a_thing_has_not_and_how_it_cannot_stand_are_refused() {
        let fingerprint = FilterArgs { fingerprint: Some("x".to_owned()), ..FilterArgs::default() };
        assert_eq!(fingerprint.check(&RUNS).unwrap_err().to_string(), "runs have no --fingerprint");
        let status = FilterArgs { status: vec!["failed".to_owned(), "dead".to_owned()], ..FilterArgs::default() };
        assert_eq!(status.check(&RUNS).unwrap_err().to_string(), "runs don't stand 'dead'");
        let fine = FilterArgs { status: vec!["failed".to_owned()], ..FilterArgs::default() };
        assert!(fine.check(&RUNS).is_ok());
    }
}
