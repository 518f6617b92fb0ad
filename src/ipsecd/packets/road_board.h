#pragma once
/// The roads that are in force: one thread learns them from the kernel, packet threads follow them.
#include <absl/container/flat_hash_map.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "ipsecd/packets/road.h"
#include "system/descriptor.h"

namespace ipseckey::ipsecd {

/// One destination, the outer one of protected packets.
struct Destination {
  Judged judged;
  std::string link;                         ///< The name of the road's link.
  std::shared_ptr<std::atomic<bool>> used;  ///< Packet threads set it when they send to the destination.
};

/// Never changed once it is published.
struct Roads {
  absl::flat_hash_map<Address, Destination, AddressHash> to;
};

class RoadBoard {
 public:
  RoadBoard();

  // For packet threads, and others.
  /// Increases with every publish(): then roads() returns something else than before.
  std::uint64_t serial() const { return serial_.load(std::memory_order_acquire); }
  std::shared_ptr<const Roads> roads() const;
  /// Requests the road to a destination, which some later Roads have, unless there are too many.
  void ask(const Address& to);

  // For the thread that learns them.
  void publish(std::shared_ptr<const Roads> roads);
  std::vector<Address> take_asked();
  /// Becomes readable when take_asked() has something to return.
  int asked_fd() const { return asked_fd_.get(); }

 private:
  static constexpr std::size_t kMostAsked = 4096;

  std::atomic<std::uint64_t> serial_ = 0;
  mutable std::mutex mutex_;  // Guards the following.
  std::shared_ptr<const Roads> roads_ = std::make_shared<Roads>();
  std::vector<Address> asked_;
  Descriptor asked_fd_;
};

}  // namespace ipseckey::ipsecd
