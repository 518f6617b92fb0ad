#pragma once
/// Rtnetlink sockets (rtnetlink(7)): questions about links, neighbours and routes, and the kernel's messages about
/// their changes.
#include <absl/functional/function_ref.h>

#include <cstdint>

#include "base/result.h"
#include "ipsecd/packets/netlink_ear.h"
#include "ipsecd/packets/survey.h"
#include "system/descriptor.h"

namespace ipseckey::ipsecd {

/// Asks in the network namespace in which it was made. The kernel answers before a question's system call returns, so
/// nothing waits.
class RouteAsker : public RoadSource {
 public:
  /// `mark`: of the packets that take the routes; 0: none. Error io.
  static Result<RouteAsker> make(std::uint32_t mark);

  bool list(absl::FunctionRef<void(const RoadNews&)> each) override;
  std::optional<RouteFacts> route(const Address& to) override;
  /// Needs CAP_NET_ADMIN; without it nothing happens, and the kernel forgets the neighbour sooner or later.
  void confirm(unsigned link, const Address& neighbour) override;

 private:
  RouteAsker(Descriptor fd, std::uint32_t mark) : fd_(std::move(fd)), mark_(mark) {}
  bool list_once(std::uint16_t question, absl::FunctionRef<void(const RoadNews&)> each);

  Descriptor fd_;
  std::uint32_t mark_;
  std::uint32_t sequence_ = 0;
};

/// Is notified of changes of links, neighbours, routes, rules, addresses and next hops.
class RouteListener {
 public:
  /// Error io.
  static Result<RouteListener> make();
  int fd() const { return ear_.fd(); }
  /// Passes on everything that has arrived. False: some messages were lost, and the tables must be read again.
  bool hear(absl::FunctionRef<void(const RoadNews&)> each);

 private:
  explicit RouteListener(NetlinkEar ear) : ear_(std::move(ear)) {}
  NetlinkEar ear_;
};

}  // namespace ipseckey::ipsecd
