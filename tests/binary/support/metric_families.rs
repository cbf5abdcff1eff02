//! The families of metrics that operator and gateway have, without their common prefix. The tests of the charts read the list too.

/// What only passes make, which a gateway has none of.
pub const OF_PASSES: [(&str, &str); 4] = [
    ("graph_request_duration_seconds", "histogram"),
    ("reconcile_duration_seconds", "histogram"),
    ("reconciles_active", "gauge"),
    ("status_writes", "counter"),
];

/// What is told of objects, which only a leader does. They are named here and by [`OF_WEBHOOKS`] alone.
pub const OF_OBJECTS: [(&str, &str); 9] = [
    ("app_usage_percent", "gauge"),
    ("channel_connection", "gauge"),
    ("channel_expiry_timestamp_seconds", "gauge"),
    ("grant_expiry_timestamp_seconds", "gauge"),
    ("grant_renewal_failing", "gauge"),
    ("longest_unverified_seconds", "gauge"),
    ("namespaces_refused", "gauge"),
    ("ready", "gauge"),
    ("surplus_objects", "gauge"),
];

/// What is told of applications by a gateway, and by nobody else.
pub const OF_WEBHOOKS: [(&str, &str); 1] = [("webhook_signatures", "counter")];

pub const FAMILIES: [(&str, &str); 29] = [
    ("build_info", "gauge"),
    ("claims_unguarded", "gauge"),
    ("clock_skew_seconds", "gauge"),
    ("grant_renewals", "counter"),
    ("invalid_objects", "counter"),
    ("leader", "gauge"),
    ("checks_deferred", "counter"),
    ("refused_writes", "counter"),
    ("repairs", "counter"),
    ("secret_reads", "counter"),
    ("secrets_guard_unknown", "gauge"),
    ("secrets_unguarded", "gauge"),
    ("test_graph", "gauge"),
    ("unreachable_apps", "gauge"),
    ("watch_errors", "counter"),
    ("watch_heard_timestamp_seconds", "gauge"),
    ("watch_silences", "counter"),
    ("write_limit", "gauge"),
    ("writes_withheld", "counter"),
    ("webhook_challenges", "counter"),
    ("webhook_items", "counter"),
    ("forwarded_event_dead_letters", "counter"),
    ("forwarded_event_delivery_seconds", "histogram"),
    ("forwarded_event_failures", "counter"),
    ("forwarded_events_queued", "counter"),
    ("forwarded_events_refused", "counter"),
    ("forwarding_queue_bytes", "gauge"),
    ("forwarding_queue_commit_seconds", "histogram"),
    ("forwarding_queue_events", "gauge"),
];

/// What rounds of the sweep make; they come once in half a minute.
pub const OF_ROUNDS: [&str; 6] = [
    "graph_batch_operations",
    "longest_unanswered_seconds",
    "sweep_complete_timestamp_seconds",
    "sweep_lag_seconds",
    "sweep_rounds",
    "sweep_visits",
];
