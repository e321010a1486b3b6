//! Renamed settings: the old name of a setting is rejected with the new name.

/// Section, old name and new name of each renamed setting. The section of a list element is the name of the list.
pub(crate) const RENAMED: [(&str, &str, &str); 13] = [
    ("api", "intake_batch", "write_batch_size"),
    ("api", "intake_queue", "write_queue_size"),
    ("api", "intake_writers", "batch_writers"),
    ("api", "unread_timeout", "send_timeout"),
    ("api", "event_readers", "max_event_streams"),
    ("worker", "requeue_after", "pending_timeout"),
    ("worker", "keep_changes", "change_log_retention"),
    (
        "worker",
        "keep_idempotency_keys",
        "idempotency_key_retention",
    ),
    ("worker", "sweep_every", "sweep_interval"),
    ("worker", "relay_poll", "relay_poll_interval"),
    ("database", "pool_wait", "pool_timeout"),
    ("embedded", "wait", "write_timeout"),
    ("vendors", "every", "sync_interval"),
];

/// Returns the new path of a renamed setting, or `None` if `path` is not an old name. Paths have the form `section.name` or
/// `list[0].name`.
pub(crate) fn new_path(path: &str) -> Option<String> {
    let (parent, name) = path.rsplit_once('.')?;
    let is_nested = parent.contains('.');
    let section = parent.split('[').next().filter(|_| !is_nested)?;
    RENAMED
        .iter()
        .find(|(renamed_in, old, _)| *renamed_in == section && *old == name)
        .map(|(_, _, new)| format!("{parent}.{new}"))
}
