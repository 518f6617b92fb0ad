#pragma once
/// The rules of a database as a state machine of PF_POLICY messages and time: the active set, the standby set, and who
/// may change them. No I/O, no clock. The dialect is described in doc/reference/pf-policy.md.
///
/// A change of many rules is atomic: CLONE or FLUSH takes the standby set, requests fill it, FLIP puts it into force.
/// Until then nobody else changes rules: the standby set belongs to that client until FLIP, until it disconnects, or
/// until it has been silent for kLease, and another client takes it or changes active rules.
#include <absl/functional/function_ref.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/instant.h"
#include "engine/keysock.h"
#include "pfpolicy/codec.h"
#include "policy/lookup.h"

namespace ipseckey::engine {

struct RuleBookOptions {
  /// Called with the active rules, in the order in which they are tried, when they have changed; nullptr: there are
  /// none.
  std::function<void(std::shared_ptr<const policy::Lookup>)> in_force = [](const auto&) {};
  /// Asked after that: why the rules could not be put into force, for people; empty: they are in force.
  std::function<std::string()> not_in_force = [] { return std::string(); };
  /// Whether there is a network interface of that name, which a rule of a tunnel without ends needs.
  std::function<bool(std::string_view)> has_link = [](std::string_view) { return true; };
  /// Whether rules of before are still in force elsewhere although this database, which has just begun, does not know
  /// them. Meanwhile only whole sets are taken: by FLIP, after the standby set was flushed, or FLUSH.
  std::function<bool()> waits = [] { return false; };
  std::size_t most = 100'000;  ///< Rules in a set.
  /// For people: what the number of a cause in a policy::Tally means, as a sentence without a full stop.
  std::function<std::string(std::uint8_t)> cause = [](std::uint8_t) { return std::string(); };
  /// What was dropped as it left and as it came in, by rules or for other causes.
  std::function<std::pair<pfpolicy::Dropped, pfpolicy::Dropped>()> dropped = [] {
    return std::pair<pfpolicy::Dropped, pfpolicy::Dropped>();
  };
  /// Why nothing would obey rules, and what mends that, for people; empty: they are obeyed. Otherwise every addition is
  /// refused, and each RULESET says why.
  std::string idle = {};
  /// Which packets the rules do not see, for people; empty: they see all. Each RULESET says it.
  std::string unseen = {};
};

class RuleBook {
 public:
  static constexpr std::chrono::seconds kLease{60};
  using Reply = absl::FunctionRef<void(pfpolicy::Message&&)>;

  explicit RuleBook(RuleBookOptions options = {});
  ~RuleBook();

  /// Answers one request; the reply goes to the sender only. A refused request changes nothing. A DUMP is only started:
  /// the caller then pulls it with next_dumped().
  void handle(ClientId client, const pfpolicy::Message& request, Instant now, Reply reply);
  /// Whether active rules were added or deleted one by one that are not in force yet, although the request was
  /// answered: such answers must wait for put_into_force(). All other requests put them into force, too.
  bool unsettled() const;
  /// Once for many such requests, because each time costs as much as there are rules.
  void put_into_force();
  /// The answer to such a request that was `granted`: an error (EIO) if the rules could not be put into force.
  pfpolicy::Message settled(pfpolicy::Message granted) const;
  /// The client has gone: its standby set is free.
  void close(ClientId client);

  /// Whether the client has a DUMP in progress. It shows the rules as they were when it began.
  bool dumping(ClientId client) const;
  /// The next message of the client's DUMP: RULESET, each rule in the order in which they are tried, RULESET.
  pfpolicy::Message next_dumped(ClientId client);

  std::size_t active() const;  ///< Rules in force.

  /// Increases with each change of the active rules.
  std::uint64_t version() const;
  /// A message to those who watch: the number of active rules, and their version.
  pfpolicy::Message notice() const;
  /// A rule of the active set that has dropped packets.
  struct Refusing {
    std::uint64_t index = 0;
    policy::Tally::Count out, in;
  };
  std::vector<Refusing> refusing() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Whether the request changes no rule, so that a reader may make it.
bool only_reads(const pfpolicy::Message& request);

/// The reply to a request that is refused with that errno.
pfpolicy::Message refused(const pfpolicy::Message& request, int error, pfpolicy::Diagnostic diagnostic,
                          std::string_view remark = {});

}  // namespace ipseckey::engine
