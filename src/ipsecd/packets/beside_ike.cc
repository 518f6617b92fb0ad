#include "ipsecd/packets/beside_ike.h"

#include <netinet/in.h>

#include <algorithm>

#include "traffic/header.h"

namespace ipseckey::ipsecd {

using traffic::get;

namespace {

constexpr std::size_t kUdpHeader = 8, kIpHeader = 20;
Address read_v4(Bytes octets) {
  Address a;
  std::ranges::copy(octets.first(4), a.octets.begin());
  return a;
}

constexpr std::size_t kWord = sizeof(std::uint32_t), kEspHeader = 2 * kWord;

}  // namespace

// A load beyond the packet's end drops the packet, and nobody would count it; but only the other program's packets are
// so short.
std::vector<sock_filter> beside_filter(Family family, std::uint16_t port, Share share) {
  std::vector<sock_filter> code;
  if (family == Family::v4) {
    code.push_back(BPF_STMT(BPF_LDX | BPF_B | BPF_MSH, 0));
  } else {
    code.push_back(BPF_STMT(BPF_LDX | BPF_W | BPF_IMM, 0));
  }
  code.insert(code.end(), {BPF_STMT(BPF_LD | BPF_H | BPF_IND, 2), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, port, 0, 5),
                           BPF_STMT(BPF_LD | BPF_W | BPF_IND, kUdpHeader), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 3, 0),
                           BPF_STMT(BPF_ALU | BPF_MOD | BPF_K, share.count),
                           BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, share.number, 0, 1),
                           BPF_STMT(BPF_RET | BPF_K, UINT32_MAX), BPF_STMT(BPF_RET | BPF_K, 0)});
  return code;
}

std::optional<Datagram> read_datagram(Family family, Bytes raw) {
  Datagram d;
  if (family == Family::v4) {
    const std::size_t header = raw.size() < kIpHeader ? 0 : std::to_integer<std::size_t>(raw[0] & std::byte{0x0f}) * 4;
    if (header < kIpHeader || header > raw.size()) return std::nullopt;
    d.arrival.src = read_v4(raw.subspan(12));
    d.arrival.dst = read_v4(raw.subspan(16));
    d.arrival.traffic_class = std::to_integer<std::uint8_t>(raw[1]);
    d.arrival.hop_limit = std::to_integer<std::uint8_t>(raw[8]);
    d.arrival.options = raw.subspan(kIpHeader, header - kIpHeader);
    raw = raw.subspan(header);
  }
  if (raw.size() < kUdpHeader) return std::nullopt;
  d.arrival.protocol = IPPROTO_UDP;
  d.arrival.src_port = get<std::uint16_t>(raw, 0);
  d.arrival.dst_port = get<std::uint16_t>(raw, 2);
  const std::size_t size = get<std::uint16_t>(raw, 4);
  if (size < kUdpHeader || size > raw.size()) return std::nullopt;
  d.payload = raw.first(size).subspan(kUdpHeader);
  return d;
}

std::size_t size_of_each(Bytes esp) {
  if (esp.size() < kEspHeader) return esp.size();
  const auto spi = get<std::uint32_t>(esp, 0), next = get<std::uint32_t>(esp, kWord) + 1;
  constexpr std::size_t kMostDatagrams = 128;  // UDP_MAX_SEGMENTS: a stranger's datagram could look like thousands.
  const std::size_t least = (esp.size() / kMostDatagrams + kWord - 1) / kWord * kWord;
  for (std::size_t at = std::max(kEspHeader, least); at + kEspHeader <= esp.size(); at += kWord)
    if (get<std::uint32_t>(esp, at) == spi && get<std::uint32_t>(esp, at + kWord) == next) return at;
  return esp.size();
}

}  // namespace ipseckey::ipsecd
