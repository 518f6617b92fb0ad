#pragma once
/// The filter that drops what comes by a different interface from that to its sender.

namespace ipseckey::ipsecd {

/// Switches IPv4's reverse-path filter off for a device, by its number: SAs say which sources may come through it. Even
/// the loose one, which systemd makes the default, drops all that comes through a device without an address and without
/// a route into it. Whoever set net.ipv4.conf.all.rp_filter still decides. A kernel that cannot changes nothing.
void accept_every_source(unsigned index);

}  // namespace ipseckey::ipsecd
