//! Which channel holds which page, and what was heard of each. Of a channel that holds no page nothing is kept, and of the others the
//! little that is needed; the watches of `cluster/watch` keep whole objects, twice while they list.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use kube::{Resource, ResourceExt};
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;
use webhook_forwarder::delivery::Wakes;
use webhook_forwarder::event::ChannelId;

use super::evidence::{Heard, Sign, is_news};
use crate::api::{CredentialSource, FacebookChannel, InboundStatus};
use crate::base::ids::{PageId, Uid};
use crate::base::key::{Key, version};
use crate::gateway::route::Route;
use crate::meta_app::seen;

/// The shortest time between two writes about the same channel.
const SPACING: Duration = Duration::from_secs(10);

/// The first pause after a write that failed, and the longest.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(600);

/// What a channel is connected through.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::gateway) enum Through {
    App(Key),
    Grant(Key),
}

/// A channel that holds its page.
struct Holder {
    uid: Uid,
    /// Version of the object that this is known from.
    version: u64,
    through: Through,
    /// Where its events go, if they are forwarded.
    route: Option<Arc<Route>>,
    /// What events showed; nothing of a channel that has none.
    known: Option<Box<Known>>,
}

/// What events of a page showed.
#[derive(Default)]
struct Known {
    written: Option<InboundStatus>,
    /// Of which application, and what.
    heard: Option<(String, Heard)>,
    /// When that was written last.
    written_at: Option<Instant>,
    /// When what was heard is to be written.
    due: Option<Due>,
}

#[derive(Clone, Copy)]
struct Due {
    at: Instant,
    failures: u32,
}

/// A page and a channel that holds it.
pub(super) type Place = (PageId, Key);

/// The channels that hold their pages.
#[derive(Default)]
pub(in crate::gateway) struct Channels {
    holders: Mutex<BTreeMap<Place, Holder>>,
    /// Where events go, by channel.
    routes: Mutex<HashMap<ChannelId, Arc<Route>>>,
    /// Namespaces whose channels were listed.
    listed: Mutex<HashSet<String>>,
    pub(super) changed: Notify,
    /// Told of routes that become others.
    pub(in crate::gateway) wakes: Wakes,
}

/// What came of an event.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Took {
    Counted,
    Old,
    UnknownPage,
}

/// What is to be written into the status of a channel.
#[derive(Debug, PartialEq)]
pub(super) struct News {
    pub(super) place: Place,
    pub(super) uid: Uid,
    pub(super) inbound: InboundStatus,
}

impl Holder {
    /// What is kept of a channel; `None` if it holds no page, or is to part from it.
    fn of(channel: &FacebookChannel) -> Option<Self> {
        let status = channel.status.as_ref().filter(|_| !channel.spec.parts())?;
        status.claim_name.as_ref()?;
        let namespace = channel.namespace()?;
        let through = match channel.spec.credentials.source()? {
            CredentialSource::PageToken(declared) => Through::App(seen::key_of(&declared.app_ref, &namespace)),
            CredentialSource::Grant(declared) => Through::Grant(Key::new(namespace, &declared.name)),
        };
        let written = status.inbound.clone();
        let route = Route::of(channel).map(Arc::new);
        Some(Self {
            uid: Uid::of(channel),
            version: version(channel.meta()).unwrap_or_default(),
            through,
            route,
            known: written.map(|written| Box::new(Known { written: Some(written), ..Known::default() })),
        })
    }

    /// Takes over what is known of the same object.
    fn succeed(&mut self, before: Self) {
        let Some(mut known) = before.known.filter(|_| before.uid == self.uid) else { return };
        if before.version > self.version {
            // The watch has yet to bring what we wrote.
            self.version = before.version;
        } else {
            known.written = self.known.take().and_then(|known| known.written);
        }
        self.known = Some(known);
    }

    fn due(&self) -> Option<Due> {
        self.known.as_ref()?.due
    }
}

