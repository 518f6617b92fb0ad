#pragma once
/// By which socket complete packets leave: for each destination, the raw socket, or, if its road is open (road.h), the
/// packet socket of its link, which takes whole Ethernet frames.
#include <chrono>
#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "ipsecd/packets/road_board.h"
#include "system/descriptor.h"
#include "traffic/plane.h"

namespace ipseckey::ipsecd {

/// For one thread. No packet overtakes another one to the same destination: before a destination leaves a packet socket
/// the packets in it must have left, and it enters one only when nothing waits in the raw socket.
class Ways {
 public:
  /// The bytes in front of an IP packet that frame() writes.
  static constexpr std::size_t kHeader = 14;
  /// Links with a packet socket at the same time, for each thread.
  static constexpr std::size_t kLinks = 8;
  /// How long a destination stays with the raw socket after a packet that only that can send.
  static constexpr std::chrono::milliseconds kStay{1000};

  /// `board` outlives it. `mark`: SO_MARK; 0: none. Errors: denied (it needs CAP_NET_RAW), io.
  static Result<Ways> make(RoadBoard& board, std::uint32_t mark);

  /// Follows changes of roads; call it before each batch. `raw_v4`, `raw_v6`: the raw sockets.
  void begin(std::chrono::nanoseconds now, int raw_v4, int raw_v6);

  struct Choice {
    int fd = -1;      ///< A packet socket; -1: the raw socket.
    int former = -1;  ///< A packet socket that must be empty before the packet leaves by `fd`; -1: none.
  };
  /// How the next packet leaves. `long_one`: in fragments.
  Choice choose(const traffic::Item& item, bool long_one);
  /// The packet has left, or will, as chosen: `former` was empty, or is not waited for.
  void chosen(const traffic::Item& item, const Choice& choice);
  /// Writes the Ethernet header before the packet; returns the frame.
  MutableBytes frame(const traffic::Item& item);
  /// A packet socket refused the packet: its destination stays with the raw socket for a while.
  void refused(const traffic::Item& item);

  /// Whether everything that was sent through a socket has left the queues of this host.
  static bool empty(int fd);
  bool is_packet_socket(int fd) const;

 private:
  struct Trip {
    Judged judged;
    std::shared_ptr<std::atomic<bool>> used;  // nullptr: the destination is not known yet.
    int last = -1;                            // The packet socket of the last packet; -1: the raw one.
    std::uint64_t asked = UINT64_MAX;         // The serial of the roads at the last question.
    std::uint64_t batch = 0;                  // That its last packet was in.
    std::chrono::nanoseconds stays_until{};
  };
  struct Socket {
    Descriptor fd;
    unsigned link = 0;  // 0: not bound.
  };
  static constexpr std::size_t kMostTrips = 4096;

  explicit Ways(RoadBoard& board) : board_(&board) {}
  void follow();
  Trip* trip_to(const Address& to);
  void start(Trip& trip, const Address& to);
  int socket_of(unsigned link);
  bool in_use(const Socket& socket) const;

  RoadBoard* board_;
  std::vector<Socket> sockets_;
  std::unordered_map<Address, Trip, AddressHash> trips_;
  Address last_to_;  // Most packets of a batch have one destination.
  Trip* last_trip_ = nullptr;
  std::uint64_t serial_ = UINT64_MAX, batch_ = 0;
  std::chrono::nanoseconds now_{};
  int raw_v4_ = -1, raw_v6_ = -1;
};

}  // namespace ipseckey::ipsecd
