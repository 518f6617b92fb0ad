#include "engine/acquire.h"

#include <algorithm>
#include <array>

#include "engine/checks.h"

namespace ipseckey::engine {
namespace {

using pfkey::Algorithm;
using pfkey::AlgorithmKind;
using pfkey::SaType;

constexpr std::uint8_t kWindow = 64;
constexpr pfkey::Lifetime kSoft{.addtime = 24'000}, kHard{.addtime = 28'800};

// PF_KEY numbers for authentication and encryption; 0: none.
struct Offer {
  SaType satype;
  std::uint8_t auth, encrypt;
};
constexpr std::array kOffers = {
    Offer{SaType::esp, 0, 20}, Offer{SaType::esp, 0, 31}, Offer{SaType::esp, 5, 12},
    Offer{SaType::esp, 7, 12}, Offer{SaType::ah, 5, 0},   Offer{SaType::ah, 7, 0},
};

// Calls f with the rows of each offer that this engine supports; a null row: none.
template <class F>
void for_each_offer(SaType satype, const Options& options, F f) {
  for (const Offer& offer : kOffers) {
    const Algorithm* const auth = usable(AlgorithmKind::auth, offer.auth, options);
    const Algorithm* const encrypt = usable(AlgorithmKind::encrypt, offer.encrypt, options);
    if (offer.satype == satype && (auth || !offer.auth) && (encrypt || !offer.encrypt)) f(auth, encrypt);
  }
}

}  // namespace

std::optional<std::uint32_t> Acquires::begin(const Wanted& wanted, Instant now) {
  const bool asked = std::ranges::find(pending_, wanted, &Pending::wanted) != pending_.end();
  if (asked || pending_.size() >= kMost) return std::nullopt;
  last_seq_ = last_seq_ == 0x80000000 ? 0xfffffffe : last_seq_ - 1;
  pending_.push_back({last_seq_, wanted, now.steady + kAcquireTimeout});
  return last_seq_;
}

void Acquires::drop(std::uint32_t seq) {
  std::erase_if(pending_, [&](const Pending& p) { return p.seq == seq; });
}

void Acquires::answered(std::uint32_t seq, const Address& dst) {
  std::erase_if(pending_, [&](const Pending& p) { return p.seq == seq && p.wanted.dst.address == dst; });
}

void Acquires::flush(SaType satype) {
  std::erase_if(pending_, [&](const Pending& p) { return satype == SaType::unspec || p.wanted.satype == satype; });
}

void Acquires::expire(Instant now) {
  std::erase_if(pending_, [&](const Pending& p) { return p.until <= now.steady; });
}

std::optional<std::chrono::nanoseconds> Acquires::next() const {
  if (pending_.empty()) return std::nullopt;
  return pending_.front().until;
}

pfkey::Proposal proposal(SaType satype, const Options& options) {
  pfkey::Proposal p{.replay = kWindow, .combinations = {}};
  for_each_offer(satype, options, [&](const Algorithm* auth, const Algorithm* encrypt) {
    pfkey::Combination c{.soft = kSoft, .hard = kHard};
    if (auth) c.auth = auth->number, c.auth_minbits = auth->min_bits, c.auth_maxbits = auth->max_bits;
    if (encrypt) {
      c.encrypt = encrypt->number, c.encrypt_minbits = encrypt->min_bits, c.encrypt_maxbits = encrypt->max_bits;
      c.encrypt_saltbits = encrypt->salt_bits;
    }
    p.combinations.push_back(c);
  });
  return p;
}

pfkey::ExtendedProposal extended_proposal(SaType satype, const Options& options) {
  pfkey::ExtendedProposal p{.replay = kWindow, .combinations = {}};
  for_each_offer(satype, options, [&](const Algorithm* auth, const Algorithm* encrypt) {
    pfkey::ExtendedCombination c{.soft = kSoft, .hard = kHard, .algorithms = {}};
    for (const Algorithm* const row : {auth, encrypt}) {
      if (!row) continue;
      c.algorithms.push_back({.satype = satype,
                              .kind = static_cast<std::uint8_t>(row->kind),
                              .algorithm = row->number,
                              .saltbits = row->salt_bits,
                              .minbits = row->min_bits,
                              .maxbits = row->max_bits});
    }
    p.combinations.push_back(std::move(c));
  });
  return p;
}

}  // namespace ipseckey::engine
