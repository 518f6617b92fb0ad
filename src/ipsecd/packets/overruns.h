#pragma once
/// Packets that were lost in the kernel's queues before ipsecd read them, as the kernel counts them.
#include <cstdint>
#include <optional>

namespace ipseckey::ipsecd {

/// Outbound packets that a device has dropped; for a TUN device, those that found its queue full. nullopt: this network
/// namespace has no device with that number.
std::optional<std::uint64_t> dropped_by_device(unsigned index);

/// Packets for which a socket had no room.
std::uint64_t dropped_by_socket(int fd);

/// Counts those of one device after another, from the time each is followed.
class DeviceOverruns {
 public:
  void follow(unsigned index);
  /// Drops in the time when the device was in another namespace or gone are unknown.
  std::uint64_t count();

 private:
  unsigned index_ = 0;
  std::uint64_t of_others_ = 0, first_ = 0, last_ = 0;
};

}  // namespace ipseckey::ipsecd
