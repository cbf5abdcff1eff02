//! Reports when the clock of this machine and Meta's are too far apart, and ends the process when the machine's clock was set
//! back.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::kinds::Kinds;
use crate::api::{ManagementPolicy, MetaApp};
use crate::base::clock::Moment;
use crate::base::key::Key;
use crate::limits::clock_skew::{TOLERATED, is_much};

/// How often the two clocks are compared when nothing is heard.
const PERIOD: Duration = Duration::from_secs(5);

/// Says when the clocks are apart and when they are not any more, and ends the process when ours was set back, until the shutdown.
pub(super) async fn run(kinds: Arc<Kinds>) {
    let ctx = &kinds.ctx;
    let (mut told, mut furthest) = (false, Timestamp::MIN);
    // On the system's own time: the clock is what is in question.
    while ctx.read(tokio::time::sleep(PERIOD)).await.is_ok() {
        let began = ctx.clock.now().earlier(ctx.clock.running());
        furthest = furthest.max(began);
        if furthest.duration_since(began) > TOLERATED {
            tracing::error!(
                "the clock was set back: what this process remembers seems to be from the future; exiting so that the next process starts afresh"
            );
            ctx.shutdown.cancel();
            return;
        }
        let ahead = ctx.limits.clock_skew.ahead(&ctx.clock).unwrap_or_default();
        if ctx.limits.clock_skew.is_doubted(&ctx.clock) != is_much(ahead) {
            // One answer put something off; another one tells whether it was right.
            let asked = |app: &&Arc<MetaApp>| app.spec.management_policy != ManagementPolicy::Pause;
            ctx.cluster
                .stores
                .apps
                .all()
                .iter()
                .find(asked)
                .into_iter()
                .for_each(|app| kinds.apps.look_at(Key::of(&**app)));
        }
        ctx.metrics.clock_skew(ahead.as_secs());
        if is_much(ahead) != told {
            told = is_much(ahead);
            tell(&kinds, told, ahead.as_secs());
        }
    }
}

fn tell(kinds: &Kinds, apart: bool, ahead_seconds: i64) {
    if apart {
        tracing::warn!(
            ahead_seconds,
            "the clock of this machine and Meta's are too far apart: until they agree, nothing ends, is renewed or is cleaned up by this clock alone"
        );
        return;
    }
    tracing::info!(ahead_seconds, "the clock of this machine and Meta's agree again");
    for grant in kinds.ctx.cluster.stores.grants.all() {
        kinds.grants.look_at(Key::of(&*grant));
    }
}
