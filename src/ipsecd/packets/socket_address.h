#pragma once
/// Addresses in the form of the sockets interface.
#include <netinet/in.h>
#include <sys/socket.h>

#include <cstdint>
#include <cstring>

#include "base/cast.h"
#include "base/net.h"

namespace ipseckey::ipsecd {

struct Endpoint {
  Address address;
  std::uint16_t port = 0;  ///< Host order.
};

inline Address address_of(const in_addr& a) {
  Address out;
  std::memcpy(out.octets.data(), &a, sizeof a);
  return out;
}
inline Address address_of(const in6_addr& a) {
  Address out = unspecified(Family::v6);
  std::memcpy(out.octets.data(), &a, sizeof a);
  return out;
}

// The sockets interface takes every kind of address through one pointer type.
inline sockaddr* generic(sockaddr_storage& s) { return interface_cast<sockaddr>(&s); }

/// An address of the sockets interface and its length.
struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t size = 0;
  const sockaddr* get() const { return interface_cast<sockaddr>(&storage); }
};

/// `scope`: the index of the interface on which an IPv6 address is unique; 0: it is everywhere.
inline SocketAddress socket_address(const Endpoint& e, std::uint32_t scope = 0) {
  SocketAddress out;
  if (e.address.family == Family::v4) {
    sockaddr_in a{};
    a.sin_family = AF_INET;
    a.sin_port = big_endian(e.port);
    std::memcpy(&a.sin_addr, e.address.octets.data(), sizeof a.sin_addr);
    std::memcpy(&out.storage, &a, out.size = sizeof a);
  } else {
    sockaddr_in6 a{};
    a.sin6_family = AF_INET6;
    a.sin6_port = big_endian(e.port);
    a.sin6_scope_id = scope;
    std::memcpy(&a.sin6_addr, e.address.octets.data(), sizeof a.sin6_addr);
    std::memcpy(&out.storage, &a, out.size = sizeof a);
  }
  return out;
}

inline Endpoint endpoint_of(const sockaddr_storage& s) {
  if (s.ss_family == AF_INET6) {
    sockaddr_in6 a{};
    std::memcpy(&a, &s, sizeof a);
    return {address_of(a.sin6_addr), big_endian(a.sin6_port)};
  }
  sockaddr_in a{};
  std::memcpy(&a, &s, sizeof a);
  return {address_of(a.sin_addr), big_endian(a.sin_port)};
}

}  // namespace ipseckey::ipsecd
