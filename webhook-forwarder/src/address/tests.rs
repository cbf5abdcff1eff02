#![allow(clippy::unwrap_used)]

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::*;

const REFUSED_OUTSIDE: [&str; 43] = [
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "100.64.0.1",
    "100.127.255.255",
    "127.0.0.1",
    "127.255.255.254",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.8",
    "192.0.2.1",
    "192.31.196.1",
    "192.52.193.1",
    "192.88.99.1",
    "192.168.1.1",
    "192.175.48.1",
    "198.18.0.1",
    "198.19.255.255",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::127.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b::808:808",
    "64:ff9b:1::1",
    "100::1",
    "2001::1",
    "2001:db8::1",
    "2002:7f00:1::",
    "2002:808:808::1",
    "3fff::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "ff02::1",
];

const PUBLIC: [&str; 8] = [
    "8.8.8.8",
    "1.1.1.1",
    "100.128.0.1",
    "172.32.0.1",
    "::ffff:8.8.8.8",
    "2606:4700:4700::1111",
    "2a00:1450::1",
    "2001:4860::8888",
];

fn policy() -> AddressPolicy {
    AddressPolicy::default()
}

fn ranges(texts: &[&str]) -> Vec<IpNet> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

#[test]
fn only_public_addresses_are_permitted_outside_of_the_cluster() {
    for refused in REFUSED_OUTSIDE {
        assert!(!policy().permits(refused.parse().unwrap(), Reach::External), "{refused}");
    }
    for public in PUBLIC {
        assert!(policy().permits(public.parse().unwrap(), Reach::External), "{public}");
    }
}

#[test]
fn a_service_has_any_address_but_those_of_the_machine_and_its_link() {
    for refused in [
        "0.0.0.0",
        "127.0.0.1",
        "169.254.169.254",
        "::1",
        "::ffff:169.254.169.254",
        "64:ff9b::a9fe:a9fe",
        "2002:a9fe:a9fe::1",
        "fe80::1",
        "fd00:ec2::254",
        "224.0.0.1",
    ] {
        assert!(!policy().permits(refused.parse().unwrap(), Reach::Service), "{refused}");
    }
    for pod in ["10.0.0.1", "172.20.0.1", "192.168.3.4", "100.64.0.1", "fd12::1", "2a00:1450::1", "8.8.8.8"] {
        assert!(policy().permits(pod.parse().unwrap(), Reach::Service), "{pod}");
    }
}

#[test]
fn ranges_of_the_cluster_are_denied_outside_of_it_and_what_is_allowed_goes_first() {
    let policy =
        AddressPolicy { denied: ranges(&["34.118.224.0/20", "2a00:1450::/32"]), allowed: ranges(&["127.0.0.0/8"]) };
    assert!(!policy.permits("34.118.225.1".parse().unwrap(), Reach::External));
    assert!(!policy.permits("::ffff:34.118.225.1".parse().unwrap(), Reach::External));
    assert!(!policy.permits("2a00:1450::7".parse().unwrap(), Reach::External));
    assert!(policy.permits("34.118.225.1".parse().unwrap(), Reach::Service));
    assert!(policy.permits("::ffff:127.0.0.1".parse().unwrap(), Reach::External));
}

/// URLs are parsed as browsers do: decimal, octal and hexadecimal notations are addresses too.
#[test]
fn literal_addresses_are_refused_in_every_notation() {
    for url in [
        "https://127.0.0.1/",
        "https://2130706433/",
        "https://0177.0.0.1/",
        "https://0x7f.1/",
        "https://127.1/",
        "https://8.8.8.8/",
        "https://[::1]/",
        "https://[::ffff:127.0.0.1]/",
        "https://[64:ff9b::7f00:1]/",
        "https://[2606:4700:4700::1111]/",
        "https://１２７.0.0.1/",
    ] {
        assert_eq!(policy().check_url(&url.parse().unwrap(), Reach::External), Err(AddressRefusal::Literal), "{url}");
    }
}

#[test]
fn a_url_is_https_unless_it_is_that_of_a_service_and_carries_no_credentials() {
    let check = |url: &str, reach| policy().check_url(&url.parse().unwrap(), reach);
    assert_eq!(check("https://bot.example.com/hook", Reach::External), Ok(()));
    assert_eq!(check("http://bot.example.com/hook", Reach::External), Err(AddressRefusal::NotHttps));
    assert_eq!(check("http://bot.tenant-a.svc.cluster.local.:8080/", Reach::Service), Ok(()));
    assert_eq!(check("gopher://bot/", Reach::Service), Err(AddressRefusal::NotHttps));
    assert_eq!(check("https://me@bot.example.com/", Reach::External), Err(AddressRefusal::Credentials));
    assert_eq!(check("https://:pass@bot.example.com/", Reach::External), Err(AddressRefusal::Credentials));
}

/// Says another address each time.
struct Rebinding {
    answers: Vec<Vec<&'static str>>,
    asked: AtomicUsize,
}

impl Resolve for Rebinding {
    fn resolve(&self, _: Name) -> Resolving {
        let turn = self.asked.fetch_add(1, Ordering::Relaxed);
        let addresses: Vec<SocketAddr> =
            self.answers[turn].iter().map(|text| SocketAddr::new(text.parse().unwrap(), 0)).collect();
        Box::pin(async move { Ok(Box::new(addresses.into_iter()) as Addrs) })
    }
}

#[tokio::test]
async fn of_what_a_name_resolves_to_only_permitted_addresses_remain_at_every_connection() {
    let names =
        Rebinding { answers: vec![vec!["8.8.8.8", "127.0.0.1"], vec!["169.254.169.254"]], asked: AtomicUsize::new(0) };
    let permitted = PermittedAddresses::new(Arc::new(names), Arc::new(policy()), Reach::External);
    let found: Vec<_> = permitted.resolve("bot.example.com".parse().unwrap()).await.unwrap().collect();
    assert_eq!(found, ["8.8.8.8:0".parse().unwrap()]);
    let refused = permitted.resolve("bot.example.com".parse().unwrap()).await.err().unwrap();
    assert!(refused.downcast_ref::<AddressRefusal>().is_some(), "{refused}");
}
