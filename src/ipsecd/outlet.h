#pragma once
/// The way out for protected packets: whole IP packets through raw sockets.
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/result.h"
#include "engine/traffic/plane.h"
#include "ipsecd/fd.h"

namespace ipsecd {

/// One thread's. Sends many packets with one system call.
class Outlet {
 public:
  /// `mark`: SO_MARK of what is sent, so that rules of routing can tell it from what is to be protected; 0: none.
  /// Packets longer than their path takes are sent in fragments where they may be. Error denied: it needs CAP_NET_RAW.
  static Result<Outlet> make(std::uint32_t mark);

  /// Sends the items whose cause is none, in order. The kernel drops what it has no room for, as on any interface.
  void send(std::span<engine::traffic::Item> items);

  std::uint64_t unsent() const { return unsent_; }  ///< Packets that the kernel refused.

 private:
  Outlet(Fd v4, Fd v6);

  void send_fragments(engine::traffic::Item& item);
  void send_now(Bytes packet, const Address& dst);

  struct Batch;
  Fd v4_, v6_;
  std::uint32_t id_ = 0;
  std::uint64_t unsent_ = 0;
  std::unique_ptr<Batch, void (*)(Batch*)> batch_;
};

}  // namespace ipsecd
