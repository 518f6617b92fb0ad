#include "pfkey/offers.h"

#include <fmt/format.h>

#include <utility>

#include "pfkey/algorithms.h"
#include "pfkey/lifetimes.h"
#include "pfkey/names.h"
#include "pfkey/units.h"

namespace ipseckey::pfkey {
namespace {

// "aes-gcm 128 to 256 bits, salt 32 bits"
std::string algorithm_text(std::string_view algorithm, unsigned min, unsigned max, unsigned salt) {
  std::string out(algorithm);
  if (max != 0) out += min == max ? fmt::format(" {} bits", max) : fmt::format(" {} to {} bits", min, max);
  if (salt != 0) out += fmt::format(", salt {} bits", salt);
  return out;
}

void print_limits(const Lifetime& soft, const Lifetime& hard, Lines& lines) {
  lines.line("", "soft " + limits_text(soft));
  lines.line("", "hard " + limits_text(hard));
}

void print_proposal(const Proposal& proposal, Lines& lines) {
  lines.line("proposal", fmt::format("replay window {}", proposal.replay));
  unsigned number = 0;
  for (const Combination& c : proposal.combinations) {
    std::string text;
    if (c.auth != 0)
      text = "auth " + algorithm_text(algorithm_name(AlgorithmKind::auth, c.auth), c.auth_minbits, c.auth_maxbits, 0);
    if (c.encrypt != 0)
      text += (text.empty() ? "encr " : "; encr ") + algorithm_text(algorithm_name(AlgorithmKind::encrypt, c.encrypt),
                                                                    c.encrypt_minbits, c.encrypt_maxbits,
                                                                    c.encrypt_saltbits);
    if (c.flags != 0) text += fmt::format("; flags {:#x}", c.flags);
    lines.line(fmt::format("  {}", ++number), text.empty() ? "no algorithm" : text);
    print_limits(c.soft, c.hard, lines);
  }
}

std::string described(const AlgorithmDescription& a) {
  constexpr auto kAuth = std::to_underlying(AlgorithmKind::auth), kEncrypt = std::to_underlying(AlgorithmKind::encrypt);
  const bool known = a.kind == kAuth || a.kind == kEncrypt;
  const std::string algorithm = known ? algorithm_name(static_cast<AlgorithmKind>(a.kind), a.algorithm)
                                      : fmt::format("algorithm {} of kind {}", a.algorithm, a.kind);
  return fmt::format("{} {}{}", name(a.satype),
                     a.kind == kAuth      ? "auth "
                     : a.kind == kEncrypt ? "encr "
                                          : "",
                     algorithm_text(algorithm, a.minbits, a.maxbits, a.saltbits));
}

void print_extended(const ExtendedProposal& proposal, Lines& lines) {
  lines.line("proposal", fmt::format("replay window {}", proposal.replay));
  unsigned number = 0;
  for (const ExtendedCombination& c : proposal.combinations) {
    std::string label = fmt::format("  {}", ++number);
    for (const AlgorithmDescription& a : c.algorithms) {
      lines.line(label, described(a));
      label.clear();
    }
    if (c.algorithms.empty()) lines.line(label, "no algorithm");
    if (c.flags != 0) lines.line("", fmt::format("flags {:#x}", c.flags));
    print_limits(c.soft, c.hard, lines);
  }
}

void print_supported(std::string_view label, AlgorithmKind kind, const Boxed<Supported>& supported, Lines& lines) {
  if (!supported) return;
  if (supported->algorithms.empty()) lines.line(label, "none");
  for (const SupportedAlgorithm& a : supported->algorithms) {
    std::string text = algorithm_text(algorithm_name(kind, a.id), a.minbits, a.maxbits, 0);
    if (a.increment != 0 && a.minbits != a.maxbits) text += fmt::format(" in steps of {}", a.increment);
    if (a.saltbits != 0) text += fmt::format(", salt {} bits", a.saltbits);
    if (a.ivlen != 0) text += fmt::format(", iv {} bytes", a.ivlen);
    lines.line(label, text);
    label = "";
  }
}

void print_register(const ExtendedRegister& registration, Lines& lines) {
  std::string text;
  for (const std::uint8_t satype : registration.satypes) {
    if (satype == 0) break;
    text += (text.empty() ? "" : ", ") + name(static_cast<SaType>(satype));
  }
  lines.line("register", text.empty() ? "no SA type" : text);
}

}  // namespace

void print_offers(const Message& m, Lines& lines) {
  if (m.proposal) print_proposal(*m.proposal, lines);
  if (m.extended_proposal) print_extended(*m.extended_proposal, lines);
  print_supported("auth algs", AlgorithmKind::auth, m.supported_auth, lines);
  print_supported("encr algs", AlgorithmKind::encrypt, m.supported_encrypt, lines);
  if (m.spi_range) lines.line("spi range", fmt::format("{:#x} to {:#x}", m.spi_range->min, m.spi_range->max));
  if (m.extended_register) print_register(*m.extended_register, lines);
  if (m.extended_dump) lines.line("timeout", duration_text(m.extended_dump->timeout));
}

}  // namespace ipseckey::pfkey
