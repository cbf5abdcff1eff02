//! What holds whatever happens, in whatever order.

use proptest::prelude::*;
use proptest::sample::select;

use super::super::super::model::Checked;
use super::super::{WAIT, wants_check};
use super::*;
use crate::api::DeletionPolicy;
use crate::graph::{GraphError, GraphFault, Operation};
use crate::limits::answer::{Answer, answer};

/// Something that happens to a page and its channels.
#[derive(Clone, Debug)]
enum Happening {
    /// The channel of this number is there, or is not.
    Channel { number: usize, there: bool },
    /// The channel of this number adopts the claim, if it may.
    Adopts { number: usize },
    /// The application can be used, or not.
    App(AppState),
    /// Meta answers the next request with this code; 0 is success.
    Meta(u32),
    /// The operator is told that the channel of the claim is gone before the API server says so, or no more.
    WatchLies(bool),
    /// Time passes and the claim has a pass.
    Pass { seconds: i64 },
    /// Another process takes over: what was seen of the channels is forgotten.
    Restarts,
    /// The cluster was lost and the claim is restored, with its status or without; its channels are not there yet.
    Restored { status: bool },
    /// The process ends after the next request, before it writes down what came of it.
    Dies,
}

fn happenings() -> impl Strategy<Value = Happening> {
    let apps = vec![AppState::Ready, AppState::Missing, AppState::SecretGone, AppState::NotReady("why".to_owned())];
    prop_oneof![
        3 => (0..3_usize, any::<bool>()).prop_map(|(number, there)| Happening::Channel { number, there }),
        2 => (0..3_usize).prop_map(|number| Happening::Adopts { number }),
        2 => select(apps).prop_map(Happening::App),
        1 => select(vec![0, 0, 1, 4, 10, 190]).prop_map(Happening::Meta),
        1 => any::<bool>().prop_map(Happening::WatchLies),
        6 => select(vec![0, 30, 61, 400, 90_000]).prop_map(|seconds| Happening::Pass { seconds }),
        1 => Just(Happening::Dies),
        1 => Just(Happening::Restarts),
        1 => any::<bool>().prop_map(|status| Happening::Restored { status }),
    ]
}

/// A page, its claim, the channels of one namespace that declare it, and Meta.
struct World {
    claim: AssetClaim,
    channels: [bool; 3],
    /// Those that this process saw live.
    known: [bool; 3],
    /// When the claim was restored, if no channel has been there since.
    restored: Option<Timestamp>,
    app: AppState,
    code: u32,
    watch_lies: bool,
    dies: bool,
    now: Timestamp,
    /// Holders for whom the page was unsubscribed successfully and that was written down.
    released: Vec<String>,
    requests: usize,
}

impl World {
    fn new(policy: DeletionPolicy) -> Self {
        let mut claim = claim(ClaimState::Held, 0);
        claim.spec.deletion_policy = policy;
        claim.spec.holder.uid = "0".to_owned();
        let (channels, app) = ([true, false, false], AppState::Ready);
        let (watch_lies, dies, released, now) = (false, false, vec![], now());
        let (known, restored) = (channels, None);
        Self { claim, channels, known, restored, app, code: 0, watch_lies, dies, now, released, requests: 0 }
    }

    fn holder_lives(&self) -> bool {
        self.channels[self.claim.spec.holder.uid.parse::<usize>().unwrap()]
    }

    fn happens(&mut self, happening: Happening) {
        match happening {
            Happening::Channel { number, there } => {
                self.channels[number] = there;
                self.known[number] |= there;
                self.restored = self.restored.filter(|_| !there);
            }
            Happening::Restarts => self.known = self.channels,
            Happening::Restored { status } => {
                (self.channels, self.known) = ([false; 3], [false; 3]);
                self.restored = Some(self.now);
                self.claim.metadata.uid = Some(self.now.to_string());
                self.claim.status = self.claim.status.take().filter(|_| status);
            }
            Happening::Adopts { number } => {
                let may = self.channels[number] && !self.holder_lives() && !self.claim.is_being_released();
                if may {
                    self.claim.spec.holder.uid = number.to_string();
                }
            }
            Happening::App(app) => self.app = app,
            Happening::Meta(code) => self.code = code,
            Happening::WatchLies(lies) => self.watch_lies = lies,
            Happening::Dies => self.dies = true,
            Happening::Pass { seconds } => {
                self.now += SignedDuration::from_secs(seconds);
                self.pass();
            }
        }
    }

