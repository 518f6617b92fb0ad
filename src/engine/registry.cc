#include <algorithm>

#include "engine/state.h"

namespace engine {
namespace {

using pfkey::Diagnostic;
using pfkey::Message;
using pfkey::SaType;

std::optional<pfkey::Supported> supported(pfkey::AlgorithmKind kind, const Options& options) {
  pfkey::Supported list;
  for (const pfkey::Algorithm& row : pfkey::algorithms()) {
    if (row.kind != kind || !usable(kind, row.number, options)) continue;
    const bool one_size = row.min_bits == row.max_bits;
    list.algorithms.push_back({.id = row.number,
                               .ivlen = row.iv,
                               .minbits = row.min_bits,
                               .maxbits = row.max_bits,
                               .increment = static_cast<std::uint8_t>(one_size ? 0 : row.step_bits),
                               .saltbits = row.salt_bits});
  }
  if (list.algorithms.empty()) return std::nullopt;
  std::ranges::sort(list.algorithms, {}, &pfkey::SupportedAlgorithm::id);
  return list;
}

}  // namespace

Check Engine::State::reg(Message& m, Instant, Sink out) {
  std::vector<SaType> satypes{m.satype};
  if (m.satype == SaType::unspec) {
    if (!m.extended_register) return invalid(Diagnostic::satype_needed);
    satypes.clear();
    for (const std::uint8_t number : m.extended_register->satypes) {
      if (number == 0) break;
      satypes.push_back(static_cast<SaType>(number));
      if (satypes.back() != SaType::ah && satypes.back() != SaType::esp) return invalid(Diagnostic::unknown_satype);
    }
    if (satypes.empty()) return invalid(Diagnostic::satype_needed);
  }
  const Audience audience = audience_of(m.type, m.satype);
  for (const SaType satype : satypes) {
    Message reply = m.header();
    reply.satype = satype, reply.error = 0, reply.diagnostic = 0;
    reply.supported_auth = supported(pfkey::AlgorithmKind::auth, options);
    if (satype == SaType::esp) reply.supported_encrypt = supported(pfkey::AlgorithmKind::encrypt, options);
    out(audience, std::move(reply));
  }
  return std::nullopt;
}

}  // namespace engine