impl Known {
    /// Takes in what is written, and makes it due to be written anew if what was heard is news.
    fn settle(&mut self) {
        if let Some(written) = &self.written {
            match &mut self.heard {
                Some((app_id, heard)) if *app_id == written.app_id => heard.take_in(written),
                Some(_) => {}
                none => none.insert((written.app_id.clone(), Heard::default())).1.take_in(written),
            }
        }
        let now = Instant::now();
        let at = self.written_at.map_or(now, |written| now.max(later(written, SPACING)));
        // What failed keeps its pause.
        self.due = self.news().and(self.due.or(Some(Due { at, failures: 0 })));
    }

    /// What is to be written, if anything.
    fn news(&self) -> Option<InboundStatus> {
        let (app_id, heard) = self.heard.as_ref()?;
        heard.shows(app_id).filter(|shown| is_news(self.written.as_ref(), shown))
    }
}

impl Channels {
    /// A channel is there, as it is now.
    pub(super) fn applied(&self, channel: &FacebookChannel) {
        let place = place_of(channel);
        let mut holders = self.holders.lock();
        let before = holders.remove(&place);
        let now = Holder::of(channel);
        self.reroute(before.as_ref(), now.as_ref());
        let Some(mut holder) = now else { return };
        if let Some(before) = before {
            holder.succeed(before);
        }
        if let Some(known) = &mut holder.known {
            known.settle();
        }
        let is_due = holder.due().is_some();
        holders.insert(place, holder);
        drop(holders);
        if is_due {
            self.changed.notify_one();
        }
    }

    /// The route of a channel is, or is no more, as its object says.
    fn reroute(&self, before: Option<&Holder>, now: Option<&Holder>) {
        let route = |holder: Option<&Holder>| holder.and_then(|it| it.route.clone());
        let (before, now) = (route(before), route(now));
        if before == now {
            return;
        }
        let mut routes = self.routes.lock();
        if let Some(before) = before {
            routes.remove(&before.channel);
        }
        if let Some(now) = now {
            let channel = now.channel;
            routes.insert(channel, now);
            drop(routes);
            self.wakes.endpoint_changed(channel);
        }
    }

    /// Where the events of a channel go.
    pub(in crate::gateway) fn route(&self, channel: ChannelId) -> Option<Arc<Route>> {
        self.routes.lock().get(&channel).cloned()
    }

    /// Where the events of a page go that were sent to an application; `is_of` says whether a channel is one of its own.
    pub(super) fn route_of(&self, page: &str, is_of: impl Fn(&Through) -> bool) -> Option<Arc<Route>> {
        of_page(&mut self.holders.lock(), page, is_of)?.route.clone()
    }

    /// Whether the channels of all these namespaces were listed.
    pub(super) fn are_listed(&self, namespaces: &[String]) -> bool {
        let listed = self.listed.lock();
        namespaces.iter().all(|namespace| listed.contains(namespace))
    }

    pub(super) fn gone(&self, channel: &FacebookChannel) {
        let gone = self.holders.lock().remove(&place_of(channel));
        self.reroute(gone.as_ref(), None);
    }

    /// Of what cannot be decoded nothing is known.
    pub(super) fn undecodable(&self, key: &Key) {
        self.keep(|(_, known)| known != key);
    }

    fn keep(&self, keep: impl Fn(&Place) -> bool) {
        self.holders.lock().retain(|place, holder| {
            let kept = keep(place);
            if !kept {
                self.reroute(Some(holder), None);
            }
            kept
        });
    }

    /// The place of a channel that holds its page.
    pub(super) fn place_of(&self, channel: &FacebookChannel) -> Option<Place> {
        self.holders.lock().contains_key(&place_of(channel)).then(|| place_of(channel))
    }

    /// Everything was listed in a namespace, or in all if it has no name.
    pub(super) fn listed(&self, namespace: &str, there: &HashSet<Place>) {
        let elsewhere = |key: &Key| !namespace.is_empty() && key.namespace != namespace;
        self.keep(|place| elsewhere(&place.1) || there.contains(place));
        self.listed.lock().insert(namespace.to_owned());
    }

