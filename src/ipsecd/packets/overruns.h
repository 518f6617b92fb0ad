#pragma once
/// Packets that were lost in the kernel's queues before ipsecd read them: the kernel counts them.
#include <cstdint>
#include <optional>

namespace ipseckey::ipsecd {

/// Packets that a device has dropped that should have left by it; of a TUN device, those that found its queue full.
/// nullopt: this network namespace has no device with that number.
std::optional<std::uint64_t> dropped_by_device(unsigned index);

/// Packets that found no room in a socket.
std::uint64_t dropped_by_socket(int fd);

/// Counts those of one device after another, from when each is followed.
class DeviceOverruns {
 public:
  void follow(unsigned index);
  /// What the device has dropped while nobody could ask, because it was elsewhere or is gone, is not known.
  std::uint64_t count();

 private:
  unsigned index_ = 0;
  std::uint64_t of_others_ = 0, first_ = 0, last_ = 0;
};

}  // namespace ipseckey::ipsecd
