//! Fields of the app node: their names, and who may read them.

/// Fields a seed may set; the others follow from the rest of the state.
const SETTABLE: &[&str] = &["namespace", "app_type", "has_messenger_product", "business", "privacy_policy_url", "link"];

/// Fields without `fields`.
pub(crate) const DEFAULT: &[&str] = &["category", "link", "name", "id"];

/// Whether any token of the app may read this field.
pub(crate) fn is_public(name: &str) -> bool {
    DEFAULT.contains(&name)
}

/// Whether a seed may set this field.
pub(crate) fn is_settable(name: &str) -> bool {
    SETTABLE.contains(&name)
}

/// Whether the app node has this field.
pub(crate) fn exists(name: &str) -> bool {
    is_settable(name) || DEFAULT.contains(&name)
}
