#pragma once
/// The packets of a batch, as many at once as pay: with Lanes those of one algorithm that are enough, otherwise one
/// after the other.
#include <algorithm>
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

  // What waits for the lanes.
  template <class Item>
  struct Waiting {
    std::array<Item, kMost> items;
    std::size_t count = 0;
    std::size_t longest = 0, total = 0;  // Bytes.
    bool alike = true;                   // All are of one kind.

    // The next one, of which `kind` and the number of bytes are known; the caller fills it in.
    template <class Kind>
    Item& next(const Kind& kind, std::size_t bytes);
  };
  template <class Item, class Done>
  void run(Waiting<Item>& waiting, Done done);
  template <class Item>
  bool use_lanes(std::span<const Item> items);

  void add_combined(Job& job, std::size_t i, bool sealing);
  void finish_combined(Job& job, std::size_t i, bool done, bool sealing);
  void add_text(Job& job, std::size_t i, bool sealing);
  void run_ciphers(std::span<Job> jobs, bool sealing);
  bool want(const Contexts& c, Bytes message, MutableBytes icv, std::size_t i);
  void add_icv(Job& job, std::size_t i, bool sealing);
  void finish_icv(Job& job, std::size_t i, bool done, bool sealing);
  MutableBytes tag(std::size_t i, std::size_t size) { return MutableBytes(tags_[i]).first(size); }

  std::unique_ptr<Lanes> lanes_;  // From the first packet on that needs them.
  Waiting<Lanes::Text> texts_;
  Waiting<Lanes::Packet> packets_;
  Waiting<Lanes::Message> messages_;
  std::array<std::optional<View>, kMost> views_;
  std::array<std::array<std::byte, 12>, kMost> nonces_;
  std::array<std::array<std::byte, Mac::kMost>, kMost> tags_;
  std::array<std::array<std::byte, 4>, kMost> covered_;  // What the high half of the number replaces for a while.
  std::array<bool, kMost> placed_{};                     // It does.
};

}  // namespace ipseckey::crypto