    fn pass(&mut self) {
        let lives = self.holder_lives() && !self.watch_lies;
        let departed = !lives && self.known[self.claim.spec.holder.uid.parse::<usize>().unwrap()];
        let mut seen = Observed { lives, departed, app: self.app.clone(), ..gone() };
        if !lives && wants_check(&self.claim, &seen.app, self.now) {
            let other = self.channels.iter().position(|there| *there);
            seen.checked = Some(match other {
                _ if self.holder_lives() => Checked::Lives,
                Some(number) => Checked::Wanted { name: number.to_string() },
                None => Checked::Gone,
            });
        }
        let plan = decide(&self.claim, &seen, self.now);
        if !plan.release {
            return self.write(plan.report.status);
        }
        let mut status = self.claim.status.clone().unwrap();
        status.releasing_since = Some(self.now);
        self.write(Some(status));
        let answer = self.unsubscribe();
        if std::mem::take(&mut self.dies) {
            return;
        }
        let well = answer.is_ok();
        seen.asked = Some(answer);
        let plan = decide(&self.claim, &seen, self.now);
        assert!(!plan.release, "once a pass");
        if well {
            self.released.push(self.claim.spec.holder.uid.clone());
        }
        self.write(plan.report.status);
    }

    fn write(&mut self, status: Option<AssetClaimStatus>) {
        if status.is_some() {
            self.claim.status = status;
        }
    }

    fn unsubscribe(&mut self) -> Answer<()> {
        assert!(!self.channels.contains(&true), "a living channel declares the page");
        assert_eq!(self.app, AppState::Ready);
        assert_eq!(self.claim.spec.deletion_policy, DeletionPolicy::Disconnect);
        let early = self.restored.is_some_and(|at| self.now < at + WAIT);
        assert!(!early, "its channel may be on its way back");
        let holder = &self.claim.spec.holder.uid;
        let done = self.claim.state() == ClaimState::Tombstone;
        assert!(!done, "{holder} was cleaned up after already: {:?}", self.released);
        self.requests += 1;
        let fault = || GraphError::from(GraphFault::new(self.code, None, "refused"));
        answer(Operation::UnsubscribePage, if self.code == 0 { Ok(()) } else { Err(fault()) })
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_page_that_a_living_channel_declares_is_never_unsubscribed_and_no_page_is_forgotten(
        orphan in any::<bool>(),
        story in proptest::collection::vec(happenings(), 0..40),
    ) {
        let mut world = World::new(if orphan { DeletionPolicy::Orphan } else { DeletionPolicy::Disconnect });
        for happening in story {
            world.happens(happening);
        }
        prop_assert!(!orphan || world.requests == 0);

        // However it went: once nobody is there and everything works, the page is let go, and that is the end of it.
        (world.channels, world.app, world.code) = ([false; 3], AppState::Ready, 0);
        (world.watch_lies, world.dies) = (false, false);
        world.happens(Happening::Pass { seconds: 0 });
        world.happens(Happening::Pass { seconds: 24 * 60 * 60 });
        for _ in 0..4 {
            world.happens(Happening::Pass { seconds: 61 });
        }
        prop_assert_eq!(world.claim.state(), ClaimState::Tombstone);
        prop_assert!(!world.claim.is_being_released());
        let (requests, status) = (world.requests, world.claim.status.clone());
        for _ in 0..3 {
            world.happens(Happening::Pass { seconds: 3600 });
        }
        prop_assert_eq!((world.requests, world.claim.status), (requests, status));
    }
}
