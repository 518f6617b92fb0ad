#pragma once
/// Datagrams that the host's stack cut before they came here are put together again, because transport mode protects
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

/// One worker's. Bounded: kMost datagrams at a time, each for kPatience; the oldest gives way to a new one. The memory
/// of a datagram, 67 KiB, is allocated when so many are in the making for the first time, and kept.
class Reassembly {
 public:
  Reassembly();
  ~Reassembly();

  static constexpr std::size_t kMost = 32;
  static constexpr std::chrono::seconds kPatience{15};  // RFC 791 section 3.2.

  enum class Verdict : std::uint8_t {
    kept,     ///< Pieces are missing.
    whole,    ///< It was the last one: the datagram, without a trace of its pieces, is in the packet's buffer instead.
    refused,  ///< It contradicts an earlier one or itself: the whole datagram is, with what comes of it (RFC 5722).
  };
  /// Takes a fragment, whose headers are `h`.
  Verdict take(Packet& piece, const Headers& h, Instant now);

  /// Gives up what has waited too long.
  void expire(Instant now);
  bool empty() const { return used_ == 0; }
  /// Pieces that were kept and will not become whole, since this was last asked.
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
