// What was protected for a wider link than it met: the SA learns of it, and the packet leaves in fragments.
#include "traffic/header.h"
#include "traffic/worker.h"

namespace traffic {
namespace {

constexpr std::uint32_t kLeastV4 = 68, kLeastV6 = 1280;  // RFC 791 section 3.2, RFC 8200 section 5.
constexpr std::uint16_t kDontFragment = 0x4000;

}  // namespace

bool Worker::narrow(Item& item, std::uint32_t mtu, Instant now) {
  const Epochs::Guard inside(state_->plane.epochs, state_->number);
  const MutableBytes packet = item.packet.bytes();
  Departure& d = item.departure;
  const bool v4 = d.dst.family == Family::v4;
  Flow* const flow = mtu >= (v4 ? kLeastV4 : kLeastV6) ? state_->plane.find(d.sa) : nullptr;
  if (!flow) return false;
  flow->narrow_path(mtu, now);
  d.mtu = mtu;
  if (v4) {
    set(packet, 6, static_cast<std::uint16_t>(get<std::uint16_t>(packet, 6) & ~kDontFragment));
    mend_checksum(packet);
  } else if (d.id == 0) {
    d.id = flow->datagrams.next();
  }
  d.dont_fragment = false;
  return true;
}

}  // namespace traffic
