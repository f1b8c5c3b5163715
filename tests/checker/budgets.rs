//! How the rules of organisations' budgets are broken in the healthy rows.

/// A rule, and how to break it.
pub(super) const PLANTS: &[(&str, &str)] = &[
    // A call that was let through although the budget did not reach.
    ("org_budget_is_kept", "UPDATE budget_windows SET most_cents = 1.24 WHERE span = 'day'"),
    ("org_budget_is_kept", "UPDATE budget_windows SET most_tokens = 461 WHERE span = 'slice'"),
    ("org_budget_is_kept", "UPDATE budget_windows SET most_requests = 2 WHERE span = 'day'"),
    // What was used fifty-five seconds ago is of the same minute.
    (
        "org_budget_is_kept",
        "INSERT INTO budget_windows (org_id, span, starts_at, tokens, before_tokens)
         SELECT org_id, span, starts_at - interval '55 seconds', 39, 39 FROM budget_windows WHERE span = 'slice'",
    ),
    // A reservation that nobody gave back, or that was given back twice.
    ("org_budget_is_its_calls", "UPDATE budget_windows SET reserved_cents = 1 WHERE span = 'day'"),
    ("org_budget_is_its_calls", "UPDATE budget_windows SET reserved_tokens = 0 WHERE span = 'slice'"),
    ("org_budget_is_its_calls", "UPDATE budget_windows SET cents = 0.5 WHERE span = 'day'"),
    // A call that nobody counted.
    ("org_budget_is_its_calls", "UPDATE provider_calls SET counted_at = now() WHERE pipeline_run_id = u(36)"),
    ("org_budget_is_its_calls", "UPDATE budget_windows SET requests = 2 WHERE span = 'slice'"),
];
