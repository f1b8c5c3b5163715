//! Which letters a filter means, in SQL: the same words for lists, counts, summaries and bulk.

/// A checked statement about `dead_letter_queue d` with the filter's conditions in the middle, which take `$1` to `$14`. `$how`
/// is the macro of sqlx, with the type of the rows if it names one.
macro_rules! matching {
    ($how:ident $(< $row:ty >)?, $filter:expr, $head:literal, $tail:literal $(, $more:expr)* $(,)?) => {
        sqlx::$how!(
            $($row,)?
            $head + r#" ($1::uuid IS NULL OR d.org_id = $1) AND ($2::text IS NULL OR d.pipeline = $2)
               AND ($3::text IS NULL OR d.failed_stage = $3) AND (cardinality($4::text[]) = 0 OR d.status = ANY($4))
               AND ($5::text IS NULL OR d.error_code = $5) AND ($6::text IS NULL OR starts_with(d.error_code, $6))
               AND ($7::text IS NULL OR d.provider = $7) AND ($8::uuid IS NULL OR d.batch_id = $8)
               AND ($9::uuid IS NULL OR d.session_id = $9) AND ($10::uuid IS NULL OR d.user_id = $10)
               AND ($11::uuid IS NULL OR d.pipeline_run_id = $11) AND ($12::text IS NULL OR d.fingerprint = $12)
               AND ($13::timestamptz IS NULL OR d.created_at >= $13) AND ($14::timestamptz IS NULL OR d.created_at < $14) "# + $tail,
            $filter.org_id.map(crate::OrgId::uuid),
            $filter.pipeline,
            $filter.stage,
            &$filter.status,
            $filter.error.as_ref().and_then(crate::pulse::filter::ErrorPattern::code),
            $filter.error.as_ref().and_then(crate::pulse::filter::ErrorPattern::prefix),
            $filter.provider,
            $filter.batch_id.map(crate::BatchId::uuid),
            $filter.session_id.map(crate::SessionId::uuid),
            $filter.user_id.map(crate::UserId::uuid),
            $filter.run_id.map(crate::RunId::uuid),
            $filter.fingerprint,
            $filter.since,
            $filter.until,
            $($more),*
        )
    };
}
pub(crate) use matching;
