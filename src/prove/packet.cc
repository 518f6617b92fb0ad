#include "prove/packet.h"

#include <algorithm>

namespace ipseckey::prove {
namespace {

constexpr std::uint8_t kUdp = 17, kEsp = 50, kAh = 51;

// RFC 1071: the sum of 16-bit words.
std::uint32_t sum_of(Bytes b, std::uint32_t sum = 0) {
  for (std::size_t i = 0; i < b.size(); ++i) {
    const auto octet = std::to_integer<std::uint32_t>(b[i]);
    sum += i % 2 == 0 ? octet << 8 : octet;
  }
  return sum;
}

std::uint16_t folded(std::uint32_t sum) {
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<std::uint16_t>(~sum);
}

void put(MutableBytes b, std::size_t at, std::uint16_t value) { Writer(b.subspan(at)).net(value); }

template <class T>
T get(Bytes b, std::size_t at) {
  T value = 0;
  Reader(b.subspan(at)).net(value);
  return value;
}

}  // namespace

std::vector<std::byte> udp_packet(const Address& from, const Address& to, std::uint16_t from_port,
                                  std::uint16_t to_port, Bytes data) {
  const bool v4 = from.family == Family::v4;
  const std::size_t head = v4 ? 20 : 40, length = 8 + data.size();
  std::vector<std::byte> out(head + length);
  const MutableBytes all(out), udp = all.subspan(head);
  constexpr std::uint8_t kHops = 64;
  if (v4) {
    all[0] = std::byte{0x45};
    put(all, 2, static_cast<std::uint16_t>(out.size()));
    all[8] = std::byte{kHops}, all[9] = std::byte{kUdp};
  } else {
    all[0] = std::byte{0x60};
    put(all, 4, static_cast<std::uint16_t>(length));
    all[6] = std::byte{kUdp}, all[7] = std::byte{kHops};
  }
  std::ranges::copy(from.bytes(), all.subspan(v4 ? 12 : 8).begin());
  std::ranges::copy(to.bytes(), all.subspan(v4 ? 16 : 24).begin());
  if (v4) put(all, 10, folded(sum_of(all.first(head))));
  put(udp, 0, from_port), put(udp, 2, to_port), put(udp, 4, static_cast<std::uint16_t>(length));
  std::ranges::copy(data, udp.subspan(8).begin());
  const std::uint32_t ends = sum_of(to.bytes(), sum_of(from.bytes()));
  const std::uint16_t sum = folded(sum_of(udp, ends + kUdp + static_cast<std::uint32_t>(length)));
  put(udp, 6, sum == 0 ? 0xffff : sum);
  return out;
}

std::vector<std::byte> echo_request(Family family, std::uint16_t id, std::uint16_t number, Bytes data) {
  constexpr std::byte kEcho4{8}, kEcho6{128};
  std::vector<std::byte> out(8 + data.size());
  out[0] = family == Family::v4 ? kEcho4 : kEcho6;
  put(out, 4, id), put(out, 6, number);
  std::ranges::copy(data, out.begin() + 8);
  if (family == Family::v4) put(out, 2, folded(sum_of(out)));
  return out;
}

std::optional<std::vector<std::byte>> renumbered(Bytes packet) {
  if (packet.size() < 20) return std::nullopt;
  const bool v4 = std::to_integer<unsigned>(packet[0]) >> 4 == 4;
  const std::size_t head = v4 ? (std::to_integer<std::size_t>(packet[0]) & 15) * 4 : 40;
  const std::uint8_t protocol = get<std::uint8_t>(packet, v4 ? 9 : 6);
  const std::size_t number_at = head + (protocol == kEsp ? 4 : protocol == kAh ? 8 : 12);
  if ((protocol != kEsp && protocol != kAh && protocol != kUdp) || packet.size() < number_at + 4) return std::nullopt;
  std::vector<std::byte> out(packet.begin(), packet.end());
  const auto number = get<std::uint32_t>(packet, number_at);
  unsigned bit = 3;
  while (bit < 31 && (number >> bit & 1) != 0) ++bit;
  const std::uint32_t other = number ^ std::uint32_t{1} << bit;
  Writer(MutableBytes(out).subspan(number_at)).net(other);
  if (protocol == kUdp && get<std::uint16_t>(packet, head + 6) != 0) {
    // RFC 1624: the checksum without the old words and with the new ones.
    std::uint32_t sum = static_cast<std::uint16_t>(~get<std::uint16_t>(packet, head + 6));
    sum +=
        static_cast<std::uint16_t>(~(number >> 16)) + static_cast<std::uint32_t>(static_cast<std::uint16_t>(~number));
    sum += (other >> 16) + (other & 0xffff);
    put(out, head + 6, folded(sum));
  }
  return out;
}

}  // namespace ipseckey::prove
