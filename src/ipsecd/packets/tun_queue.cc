#include "ipsecd/packets/tun_queue.h"

#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <utility>

namespace ipseckey::ipsecd {
namespace {

using traffic::Coalescer;
using traffic::Item;
using traffic::Offload;
using traffic::Packet;
using traffic::Segments;

// The virtio_net_hdr of linux/virtio_net.h, which is not valid C++; numbers are in the host's order.
constexpr std::uint8_t kNeedsSum = 1;
enum Gso : std::uint8_t { kAlone = 0, kTcpV4 = 1, kTcpV6 = 4, kUdp = 5, kEcn = 0x80 };
struct VirtioHeader {
  std::uint8_t flags = 0, kind = kAlone;
  std::uint16_t headers = 0;  // Bytes.
  std::uint16_t size = 0;
  std::uint16_t sum_at = 0, field = 0;
};
constexpr std::size_t kHeader = sizeof(VirtioHeader);
static_assert(kHeader == 10);

// Buffers for the packets of usual links. Each of the longest ones would have pages of its own, which the processor
// must look up. The distance is an odd number of cache lines, so that the packets' beginnings share no places in the
// cache.
constexpr std::size_t kLine = 64;
constexpr std::size_t kClose = Packet::kHeadroom + 1600 + Packet::kTailroom;
static_assert(kClose % kLine == 0 && kClose / kLine % 2 == 1);

// An IPv6 packet with 65535 bytes of payload, and some more.
constexpr std::size_t kLongest = kHeader + UINT16_MAX + 64;

Offload offload_of(const VirtioHeader& v) {
  Offload o{.size = v.size, .unsummed = (v.flags & kNeedsSum) != 0, .sum_at = v.sum_at, .field = v.field};
  const unsigned kind = v.kind & ~unsigned{kEcn};
  if (kind == kTcpV4 || kind == kTcpV6) o.kind = Offload::Kind::tcp;
  if (kind == kUdp) o.kind = Offload::Kind::udp;
  return o;
}

VirtioHeader header_of(const Offload& o, Bytes first) {
  VirtioHeader v;
  if (o.kind == Offload::Kind::none) return v;
  const bool v4 = std::to_integer<unsigned>(first[0]) >> 4 == 4;
  v.flags = kNeedsSum;
  v.kind = o.kind == Offload::Kind::udp ? kUdp : v4 ? kTcpV4 : kTcpV6;
  v.headers = static_cast<std::uint16_t>(first.size() - o.size);
  v.size = o.size;
  v.sum_at = o.sum_at, v.field = o.field;
  return v;
}

}  // namespace

TunQueue::TunQueue(int fd, bool offload, bool datagrams)
    : fd_(fd),
      offload_(offload),
      long_(std::make_unique_for_overwrite<std::byte[]>(kLongest)),
      close_(std::make_unique_for_overwrite<std::byte[]>(Coalescer::kMost * kClose)),
      coalescer_(datagrams) {}

// A packet that contradicts its header is passed on unchanged: the receiver reports what is wrong.
bool TunQueue::receive() {
  ssize_t got = 0;
  do got = ::read(fd_, long_.get(), kLongest);
  while (got < 0 && errno == EINTR);
  if (got < 0) gone_ = errno == EBADFD;
  const std::size_t front = offload_ ? kHeader : 0;
  if (got <= 0 || static_cast<std::size_t>(got) < front) return false;
  const Bytes all(long_.get(), static_cast<std::size_t>(got));
  VirtioHeader header;
  if (offload_) std::ranges::copy(all.first(kHeader), std::as_writable_bytes(std::span(&header, 1)).begin());
  segments_ = Segments::of(all.subspan(front), offload_of(header));
  if (!segments_) segments_ = Segments::of(all.subspan(front), {});
  ++origin_;
  return true;
}

bool TunQueue::next_segment(Item& item, std::size_t number) {
  if (!segments_) return false;
  item.follows = segments_->begun();
  Packet close{MutableBytes(close_.get() + number * kClose, kClose), 0, 0};
  if (number >= Coalescer::kMost || !segments_->next(close)) return segments_->next(item.packet);
  item.spare = std::exchange(item.packet, close).memory;
  return true;
}

std::size_t TunQueue::read(std::span<Item> items, std::span<std::uint32_t> origins) {
  std::size_t count = 0;
  while (count < items.size()) {
    if (next_segment(items[count], count)) {
      origins[count++] = origin_;
      continue;
    }
    segments_.reset();
    // A long packet is not started if it would not fit.
    if ((offload_ && count > items.size() / 2) || !receive()) break;
  }
  return count;
}

bool TunQueue::left() const { return segments_ && segments_->left() > 0; }

void TunQueue::write_parts(std::span<const iovec> parts, std::size_t packets) {
  ssize_t written = 0;
  do written = ::writev(fd_, parts.data(), static_cast<int>(parts.size()));
  while (written < 0 && errno == EINTR);
  if (written < 0) refused_ += packets;
}

void TunQueue::write_pieces(std::span<const MutableBytes> pieces, const Offload& offload) {
  std::array<iovec, Coalescer::kMost + 1> parts;
  VirtioHeader header = header_of(offload, pieces[0]);
  std::size_t count = 0;
  if (offload_) parts[count++] = {&header, kHeader};
  for (const MutableBytes piece : pieces) parts[count++] = {piece.data(), piece.size()};
  write_parts(std::span(parts).first(count), pieces.size());
}

void TunQueue::write(std::span<Item> items) {
  if (offload_)
    return coalescer_.join(
        items, [this](std::span<const MutableBytes> pieces, const Offload& offload) { write_pieces(pieces, offload); });
  for (const Item& item : items)
    if (item.cause == traffic::Cause::none) write(item.packet.bytes());
}

void TunQueue::write(Bytes packet) {
  VirtioHeader none;
  std::array<iovec, 2> parts{{{&none, kHeader}, {const_cast<std::byte*>(packet.data()), packet.size()}}};
  write_parts(std::span(parts).subspan(offload_ ? 0 : 1), 1);
}

}  // namespace ipseckey::ipsecd
