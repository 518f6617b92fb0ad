// A worker's counters, its requests to the engine's thread, and the connections that it remembers.
#include <cstring>

#include "pfkey/icmp.h"
#include "traffic/hash.h"
#include "traffic/worker.h"

namespace ipseckey::traffic {

void Meter::add_to(Totals& totals) const {
  totals.packets += packets_.load(std::memory_order_relaxed);
  totals.bytes += bytes_.load(std::memory_order_relaxed);
  totals.clear += clear_.load(std::memory_order_relaxed);
  for (std::size_t i = 0; i < kCauses; ++i) totals.drops[i] += drops_[i].load(std::memory_order_relaxed);
}

bool Questions::push(const engine::Wanted& wanted) {
  const std::uint32_t at = written_.load(std::memory_order_relaxed);
  if (at - read_.load(std::memory_order_acquire) == kMost) return false;
  ring_[at % kMost] = wanted;
  written_.store(at + 1, std::memory_order_release);
  return true;
}

std::optional<engine::Wanted> Questions::pop() {
  const std::uint32_t at = read_.load(std::memory_order_relaxed);
  if (at == written_.load(std::memory_order_acquire)) return std::nullopt;
  std::optional<engine::Wanted> wanted = ring_[at % kMost];
  read_.store(at + 1, std::memory_order_release);
  return wanted;
}

std::uint64_t Memory::Entry::kind() const {
  return std::uint64_t{pfkey::is_icmp(protocol) ? 0 : ports} << 8 | protocol;
}

namespace {

// Compares what the address consists of; see Hasher::add().
bool same(const Address& a, const Address& b) {
  if (a.family == Family::v6) return a == b;
  return b.family == Family::v4 && std::memcmp(a.octets.data(), b.octets.data(), 4) == 0;
}

}  // namespace

Memory::Entry& Memory::at(const Headers& h) {
  Hasher hash;
  const std::uint32_t ports = std::uint32_t{(h.icmp_type ? h.icmp_type : h.src_port).value_or(0)} << 16 |
                              (h.icmp_code ? h.icmp_code : h.dst_port).value_or(0);
  hash.add(h.src), hash.add(h.dst);
  hash.add(std::uint64_t{ports} << 8 | h.upper);
  Entry& e = entries_[hash.value() % kSize];
  const bool known = e.ports == ports && e.protocol == h.upper && e.fragment == h.later_fragment &&
                     same(e.src, h.src) && same(e.dst, h.dst);
  if (!known) e = {.src = h.src, .dst = h.dst, .ports = ports, .protocol = h.upper, .fragment = h.later_fragment};
  return e;
}

}  // namespace ipseckey::traffic
