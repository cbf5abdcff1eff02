//! A write that fails breaks the store for good, and everybody hears it.

use super::*;
use crate::event::{DeadLetterReason, Sequence};
use crate::queue::QueueError;
use crate::queue::embedded::broken::Broken;

#[tokio::test]
async fn a_failed_sync_breaks_the_store_for_good() {
    let disk = Disk::default();
    let queue = open(&disk, Settings::default());
    queue.append(vec![event(1, "kept", 0)]).await.unwrap();
    disk.lose_power_at(disk.syncs() + 1);

    let answers = futures::join!(
        queue.append(vec![event(1, "one", 0)]),
        queue.delivered(ChannelId(1), vec![Sequence(1)]),
        queue.bury(ChannelId(1), Sequence(1), DeadLetterReason::Refused),
    );
    let reason = queue.broken().await;
    assert!(reason.contains("the power goes off"), "{reason}");
    let broken = Err(QueueError::Broken(reason.clone()));
    assert_eq!([answers.0, answers.1, answers.2], [broken.clone(), broken.clone(), broken.clone()]);

    // Also what needs no disk, and later.
    assert_eq!(queue.append(vec![]).await, broken);
    assert_eq!(queue.append(vec![event(1, "two", 0)]).await, broken);
    assert_eq!(queue.next(ChannelId(1), None, ALL).await, Err(QueueError::Broken(reason)));
    drop(queue);

    let queue = open(&disk.after_power_loss(|| false), Settings::default());
    assert_eq!(items(&queue, 1).await, [b"kept"]);
}

#[tokio::test]
async fn the_first_reason_stays() {
    let broken = Broken::not_yet();
    assert_eq!(broken.check(), Ok(()));
    broken.set("first");
    broken.set("second");
    assert_eq!(broken.check(), Err(QueueError::Broken("first".to_owned())));
    assert_eq!(broken.wait().await, "first");
}

/// Panics where the writer asks for the space.
struct Panics;

impl Volume for Panics {
    fn space(&self) -> io::Result<Space> {
        panic!("for the test");
    }
}

#[tokio::test]
async fn a_panic_breaks_the_store() {
    let queue = open_with(&Disk::default(), Settings::default(), Panics, ());
    let answer = queue.append(vec![event(1, "one", 0)]).await;
    assert_eq!(answer, Err(QueueError::Broken("the thread that writes panicked".to_owned())));
    assert_eq!(queue.broken().await, "the thread that writes panicked");
}

#[tokio::test]
async fn bytes_that_are_no_event_break_the_store() {
    let disk = Disk::default();
    let (database, _) = tables::open(disk.clone(), 1 << 20).unwrap();
    let transaction = tables::begin(&database).unwrap();
    transaction.open_table(tables::EVENTS).unwrap().insert((1, 1), b"nonsense".as_slice()).unwrap();
    transaction.commit().unwrap();
    drop(database);

    let queue = open(&disk, Settings::default());
    let answer = queue.next(ChannelId(1), None, ALL).await;
    let reason = queue.broken().await;
    assert!(reason.contains("is not what was stored"), "{reason}");
    assert_eq!(answer, Err(QueueError::Broken(reason)));
}

#[tokio::test]
async fn nothing_is_broken_while_all_is_well() {
    let queue = open(&Disk::default(), Settings::default());
    queue.append(vec![event(1, "one", 0)]).await.unwrap();
    let broken = futures::FutureExt::now_or_never(queue.broken());
    assert_eq!(broken, None);
}
