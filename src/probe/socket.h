#pragma once
/// Ordinary sockets, whose packets meet the rules like those of any program: ip(7), udp(7), raw(7), tcp(7).
#include <cstdint>
#include <optional>
#include <vector>

#include "base/bytes.h"
#include "base/net.h"
#include "base/result.h"
#include "system/descriptor.h"

namespace ipseckey::probe {

/// What came to a socket.
struct Arrival {
  std::vector<std::byte> data;
  Address from, to;
  std::uint16_t from_port = 0;
  unsigned device = 0;  ///< The number of that by which it came; 0: not known.
};

class Socket {
 public:
  enum class Kind : std::uint8_t { udp, tcp, icmp };
  enum class Pieces : std::uint8_t { allowed, forbidden };

  /// Bound to the address (absent: any) and port (0: any that is free), with a mark if it is not 0. Never blocks.
  /// Errors: exists (the port belongs to another program), denied, io (the address is not this host's).
  static Result<Socket> open(Kind kind, Family family, const std::optional<Address>& address, std::uint16_t port,
                             std::uint32_t mark);

  /// The first sequence number of the TCP connection that connect() will begin. False: the kernel does not let us.
  bool begin_at(std::uint32_t number) const;
  /// Sends only to that end from now on, and receives only from it. TCP: begins the connection. Returns errno, 0.
  int connect(const Address& to, std::uint16_t port);
  /// To the connected end. Returns errno; 0: the kernel took it.
  int send(Bytes data) const;
  /// Without connection, from that address of this host.
  bool send(Bytes data, const Address& to, std::uint16_t port, const Address& from) const;
  /// nullopt: nothing is there. ICMP: without IPv4's header.
  std::optional<Arrival> receive();
  /// An error that came for the socket, such as ECONNREFUSED; 0: none. It is forgotten.
  int error();
  /// Whether a TCP connection was made.
  bool connected() const;

  std::uint16_t port() const;      ///< Its own.
  std::uint32_t path_mtu() const;  ///< Of the connected end, octets; 0: not known.
  void fragment(Pieces pieces) const;
  int descriptor() const { return fd_.get(); }

 private:
  Socket(Descriptor fd, Kind kind, Family family) : fd_(std::move(fd)), kind_(kind), family_(family) {}

  Descriptor fd_;
  Kind kind_;
  Family family_;
  int error_ = 0;  // That receive() met.
};

/// The address from which packets to another leave; nullopt: there is no route.
std::optional<Address> source_for(const Address& to, std::uint32_t mark);

}  // namespace ipseckey::probe
