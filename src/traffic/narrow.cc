// Packets that are larger than the path MTU. If they must not be fragmented, they are dropped, and the sender gets the
// size that fits. If a link refuses a packet that is already protected, its SA learns the new MTU, and the packet
// leaves in fragments.
#include "traffic/header.h"
#include "traffic/worker.h"

namespace ipseckey::traffic {
namespace {

constexpr std::uint32_t kLeastV4 = 68, kLeastV6 = 1280;  // RFC 791 section 3.2, RFC 8200 section 5.
constexpr std::uint16_t kDontFragment = 0x4000;

}  // namespace

// The MTU that applies to a packet that protection makes too large for its path: none, if it may leave in fragments. A
// tunnel whose outer header always or never has DF ignores the packet's DF.
Cause Worker::State::fit(Work& w, const Layout& layout, std::uint32_t mtu) const {
  const pfkey::Df df = w.flow->df;
  const bool whole = df == pfkey::kDfCopy ? w.h.dont_fragment : df == pfkey::kDfSet;
  if (whole) {
    w.item->mtu = inner_mtu(*w.flow, w.h, mtu, w.around.flow);
    // RFC 8200 section 5: IPv6 packets need not be smaller than 1280 bytes. They are carried, in fragments.
    if (w.h.dst.family == Family::v6) w.item->mtu = std::max(w.item->mtu, kLeastV6);
    if (w.h.total > w.item->mtu) return Cause::too_big;
  }
  const bool never = layout.total() > UINT16_MAX || (whole && df == pfkey::kDfSet);
  if (never) w.item->mtu = 0;
  return never ? Cause::too_big : Cause::none;
}

bool Worker::narrow(Item& item, std::uint32_t mtu, Instant now) {
  const Epochs::Guard inside(state_->plane.epochs, state_->number);
  const MutableBytes packet = item.packet.bytes();
  Departure& d = item.departure;
  const bool v4 = d.dst.family == Family::v4;
  Flow* const flow = mtu >= (v4 ? kLeastV4 : kLeastV6) ? state_->plane.find(d.sa) : nullptr;
  if (!flow) return false;
  flow->narrow_path(mtu, now);
  if (d.whole) return false;
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

}  // namespace ipseckey::traffic
