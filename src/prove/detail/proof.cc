// What is wrong although packets come and go. Rows in this order:
// 1. The probes were not seen protected, or not by the rule's SAs.
// 2. The answers were not.
// 3. Changed, repeated or clear packets are accepted.
// 4. Large packets are lost.
// 5. The capture was not complete, or the time ran out.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/net.h"
#include "prove/detail/causes.h"

namespace ipseckey::prove::detail {
namespace {

using policy::Direction;
using policy::Service;

bool lacks(const Facts& f, Direction d, bool (*wrong)(const SaView& sa)) {
  const SaView* const sa = sa_of(f, d);
  return sa && wrong(*sa);
}

const Sighting* unexpected_back(const Facts& f) {
  if (came_sealed(f)) return nullptr;
  const auto found = std::ranges::find_if(
      f.wire, [&](const Sighting& s) { return !s.out && s.sealed() && s.mine && !as_modelled(f, s); });
  return found == f.wire.end() ? nullptr : &*found;
}

constexpr std::array kRows = {
    Row{"unseen", State::not_shown,
        [](const Facts& f) { return f.out.service != Service::not_needed && !left_sealed(f); },
        [](const Facts&) {
          return std::string("answers came, and no probe was seen to leave this host, neither protected nor in clear");
        },
        [](const Facts&) {
          return std::string(
              "run it where the packets are protected, not behind that host; is there NAT or a proxy on this host?");
        }},
    Row{"closed-port", State::not_shown,
        [](const Facts& f) { return f.unreachable && f.in.service != Service::not_needed && !came_sealed(f); },
        [](const Facts&) {
          return std::string(
              "what is sent leaves protected; nobody listens there, and the ICMP error that says so is not what the "
              "rule protects");
        },
        [](const Facts&) {
          return std::string("run `ipsecconf prove --respond` at the other end: it answers on that port");
        }},
    Row{"other-traffic-back", State::not_shown,
        [](const Facts& f) { return f.in.service != Service::not_needed && f.crowded && !came_sealed(f); },
        [](const Facts& f) {
          return fmt::format(
              "packets for other programs come under SA {} at the same time and with the same size as the answers",
              spi_text(f, Direction::in));
        },
        [](const Facts&) { return std::string("try again, or when the SA is used less"); }},
    Row{"other-sa-back", State::weak,
        [](const Facts& f) { return f.in.service != Service::not_needed && unexpected_back(f) != nullptr; },
        [](const Facts& f) {
          const Sighting& s = *unexpected_back(f);
          return fmt::format("answers come under SPI {}, which no SA is that the rule demands",
                             spi_text(s.esp ? s.esp->spi : s.ah->spi));
        },
        [](const Facts&) {
          return std::string("delete the SA that took over, or give the rule and its SAs a reqid of their own");
        }},
    Row{"unseen-back", State::not_shown,
        [](const Facts& f) { return f.in.service != Service::not_needed && !came_sealed(f); },
        [](const Facts&) { return std::string("answers came, and none was seen to come in protected"); },
        [](const Facts&) {
          return std::string(
              "run it where the packets are opened, not behind that host; is there NAT or a proxy on this host?");
        }},
    Row{"no-integrity", State::weak,
        [](const Facts& f) {
          constexpr auto bare = [](const SaView& sa) { return !sa.integrity; };
          return f.flip.accepted || lacks(f, Direction::out, bare) || lacks(f, Direction::in, bare);
        },
        [](const Facts& f) {
          return f.flip.accepted
                     ? std::string("a packet with a changed bit was accepted: the SA has no integrity algorithm")
                     : std::string("the SA has no integrity algorithm: changed packets are accepted");
        },
        [](const Facts&) {
          return std::string("give the SA auth_alg, or a combined cipher such as aes-gcm, and demand it in the rule");
        }},
    Row{"replay-there", State::weak,
        [](const Facts& f) {
          return f.replay.accepted || (f.there && f.there->to_me.held && f.there->to_me.window == 0);
        },
        [](const Facts& f) {
          return f.replay.accepted ? std::string("the other end accepted a packet twice: its replay window is off")
                                   : std::string("the other end's replay window is off");
        },
        [](const Facts&) {
          return std::string("give the SA `replay 64` there, and restart its numbers with new keys");
        }},
    Row{"replay-here", State::weak,
        [](const Facts& f) {
          return f.replay_in.accepted || (f.in.service != Service::not_needed &&
                                          lacks(f, Direction::in, [](const SaView& sa) { return sa.window == 0; }));
        },
        [](const Facts& f) {
          return f.replay_in.accepted
                     ? std::string("this host accepted a packet twice: its replay window is off")
                     : std::string("this host's replay window is off: a packet that is sent again is accepted");
        },
        [](const Facts&) {
          return std::string("give the SA `replay 64` here, and restart its numbers with new keys");
        }},
    Row{"clear-accepted", State::weak,
        [](const Facts& f) { return f.clear_in.accepted && f.in.service != Service::not_needed; },
        [](const Facts& f) {
          return f.database == Database::tun
                     ? std::string(
                           "this host accepts packets in clear that the rule demands protected: they come past "
                           "ipsecd's device")
                     : std::string("this host accepts packets in clear that the rule demands protected");
        },
        [](const Facts& f) {
          return f.database == Database::tun
                     ? std::string("start ipsecd with --hook, or drop them with a filter on the other interfaces")
                     : std::string(
                           "give the rule the direction in, too; a rule with `level use` or `or pass` accepts them");
        }},
    Row{"mtu", State::weak, [](const Facts& f) { return f.largest != 0 && f.largest < f.wanted; },
        [](const Facts& f) {
          return fmt::format(
              "packets of more than {} octets vanish without an ICMP error, and this host believes that {} fit",
              f.largest, f.wanted);
        },
        [](const Facts& f) {
          return fmt::format("let ICMP errors pass, or set the MTU of the route: ip route replace ... mtu {}",
                             f.largest);
        }},
    Row{"fragments-lost", State::weak, [](const Facts& f) { return f.pieces == false; },
        [](const Facts&) {
          return std::string("a datagram longer than the path MTU is not answered: fragments are lost");
        },
        [](const Facts&) {
          return std::string("let fragments pass on the way; rules with ports need the whole datagram");
        }},
    Row{"packets-missed", State::not_shown, [](const Facts& f) { return f.missed > 0; },
        [](const Facts& f) {
          return fmt::format("the capture lost {} packets: one in clear could be among them", f.missed);
        },
        [](const Facts&) { return std::string("try again when the host is less busy"); }},
    Row{"hurried", State::not_shown, [](const Facts& f) { return f.hurried; },
        [](const Facts&) {
          return std::string("packets were seen protected both ways, and the time ran out before all was tried");
        },
        [](const Facts&) { return std::string("try again when the host or the path is less busy"); }},
};

}  // namespace

std::span<const Row> proof_causes() { return kRows; }

}  // namespace ipseckey::prove::detail
