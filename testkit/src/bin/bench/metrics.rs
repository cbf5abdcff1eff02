//! What the operator tells of itself.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Result;

const PREFIX: &str = "meta_channel_operator_";

pub fn client() -> Result<reqwest::Client> {
    Ok(reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(30)).build()?)
}

pub async fn scrape(http: &reqwest::Client, address: SocketAddr) -> Result<String> {
    Ok(http.get(format!("http://{address}/metrics")).send().await?.error_for_status()?.text().await?)
}

/// The value of a metric without labels, 0 if it is not told.
pub fn value(text: &str, name: &str) -> f64 {
    samples(text, name).filter(|(labels, _)| labels.is_empty()).map(|(_, value)| value).sum()
}

/// The sum of a metric over everything that it tells of FacebookChannels.
pub fn sum_of_channels(text: &str, name: &str) -> f64 {
    let of_channels = |(labels, _): &(&str, f64)| labels.contains("kind=\"FacebookChannel\"");
    samples(text, name).filter(of_channels).map(|(_, value)| value).sum()
}

/// Labels and values of a metric.
fn samples<'a>(text: &'a str, name: &'a str) -> impl Iterator<Item = (&'a str, f64)> {
    text.lines().filter_map(move |line| {
        let rest = line.strip_prefix(PREFIX)?.strip_prefix(name)?;
        let (labels, value) = rest.rsplit_once(' ')?;
        // Else it is one whose name goes on.
        let complete = labels.is_empty() || labels.starts_with('{');
        Some((labels, value.parse().ok()?)).filter(|_| complete)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# TYPE meta_channel_operator_leader gauge
meta_channel_operator_leader 1
meta_channel_operator_leader_since 7
meta_channel_operator_reconcile_duration_seconds_sum{kind=\"FacebookChannel\",outcome=\"settled\"} 0.5
meta_channel_operator_reconcile_duration_seconds_count{kind=\"FacebookChannel\",outcome=\"settled\"} 40
meta_channel_operator_reconcile_duration_seconds_count{kind=\"FacebookChannel\",outcome=\"waiting\"} 2
meta_channel_operator_reconcile_duration_seconds_count{kind=\"MetaApp\",outcome=\"settled\"} 3
# EOF
";

    #[test]
    fn a_metric_is_not_taken_for_another_that_begins_alike() {
        assert_eq!((value(TEXT, "leader"), value(TEXT, "lead"), value(TEXT, "gone")), (1.0, 0.0, 0.0));
        assert_eq!(sum_of_channels(TEXT, "reconcile_duration_seconds"), 0.0);
    }

    #[test]
    fn what_is_told_of_channels_is_summed_up_over_all_outcomes() {
        assert_eq!(sum_of_channels(TEXT, "reconcile_duration_seconds_count"), 42.0);
    }
}
