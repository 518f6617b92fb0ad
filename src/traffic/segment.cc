#include "traffic/segment.h"

#include <algorithm>

#include "traffic/detail/tcp.h"
#include "traffic/detail/udp.h"
#include "traffic/header.h"

namespace ipseckey::traffic {
namespace {

// The field contains the sum of the pseudo header; `more` is that of what follows. 0 and 0xffff are the same number,
// but in UDP 0 means "no checksum".
void finish_sum(MutableBytes upper, std::size_t field, std::uint16_t more) {
  const std::uint16_t sum = checksum(upper, more);
  set(upper, field, sum == 0 ? std::uint16_t{0xffff} : sum);
}

constexpr std::size_t kV4Length = 2, kV4Id = 4, kV4Sum = 10;

// Sets a field of an IPv4 header, and mends its checksum, which was right (RFC 1624 section 3).
void replace(MutableBytes packet, std::size_t at, std::uint16_t value) {
  std::uint32_t sum = ~get<std::uint16_t>(packet, kV4Sum) & 0xffffu;
  sum += (~get<std::uint16_t>(packet, at) & 0xffffu) + value;
  sum = (sum & 0xffff) + (sum >> 16);
  set(packet, kV4Sum, static_cast<std::uint16_t>(~((sum & 0xffff) + (sum >> 16))));
  set(packet, at, value);
}

// Ones' complement: the sum of a pseudo header for another length.
std::uint16_t with_length(std::uint16_t pseudo, std::size_t old_length, std::size_t new_length) {
  std::uint32_t sum =
      pseudo + (~static_cast<std::uint32_t>(old_length) & 0xffff) + static_cast<std::uint32_t>(new_length);
  sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<std::uint16_t>((sum & 0xffff) + (sum >> 16));
}

}  // namespace

std::optional<Segments> Segments::of(Bytes packet, const Offload& offload) {
  Segments s(packet, offload);
  if (offload.kind == Offload::Kind::none) {
    if (offload.unsummed && offload.sum_at + std::size_t{offload.field} + 2 > packet.size()) return std::nullopt;
    return s;
  }
  const bool tcp = offload.kind == Offload::Kind::tcp;
  const auto h = parse(packet);
  if (!h || h->fragment || h->upper != (tcp ? kTcp : kUdp) || offload.size == 0) return std::nullopt;
  if (!offload.unsummed || offload.sum_at != h->upper_at) return std::nullopt;
  s.packet_ = packet.first(h->total);
  const Bytes upper = s.packet_.subspan(h->upper_at);
  const std::size_t header = tcp ? tcp_header(upper) : kUdpHeader;
  if (header == 0 || header >= upper.size()) return std::nullopt;
  s.upper_at_ = h->upper_at;
  s.payload_at_ = h->upper_at + header;
  s.count_ = (upper.size() - header + offload.size - 1) / offload.size;
  return s;
}

bool Segments::next(Packet& into) {
  if (left() == 0) return false;
  const bool cut = offload_.kind != Offload::Kind::none;
  const std::size_t begin = payload_at_ + number_ * offload_.size;
  const std::size_t size = cut ? std::min<std::size_t>(offload_.size, packet_.size() - begin) : packet_.size();
  if (into.memory.size() < Packet::kHeadroom + payload_at_ + size + Packet::kTailroom) return false;
  into.at = Packet::kHeadroom;
  into.size = payload_at_ + size;
  const MutableBytes out = into.bytes();
  std::ranges::copy(packet_.first(payload_at_), out.begin());
  if (cut) {
    const std::uint16_t sum = copy_and_sum(packet_.subspan(begin, size), out.subspan(payload_at_));
    mend(out, sum, left() == 1);
  } else {
    std::ranges::copy(packet_.subspan(begin, size), out.subspan(payload_at_).begin());
    if (offload_.unsummed) finish_sum(out.subspan(offload_.sum_at), offload_.field, 0);
  }
  ++number_;
  return true;
}

// FIN and PSH apply to the last segment, CWR to the first (RFC 3168 section 6.1.2: once).
void Segments::mend(MutableBytes segment, std::uint16_t payload_sum, bool last) const {
  const bool v4 = std::to_integer<unsigned>(segment[0]) >> 4 == 4;
  if (v4) {
    replace(segment, kV4Length, static_cast<std::uint16_t>(segment.size()));
    replace(segment, kV4Id, static_cast<std::uint16_t>(get<std::uint16_t>(segment, kV4Id) + number_));
  } else {
    mend_length(segment);
  }
  const MutableBytes upper = segment.subspan(upper_at_);
  const bool tcp = offload_.kind == Offload::Kind::tcp;
  if (tcp) {
    set(upper, kTcpSequence,
        static_cast<std::uint32_t>(get<std::uint32_t>(upper, kTcpSequence) + number_ * offload_.size));
    if (!last) upper[kTcpFlags] &= ~(kTcpFin | kTcpPush);
    if (number_ > 0) upper[kTcpFlags] &= ~kTcpReduced;
  } else {
    set(upper, kUdpLength, static_cast<std::uint16_t>(upper.size()));
  }
  const std::size_t field = tcp ? kTcpSum : kUdpSum;
  const auto pseudo = get<std::uint16_t>(upper, field);
  set(upper, field, with_length(pseudo, packet_.size() - upper_at_, upper.size()));
  finish_sum(upper.first(payload_at_ - upper_at_), field, payload_sum);
}

}  // namespace ipseckey::traffic
