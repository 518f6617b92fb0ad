#pragma once
/// Reassembles datagrams that the host's stack fragmented before they arrived here, because transport mode protects
/// whole ones (RFC 4303 section 3.1.1, RFC 4302 section 3.3.4).
#include <bitset>
#include <chrono>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "base/instant.h"
#include "traffic/packet.h"

namespace ipseckey::traffic {

/// For one worker. Bounded: at most kMost datagrams, each for kPatience; a new one replaces the oldest. The memory for
/// a datagram, 67 KiB, is allocated when that many are first in progress, and kept.
class Reassembly {
 public:
  Reassembly();
  ~Reassembly();

  static constexpr std::size_t kMost = 32;
  static constexpr std::chrono::seconds kPatience{15};  // RFC 791 section 3.2.

  enum class Verdict : std::uint8_t {
    kept,     ///< Fragments are missing.
    whole,    ///< It was the last fragment: the packet's buffer now has the reassembled datagram instead.
    refused,  ///< It contradicts itself or an earlier fragment: the whole datagram and its later fragments are dropped
              ///< (RFC 5722).
  };
  /// Takes a fragment, whose headers are `h`.
  Verdict take(Packet& piece, const Headers& h, Instant now);

  /// Drops datagrams that have waited too long.
  void expire(Instant now);
  bool empty() const { return used_ == 0; }
  /// The number of kept fragments that were given up since the last call.
  std::size_t lost() { return std::exchange(lost_, 0); }

 private:
  struct Piece;
  struct Datagram;

  Datagram* find(const Piece& piece);
  Datagram* begin(const Piece& piece, Instant now);
  Verdict refuse(Datagram& datagram);
  void give_up(Datagram& datagram);
  static bool add(Datagram& datagram, const Piece& piece);
  Verdict finish(Datagram& datagram, Packet& into);

  std::vector<std::unique_ptr<Datagram>> datagrams_;
  std::size_t used_ = 0, lost_ = 0;
};

}  // namespace ipseckey::traffic
