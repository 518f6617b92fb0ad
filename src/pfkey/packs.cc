#include "pfkey/packs.h"

#include <cstring>

#include "pfkey/codec.h"

namespace ipseckey::pfkey::packs {
namespace {

constexpr std::size_t kUnit = 8, kLengthAt = 4, kMarkAt = 6;

std::uint16_t field(Bytes message, std::size_t at) {
  std::uint16_t value = 0;
  if (message.size() >= kHeaderSize) std::memcpy(&value, message.data() + at, sizeof value);
  return value;
}

}  // namespace

std::size_t first_size(Bytes packet) {
  const std::size_t size = field(packet, kLengthAt) * kUnit;
  return size < kHeaderSize || size > packet.size() ? packet.size() : size;
}

std::uint16_t mark_of(Bytes message) { return field(message, kMarkAt); }

void set_mark(MutableBytes message, std::uint16_t mark) {
  if (message.size() >= kHeaderSize) std::memcpy(message.data() + kMarkAt, &mark, sizeof mark);
}

}  // namespace ipseckey::pfkey::packs
