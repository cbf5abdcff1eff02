//! Secrets that are easy to find again.

use crate::support::env::SEED;

pub const PAGE_C: &str = "2200000000000003";
pub const PAGE_A_TOKEN: &str = "EAAcanaryPageAQw7xKpZ3mVtR9sLd2Hy5Nf";
pub const PAGE_B_TOKEN: &str = "EAAcanaryPageBTg4cJvU8bXnE1oWq6RzKm2";
pub const PAGE_C_TOKEN: &str = "EAAcanaryPageCYh9dMsL3fPaI7uGt5BwVx0";
pub const GRANT_TOKEN: &str = "EAAcanaryGrantLq8sWvE2yHdKf4MxPz7Tb1";
pub const NOBODYS_TOKEN: &str = "EAAcanaryNobodyZr2kSnH6jCeO4yDp8AiTl";
pub const FIRST_LINE: &str = "EAAcanaryFirstLineUm5gFqX9wBvN3hRj7K";
pub const SECOND_LINE: &str = "canarySecondLinePe8tLyA1zEoC6iWs4D";
pub const MISFIT: &str = "EAAcanaryMisfitJx3vGbQ7rMkH2nTf9UcZd";
pub const APP_SECRET: &str = "canaryAppSecretVa6pDwS0eYlI8mOg5XqBu";
pub const WRONG_APP_SECRET: &str = "canaryWrongSecretNi1sRzF7tKjL4hPc9EyW";

/// Whatever stands in a Secret, or in a place where a secret was put by mistake.
pub const ALL: [&str; 10] = [
    PAGE_A_TOKEN,
    PAGE_B_TOKEN,
    PAGE_C_TOKEN,
    GRANT_TOKEN,
    NOBODYS_TOKEN,
    FIRST_LINE,
    SECOND_LINE,
    MISFIT,
    APP_SECRET,
    WRONG_APP_SECRET,
];

/// The usual seed with these secrets.
pub fn seed() -> String {
    [
        ("EAAsandbox-page-a-000000000000000000", PAGE_A_TOKEN),
        ("EAAsandbox-page-b-000000000000000000", PAGE_B_TOKEN),
        ("EAAsandbox-page-c-000000000000000000", PAGE_C_TOKEN),
        ("EAAsandbox-user-00000000000000000000", GRANT_TOKEN),
        ("sandbox-app-secret-0000000000000000", APP_SECRET),
    ]
    .into_iter()
    .fold(SEED.to_owned(), |seed, (usual, bait)| seed.replace(usual, bait))
}
