// Checks of a request before the kernel sees it:
// 1. wrong_with() first checks what every SADB requires (pfkey/requirements.cc), then the few rules of Linux (kRules).
// 2. kReasons has words for requirements that have none of their own.
// 3. not_addable() explains why this program could not add an SA that the kernel has.
// 4. unchangeable() finds changes in an UPDATE that the kernel does not support.
// 5. meaning() turns the kernel's own error into a refusal with a remedy (kCauses).
#include "kernel/detail/xfrm_rules.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "kernel/detail/xfrm_attributes.h"
#include "kernel/detail/xfrm_plain.h"
#include "pfkey/algorithms.h"
#include "pfkey/extensions.h"
#include "pfkey/requirements.h"

namespace ipseckey::kernel::xfrm {
namespace {

using pfkey::Message;
using D = pfkey::Diagnostic;
using enum pfkey::AlgorithmKind;

const pfkey::Algorithm* cipher_of(const Message& m) { return pfkey::find_algorithm(encrypt, m.sa->encrypt); }
const pfkey::Algorithm* mac_of(const Message& m) { return pfkey::find_algorithm(auth, m.sa->auth); }
bool esp(const Message& m) { return m.satype == pfkey::SaType::esp; }

constexpr std::string_view kMatureAlways = "the kernel's SAs are mature from the start";

pfkey::SadbFacts facts_of_linux(bool labels) {
  return {.labels = labels,
          .is_linux = true,
          .active_elsewhere = false,
          .why_no_labels = "this kernel does not run SELinux, so its SAs have no labels",
          .why_mature = kMatureAlways};
}

// For an ADD. The kernel itself reports which algorithms it lacks (Cause).
pfkey::Asked asked_by(const Message& m, bool labels) {
  pfkey::Asked asked{m, facts_of_linux(labels)};
  asked.extended = m.extended();
  if (m.sa) asked.auth = mac_of(m), asked.encrypt = cipher_of(m);
  return asked;
}

struct Rule {
  std::uint8_t error;
  D diagnostic;
  std::string_view text;
  bool (*broken)(const Message&);
};

// Rules of Linux for an ADD that meets the requirements of every SADB.
constexpr std::array kRules = {
    Rule{EOPNOTSUPP, D::malformed_ekey, "the kernel chooses IVs itself, so reserved_bits has no effect: leave it out",
         [](const Message& m) { return m.encrypt_key && m.encrypt_key->reserved != 0; }},
    Rule{EOPNOTSUPP, D::none, "the kernel has no outer ports for tunnels: use isport and idport",
         [](const Message& m) { return m.inner_src && (m.src->port != 0 || m.dst->port != 0); }},
    Rule{EINVAL, D::bad_label, "the kernel cannot store a label for the protected packets",
         [](const Message& m) { return m.outer_sensitivity.has_value(); }},
};

template <pfkey::Part first, pfkey::Part last = first>
std::optional<Refusal> check(const pfkey::Asked& asked) {
  const pfkey::Requirement* const broken = pfkey::first_broken<first, last>(asked);
  if (!broken) return std::nullopt;
  return Refusal{broken->error, broken->diagnostic, std::string(broken->words_for(asked))};
}

// ---- refusals

constexpr int kAnyError = 0;
struct Cause {
  int error;               ///< kAnyError: only the words decide.
  std::string_view words;  ///< Part of the kernel's text; empty: any text.
  D diagnostic;
  std::string (*cure)(const Message&);
};

std::string_view type_word(const Message& m) { return esp(m) ? "ESP" : "AH"; }

std::string no_type(const Message& m) {
  const bool v4 = !m.dst || m.dst->address.family == Family::v4;
  const std::string module = fmt::format("{}{}", esp(m) ? "esp" : "ah", v4 ? 4 : 6);
  return fmt::format("this kernel has no {}: module {} is missing; `modprobe {}`", type_word(m), module, module);
}

std::string no_algorithm(const Message& m) {
  const pfkey::Algorithm* const cipher = m.sa ? cipher_of(m) : nullptr;
  const pfkey::Algorithm* const mac = m.sa ? mac_of(m) : nullptr;
  return fmt::format(
      "its crypto API lacks {}{}{} or one of its parts (authenc, seqiv, echainiv, drbg): `ipseckey "
      "doctor` lists what is available",
      cipher ? cipher->kernel : "", cipher && mac ? " or " : "", mac ? mac->kernel : "");
}

std::string no_right(const Message&) { return "it needs CAP_NET_ADMIN in this network namespace: run it as root"; }
std::string no_memory(const Message&) { return "the kernel is out of memory"; }
std::string offload_module(const Message& m) {
  const std::string module = fmt::format("esp{}_offload", m.dst && m.dst->address.family == Family::v6 ? 6 : 4);
  return fmt::format("module {} is missing: `modprobe {}`", module, module);
}
std::string no_offload(const Message& m) {
  const std::string device = m.offload ? m.offload->device : "DEVICE";
  return fmt::format(
      "the device cannot offload this kind of ESP: `ethtool -k {}` shows whether it supports offload "
      "(esp-hw-offload), `ethtool -K {} esp-hw-offload on` turns it on",
      device, device);
}
std::string no_mode(const Message&) { return "module xfrm4_tunnel or xfrm6_tunnel may be missing"; }

constexpr std::array kCauses = {
    Cause{EPROTONOSUPPORT, "type", D::unknown_satype, no_type},
    Cause{EPROTONOSUPPORT, "mode", D::none, no_mode},
    Cause{EPROTONOSUPPORT, "", D::unknown_satype, no_type},
    Cause{ENOSYS, "AUTH", D::bad_aalg, no_algorithm},
    Cause{ENOSYS, "", D::bad_ealg, no_algorithm},
    Cause{ENOENT, "", D::bad_ealg, no_algorithm},
    Cause{EPERM, "", D::none, no_right},
    Cause{ENOMEM, "", D::none, no_memory},
    Cause{ENOBUFS, "", D::none, no_memory},
    Cause{kAnyError, "ype doesn't support offload", D::none, offload_module},
    Cause{kAnyError, "evice doesn't support offload", D::none, no_offload},
    Cause{kAnyError, "evice failed to offload", D::none, no_offload},
    Cause{EOPNOTSUPP, "offload", D::none, no_offload},
};

}  // namespace

std::optional<Refusal> wrong_name(const Message& m) {
  if (protocol_of(m.satype) == 0) return Refusal{EINVAL, D::satype_needed};
  return check<pfkey::Part::name>({m, {}});
}

std::optional<Refusal> wrong_with(const Message& m, bool labels) {
  if (auto wrong = wrong_name(m)) return wrong;
  if (auto wrong = check<pfkey::Part::contents, pfkey::Part::numbers>(asked_by(m, labels))) return wrong;
  for (const Rule& rule : kRules)
    if (rule.broken(m)) return Refusal{rule.error, rule.diagnostic, std::string(rule.text)};
  if (const auto why = not_of_linux(m); !why.empty()) return Refusal{EOPNOTSUPP, D::none, std::string(why)};
  return std::nullopt;
}

std::string not_addable(const Message& sa, bool labels) {
  Message add = sa.clone();
  add.type = pfkey::Type::add;
  add.sa->state = pfkey::State::mature;
  add.sa->flags &= pfkey::settable_flags(add.satype, false);
  add.current.reset(), add.initial_iv.reset(), add.traffic.reset(), add.remark.reset();  // Only replies have these.
  if (add.encrypt_key) {  // An ADD counts the salt as part of the key.
    add.encrypt_key->bits = static_cast<std::uint16_t>(add.encrypt_key->bits + add.encrypt_key->reserved);
    add.encrypt_key->reserved = 0;
  }
  const auto wrong = wrong_with(add, labels);
  if (!wrong) return "";
  std::string why = wrong->diagnostic == D::none ? "" : std::string(pfkey::text_of(wrong->diagnostic));
  if (!wrong->text.empty()) why += (why.empty() ? "" : "; ") + wrong->text;
  return fmt::format("such an SA cannot be added: {}", why);
}

std::optional<Refusal> unchangeable(const Message& m, const Message& sa) {
  struct Part {
    std::string_view name;
    bool (*differs)(const Message& asked, const Message& had);
  };
  static constexpr std::array kParts = {
      Part{"replay window",
           [](const Message& a, const Message& b) {
             return (a.window() != 0 && a.window() != b.window()) || (a.extended() && !b.extended());
           }},
      Part{"label", [](const Message& a, const Message&) { return a.sensitivity || a.outer_sensitivity; }},
      Part{"NAT traversal", [](const Message& a, const Message&) { return a.natt_local || a.natt_remote; }},
  };
  // Directions, tunnel mode and ports are fixed when the SA is added.
  constexpr std::uint32_t kForGood = pfkey::kFlagTunnel | pfkey::kFlagUnique;
  constexpr std::uint32_t kWays = pfkey::kFlagInbound | pfkey::kFlagOutbound;
  if (m.sa->state != pfkey::State::mature) return Refusal{EINVAL, D::bad_sastate, std::string(kMatureAlways)};
  if ((m.sa->flags & kForGood) != 0 || (m.sa->flags & kWays & ~sa.sa->flags) != 0)
    return Refusal{EINVAL, D::bad_saflags};
  for (const pfkey::Extension& row : pfkey::kExtensions)
    if (row.kept && !row.kept->keyword.empty() && !pfkey::asks_the_same(row, m, sa))
      return Refusal{EOPNOTSUPP, D::none, std::string(pfkey::stays_as_added(row))};
  for (const Part& part : kParts)
    if (part.differs(m, sa))
      return Refusal{EOPNOTSUPP, D::none, fmt::format("Linux cannot change the {} of an SA", part.name)};
  if (!m.replay_value) return std::nullopt;
  // As in our engine: a number that was sent or seen must not be used again.
  if (auto wrong = check<pfkey::Part::numbers>({.m = m, .sadb = {}, .extended = sa.extended()})) return wrong;
  const bool only_receives = (sa.sa->flags & kWays) == pfkey::kFlagInbound;
  if ((only_receives && sa.window() == 0) || (sa.replay_value && m.replay_value->number() < sa.replay_value->number()))
    return Refusal{EINVAL, D::invalid_replay};
  return std::nullopt;
}

Refusal meaning(const Message& m, int error, std::string_view text, bool type_missing) {
  Refusal out{static_cast<std::uint8_t>(std::clamp(error, 1, 255)), D::none, {}};
  if (!text.empty()) out.text = fmt::format("the kernel says: {}", text);
  if (error == ESRCH) {
    out.diagnostic = D::sa_notfound;
    return out;
  }
  if (type_missing) {
    out.diagnostic = D::unknown_satype;
    out.text += (out.text.empty() ? "" : "; ") + no_type(m);
    return out;
  }
  for (const Cause& cause : kCauses) {
    if ((cause.error != kAnyError && cause.error != error) || text.find(cause.words) == std::string_view::npos)
      continue;
    out.diagnostic = cause.diagnostic;
    out.text += fmt::format("{}{}", out.text.empty() ? "" : "; ", cause.cure(m));
    break;
  }
  return out;
}

Message refused(const Message& request, const Refusal& why) {
  Message m = request.header();
  m.error = why.error;
  m.diagnostic = static_cast<std::uint16_t>(why.diagnostic);
  if (!why.text.empty()) m.remark = pfkey::Remark{why.text};
  return m;
}

}  // namespace ipseckey::kernel::xfrm
