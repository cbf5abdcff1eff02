//! Judgments about what was seen that observing needs too: functions of values, which read nothing and decide nothing.

pub mod grant;
pub mod token;
