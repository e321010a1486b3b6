//! Addresses at the edges of their networks, and all addresses by the bits that the standards state.

use proptest::prelude::*;

use super::*;

fn kind(text: &str) -> Option<&'static str> {
    special_kind(text.parse().unwrap())
}

fn rules(allowed: &[&str], named: &[&str]) -> AddressRules {
    let allowed: Vec<IpNet> = allowed.iter().map(|net| net.parse().unwrap()).collect();
    let named: Vec<Host> = named
        .iter()
        .map(|host| Host::parse(host).unwrap())
        .collect();
    AddressRules::new(&allowed, &named)
}

#[test]
fn special_addresses_are_recognized() {
    for (address, expected) in [
        ("127.0.0.1", "a loopback"),
        ("127.255.255.255", "a loopback"),
        ("10.0.0.0", "a private"),
        ("172.16.0.0", "a private"),
        ("172.31.255.255", "a private"),
        ("192.168.255.255", "a private"),
        ("169.254.169.254", "a link-local"),
        ("100.64.0.0", "a shared (CGNAT)"),
        ("100.100.100.200", "a shared (CGNAT)"),
        ("100.127.255.255", "a shared (CGNAT)"),
        ("168.63.129.16", "a metadata"),
        ("0.0.0.0", "an unspecified"),
        ("0.1.2.3", "an unspecified"),
        ("192.0.0.8", "a reserved"),
        ("192.0.2.1", "a documentation"),
        ("198.51.100.255", "a documentation"),
        ("203.0.113.0", "a documentation"),
        ("198.19.255.255", "a benchmarking"),
        ("224.0.0.1", "a multicast"),
        ("240.0.0.1", "a reserved"),
        ("255.255.255.255", "a broadcast"),
        ("::1", "a loopback"),
        ("::", "an unspecified"),
        ("fe80::1", "a link-local"),
        ("febf::1", "a link-local"),
        ("fec0::1", "a site-local"),
        ("fc00::", "a unique-local"),
        ("fd00:ec2::254", "a unique-local"),
        ("ff02::1", "a multicast"),
        ("2001:db8::1", "a documentation"),
        ("3fff:fff::1", "a documentation"),
        ("100::1", "a discard-only"),
        ("2001::1", "a reserved"),
        ("2001:1ff::1", "a reserved"),
        ("5f00::1", "a segment routing"),
        ("::7f00:1", "a reserved"),
        ("::ffff:127.0.0.1", "a loopback"),
        ("::ffff:10.1.2.3", "a private"),
        ("64:ff9b::169.254.169.254", "a link-local"),
        ("64:ff9b:1::1", "a local NAT64"),
        ("2002:a00:1::", "a private"),
        ("2002:7f00:1::5", "a loopback"),
    ] {
        assert_eq!(kind(address), Some(expected), "{address}");
    }
    for address in [
        "1.1.1.1",
        "9.255.255.255",
        "11.0.0.0",
        "100.63.255.255",
        "100.128.0.0",
        "126.255.255.255",
        "128.0.0.1",
        "168.63.129.15",
        "172.15.255.255",
        "172.32.0.0",
        "192.0.1.0",
        "192.167.255.255",
        "198.17.255.255",
        "198.20.0.0",
        "223.255.255.255",
        "::ffff:8.8.8.8",
        "64:ff9b::8.8.8.8",
        "2002:808:808::",
        "2001:200::1",
        "2606:4700::1111",
        "fbff::1",
    ] {
        assert_eq!(kind(address), None, "{address}");
    }
}

#[test]
fn refused_address_is_named_with_its_setting() {
    let rules = rules(&[], &[]);
    let literal = rules.check_literal("::1".parse().unwrap()).unwrap_err();
    assert_eq!(
        literal.to_string(),
        "::1 is a loopback address (source.allow_addresses does not name it)"
    );
    let resolved = rules.check_resolved("feeds.example", "10.0.0.3".parse().unwrap());
    assert_eq!(
        resolved.unwrap_err().to_string(),
        "feeds.example has a private address, 10.0.0.3 (source.allow_addresses does not name it)"
    );
}

#[test]
fn named_addresses_and_networks_are_allowed() {
    let rules = rules(
        &["10.1.0.0/16", "fd00::/8"],
        &["127.0.0.1", "[::1]", "h.example"],
    );
    let literal = |text: &str| rules.check_literal(text.parse().unwrap()).is_ok();
    let resolved = |text: &str| {
        rules
            .check_resolved("h.example", text.parse().unwrap())
            .is_ok()
    };
    for address in ["127.0.0.1", "::1", "10.1.255.255", "fd12::1", "8.8.8.8"] {
        assert!(literal(address), "{address}");
    }
    for address in ["127.0.0.2", "10.2.0.0", "::ffff:127.0.0.1", "fe80::1"] {
        assert!(!literal(address), "{address}");
    }
    for address in [
        "10.1.0.1",
        "::ffff:10.1.0.1",
        "64:ff9b::10.1.0.1",
        "fd12::1",
    ] {
        assert!(resolved(address), "{address}");
    }
    // A literal address in the settings allows no name to have it.
    for address in ["127.0.0.1", "::1", "::ffff:10.2.0.1"] {
        assert!(!resolved(address), "{address}");
    }
}

