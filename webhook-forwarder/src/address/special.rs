//! Ranges of addresses with a special purpose, by the registries of IANA. The standard library's `is_global` is not stable.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// IPv4: <https://www.iana.org/assignments/iana-ipv4-special-registry>, and multicast and 240.0.0.0/4.
const SPECIAL_V4: [(Ipv4Addr, u8); 17] = [
    (Ipv4Addr::new(0, 0, 0, 0), 8),
    (Ipv4Addr::new(10, 0, 0, 0), 8),
    (Ipv4Addr::new(100, 64, 0, 0), 10),
    (Ipv4Addr::new(127, 0, 0, 0), 8),
    (Ipv4Addr::new(169, 254, 0, 0), 16),
    (Ipv4Addr::new(172, 16, 0, 0), 12),
    (Ipv4Addr::new(192, 0, 0, 0), 24),
    (Ipv4Addr::new(192, 0, 2, 0), 24),
    (Ipv4Addr::new(192, 31, 196, 0), 24),
    (Ipv4Addr::new(192, 52, 193, 0), 24),
    (Ipv4Addr::new(192, 88, 99, 0), 24),
    (Ipv4Addr::new(192, 168, 0, 0), 16),
    (Ipv4Addr::new(192, 175, 48, 0), 24),
    (Ipv4Addr::new(198, 18, 0, 0), 15),
    (Ipv4Addr::new(198, 51, 100, 0), 24),
    (Ipv4Addr::new(203, 0, 113, 0), 24),
    (Ipv4Addr::new(224, 0, 0, 0), 3),
];

/// IPv6: only 2000::/3 is given to networks; of it, what <https://www.iana.org/assignments/iana-ipv6-special-registry> takes out.
/// Addresses that carry one of IPv4 (64:ff9b::/96, 6to4) are none of them: a translator would take them to any address.
const GIVEN_V6: (Ipv6Addr, u8) = (Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);
const SPECIAL_V6: [(Ipv6Addr, u8); 5] = [
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23),
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32),
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16),
    (Ipv6Addr::new(0x2620, 0x4f, 0x8000, 0, 0, 0, 0, 0), 48),
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20),
];

/// Whether an address is one that anybody on the internet can reach. Takes canonical addresses.
pub(super) fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => !SPECIAL_V4.iter().any(|&range| v4_lies_in(address, range)),
        IpAddr::V6(address) => {
            v6_lies_in(address, GIVEN_V6) && !SPECIAL_V6.iter().any(|&range| v6_lies_in(address, range))
        }
    }
}

/// Whether an address can be that of a pod or a Service: neither this machine nor its link, where clouds answer with credentials.
pub(super) fn may_be_a_pod(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => {
            !(address.is_loopback()
                || address.is_link_local()
                || address.is_multicast()
                || address.is_broadcast()
                || v4_lies_in(address, (Ipv4Addr::UNSPECIFIED, 8)))
        }
        IpAddr::V6(address) => {
            let is_link_local = v6_lies_in(address, (Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0), 10));
            // Where a cloud of IPv6 answers what others answer on the link.
            let is_metadata = address == Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);
            // Below ::1:0:0 lie loopback, "unspecified" and IPv4 in its deprecated form; 64:ff9b::/96 translates to any IPv4.
            let carries_v4 = v6_lies_in(address, (Ipv6Addr::UNSPECIFIED, 96))
                || v6_lies_in(address, (Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0, 0), 32))
                || v6_lies_in(address, (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16));
            !(is_link_local || is_metadata || carries_v4 || address.is_multicast())
        }
    }
}

fn v4_lies_in(address: Ipv4Addr, (network, length): (Ipv4Addr, u8)) -> bool {
    let host_bits = u32::BITS - u32::from(length);
    address.to_bits() >> host_bits == network.to_bits() >> host_bits
}

fn v6_lies_in(address: Ipv6Addr, (network, length): (Ipv6Addr, u8)) -> bool {
    let host_bits = u128::BITS - u32::from(length);
    address.to_bits() >> host_bits == network.to_bits() >> host_bits
}
