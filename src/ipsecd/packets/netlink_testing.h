#pragma once
/// Netlink messages for tests, as the kernel writes them.
#include <cstring>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/net.h"
#include "ipsecd/packets/netlink_reader.h"

namespace ipseckey::ipsecd {

/// One message: a fixed structure, and attributes.
class NetlinkSample {
 public:
  template <class Fixed>
  NetlinkSample(std::uint16_t type, const Fixed& fixed) : octets_(16) {
    Writer(MutableBytes(octets_).subspan(4)).host(type);
    append(std::as_bytes(std::span(&fixed, 1)));
  }
  NetlinkSample& attribute(std::uint16_t type, Bytes value) {
    const auto size = static_cast<std::uint16_t>(4 + value.size());
    append(std::as_bytes(std::span(&size, 1)));
    append(std::as_bytes(std::span(&type, 1)));
    append(value);
    octets_.resize(netlink_aligned(octets_.size()));
    return *this;
  }
  NetlinkSample& attribute(std::uint16_t type, std::uint32_t number) {
    return attribute(type, std::as_bytes(std::span(&number, 1)));
  }
  NetlinkSample& attribute(std::uint16_t type, const Address& address) { return attribute(type, address.bytes()); }
  /// With its final zero.
  NetlinkSample& text(std::uint16_t type, std::string_view value) {
    std::vector<std::byte> octets(value.size() + 1);
    std::memcpy(octets.data(), value.data(), value.size());
    return attribute(type, Bytes(octets));
  }
  NetlinkSample& port(std::uint32_t number) {
    Writer(MutableBytes(octets_).subspan(12)).host(number);
    return *this;
  }
  /// The whole message.
  std::vector<std::byte> octets() const {
    std::vector<std::byte> out = octets_;
    Writer(out).host(static_cast<std::uint32_t>(out.size()));
    return out;
  }

 private:
  void append(Bytes octets) { octets_.insert(octets_.end(), octets.begin(), octets.end()); }
  std::vector<std::byte> octets_;
};

}  // namespace ipseckey::ipsecd
