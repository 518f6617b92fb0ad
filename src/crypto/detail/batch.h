#pragma once
/// The packets of a batch, as many at once as pay: with Lanes those of one algorithm that are enough, otherwise one
/// after the other.
#include <array>
#include <memory>
#include <optional>
#include <span>

#include "crypto/crypto.h"
#include "crypto/detail/contexts.h"
#include "crypto/detail/lanes.h"

namespace ipseckey::crypto {

class Batch : public secret_heap::Object {
 public:
  static constexpr std::size_t kMost = Lanes::kMost;

  /// As Crypto's, for at most kMost jobs.
  void seal(std::span<Job> jobs);
  void open(std::span<Job> jobs);
  void mac(std::span<MacJob> jobs);

 private:
  using Contexts = Keyed::Contexts;
  using Direction = Contexts::Direction;

  // An ICV that is being computed, in `tags_` at the same index.
  struct Icv {
    Mac* mac;
    std::size_t size;
    unsigned from;
    bool ok;
    bool placed;  // The high half of the number is in the packet.
  };

  Lanes* lanes();
  MutableBytes tag(std::size_t i, std::size_t size) { return MutableBytes(tags_[i]).first(size); }

  void run_combined(std::span<Job> jobs, bool sealing);
  void finish_combined(Job& job, std::size_t i, bool done, bool sealing);
  void run_ciphers(std::span<Job> jobs, bool sealing);
  void want(std::size_t i, const Contexts& c, Bytes message, std::size_t size);
  void want(std::size_t i, const Job& job);
  void digest();

  std::unique_ptr<Lanes> lanes_;  // From the first packet on that needs them.
  std::array<Lanes::Text, kMost> texts_;
  std::array<Lanes::Packet, kMost> packets_;
  std::array<Lanes::Message, kMost> messages_;
  std::size_t waiting_ = 0;  // Of messages_.
  std::array<std::optional<View>, kMost> views_;
  std::array<std::array<std::byte, 12>, kMost> nonces_;
  std::array<Icv, kMost> icvs_;
  std::array<std::array<std::byte, Mac::kMost>, kMost> tags_;
  std::array<std::array<std::byte, 4>, kMost> covered_;  // What the high half of the number replaces for a while.
};

}  // namespace ipseckey::crypto
