#pragma once
/// What the end with `--respond` remembers of those who ask, within fixed bounds: how much each may ask, and what was
/// seen of each run of a prover.
#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "base/net.h"
#include "prove/sighting.h"
#include "prove/wire.h"

namespace ipseckey::prove {

/// Who asks.
struct Asker {
  Address address;
  bool sealed = false;  ///< An SA protected the question, and a rule demanded that; else anybody may have sent it.
  bool operator==(const Asker&) const = default;
};

/// How many packets a second are answered. Packets in clear leave the share of protected ones as it is, and no asker
/// uses up the share of another.
class Allowance {
 public:
  static constexpr unsigned kSealed = 200, kClear = 50, kClearOfAll = 250;
  static constexpr std::size_t kMostAskers = 1024;

  /// Whether one more may be answered; `now` of a steady clock.
  bool spend(const Asker& asker, std::chrono::nanoseconds now);

 private:
  std::chrono::seconds second_{};
  std::map<std::pair<bool, Address>, unsigned> spent_;
  unsigned clear_ = 0;
};

/// An echo, and the packet in which it left.
struct Echo {
  Marker marker{};
  Address to, from;
  std::uint16_t to_port = 0, from_port = 0;
  std::size_t size = 0;              ///< Octets of its data.
  std::uint32_t spi = 0;             ///< Under which it leaves; 0: not known.
  Address outer;                     ///< To where that SA's packets go.
  std::chrono::nanoseconds until{};  ///< Packets that leave later are not it.
  std::optional<Seal> seal;          ///< Of the packet that seems to be it.
  bool doubtful = false;             ///< More packets left than echoes.
  std::vector<std::byte> octets;     ///< That packet, with its link header.
  std::size_t packet_at = 0;         ///< Where the IP packet begins.
  unsigned device = 0;               ///< By whose interface it left.
  unsigned repeated = 0;             ///< How often it was sent again.
};

/// Whether the question is longer than all that it is answered with: the echo's packet, a tell with that many octets of
/// data and the same protection, and a clear packet.
bool fits_question(const Echo& echo, std::size_t tell);

/// One run of a prover.
struct RunSeen {
  static constexpr std::size_t kMostMarkers = 64, kMostEchoes = 16;
  static constexpr std::chrono::milliseconds kPatience{250};  ///< In which an echo leaves.

  Marker run{};
  Asker owner;
  std::chrono::nanoseconds last{};  ///< When it was asked about.
  Ask asked;
  Address asker;       ///< Of the last question.
  bool known = false;  ///< It has asked.
  bool owns = false;   ///< The SA with asked.out_spi is one with the asker.
  std::uint32_t received = 0, clear_seen = 0, answers_clear = 0, protected_seen = 0, other_spi = 0, last_number = 0;
  std::optional<Address> protected_from;
  std::deque<std::pair<Marker, std::uint32_t>> of_marker;
  std::deque<Echo> echoes;

  /// A probe came.
  void count(const Marker& marker);
  std::uint32_t times(const Marker& marker) const;
  /// An echo, or another answer of about its size, is about to be sent.
  void add(Echo echo, std::chrono::nanoseconds now);
  /// A packet left: with one of them, perhaps. Returns which one it is; nullptr: none.
  Echo* left(const Sighting& packet, std::chrono::nanoseconds now);
  /// A packet came in.
  void came(const Sighting& packet);
  /// The echo of that probe if the packet with it is known for certain; nullptr: it is not.
  Echo* certain(const Marker& marker);
};

/// The runs of all askers. Each has a share, and nobody's runs are forgotten for those of one who has more.
class Runs {
 public:
  static constexpr std::size_t kMost = 512, kMostOfOne = 64;
  static constexpr std::chrono::seconds kKept{30};

  /// nullptr: unknown, or forgotten.
  RunSeen* find(const Marker& run);
  /// The same, or a new one; nullptr: there is no room.
  RunSeen* take(const Marker& run, const Asker& asker, std::chrono::nanoseconds now);
  std::deque<RunSeen>& all() { return runs_; }

 private:
  bool make_room(const Asker& asker);

  std::deque<RunSeen> runs_;  // The oldest first.
};

}  // namespace ipseckey::prove
