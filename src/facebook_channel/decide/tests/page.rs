//! Whether the page can be used.

use super::scene::*;
use crate::api::conditions::ConditionType::{Authorized, Connected, Disconnected, PageUsable, Ready};
use crate::engine::Class;
use crate::graph::{Caller, PageNode, Verdict};

#[test]
fn a_page_is_usable_unless_meta_says_that_it_is_not_published() {
    for (is_published, expected) in
        [(Some(true), "True/Usable"), (None, "True/Usable"), (Some(false), "False/Unpublished")]
    {
        let node = PageNode { is_published, ..page_node() };
        let outcome = Scene::with(|scene| scene.seen.asked.page = Some(Ok(node))).decide();
        outcome.shows(&[(PageUsable, expected), (Authorized, "True/TokenValid")]);
        assert_eq!(outcome.of(Ready) == "True/Reached", expected.starts_with("True"));
    }
}

