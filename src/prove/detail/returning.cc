// What this host does not open, or does not get. Rows in this order:
// 1. The other end answers in clear, or cannot answer.
// 2. A protected answer comes in, and is refused: SPI, algorithms, ICV, key, numbers, rule.
// 3. It is opened, and the host does not deliver it.
// 4. No answer comes in: a router complains, it is lost, or the other end is dead.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/net.h"
#include "prove/detail/causes.h"

namespace ipseckey::prove::detail {
namespace {

using policy::Direction;

bool unanswered(const Facts& f) { return f.answers == 0; }
// A protected packet came in, and did not reach our socket.
bool refused_here(const Facts& f) { return unanswered(f) && sealed_back(f) != nullptr; }

std::string back_spi(const Facts& f) {
  const Sighting* const s = sealed_back(f);
  return s ? spi_text(s->esp ? s->esp->spi : s->ah->spi) : "";
}

const Sighting* complaint(const Facts& f) {
  const auto found =
      std::ranges::find_if(f.wire, [](const Sighting& s) { return !s.out && s.complaint && !s.complaint->too_big; });
  return found == f.wire.end() ? nullptr : &*found;
}

// An SA of ours with the SPI of the packet that came in.
const SaView* here(const Facts& f) {
  const Sighting* const s = sealed_back(f);
  if (!s) return nullptr;
  const auto found = std::ranges::find_if(f.sas, [&](const SaView& sa) {
    const auto& seal = sa.held.facts.type == pfkey::SaType::ah ? s->ah : s->esp;
    return seal && sa.held.facts.spi == seal->spi && sa.held.facts.dst == s->to;
  });
  return found == f.sas.end() ? nullptr : &*found;
}

bool both_hold(const Facts& f) {
  const bool there = f.there && f.there->to_you.held;
  return there && refused_here(f) && here(f) != nullptr;
}

constexpr std::array kRows = {
    Row{"answers-clear", State::in_clear,
        [](const Facts& f) {
          return f.in.service != policy::Service::not_needed &&
                 (clear_back(f) != nullptr || (f.there && f.there->answers_clear > 0));
        },
        [](const Facts& f) {
          return fmt::format("the other end answers in clear: {}",
                             f.there && f.there->out_rule == RuleThere::pass   ? "a rule there lets these packets pass"
                             : f.there && f.there->out_rule != RuleThere::none ? "its rule does not get hold of them"
                                                                               : "it has no rule about these packets");
        },
        load_mirrored_rule},
    Row{"one-way", State::lost,
        [](const Facts& f) {
          return unanswered(f) && f.there && f.there->received > 0 && f.there->out_rule == RuleThere::missing;
        },
        [](const Facts&) { return std::string("the other end gets the packets, and has no SA for the way back"); },
        [](const Facts&) { return std::string("load the keys of both directions at both ends"); }},
    Row{"rule-there-drops-answers", State::lost,
        [](const Facts& f) {
          return unanswered(f) && f.there && f.there->received > 0 && f.there->out_rule == RuleThere::drop;
        },
        [](const Facts&) { return std::string("the other end gets the packets, and a rule there drops the answers"); },
        explain_there},
    Row{"unknown-back", State::lost, [](const Facts& f) { return refused_here(f) && here(f) == nullptr; },
        [](const Facts& f) {
          return fmt::format("answers come under SPI {}, which this host does not have", back_spi(f));
        },
        [](const Facts&) {
          return std::string(
              "load the keys of both directions at both ends; a newer SA at the other end may have taken over");
        }},
    Row{"algorithms-differ-back", State::lost,
        [](const Facts& f) {
          return both_hold(f) && (f.there->to_you.encrypt != here(f)->held.facts.encrypt ||
                                  f.there->to_you.auth != here(f)->held.facts.auth);
        },
        [](const Facts& f) {
          return fmt::format("the SA {}, for the way back, has {} here, and {} at the other end", back_spi(f),
                             algorithms_text(here(f)->held.facts.encrypt, here(f)->held.facts.auth),
                             algorithms_text(f.there->to_you.encrypt, f.there->to_you.auth));
        },
        load_same_keys},
    Row{"icv-differs-back", State::lost,
        [](const Facts& f) { return both_hold(f) && f.there->to_you.icv_bits != here(f)->icv_bits; },
        [](const Facts& f) {
          return fmt::format("the SA {}, for the way back, has an ICV of {} bits here, and of {} at the other end",
                             back_spi(f), here(f)->icv_bits, f.there->to_you.icv_bits);
        },
        [](const Facts&) { return std::string("give the SA the same `icv` at both ends"); }},
    Row{"wrong-key-back", State::lost, [](const Facts& f) { return refused_here(f) && grown_here(f, kCorrupt) > 0; },
        [](const Facts& f) {
          return fmt::format("answers come under SA {}, and are refused here: the keys of the way back differ",
                             back_spi(f));
        },
        load_same_keys},
    Row{"numbers-restarted-back", State::lost,
        [](const Facts& f) { return refused_here(f) && grown_here(f, "in.replayed in.late XfrmInStateSeqError") > 0; },
        [](const Facts& f) {
          return fmt::format(
              "the sequence numbers of answers under SA {} were received before: they began again at the other end",
              back_spi(f));
        },
        load_new_keys},
    Row{"rule-refuses-answers", State::lost,
        [](const Facts& f) {
          return refused_here(f) &&
                 (f.in.service == policy::Service::missing ||
                  grown_here(f,
                             "in.selector in.got_secure in.got_ah in.got_esp in.bad_ahalg in.bad_espealg "
                             "in.bad_espaalg in.bad_sa in.inner in.wrong_source in.wrong_encapsulation in.explicit "
                             "XfrmInTmplMismatch XfrmInStateMismatch XfrmInStateModeError XfrmInPolBlock") > 0);
        },
        [](const Facts& f) {
          return fmt::format("answers come under SA {}, which is not what this host's rule demands of them",
                             back_spi(f));
        },
        [](const Facts&) {
          return std::string("ipsecconf explain says for which packets each SA is, and why it does not serve");
        }},
    Row{"no-policy-here", State::lost,
        [](const Facts& f) { return refused_here(f) && grown_here(f, "XfrmInNoPols XfrmFwdHdrError") > 0; },
        [](const Facts&) {
          return std::string("answers are opened here and dropped: no policy of direction in or fwd lets them pass");
        },
        [](const Facts&) { return std::string("load the rule with ipsecconf, which adds the policies in and fwd"); }},
    Row{"rp-filter-here", State::lost,
        [](const Facts& f) { return refused_here(f) && (grown_here(f, "IPReversePathFilter") > 0); },
        [](const Facts&) {
          return std::string(
              "answers are opened here and dropped: rp_filter finds that they came by the wrong interface");
        },
        [](const Facts&) { return std::string("sysctl net.ipv4.conf.all.rp_filter=2, and for the device"); }},
    Row{"firewall-here-back", State::lost, refused_here,
        [](const Facts&) {
          return std::string(
              "answers come protected, and do not reach the program: a firewall of this host drops them");
        },
        [](const Facts&) {
          return std::string("nft list ruleset: accept ESP before and these packets after it is opened, in hook input");
        }},
    Row{"unreachable", State::lost, [](const Facts& f) { return unanswered(f) && complaint(f) != nullptr; },
        [](const Facts& f) {
          const Sighting& s = *complaint(f);
          return fmt::format("{} reports that the packets cannot be delivered (ICMP type {}, code {})",
                             to_string(s.from), s.complaint->type, s.complaint->code);
        },
        [](const Facts&) { return std::string("mend the route or the filter on the way"); }},
    Row{"answers-lost", State::lost, [](const Facts& f) { return unanswered(f) && f.there && f.there->received > 0; },
        [](const Facts& f) {
          return f.there->out_spi != 0
                     ? fmt::format(
                           "the other end answers under SA {}, and no answer arrives: something on the way drops it",
                           spi_text(f.there->out_spi))
                     : std::string("the other end gets the packets, and its answers do not arrive");
        },
        [](const Facts&) {
          return std::string(
              "let protected packets pass on the way, both ways; ipsecconf doctor there says what was dropped");
        }},
    Row{"dead-peer", State::lost, [](const Facts& f) { return unanswered(f) && !f.heard; },
        [](const Facts& f) {
          return fmt::format("packets leave protected by SA {}, and nothing at all comes from {}",
                             spi_text(f, Direction::out), to_string(f.outer_to));
        },
        [](const Facts&) {
          return std::string("is the other end up? Run `ipsecconf prove --respond` there: it says what arrives");
        }},
    Row{"no-answer", State::lost, unanswered,
        [](const Facts& f) {
          return fmt::format("packets leave protected by SA {}, and are not answered", spi_text(f, Direction::out));
        },
        [](const Facts&) {
          return std::string("run `ipsecconf prove --respond` at the other end: it says what arrives");
        }},
};

}  // namespace

std::span<const Row> returning_causes() { return kRows; }

}  // namespace ipseckey::prove::detail