    /// Hears of an event on a page, which was sent to an application; `is_of` says whether a channel is one of its own.
    pub(super) fn hear(
        &self,
        page: &str,
        app_id: &str,
        sign: Sign,
        at: Timestamp,
        now: Timestamp,
        is_of: impl Fn(&Through) -> bool,
    ) -> Took {
        let mut holders = self.holders.lock();
        let Some(holder) = of_page(&mut holders, page, is_of) else { return Took::UnknownPage };
        let known = holder.known.get_or_insert_default();
        let heard = match &mut known.heard {
            Some((known, heard)) if known == app_id => heard,
            // Of another application's events nothing follows for this one.
            other => &mut other.insert((app_id.to_owned(), Heard::default())).1,
        };
        if !heard.hear(sign, at, now) {
            return Took::Old;
        }
        let was_due = known.due.is_some();
        known.settle();
        let is_due = known.due.is_some() && !was_due;
        drop(holders);
        if is_due {
            self.changed.notify_one();
        }
        Took::Counted
    }

    /// When the next write is due.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.holders.lock().values().filter_map(|holder| Some(holder.due()?.at)).min()
    }

    /// What has been due for longest, as it is by now.
    pub(super) fn next_news(&self, now: Instant) -> Option<News> {
        let mut holders = self.holders.lock();
        let due = holders.iter_mut().filter_map(|(place, it)| Some((it.due()?.at, place, it)));
        let (_, place, holder) = due.filter(|(at, ..)| *at <= now).min_by_key(|(at, ..)| *at)?;
        let known = holder.known.as_mut()?;
        let Some(inbound) = known.news() else {
            known.due = None;
            return None;
        };
        Some(News { place: place.clone(), uid: holder.uid.clone(), inbound })
    }

    /// It was written, which made this version of the object.
    pub(super) fn written(&self, news: &News, version: Option<u64>) {
        self.of(news, |holder| {
            holder.version = version.unwrap_or_default().max(holder.version);
            let known = holder.known.get_or_insert_default();
            (known.written, known.written_at, known.due) = (Some(news.inbound.clone()), Some(Instant::now()), None);
            known.settle();
        });
    }

    /// It does not fit any more; the watch brings how it is.
    pub(super) fn outdated(&self, news: &News) {
        self.of(news, |holder| holder.known.iter_mut().for_each(|known| known.due = None));
    }

    /// It was refused; how often it was before.
    pub(super) fn failed(&self, news: &News) -> u32 {
        let mut before = 0;
        self.of(news, |holder| {
            before = holder.due().map_or(0, |due| due.failures);
            let pause = FIRST_PAUSE.saturating_mul(2_u32.saturating_pow(before)).min(LONGEST_PAUSE);
            let due = Due { at: later(Instant::now(), pause), failures: before.saturating_add(1) };
            holder.known.get_or_insert_default().due = Some(due);
        });
        before
    }

    fn of(&self, news: &News, change: impl FnOnce(&mut Holder)) {
        if let Some(holder) = self.holders.lock().get_mut(&news.place).filter(|holder| holder.uid == news.uid) {
            change(holder);
        }
    }

    #[cfg(test)]
    pub(super) fn count(&self) -> usize {
        self.holders.lock().len()
    }
}

fn later(at: Instant, by: Duration) -> Instant {
    at.checked_add(by).unwrap_or(at)
}

/// The channel that holds a page, of those that `is_of` holds for.
fn of_page<'a>(
    holders: &'a mut BTreeMap<Place, Holder>,
    page: &str,
    is_of: impl Fn(&Through) -> bool,
) -> Option<&'a mut Holder> {
    let (page, first) = (PageId::new(page), Key::new("", ""));
    let mut of_page = holders.range_mut((page.clone(), first)..).take_while(|((known, _), _)| *known == page);
    of_page.find(|(_, holder)| is_of(&holder.through)).map(|(_, holder)| holder)
}

fn place_of(channel: &FacebookChannel) -> Place {
    (PageId::new(&channel.spec.page_id), Key::of(channel))
}
