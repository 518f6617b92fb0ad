#include <algorithm>

#include "engine/state.h"

namespace ipseckey::engine {
namespace {

using pfkey::Diagnostic;
using pfkey::Message;
using pfkey::SaType;

Boxed<pfkey::Supported> supported(pfkey::AlgorithmKind kind, const Options& options) {
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

Message extended_acquire(const Wanted& wanted, const Options& options) {
  Message m;
  m.type = pfkey::Type::acquire;
  m.src = wanted.src, m.dst = wanted.dst;
  m.inner_src = wanted.inner_src, m.inner_dst = wanted.inner_dst;
  m.extended_proposal = extended_proposal(wanted.satype, options);
  return m;
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

// With an errno it is the notice that a key manager has failed.
Check Engine::State::acquire(Message& m, Instant, Sink out) {
  if (m.error != 0) {
    acquires.drop(m.seq);
    return std::nullopt;
  }
  if (m.satype == SaType::unspec) return invalid(Diagnostic::satype_needed);
  echo(m, out);
  return std::nullopt;
}

// The engine's proposals are the same as for any other traffic, because PF_KEY has no policy.
Check Engine::State::inverse_acquire(Message& m, Instant, Sink out) {
  if (!m.src) return invalid(Diagnostic::missing_src);
  if (!m.dst) return invalid(Diagnostic::missing_dst);
  if (auto wrong = check_encapsulation(m)) return wrong;
  Message reply = extended_acquire({SaType::esp, *m.src, *m.dst, m.inner_src, m.inner_dst}, options);
  reply.seq = m.seq, reply.pid = m.pid;
  out(Audience::sender, std::move(reply));
  return std::nullopt;
}

std::optional<std::uint32_t> Engine::acquire(const Wanted& wanted, Instant now, Sink out) {
  const auto seq = state_->acquires.begin(wanted, now);
  if (!seq) return std::nullopt;
  Message extended = extended_acquire(wanted, state_->options);
  Message plain = extended.clone();
  extended.seq = plain.seq = *seq;
  plain.satype = wanted.satype;
  plain.extended_proposal.reset();
  plain.proposal = proposal(wanted.satype, state_->options);
  out(Audience::extended_registered, std::move(extended));
  out(Audience::registered, std::move(plain));
  return seq;
}

void Engine::unheard(std::uint32_t seq) { state_->acquires.drop(seq); }

}  // namespace ipseckey::engine
