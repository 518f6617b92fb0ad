// What leaves this host in clear, or does not leave it. Rows in this order:
// 1. The rule is not there, or cannot be tried.
// 2. A probe was seen to leave in clear, by which way.
// 3. Another rule, the route, or the SAs: why none serves. closest() is the SA with the least against it.
// 4. An SA serves, but another one was used.
// 5. The SA serves, and no packet leaves: neighbours, filters.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "base/net.h"
#include "prove/detail/causes.h"

namespace ipseckey::prove::detail {
namespace {

using policy::Direction;
using policy::Fate;
using policy::Objection;
using policy::Service;

bool needs_sa(const Facts& f) { return f.out.service != Service::not_needed; }
bool silent(const Facts& f) { return f.answers == 0 && !left_sealed(f) && !f.crowded; }
bool lacks_sa(const Facts& f) { return silent(f) && f.out.service == Service::missing; }

// Of the SAs that do not serve, the one with the least against it.
const policy::Candidate* closest(const Facts& f) {
  const policy::Candidate* best = nullptr;
  for (const policy::Need& need : f.out.needs)
    for (const policy::Candidate& c : need.candidates) {
      if (f.sas[c.sa].held.facts.dst != f.outer_to) continue;
      if (!best || c.objections.size() < best->objections.size()) best = &c;
    }
  return best;
}

bool only_lacks(const Facts& f, std::initializer_list<Objection> list) {
  const policy::Candidate* const c = lacks_sa(f) ? closest(f) : nullptr;
  return c && c->fate == Fate::other && !c->objections.empty() &&
         std::ranges::all_of(c->objections, [&](Objection o) { return std::ranges::find(list, o) != list.end(); });
}

bool has_fate(const Facts& f, Fate fate) {
  const policy::Candidate* const c = lacks_sa(f) ? closest(f) : nullptr;
  return c && c->fate == fate;
}

std::string of_closest(const Facts& f) {
  const policy::Candidate* const c = closest(f);
  if (!c) return "no SA is like it";
  const std::string_view why =
      c->fate == Fate::other && !c->objections.empty() ? policy::words(c->objections[0]) : policy::words(c->fate);
  return fmt::format("the SA that comes closest is {}, and {}", spi_text(f.sas[c->sa].held.facts.spi), why);
}

std::string same_as_rule(const Facts&) {
  return "give the SA in the file of keys what the rule says, or the rule what the SA has";
}

bool sends_other(const Facts& f) {
  return !left_sealed(f) &&
         std::ranges::any_of(f.wire, [&](const Sighting& s) { return s.out && s.mine && !as_modelled(f, s); });
}
std::string other_spi(const Facts& f) {
  for (const Sighting& s : f.wire)
    if (s.out && s.mine && !as_modelled(f, s)) return spi_text(s.esp ? s.esp->spi : s.ah->spi);
  return "";
}

constexpr std::array kRows = {
    Row{"not-loaded", State::lost, [](const Facts& f) { return !f.loaded; },
        [](const Facts&) { return std::string("the database does not have this rule"); },
        [](const Facts&) { return std::string("load it: ipsecconf apply FILE"); }},
    Row{"port-in-use", State::not_shown, [](const Facts& f) { return f.busy; },
        [](const Facts& f) {
          return fmt::format(
              "port {} of this host, which the rule names, belongs to a program: no probe can be sent from it",
              f.flow.local_port.value_or(0));
        },
        [](const Facts&) { return std::string("prove the rule from the other end, or while the program is stopped"); }},
    Row{"rule-order", State::in_clear,
        [](const Facts& f) { return clear_out(f) != nullptr && !f.ahead_out.empty() && f.ahead_clear; },
        [](const Facts& f) { return fmt::format("packets leave in clear: they meet {} first", f.ahead_out); },
        [](const Facts&) {
          return std::string(
              "narrow that rule, or put this one before it in a file that begins with the line `order file`");
        }},
    Row{"may-be-clear", State::in_clear,
        [](const Facts& f) {
          return clear_out(f) != nullptr && std::ranges::any_of(f.rule.alternatives, [](const policy::Alternative& a) {
                   return a.action == policy::Action::ipsec && a.protection.may_be_clear;
                 });
        },
        [](const Facts& f) {
          return fmt::format("packets leave in clear, as `level use` lets them: {}", of_closest(f));
        },
        [](const Facts&) { return std::string("add the SA, or take `level use` out of the rule"); }},
    Row{"clear-route", State::in_clear,
        [](const Facts& f) { return clear_out(f) != nullptr && f.database == Database::tun && !f.inner.into_ipsec; },
        [](const Facts& f) {
          return fmt::format("packets leave in clear: their route leads to {}, past ipsecd's device {}", f.inner.device,
                             f.device);
        },
        [](const Facts& f) {
          return fmt::format("ip route replace {} dev {}, or start ipsecd with --hook", to_string(f.flow.remote),
                             f.device);
        }},
    Row{"no-policy-device", State::in_clear,
        [](const Facts& f) { return clear_out(f) != nullptr && f.unchecked_device; },
        [](const Facts& f) {
          return fmt::format("packets leave in clear: disable_xfrm or disable_policy is set for {}", f.inner.device);
        },
        [](const Facts& f) { return fmt::format("sysctl net.ipv4.conf.{}.disable_xfrm=0", f.inner.device); }},
    Row{"source-nat", State::in_clear,
        [](const Facts& f) {
          const Sighting* const s = clear_out(f);
          return s && s->from != f.flow.local;
        },
        [](const Facts& f) {
          return fmt::format(
              "packets leave in clear: source NAT gives them the address {}, which the rule is not about",
              to_string(clear_out(f)->from));
        },
        [](const Facts&) {
          return std::string(
              "exempt them from NAT: accept what goes to these addresses before the rule that translates");
        }},
    Row{"destination-nat", State::in_clear,
        [](const Facts& f) {
          const Sighting* const s = clear_out(f);
          return s && (s->to != f.flow.remote || (f.flow.remote_port && s->to_port != *f.flow.remote_port));
        },
        [](const Facts& f) {
          const Sighting& s = *clear_out(f);
          return fmt::format("packets leave in clear: NAT of this host sends them to {}{}, which the rule is not about",
                             to_string(s.to), f.flow.remote_port ? fmt::format(", port {}", s.to_port) : "");
        },
        [](const Facts&) {
          return std::string(
              "exempt them from NAT: accept what goes to these addresses before the rule that translates");
        }},
    Row{"leaves-clear", State::in_clear,
        [](const Facts& f) { return clear_out(f) != nullptr && (needs_sa(f) || f.rule.out); },
        [](const Facts& f) { return fmt::format("packets leave in clear by {}", f.inner.device); },
        [](const Facts& f) {
          return f.database == Database::other
                     ? std::string("start ipsecd with --tun or --hook: this one carries no packets")
                     : std::string("ipsecconf explain says which rule such a packet meets");
        }},
    Row{"other-rule", State::lost,
        [](const Facts& f) { return f.answers == 0 && !f.ahead_out.empty() && !f.ahead_clear && !left_sealed(f); },
        [](const Facts& f) {
          return fmt::format("these packets meet {} first, which drops them or needs another SA", f.ahead_out);
        },
        [](const Facts&) {
          return std::string(
              "narrow that rule, or put this one before it in a file that begins with the line `order file`");
        }},
    Row{"no-route", State::lost,
        [](const Facts& f) {
          return silent(f) &&
                 (f.send_error == ENETUNREACH || f.send_error == EHOSTUNREACH || f.send_error == EADDRNOTAVAIL) &&
                 f.outer.neighbour != Way::Neighbour::nobody;
        },
        [](const Facts& f) { return fmt::format("this host has no route to {}", to_string(f.flow.remote)); },
        [](const Facts& f) { return fmt::format("ip route add {} via GATEWAY", to_string(f.flow.remote)); }},
    Row{"sa-unusable", State::lost,
        [](const Facts& f) {
          return has_fate(f, Fate::not_usable) ||
                 (silent(f) && grown_here(f, "out.exhausted XfrmOutStateExpired XfrmOutStateSeqError") > 0);
        },
        [](const Facts& f) {
          const policy::Candidate* const c = closest(f);
          return fmt::format(
              "the SA {} can send no more: a limit of its lifetime or its last sequence number is reached",
              c ? spi_text(f.sas[c->sa].held.facts.spi) : "of the rule");
        },
        [](const Facts&) { return std::string("load new keys at both ends"); }},
    Row{"sa-direction", State::lost, [](const Facts& f) { return has_fate(f, Fate::wrong_way); },
        [](const Facts& f) { return "no SA protects what is sent: " + of_closest(f); },
        [](const Facts&) { return std::string("give the SA the other direction, or leave the direction out"); }},
    Row{"reqid-here", State::lost, [](const Facts& f) { return only_lacks(f, {Objection::reqid}); },
        [](const Facts& f) { return "no SA protects what is sent: " + of_closest(f); }, same_as_rule},
    Row{"spi-here", State::lost, [](const Facts& f) { return only_lacks(f, {Objection::spi}); },
        [](const Facts& f) { return "no SA protects what is sent: " + of_closest(f); }, same_as_rule},
    Row{"mark-here", State::lost, [](const Facts& f) { return only_lacks(f, {Objection::mark, Objection::if_id}); },
        [](const Facts& f) { return "no SA protects what is sent: " + of_closest(f); }, same_as_rule},
    Row{"mode-here", State::lost,
        [](const Facts& f) {
          using enum Objection;
          return only_lacks(f, {mode, ends, addresses, inner_addresses}) &&
                 !only_lacks(f, {addresses, inner_addresses});
        },
        [](const Facts& f) { return "no SA protects what is sent: " + of_closest(f); }, same_as_rule},
    Row{"selector-here", State::lost,
        [](const Facts& f) {
          return only_lacks(f, {Objection::addresses, Objection::inner_addresses}) || has_fate(f, Fate::other_packets);
        },
        [](const Facts& f) { return "no SA protects what is sent: " + of_closest(f); },
        [](const Facts&) { return std::string("give the SA the networks and ports of the rule (isrc, idst)"); }},
    Row{"algorithm-here", State::lost,
        [](const Facts& f) {
          using enum Objection;
          return only_lacks(f, {protocol, ah_algorithm, ah_short, ah_long, cipher, cipher_short, cipher_long, integrity,
                                integrity_short, integrity_long});
        },
        [](const Facts& f) { return "no SA protects what is sent: " + of_closest(f); }, same_as_rule},
    Row{"no-sa", State::lost, lacks_sa,
        [](const Facts&) { return std::string("no SA protects what is sent: packets are dropped, or wait for one"); },
        [](const Facts&) {
          return std::string("load the keys: ipseckey -f FILE; an SA that was there may have expired");
        }},
    Row{"second-sa", State::weak, [](const Facts& f) { return f.out.service == Service::broken; },
        [](const Facts& f) {
          return fmt::format("a newer SA, {}, takes the rule's packets, and is not what the rule demands",
                             spi_text(f, Direction::out));
        },
        [](const Facts&) { return std::string("delete it, or give the rule and its SA a reqid of their own"); }},
    Row{"other-sa", State::weak, sends_other,
        [](const Facts& f) {
          return fmt::format("packets leave under SPI {}, not under {} as the rule and the SAs say", other_spi(f),
                             spi_text(f, Direction::out));
        },
        [](const Facts&) {
          return std::string("another program protects them, too, or SAs changed meanwhile: try again");
        }},
    Row{"other-traffic", State::not_shown,
        [](const Facts& f) { return f.crowded && !left_sealed(f) && needs_sa(f) && clear_back(f) == nullptr; },
        [](const Facts& f) {
          return fmt::format(
              "packets of other programs leave under SA {} at the same time and with the same size as the probes",
              spi_text(f, Direction::out));
        },
        [](const Facts&) { return std::string("try again, or when the SA is used less"); }},
    Row{"neighbours-protected", State::lost,
        [](const Facts& f) {
          return silent(f) && f.neighbours_protected && f.outer.neighbour == Way::Neighbour::nobody;
        },
        [](const Facts& f) {
          return fmt::format(
              "{} cannot be found: the rules protect IPv6 neighbour discovery, which comes before any SA works",
              to_string(f.outer.next));
        },
        [](const Facts&) { return std::string("load the rules with --guards, at both ends"); }},
    Row{"no-neighbour", State::lost,
        [](const Facts& f) { return silent(f) && f.outer.neighbour == Way::Neighbour::nobody; },
        [](const Facts& f) {
          return fmt::format("no host on {} answers for {}: it is down, unplugged, or has another address",
                             f.outer.device, to_string(f.outer.next));
        },
        [](const Facts& f) {
          return fmt::format("check the link and the address: ip neighbour show dev {}", f.outer.device);
        }},
    Row{"rules-awaited", State::lost,
        [](const Facts& f) { return silent(f) && grown_here(f, "out.not_ready in.not_ready") > 0; },
        [](const Facts&) { return std::string("ipsecd was restarted and drops packets until its rules are loaded"); },
        [](const Facts&) { return std::string("ipsecconf apply FILE"); }},
    Row{"firewall-here", State::lost,
        [](const Facts& f) { return silent(f) && (f.send_error == EPERM || f.send_error == EACCES); },
        [](const Facts&) { return std::string("a firewall of this host drops the probes before they are protected"); },
        [](const Facts&) {
          return std::string("nft list ruleset: accept these packets in the chains of hook output");
        }},
    Row{"esp-stopped-here", State::lost, [](const Facts& f) { return silent(f) && grown_here(f, "out.unsent") > 0; },
        [](const Facts&) {
          return std::string("the kernel refuses the protected packets: a firewall of this host, or no route for them");
        },
        [](const Facts&) {
          return fmt::format("nft list ruleset: accept ESP, AH and UDP {} in hook output", pfkey::kNatPort);
        }},
    Row{"nothing-leaves", State::lost, silent,
        [](const Facts&) { return std::string("no packet leaves this host, neither protected nor in clear"); },
        [](const Facts&) {
          return std::string("ipsecconf doctor says which packets were dropped; nft list ruleset, which filter");
        }},
};

}  // namespace

std::span<const Row> sending_causes() { return kRows; }

}  // namespace ipseckey::prove::detail
