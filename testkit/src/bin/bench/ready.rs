//! Who becomes Ready, as a watch shows it.

use std::collections::HashSet;
use std::pin::pin;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use futures::TryStreamExt;
use kube::api::{DynamicObject, ListParams, WatchEvent, WatchParams};
use kube::{Api, Client};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::crowd::channel_resource;

/// The channels of all namespaces, each told once, when it is seen Ready for the first time.
pub struct Ready {
    names: UnboundedReceiver<Result<String>>,
    /// Ends with this value.
    _watch: JoinSet<()>,
}

impl Ready {
    /// Watches from now on.
    pub async fn watch(client: &Client) -> Result<Self> {
        let api: Api<DynamicObject> = Api::all_with(client.clone(), &channel_resource());
        let list = api.list_metadata(&ListParams::default().limit(1)).await?;
        let version = list.metadata.resource_version.context("a list without a version")?;
        let (tell, names) = unbounded_channel();
        let mut watch = JoinSet::new();
        watch.spawn(async move {
            if let Err(error) = follow(&api, version, &tell).await {
                // Fails if nobody listens any more.
                let _ = tell.send(Err(error.context("watch channels")));
            }
        });
        Ok(Self { names, _watch: watch })
    }

    /// Waits until so many more are Ready.
    pub async fn more(&mut self, count: usize, patience: Duration) -> Result<()> {
        for seen in 0..count {
            let next = timeout(patience, self.names.recv()).await;
            next.with_context(|| format!("{seen} of {count} became Ready"))?.context("the watch ended")??;
        }
        Ok(())
    }
}

async fn follow(api: &Api<DynamicObject>, mut version: String, tell: &UnboundedSender<Result<String>>) -> Result<()> {
    let mut told = HashSet::new();
    // The API server ends each watch after some minutes.
    loop {
        let mut events = pin!(api.watch(&WatchParams::default(), &version).await?);
        while let Some(event) = events.try_next().await? {
            let object = match event {
                WatchEvent::Added(it) | WatchEvent::Modified(it) | WatchEvent::Deleted(it) => it,
                WatchEvent::Bookmark(it) => {
                    version = it.metadata.resource_version;
                    continue;
                }
                WatchEvent::Error(status) => bail!("{status}"),
            };
            version = object.metadata.resource_version.clone().context("an object without a version")?;
            let name = object.metadata.name.clone().unwrap_or_default();
            if is_ready(&object) && told.insert(name.clone()) {
                // Fails if nobody listens any more.
                let _ = tell.send(Ok(name));
            }
        }
    }
}

fn is_ready(channel: &DynamicObject) -> bool {
    let conditions = channel.data["status"]["conditions"].as_array();
    conditions.is_some_and(|all| all.iter().any(|it| it["type"] == "Ready" && it["status"] == "True"))
}
