//! From a seed's pages to their conversations.

use jiff::Timestamp;

use super::{DAY, Message, Messaging, Thread, World, after, is_inbox};
use crate::id::Id;
use crate::seed::{SeedConversation, SeedError, SeedPage};

impl World {
    /// Takes the conversations out of a page's seed.
    pub(super) fn load_messaging(
        &self,
        seed: &mut SeedPage,
        now: Timestamp,
        place: &str,
    ) -> Result<Messaging, SeedError> {
        let routing = std::mem::take(&mut seed.routing);
        let conversations = std::mem::take(&mut seed.conversations);
        let owners = conversations.iter().filter_map(|conversation| conversation.owner.as_ref());
        for app in routing.default_app.iter().chain(&routing.take_control).chain(owners) {
            let subscribed = seed.subscriptions.iter().any(|row| row.app == *app);
            if !subscribed && !self.is_app(app) {
                return Err(SeedError::content(place, format!("app {app} is not in the seed")));
            }
        }
        let mut messaging = Messaging {
            default_app: routing.default_app,
            take_control: routing.take_control.into_iter().collect(),
            barred_from_sending: seed.barred_from_sending,
            ..Messaging::default()
        };
        for (index, conversation) in conversations.into_iter().enumerate() {
            let place = format!("{place}.conversations[{index}] ({})", conversation.psid);
            let thread = self.load_thread(conversation, now, &place)?;
            if messaging.threads.insert(thread.psid.clone(), thread).is_some() {
                return Err(SeedError::content(place, "the conversation is listed twice"));
            }
        }
        Ok(messaging)
    }

    /// Whether this is an app that can own threads.
    pub(crate) fn is_app(&self, app: &Id) -> bool {
        self.apps.contains_key(app) || is_inbox(app)
    }

    fn load_thread(&self, seed: SeedConversation, now: Timestamp, place: &str) -> Result<Thread, SeedError> {
        let refuse = |problem: String| SeedError::content(place, problem);
        let time = |when: crate::when::When| when.resolve(now).map_err(|error| refuse(error.to_string()));
        if let Some(stray) = seed.person.as_ref().filter(|person| !self.actors.contains_key(person)) {
            return Err(refuse(format!("person {stray} is not in people")));
        }
        let last_message_at = time(seed.last_message_at)?;
        let mut thread = Thread::new(seed.psid, seed.name, last_message_at.unwrap_or(now));
        if let Some(at) = last_message_at {
            let id = format!("m_{:0>32}", thread.psid.as_str());
            thread.add(Message { id, at, from_page: false, text: String::new(), attachments: Vec::new() });
        }
        thread.last_message_at = last_message_at;
        thread.profile = seed.profile;
        thread.person = seed.person;
        thread.reach = seed.reach;
        match (seed.owner, seed.owner_until) {
            (Some(owner), None) => thread.hand_to(owner, after(now, DAY)),
            (Some(owner), Some(until)) => {
                let until = time(until)?.ok_or_else(|| refuse("`owner_until` needs a time".into()))?;
                thread.hand_to(owner, until);
            }
            (None, Some(_)) => return Err(refuse("`owner_until` needs `owner`".into())),
            (None, None) => {}
        }
        Ok(thread)
    }
}
