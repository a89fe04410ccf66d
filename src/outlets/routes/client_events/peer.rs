//! The client that a rate limit counts: an address, or for IPv6 the network that one client usually has.

use std::net::{IpAddr, Ipv6Addr};

use axum::http::HeaderMap;

const FORWARDED_FOR: &str = "x-forwarded-for";

/// The bits of an IPv6 address that name its network of 64 bits; the client chooses the others.
const NETWORK: u128 = !(u64::MAX as u128);

/// A key of the rate limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Peer(IpAddr);

impl Peer {
    /// The last address of `X-Forwarded-For`, which the reverse proxy in front appended, or the other end of the
    /// connection. A client that connects directly can send any address: the limit of all events still holds.
    pub(super) fn of(headers: &HeaderMap, connection: Option<IpAddr>) -> Self {
        let address = forwarded(headers).or(connection).unwrap_or(IpAddr::V6(Ipv6Addr::UNSPECIFIED));
        match address.to_canonical() {
            IpAddr::V6(address) => Self(IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & NETWORK))),
            address @ IpAddr::V4(_) => Self(address),
        }
    }
}

fn forwarded(headers: &HeaderMap) -> Option<IpAddr> {
    let last = headers.get_all(FORWARDED_FOR).into_iter().next_back()?.to_str().ok()?;
    last.rsplit(',').next()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn peer(forwarded: &[&str], connection: &str) -> Peer {
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append(FORWARDED_FOR, HeaderValue::from_str(value).unwrap());
        }
        Peer::of(&headers, connection.parse().ok())
    }

    #[test]
    fn the_address_that_the_nearest_proxy_appended_counts() {
        for (forwarded, expected) in [
            (&["203.0.113.7"][..], "203.0.113.7"),
            (&["198.51.100.1, 203.0.113.7"], "203.0.113.7"),
            (&["198.51.100.1", "198.51.100.2 ,203.0.113.7"], "203.0.113.7"),
            (&["::ffff:203.0.113.7"], "203.0.113.7"),
        ] {
            assert_eq!(peer(forwarded, "10.0.0.1"), Peer(expected.parse().unwrap()), "{forwarded:?}");
        }
    }

    #[test]
    fn without_a_forwarded_address_the_connection_counts() {
        for forwarded in [&[][..], &[""], &["unknown"], &["203.0.113.7, _hidden"], &["203.0.113.7:80"], &[","]] {
            assert_eq!(peer(forwarded, "10.0.0.1"), Peer("10.0.0.1".parse().unwrap()), "{forwarded:?}");
        }
        assert_eq!(peer(&[], ""), peer(&[], ""), "and without either all are one peer");
    }

    #[test]
    fn an_ipv6_client_is_its_network() {
        assert_eq!(peer(&["2001:db8:0:1::1"], ""), peer(&["2001:db8:0:1:ffff:ffff:ffff:ffff"], ""));
        assert_ne!(peer(&["2001:db8:0:1::1"], ""), peer(&["2001:db8:0:2::1"], ""));
    }
}
