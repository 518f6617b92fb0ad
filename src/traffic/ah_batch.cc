#include "traffic/detail/ah_batch.h"

#include <algorithm>
#include <utility>

namespace ipseckey::traffic {
namespace {

// The packet, and behind it the high half of an extended number (RFC 4302 section 2.5.1).
MutableBytes covered(const Packet& p, const Flow& flow) { return p.memory.subspan(p.at, p.size + (flow.esn ? 4 : 0)); }

bool has_room_behind(const Packet& p, const Flow& flow) { return !flow.esn || p.memory.size() - p.at - p.size >= 4; }

}  // namespace

bool AhBatch::add(Work& w, const AhPart& part, std::size_t length) {
  const Packet& p = w.item->packet;
  const MutableBytes packet = p.bytes();
  const std::size_t size = part.flow->suite().icv();
  Entry& e = entries_[count_];
  Saved& s = saved_[count_];
  e.work = &w, e.part = part, e.size = size;
  const MutableBytes icv = packet.subspan(part.at + kAhFixed, size);
  std::ranges::copy(icv, e.theirs.begin());
  if (part.at > kHeaders || !has_room_behind(p, *part.flow)) {
    e.ok = compute_ah(part, packet, length, MutableBytes(e.ours).first(size));
    count_ += e.ok;
    return e.ok;
  }
  if (!immutable_headers(packet.first(part.at), s.headers)) return false;
  std::ranges::swap_ranges(packet.first(part.at), s.headers);
  std::ranges::fill(icv, std::byte{0});
  const MutableBytes all = covered(p, *part.flow);
  if (part.flow->esn) {
    const auto behind = all.last(4);
    std::ranges::copy(behind, s.behind.begin());
    set(behind, 0, static_cast<std::uint32_t>(part.number >> 32));
  }
  jobs_[waiting_] = {.keyed = part.keyed, .message = all, .icv = MutableBytes(e.ours).first(size)};
  owners_[waiting_++] = count_++;
  return true;
}

std::span<const AhBatch::Entry> AhBatch::compute(crypto::Crypto& crypto) {
  const std::span jobs = std::span(jobs_).first(std::exchange(waiting_, 0));
  crypto.mac(jobs);
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    Entry& e = entries_[owners_[i]];
    const Saved& s = saved_[owners_[i]];
    const Packet& p = e.work->item->packet;
    const MutableBytes packet = p.bytes();
    e.ok = jobs[i].ok;
    std::ranges::copy(Bytes(s.headers).first(e.part.at), packet.begin());
    std::ranges::copy(e.arrived(), packet.subspan(e.part.at + kAhFixed).begin());
    if (e.part.flow->esn) std::ranges::copy(s.behind, covered(p, *e.part.flow).last(4).begin());
  }
  return std::span(entries_).first(std::exchange(count_, 0));
}

void AhBatch::Entry::seal() const {
  std::ranges::copy(icv(), work->item->packet.bytes().subspan(part.at + kAhFixed).begin());
}

}  // namespace ipseckey::traffic
