#pragma once
/// The last numbers of SAs that are being deleted. Packets flow until the kernel has taken an SA out; how far they came
/// then it tells its listeners alone, before it answers the DELSA.
#include <optional>
#include <string>
#include <vector>

#include "kernel/detail/xfrm_decode.h"
#include "kernel/xfrm_world.h"

namespace ipseckey::kernel {

class LastNumbers {
 public:
  /// Listens from now on.
  explicit LastNumbers(const XfrmWorld& world);

  /// Takes what the kernel has said so far.
  void take(const xfrm::DecodeContext& context);
  /// Puts into the DELETE, which becomes the reply, the last number of the SA that it named, 0 included; if the kernel
  /// did not tell it, that is the remark.
  void put(pfkey::Message& request, std::string& remark) const;

  /// Whether a DELETE asks for it, by a REPLAY_VALUE.
  static bool wanted(const pfkey::Message& request) {
    return request.type == pfkey::Type::del && request.replay_value.has_value();
  }

 private:
  std::optional<Netlink> socket_;
  std::vector<pfkey::Message> gone_;
};

}  // namespace ipseckey::kernel
