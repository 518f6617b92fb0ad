#include "kernel/detail/xfrm_rules.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "kernel/detail/xfrm_attributes.h"
#include "pfkey/algorithms.h"
#include "pfkey/refusals.h"
#include "pfkey/weak_keys.h"

namespace kernel::xfrm {
namespace {

using pfkey::Message;
using D = pfkey::Diagnostic;
using enum pfkey::AlgorithmKind;

const pfkey::Algorithm* cipher_of(const Message& m) { return pfkey::find_algorithm(encrypt, m.sa->encrypt); }
const pfkey::Algorithm* mac_of(const Message& m) { return pfkey::find_algorithm(auth, m.sa->auth); }
bool esp(const Message& m) { return m.satype == pfkey::SaType::esp; }

bool bad_cipher_key(const Message& m) {
  const pfkey::Algorithm* const row = cipher_of(m);
  if (!m.encrypt_key || !row) return false;
  const unsigned reserved = m.encrypt_key->reserved;  // Of the explicit IV, which is refused anyway if it fits.
  if (reserved != 0 && reserved != row->iv * 8u) return true;
  const int bits = m.encrypt_key->bits - static_cast<int>(reserved) - row->salt_bits;
  return !row->takes_key() || m.encrypt_key->bits % 8 != 0 || bits <= 0 || !row->key_fits(static_cast<unsigned>(bits));
}

bool weak_key(const Message& m) {
  if (!m.encrypt_key || (m.sa->encrypt != 2 && m.sa->encrypt != 3)) return false;
  Secret copy =
      m.encrypt_key->material.clone();  // Only the copy's parity is corrected: the kernel gets what was asked.
  pfkey::correct_parity(copy.bytes());
  return m.sa->encrypt == 2 ? pfkey::weak_des(copy.bytes()) : pfkey::weak_triple_des(copy.bytes());
}

bool above(std::uint64_t soft, std::uint64_t hard) { return soft != 0 && hard != 0 && soft > hard; }
template <class T>
bool soft_above(const Message& m, T pfkey::Lifetime::* part) {
  return m.soft && m.hard && above((*m.soft).*part, (*m.hard).*part);
}

template <class T>
bool idle_above(const Message& m, T pfkey::Lifetime::* part) {
  return m.idle && m.soft && m.hard &&
         (above((*m.idle).*part, (*m.soft).*part) || above((*m.idle).*part, (*m.hard).*part));
}

bool extended(const Message& m) { return m.replay_window && m.replay_window->esn; }
bool wide_value(const Message& m) { return m.replay_value && m.replay_value->number() > UINT32_MAX; }

std::uint32_t window_of(const Message& m) { return m.replay_window ? m.replay_window->window : m.sa->replay; }

bool unvouched(const Message& m) { return esp(m) && pfkey::without_integrity(cipher_of(m), mac_of(m)); }

constexpr std::string_view kMatureAlways = "the kernel's SAs are mature from the start";
constexpr std::string_view kNarrowNumbers = "without `esn` sequence numbers have 32 bits";

struct Rule {
  std::uint8_t error;
  D diagnostic;
  std::string_view text;
  bool (*broken)(const Message&);
};

constexpr std::array kRules = {
    Rule{EINVAL, D::missing_src, "", [](const Message& m) { return !m.src; }},
    Rule{EINVAL, D::af_mismatch, "", [](const Message& m) { return m.src->address.family != m.dst->address.family; }},
    Rule{EINVAL, D::bad_src, "", [](const Message& m) { return is_multicast(m.src->address); }},
    Rule{EINVAL, D::bad_dst, "", [](const Message& m) { return is_unspecified(m.dst->address); }},
    Rule{EINVAL, D::bad_sastate, kMatureAlways, [](const Message& m) { return m.sa->state != pfkey::State::mature; }},
    Rule{EINVAL, D::bad_aalg, "", [](const Message& m) { return m.sa->auth != 0 && !mac_of(m); }},
    Rule{EINVAL, D::bad_ealg, "", [](const Message& m) { return esp(m) && m.sa->encrypt != 0 && !cipher_of(m); }},
    Rule{EINVAL, D::bad_ealg, "", [](const Message& m) { return esp(m) && m.sa->encrypt == 0; }},
    Rule{EINVAL, D::encr_notsupp, "", [](const Message& m) { return !esp(m) && m.sa->encrypt != 0; }},
    Rule{EINVAL, D::missing_akey, "", [](const Message& m) { return (!esp(m) || m.sa->auth != 0) && !m.auth_key; }},
    Rule{EINVAL, D::missing_ekey, "",
         [](const Message& m) { return esp(m) && cipher_of(m)->takes_key() && !m.encrypt_key; }},
    Rule{EINVAL, D::bad_aalg, "",
         [](const Message& m) { return esp(m) && cipher_of(m)->combined() && m.sa->auth != 0; }},
    Rule{EINVAL, D::bad_aalg, "",
         [](const Message& m) { return m.sa->encrypt == pfkey::kEalgNull && m.sa->auth == 0; }},
    Rule{EINVAL, D::malformed_akey, "",
         [](const Message& m) { return m.auth_key && all_zero(m.auth_key->material.bytes()); }},
    Rule{EINVAL, D::malformed_ekey, "",
         [](const Message& m) { return m.encrypt_key && all_zero(m.encrypt_key->material.bytes()); }},
    Rule{EINVAL, D::bad_akeybits, "",
         [](const Message& m) { return m.auth_key && !mac_of(m)->key_works(m.auth_key->bits); }},
    Rule{EINVAL, D::bad_aalg, pfkey::kNoSuchIcv,
         [](const Message& m) { return m.icv && (!mac_of(m) || !mac_of(m)->icv_fits(m.icv->value)); }},
    Rule{EINVAL, D::bad_ekeybits, "", bad_cipher_key},
    Rule{EOPNOTSUPP, D::malformed_ekey, "the kernel chooses the IVs itself: reserved_bits cannot be honoured",
         [](const Message& m) { return m.encrypt_key && m.encrypt_key->reserved != 0; }},
    Rule{EINVAL, D::weak_ekey, "", weak_key},
    Rule{EINVAL, D::alloc_hserr, "", [](const Message& m) { return soft_above(m, &pfkey::Lifetime::allocations); }},
    Rule{EINVAL, D::bytes_hserr, "", [](const Message& m) { return soft_above(m, &pfkey::Lifetime::bytes); }},
    Rule{EINVAL, D::addtime_hserr, "", [](const Message& m) { return soft_above(m, &pfkey::Lifetime::addtime); }},
    Rule{EINVAL, D::usetime_hserr, "", [](const Message& m) { return soft_above(m, &pfkey::Lifetime::usetime); }},
    Rule{EINVAL, D::addtime_hserr, "", [](const Message& m) { return idle_above(m, &pfkey::Lifetime::addtime); }},
    Rule{EINVAL, D::usetime_hserr, "", [](const Message& m) { return idle_above(m, &pfkey::Lifetime::usetime); }},
    Rule{EINVAL, D::malformed_natt_loc, "AH cannot pass a NAT",
         [](const Message& m) { return !esp(m) && (m.natt_local || m.natt_remote); }},
    Rule{EOPNOTSUPP, D::none, "the ports of a tunnel's outside have no place in the kernel: give isport and idport",
         [](const Message& m) { return m.inner_src && (m.src->port != 0 || m.dst->port != 0); }},
    Rule{EINVAL, D::bad_saflags, "AH is a multiple of 4 or of 8 bytes",
         [](const Message& m) { return m.ah_align && m.ah_align->value != 4 && m.ah_align->value != 8; }},
    Rule{EINVAL, D::invalid_replay, "the kernel's replay windows have at most 4096 packets",
         [](const Message& m) { return window_of(m) > kLargestWindow; }},
    Rule{EINVAL, D::invalid_replay, pfkey::kExtendedNeedsWindow,
         [](const Message& m) { return extended(m) && window_of(m) == 0; }},
    Rule{EOPNOTSUPP, D::invalid_replay, kNarrowNumbers, [](const Message& m) { return wide_value(m) && !extended(m); }},
    Rule{EINVAL, D::bad_aalg, pfkey::kCounterNeedsIntegrity,
         [](const Message& m) { return unvouched(m) && cipher_of(m)->counter(); }},
    Rule{EINVAL, D::invalid_replay, pfkey::kNoWindow,
         [](const Message& m) { return unvouched(m) && (window_of(m) != 0 || extended(m)); }},
    Rule{EINVAL, D::bad_label, "the kernel has no place for the label of the protected packets",
         [](const Message& m) { return m.outer_sensitivity.has_value(); }},
};

// ---- refusals

constexpr int kAnyError = 0;
struct Cause {
  int error;               ///< kAnyError: the words tell.
  std::string_view words;  ///< Of the kernel's text; empty: any.
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
      "its crypto API lacks {}{}{} or what it is made of (authenc, seqiv, echainiv, drbg): `ipseckey "
      "doctor` lists what is there",
      cipher ? cipher->kernel : "", cipher && mac ? " or " : "", mac ? mac->kernel : "");
}

std::string no_right(const Message&) { return "it needs CAP_NET_ADMIN in this network namespace: run it as root"; }
std::string no_memory(const Message&) { return "the kernel has no memory left for it"; }
std::string offload_module(const Message& m) {
  const std::string module = fmt::format("esp{}_offload", m.dst && m.dst->address.family == Family::v6 ? 6 : 4);
  return fmt::format("module {} is missing: `modprobe {}`", module, module);
}
std::string no_offload(const Message& m) {
  const std::string device = m.offload ? m.offload->device : "DEVICE";
  return fmt::format(
      "the device does not do ESP itself, or not this kind: `ethtool -k {}` says whether it can "
      "(esp-hw-offload), `ethtool -K {} esp-hw-offload on` switches it on",
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
  if (!m.dst) return Refusal{EINVAL, D::missing_dst};
  if (!m.sa) return Refusal{EINVAL, D::missing_sa};
  if (m.sa->spi == 0) return Refusal{EINVAL, D::malformed_sa};
  return std::nullopt;
}

std::optional<Refusal> wrong_with(const Message& m, bool labels) {
  if (auto wrong = wrong_name(m)) return wrong;
  for (const Rule& rule : kRules)
    if (rule.broken(m)) return Refusal{rule.error, rule.diagnostic, std::string(rule.text)};
  if (m.sensitivity && !labels)
    return Refusal{EINVAL, D::bad_label, "this kernel runs no SELinux, so it has no labels"};
  return std::nullopt;
}

std::string not_addable(const Message& sa, bool labels) {
  Message add = sa.clone();
  add.sa->state = pfkey::State::mature;
  if (add.encrypt_key) {  // An ADD counts the salt as part of the key.
    add.encrypt_key->bits = static_cast<std::uint16_t>(add.encrypt_key->bits + add.encrypt_key->reserved);
    add.encrypt_key->reserved = 0;
  }
  const auto wrong = wrong_with(add, labels);
  if (!wrong) return "";
  std::string why = wrong->diagnostic == D::none ? "" : std::string(pfkey::text_of(wrong->diagnostic));
  if (!wrong->text.empty()) why += (why.empty() ? "" : "; ") + wrong->text;
  return fmt::format("no SA like it can be added: {}", why);
}

std::optional<Refusal> unchangeable(const Message& m, const Message& sa) {
  struct Part {
    std::string_view name;
    bool (*differs)(const Message& asked, const Message& had);
  };
  static constexpr auto kOther = [](const auto& asked, const auto& had) {
    return asked && asked->value != (had ? had->value : 0);
  };
  static constexpr std::array kParts = {
      Part{"reqid", [](const Message& a, const Message& b) { return kOther(a.reqid, b.reqid); }},
      Part{"if_id", [](const Message& a, const Message& b) { return kOther(a.if_id, b.if_id); }},
      Part{"alignment of AH",
           [](const Message& a, const Message& b) {
             return a.ah_align && a.ah_align->value != (b.ah_align ? b.ah_align->value : 4);
           }},
      Part{"ICV",
           [](const Message& a, const Message& b) {
             const pfkey::Algorithm* const mac = mac_of(b);
             return a.icv && (!mac || a.icv->value != (b.icv ? b.icv->value : mac->icv * 8u));
           }},
      Part{"replay window",
           [](const Message& a, const Message& b) {
             return (window_of(a) != 0 && window_of(a) != window_of(b)) || (extended(a) && !extended(b));
           }},
      Part{"offload", [](const Message& a, const Message& b) { return a.offload && a.offload != b.offload; }},
      Part{"label", [](const Message& a, const Message&) { return a.sensitivity || a.outer_sensitivity; }},
      Part{"NAT traversal", [](const Message& a, const Message&) { return a.natt_local || a.natt_remote; }},
  };
  // Directions, and what makes an SA a tunnel or one for ports, are what it was added with.
  constexpr std::uint32_t kForGood = pfkey::kFlagTunnel | pfkey::kFlagUnique;
  constexpr std::uint32_t kWays = pfkey::kFlagInbound | pfkey::kFlagOutbound;
  if (m.sa->state != pfkey::State::mature) return Refusal{EINVAL, D::bad_sastate, std::string(kMatureAlways)};
  if ((m.sa->flags & kForGood) != 0 || (m.sa->flags & kWays & ~sa.sa->flags) != 0)
    return Refusal{EINVAL, D::bad_saflags};
  for (const Part& part : kParts)
    if (part.differs(m, sa))
      return Refusal{EOPNOTSUPP, D::none, fmt::format("Linux does not change the {} of an SA", part.name)};
  if (!m.replay_value) return std::nullopt;
  // As for our engine: numbers once sent or seen do not come again.
  if (wide_value(m) && !extended(sa)) return Refusal{EOPNOTSUPP, D::invalid_replay, std::string(kNarrowNumbers)};
  const bool only_receives = (sa.sa->flags & kWays) == pfkey::kFlagInbound;
  if ((only_receives && window_of(sa) == 0) ||
      (sa.replay_value && m.replay_value->number() < sa.replay_value->number()))
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

}  // namespace kernel::xfrm