#[test]
fn localhost_is_loopback_only_if_the_settings_name_it() {
    let named = rules(&[], &["LOCALHOST"]);
    let check = |rules: &AddressRules, name: &str, address: &str| {
        rules.check_resolved(name, address.parse().unwrap()).is_ok()
    };
    assert!(check(&named, "localhost", "127.0.0.1"));
    assert!(check(&named, "localhost", "::1"));
    assert!(!check(&named, "localhost", "10.0.0.1"));
    assert!(!check(&named, "evil.example", "127.0.0.1"));
    assert!(!check(&rules(&[], &["h"]), "localhost", "127.0.0.1"));
}

#[tokio::test]
async fn name_with_special_addresses_only_is_refused() {
    let error = rules(&[], &[]).resolve("localhost").await.unwrap_err();
    let refused = error.get_ref().and_then(|error| error.downcast_ref());
    let refused: &RefusedAddress = refused.unwrap();
    assert_eq!(refused.kind, "a loopback");
    for rules in [rules(&[], &["localhost"]), rules(&["127.0.0.0/8"], &[])] {
        let addresses = rules.resolve("localhost").await.unwrap();
        assert!(!addresses.is_empty());
        assert!(addresses.iter().all(|address| address.ip().is_loopback()));
    }
}

/// The first and the last address of each IPv4 network that is not public (IANA's registry).
const SPECIAL: [(u32, u32); 14] = [
    (0x0000_0000, 0x00ff_ffff),
    (0x0a00_0000, 0x0aff_ffff),
    (0x6440_0000, 0x647f_ffff),
    (0x7f00_0000, 0x7fff_ffff),
    (0xa83f_8110, 0xa83f_8110),
    (0xa9fe_0000, 0xa9fe_ffff),
    (0xac10_0000, 0xac1f_ffff),
    (0xc000_0000, 0xc000_00ff),
    (0xc000_0200, 0xc000_02ff),
    (0xc0a8_0000, 0xc0a8_ffff),
    (0xc612_0000, 0xc613_ffff),
    (0xc633_6400, 0xc633_64ff),
    (0xcb00_7100, 0xcb00_71ff),
    (0xe000_0000, 0xffff_ffff),
];

/// Any address, and often one near the edge of a special network.
fn ipv4() -> impl Strategy<Value = u32> {
    let near = (
        prop::sample::select(SPECIAL.to_vec()),
        any::<bool>(),
        0_u32..3,
    );
    let near = near.prop_map(|((first, last), is_first, distance)| {
        if is_first {
            first.wrapping_sub(distance)
        } else {
            last.wrapping_add(distance)
        }
    });
    let inside = prop::sample::select(SPECIAL.to_vec());
    let inside = inside.prop_flat_map(|(first, last)| first..=last);
    prop_oneof![any::<u32>(), near, inside]
}

proptest! {
    #[test]
    fn address_is_special_in_each_of_its_forms_or_in_none(bits in ipv4()) {
        let is_special = SPECIAL.iter().any(|&(first, last)| (first..=last).contains(&bits));
        let address = Ipv4Addr::from(bits);
        let bits = u128::from(bits);
        for form in [
            IpAddr::V4(address),
            address.to_ipv6_mapped().into(),
            Ipv6Addr::from((0x64_ff9b << 96) | bits).into(),
            Ipv6Addr::from((0x2002 << 112) | (bits << 80) | 1).into(),
        ] {
            prop_assert_eq!(special_kind(form).is_some(), is_special, "{}", form);
        }
    }

    #[test]
    fn network_allows_exactly_its_addresses(bits in ipv4(), network in ipv4(), prefix in 0_u8..=32) {
        let net = Ipv4Net::new(Ipv4Addr::from(network), prefix).unwrap();
        let rules = AddressRules::new(&[IpNet::V4(net)], &[]);
        let shift = 32 - u32::from(prefix);
        let is_inside = u64::from(bits) >> shift == u64::from(network) >> shift;
        let address = IpAddr::V4(Ipv4Addr::from(bits));
        let is_public = special_kind(address).is_none();
        prop_assert_eq!(rules.check_resolved("h", address).is_ok(), is_inside || is_public);
    }
}
