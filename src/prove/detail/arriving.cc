// What the other end does not open. Rows in this order:
// 1. It does not arrive at all.
// 2. The SA is not there, or is another one: SPI, NAT, encapsulation, mode, algorithms, ICV, key, numbers.
// 3. The SA opens it, and a rule there refuses it: reqid, mark, addresses, algorithms, drop.
// 4. A rule accepts it, and the host does not deliver it.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/net.h"
#include "prove/detail/causes.h"

namespace ipseckey::prove::detail {
namespace {

using policy::Direction;
using policy::Objection;

// It was protected and sent, the other end speaks, and no program there got it.
bool lost_there(const Facts& f) { return f.answers == 0 && left_sealed(f) && f.there && f.there->received == 0; }
bool arrived(const Facts& f) { return lost_there(f) && f.there->protected_seen > 0; }

bool objects_there(const Facts& f, Objection o) {
  return arrived(f) && (f.there->to_me.objections >> static_cast<unsigned>(o) & 1) != 0;
}
bool objects_there(const Facts& f, std::initializer_list<Objection> list) {
  return std::ranges::any_of(list, [&](Objection o) { return objects_there(f, o); });
}

std::string out_spi(const Facts& f) { return spi_text(f, Direction::out); }

const SaView& mine(const Facts& f) { return *sa_of(f, Direction::out); }
// The SA is at both ends.
bool both_hold(const Facts& f) {
  const bool here = sa_of(f, Direction::out) != nullptr;
  return here && arrived(f) && f.there->to_me.held;
}

constexpr std::array kRows = {
    Row{"path-drops-udp", State::lost,
        [](const Facts& f) {
          return lost_there(f) && f.there->protected_seen == 0 && sa_of(f, Direction::out) && mine(f).udp;
        },
        [](const Facts& f) {
          return fmt::format("ESP in UDP (port {}) does not arrive, other packets do: a firewall on the way drops it",
                             mine(f).dst_port);
        },
        [](const Facts& f) { return fmt::format("let UDP port {} pass, both ways", mine(f).dst_port); }},
    Row{"path-drops-esp", State::lost, [](const Facts& f) { return lost_there(f) && f.there->protected_seen == 0; },
        [](const Facts& f) {
          return fmt::format(
              "{} does not arrive, other packets do: a firewall or a NAT on the way drops it",
              f.wire.empty() || !sa_of(f, Direction::out) || mine(f).held.facts.type == pfkey::SaType::esp ? "ESP"
                                                                                                           : "AH");
        },
        [](const Facts&) {
          return std::string("let IP protocols 50 and 51 pass, both ways, or use `encap udp` at both ends");
        }},
    Row{"spi-swapped", State::lost,
        [](const Facts& f) { return arrived(f) && !f.there->to_me.held && f.there->to_me.outbound; },
        [](const Facts& f) {
          return fmt::format("the SPIs are swapped: the other end sends with {}, under which it should receive",
                             out_spi(f));
        },
        [](const Facts&) {
          return std::string("give both ends the same lines: an SA has one SPI, and the same src and dst at both");
        }},
    Row{"expired-there", State::lost,
        [](const Facts& f) { return arrived(f) && !f.there->to_me.held && f.there->to_me.was_held; },
        [](const Facts& f) {
          return fmt::format("the other end does not have the SA {} any more: it expired or was deleted", out_spi(f));
        },
        [](const Facts&) { return std::string("load new keys at both ends, with the same lifetimes"); }},
    Row{"missing-there", State::lost, [](const Facts& f) { return arrived(f) && !f.there->to_me.held; },
        [](const Facts& f) { return fmt::format("the other end does not have the SA {}", out_spi(f)); },
        [](const Facts&) { return std::string("load the keys there: ipseckey -f FILE"); }},
    Row{"nat-between", State::lost,
        [](const Facts& f) {
          return arrived(f) && f.there->protected_from && sa_of(f, Direction::out) && !mine(f).udp;
        },
        [](const Facts& f) {
          return fmt::format(
              "a NAT on the way gives the packets the source {}, which the SA and the rules there do not know",
              to_string(*f.there->protected_from));
        },
        [](const Facts&) {
          return std::string("use `encap udp` at both ends, with tunnel mode or natt_local and natt_remote");
        }},
    Row{"encapsulation-differs", State::lost,
        [](const Facts& f) { return both_hold(f) && f.there->to_me.udp != mine(f).udp; },
        [](const Facts& f) {
          return fmt::format("the SA {} uses ESP in UDP {} only", out_spi(f),
                             mine(f).udp ? "here" : "at the other end");
        },
        [](const Facts&) { return std::string("give the SA `encap udp` at both ends, or at none"); }},
    Row{"mode-differs", State::lost,
        [](const Facts& f) { return both_hold(f) && f.there->to_me.tunnel != mine(f).held.facts.tunnel; },
        [](const Facts& f) {
          return fmt::format("the SA {} is in tunnel mode {} only", out_spi(f),
                             mine(f).held.facts.tunnel ? "here" : "at the other end");
        },
        [](const Facts&) { return std::string("give the SA isrc and idst at both ends, or at none"); }},
    Row{"algorithms-differ", State::lost,
        [](const Facts& f) {
          return both_hold(f) && (f.there->to_me.encrypt != mine(f).held.facts.encrypt ||
                                  f.there->to_me.auth != mine(f).held.facts.auth);
        },
        [](const Facts& f) {
          return fmt::format("the SA {} has {} here, and {} at the other end", out_spi(f),
                             algorithms_text(mine(f).held.facts.encrypt, mine(f).held.facts.auth),
                             algorithms_text(f.there->to_me.encrypt, f.there->to_me.auth));
        },
        load_same_keys},
    Row{"icv-differs", State::lost,
        [](const Facts& f) { return both_hold(f) && f.there->to_me.icv_bits != mine(f).icv_bits; },
        [](const Facts& f) {
          return fmt::format("the SA {} has an ICV of {} bits here, and of {} at the other end", out_spi(f),
                             mine(f).icv_bits, f.there->to_me.icv_bits);
        },
        [](const Facts&) {
          return std::string(
              "give the SA the same `icv` at both ends: RFC 4868 has 128 bits for SHA-256, old kernels 96");
        }},
    Row{"wrong-key", State::lost, [](const Facts& f) { return arrived(f) && grown_there(f, kCorrupt) > 0; },
        [](const Facts& f) {
          return fmt::format("the other end refuses what SA {} protects, with the same algorithms: the keys differ",
                             out_spi(f));
        },
        load_same_keys},
    Row{"numbers-restarted", State::lost,
        [](const Facts& f) { return arrived(f) && grown_there(f, "in.replayed in.late XfrmInStateSeqError") > 0; },
        [](const Facts& f) {
          return fmt::format(
              "the other end refuses the sequence numbers of SA {} as received before: they began again here",
              out_spi(f));
        },
        load_new_keys},
    Row{"reqid-there", State::lost, [](const Facts& f) { return objects_there(f, {Objection::reqid, Objection::spi}); },
        [](const Facts& f) {
          return fmt::format("the rule at the other end demands a reqid or SPI that its SA {} does not have",
                             out_spi(f));
        },
        [](const Facts&) { return std::string("give the rule and the SA there the same reqid"); }},
    Row{"mark-there", State::lost, [](const Facts& f) { return objects_there(f, {Objection::mark, Objection::if_id}); },
        [](const Facts& f) {
          return fmt::format(
              "the SA {} at the other end is bound to a mark or an interface that its rule does not name", out_spi(f));
        },
        [](const Facts&) { return std::string("give the rule and the SA there the same mark and if_id"); }},
    Row{"selector-there", State::lost,
        [](const Facts& f) {
          return objects_there(f, Objection::inner_addresses) ||
                 (arrived(f) && grown_there(f, "in.selector XfrmInStateMismatch") > 0);
        },
        [](const Facts& f) {
          return fmt::format("the other end's SA {} is not for these addresses or ports", out_spi(f));
        },
        [](const Facts&) { return std::string("give the SA the same networks and ports (isrc, idst) at both ends"); }},
    Row{"rule-differs", State::lost,
        [](const Facts& f) {
          using enum Objection;
          return objects_there(f, {protocol, ah_algorithm, ah_short, ah_long, cipher, cipher_short, cipher_long,
                                   integrity, integrity_short, integrity_long, mode, ends}) ||
                 (arrived(f) && grown_there(f,
                                            "in.got_ah in.got_esp in.bad_ahalg in.bad_espealg in.bad_espaalg in.bad_sa "
                                            "XfrmInTmplMismatch") > 0);
        },
        [](const Facts& f) {
          return fmt::format("the rule at the other end demands something else than the SA {} is", out_spi(f));
        },
        [](const Facts&) {
          return std::string("compare the rules of both ends: ipsecconf explain says what the peer needs");
        }},
    Row{"rule-there-drops", State::lost,
        [](const Facts& f) {
          return arrived(f) &&
                 (f.there->in_rule == RuleThere::drop || grown_there(f, "in.explicit in.no_rule XfrmInPolBlock") > 0);
        },
        [](const Facts&) { return std::string("a rule at the other end drops these packets"); }, explain_there},
    Row{"rule-missing-there", State::lost,
        [](const Facts& f) { return arrived(f) && grown_there(f, "in.got_secure") > 0; },
        [](const Facts&) {
          return std::string("the other end has no rule about these packets, and drops what is protected without one");
        },
        load_mirrored_rule},
    Row{"no-policy-there", State::lost,
        [](const Facts& f) { return arrived(f) && grown_there(f, "XfrmInNoPols XfrmFwdHdrError") > 0; },
        [](const Facts&) {
          return std::string(
              "the kernel at the other end opened the packets and dropped them: no policy of direction in or fwd lets "
              "them pass");
        },
        [](const Facts&) {
          return std::string("load the rule there with ipsecconf, which adds the policy fwd, not with ip xfrm alone");
        }},
    Row{"rp-filter-there", State::lost,
        [](const Facts& f) { return arrived(f) && grown_there(f, "IPReversePathFilter") > 0; },
        [](const Facts&) {
          return std::string(
              "the other end opened the packets and dropped them: rp_filter finds that they came by the wrong "
              "interface");
        },
        [](const Facts&) { return std::string("sysctl net.ipv4.conf.all.rp_filter=2 there, and for the device"); }},
    Row{"firewall-there", State::lost, arrived,
        [](const Facts&) {
          return std::string(
              "packets arrive protected at the other end, and no program gets them: a firewall there drops them, or it "
              "does not forward");
        },
        [](const Facts& f) {
          return fmt::format("there: nft list ruleset; accept ESP before and UDP port {} after it is opened",
                             f.flow.remote_port.value_or(kPort));
        }},
};

}  // namespace

std::span<const Row> arriving_causes() { return kRows; }

}  // namespace ipseckey::prove::detail
