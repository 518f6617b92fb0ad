#pragma once
/// The last numbers of SAs that are being deleted. Packets flow until the kernel has removed an SA; the kernel reports
/// its last number only to listeners, before it answers the DELSA.
#include <optional>
#include <string>
#include <vector>

#include "kernel/detail/xfrm_decode.h"
#include "kernel/xfrm_world.h"

namespace ipseckey::kernel {

class LastNumbers {
 public:
  /// Starts listening.
  explicit LastNumbers(const XfrmWorld& world);

  /// Reads what the kernel has reported so far.
  void take(const xfrm::DecodeContext& context);
  /// Puts the last number of the deleted SA, 0 included, into the DELETE, which becomes the reply; if the kernel did
  /// not report it, adds a remark instead.
  void put(pfkey::Message& request, std::string& remark) const;

  /// Whether a DELETE requests it, with a REPLAY_VALUE.
  static bool wanted(const pfkey::Message& request) {
    return request.type == pfkey::Type::del && request.replay_value.has_value();
  }

 private:
  std::optional<Netlink> socket_;
  std::vector<pfkey::Message> gone_;
};

}  // namespace ipseckey::kernel
