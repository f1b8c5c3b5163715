//! The checker, as every test ends with it.

use hellosales_core::invariant::{self, Report, Scope};
use hellosales_core::pipeline::{self, Pipeline};

use super::database::{TestDatabase, connect};

/// All rules that hold at any instant.
pub(crate) async fn live(db: &TestDatabase) {
    assert_clean(&report(db, Scope::Live, &[]).await);
}

/// All rules: every run has ended, nothing is left to do.
pub(crate) async fn quiet(db: &TestDatabase) {
    assert_clean(&report(db, Scope::Quiet, &[]).await);
}

/// Asks the rules about the product's pipelines and these.
pub(crate) async fn report(db: &TestDatabase, scope: Scope, more: &[&'static Pipeline]) -> Report {
    let mut connection = connect(&db.url).await;
    let pipelines: Vec<&Pipeline> = pipeline::ALL.iter().copied().chain(more.iter().copied()).collect();
    invariant::check_pipelines(&mut connection, scope, &pipelines).await.expect("the checker runs")
}

/// Fails with the rules that are broken, and who breaks them.
pub(crate) fn assert_clean(report: &Report) {
    let broken: Vec<String> = report.violations.iter().map(|v| format!("{}: {}", v.rule, v.row)).collect();
    assert!(broken.is_empty(), "rules over {} runs are broken:\n{}", report.runs, broken.join("\n"));
}
