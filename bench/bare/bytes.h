#pragma once
/// What the bare tunnels need to know of IPv4, TCP and checksums. Only for measurement: it expects well-formed packets
/// of iperf3.
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <bit>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace bare {

using Octet = std::uint8_t;

/// Ends the program with the errno if what must hold does not.
inline void must(bool holds, const char* what) {
  if (holds) return;
  std::perror(what);
  std::exit(1);
}

template <class T>
T& at(Octet* p) {
  return *reinterpret_cast<T*>(p);
}

inline std::uint16_t big(unsigned n) { return htons(static_cast<std::uint16_t>(n)); }

/// The one's complement sum of RFC 1071, not folded; `n` octets, of which only the last part of a sum may be odd.
inline std::uint64_t sum(const Octet* p, std::size_t n, std::uint64_t start = 0) {
  std::uint64_t total = start;
  std::uint32_t word = 0;
  for (; n >= 4; p += 4, n -= 4) {
    std::memcpy(&word, p, 4);
    total += word;
  }
  word = 0;
  std::memcpy(&word, p, n);
  return total + word;
}

inline std::uint16_t folded(std::uint64_t s) {
  s = (s & 0xffff'ffff) + (s >> 32);
  s = (s & 0xffff) + (s >> 16 & 0xffff) + (s >> 32);
  s = (s & 0xffff) + (s >> 16);
  return static_cast<std::uint16_t>((s & 0xffff) + (s >> 16));
}

/// The sum of the pseudo header for the content of an IPv4 packet.
inline std::uint64_t pseudo_sum(const Octet* packet, std::size_t content) {
  Octet rest[4] = {0, packet[9], static_cast<Octet>(content >> 8), static_cast<Octet>(content)};
  return sum(packet + 12, 8, sum(rest, 4));
}

/// An IPv4 header's total length and checksum.
inline void set_length(Octet* packet, std::size_t length) {
  iphdr& ip = at<iphdr>(packet);
  ip.tot_len = big(static_cast<unsigned>(length));
  ip.check = 0;
  ip.check = static_cast<std::uint16_t>(~folded(sum(packet, ip.ihl * 4u)));
}

/// What precedes each packet of the device: struct virtio_net_hdr, whose own header C++ cannot read.
struct Offload {
  std::uint8_t flags = 0, type = 0;
  std::uint16_t header = 0, segment = 0, sum_start = 0, sum_offset = 0;
};
inline constexpr std::uint8_t kNeedsSum = 1, kTcp4 = 1, kEcn = 0x80;

/// A TUN device with long TCP segments.
inline int open_tun(const char* name) {
  const int fd = open("/dev/net/tun", O_RDWR);
  must(fd >= 0, "/dev/net/tun");
  ifreq request{};
  std::snprintf(request.ifr_name, sizeof request.ifr_name, "%s", name);
  request.ifr_flags = IFF_TUN | IFF_NO_PI | IFF_VNET_HDR;
  must(ioctl(fd, TUNSETIFF, &request) == 0, "TUNSETIFF");
  must(ioctl(fd, TUNSETOFFLOAD, TUN_F_CSUM | TUN_F_TSO4) == 0, "TUNSETOFFLOAD");
  return fd;
}

}  // namespace bare
