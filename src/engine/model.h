#pragma once
/// A second SADB, deliberately naive, for model_test.cc: a list that is searched from end to end, and a clock that
/// ticks every second. It follows doc/reference/pf-key.md and shares only the messages with the engine. It supports the
/// requests and extensions that model_test.cc creates; checks of single fields have their own tests.
#include <cstdint>
#include <optional>
#include <vector>

#include "engine/testing.h"

namespace ipseckey::engine::testing {

class Model {
 public:
  explicit Model(std::optional<Address> local) : local_(local) {}

  std::vector<Sent> ask(const Message& m, std::int64_t t);
  /// Does what is due at t. Call it for every second.
  std::vector<Sent> tick(std::int64_t t);
  /// As CountedPackets::charge().
  bool charge(const SaId& id, std::uint64_t bytes, bool new_flow, std::int64_t t, std::vector<Sent>& sent);
  /// Each SA as DUMP shows it.
  std::vector<Message> dump(const Message& request) const;

 private:
  struct Entry {
    Message m;      ///< SA, SRC, DST, keys, limits, REPLAY_VALUE as they are now; no CURRENT, no PAIR.
    int birth = 0;  ///< Its name.
    int mate = 0;   ///< The partner's birth; 0: none.
    std::int64_t added = 0, idle_from = 0;
    std::optional<std::int64_t> first_use, last_use;
    std::uint64_t packets = 0, bytes = 0;
    std::uint32_t flows = 0;
    bool idle_told = false;
  };

  Entry* find(pfkey::SaType satype, std::uint32_t spi, const Address& dst);
  Entry* born(int birth);
  const Entry* born(int birth) const;
  std::uint32_t direction(const Message& m) const;
  bool untold(const Address& dst, const Address& src) const;
  static void settle_ways(Entry& a, Entry& b);
  std::optional<Outcome> pair_fault(const Message& m, const Address& src, std::uint32_t flags, bool is_dying, int mate);
  void remove(int birth);
  void kill(Entry& e, std::vector<Sent>& sent);
  Message describe(const Entry& e, const Message& request) const;
  Outcome add(const Message& m, std::int64_t t, Message& reply);
  Outcome update(const Message& m, std::int64_t t);
  Outcome reserve(const Message& m, std::int64_t t, Message& reply);
  Outcome remove_named(const Message& m, Message& reply);

  std::optional<Address> local_;
  std::vector<Entry> all_;
  int births_ = 0;
};

}  // namespace ipseckey::engine::testing
