//! What an endpoint is sent: Meta's own body, with one item in each entry, since existing bots read the first one alone.

use crate::event::{EventKind, QueuedEvent};

/// The body for these events. Items stay as Meta sent them, byte for byte.
pub(super) fn body(events: &[QueuedEvent]) -> Vec<u8> {
    let mut body = br#"{"object":"page","entry":["#.to_vec();
    for (index, QueuedEvent { event, .. }) in events.iter().enumerate() {
        if index > 0 {
            body.push(b',');
        }
        body.extend_from_slice(br#"{"id":"#);
        body.extend_from_slice(serde_json::Value::from(&*event.entry_id).to_string().as_bytes());
        body.extend_from_slice(format!(r#","time":{},"{}":["#, event.entry_time, array(event.kind)).as_bytes());
        body.extend_from_slice(&event.item);
        body.extend_from_slice(b"]}");
    }
    body.extend_from_slice(b"]}");
    body
}

/// The array of an entry that items of this kind stand in.
fn array(kind: EventKind) -> &'static str {
    match kind {
        EventKind::Messaging => "messaging",
        EventKind::Standby => "standby",
        EventKind::Change => "changes",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{CHANNEL, queued};

    #[test]
    fn every_item_is_an_entry_of_its_own_with_the_bytes_that_meta_sent() {
        let mut second = queued(CHANNEL, 2, r#"{ "message" : {"text":"\ud83d \u00e4"} }"#);
        second.event.kind = EventKind::Standby;
        let events = [queued(CHANNEL, 1, r#"{"n":1}"#), second];
        let text = String::from_utf8(body(&events)).expect("text");
        assert_eq!(
            text,
            concat!(
                r#"{"object":"page","entry":[{"id":"2200000000000001","time":1790000000123,"messaging":[{"n":1}]},"#,
                r#"{"id":"2200000000000001","time":1790000000123,"standby":[{ "message" : {"text":"\ud83d \u00e4"} }]}]}"#
            )
        );
    }

    #[test]
    fn an_entry_id_cannot_break_out_of_its_string() {
        let mut event = queued(CHANNEL, 1, "{}");
        event.event.entry_id = r#"1","x":"2"#.into();
        let read: serde_json::Value = serde_json::from_slice(&body(&[event])).expect("JSON");
        assert_eq!(read["entry"][0]["id"], r#"1","x":"2"#);
    }
}
