//! Who hears of an occurrence.

use url::Url;

use super::Occurrence;
use super::record::Dropped;
use crate::id::Id;
use crate::world::World;

/// Whether the app is subscribed to the occurrence's field at both levels.
pub(super) fn hears(world: &World, occurrence: &Occurrence) -> Result<(), Dropped> {
    let app = world.apps.get(&occurrence.app).ok_or(Dropped::UnknownApp)?;
    let row = app.subscriptions.get("page").ok_or(Dropped::AppNotSubscribed)?;
    if !row.active {
        return Err(Dropped::AppSubscriptionInactive);
    }
    if !row.fields.iter().any(|field| field.name == occurrence.field) {
        return Err(Dropped::AppFieldMissing);
    }
    let page = world.pages.get(&occurrence.page).ok_or(Dropped::PageNotSubscribed)?;
    let row = page.subscriptions.get(&occurrence.app).ok_or(Dropped::PageNotSubscribed)?;
    if !row.fields.iter().any(|field| field == occurrence.field) {
        return Err(Dropped::PageFieldMissing);
    }
    Ok(())
}

/// The app's callback for events of pages, while its subscription is active.
pub(super) fn callback(world: &World, app: &Id) -> Result<Url, Dropped> {
    let app = world.apps.get(app).ok_or(Dropped::UnknownApp)?;
    let row = app.subscriptions.get("page").ok_or(Dropped::AppNotSubscribed)?;
    if !row.active {
        return Err(Dropped::AppSubscriptionInactive);
    }
    Url::parse(&row.callback_url).map_err(|_| Dropped::AppNotSubscribed)
}

/// Whether the app still has a row on the page.
pub(super) fn on_page(world: &World, app: &Id, page: &Id) -> bool {
    world.pages.get(page).is_some_and(|page| page.subscriptions.contains_key(app))
}
