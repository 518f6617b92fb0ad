#pragma once
/// One of netfilter's queues: packets that wait in the host's stack for a verdict. Nothing
/// here fails open: packets without room, and all packets while no process reads the queue, are dropped.
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "system/descriptor.h"

namespace ipseckey::ipsecd {

/// A packet that waits, in memory of the queue, which the next receive() uses again.
struct Queued {
  std::uint32_t id = 0;  ///< For its verdict.
  bool forwarded = false;
  std::uint32_t in = 0, out = 0;  ///< The indexes of the devices by which it came and leaves; 0: none.
  std::uint32_t mark = 0;
  Bytes packet;           ///< From the IP header on.
  bool uncut = false;     ///< With Options::long_packets: it must be cut into segments,
  bool unsummed = false;  ///< and its checksum field contains only the sum of the pseudo header.
  bool whole = true;      ///< False: it is too long for a message, and only its beginning is here.
};

/// For one thread.
class Queue {
 public:
  enum class Verdict : std::uint8_t { drop = 0, accept = 1 };
  /// `long_packets`: packets that the stack has not cut yet (TCP and UDP segmentation offload), or that it has joined,
  /// are one message, and accepting them leaves them whole. Otherwise the kernel cuts them, and computes checksums.
  struct Options {
    bool long_packets = false;
    std::uint32_t length = 4096;  ///< The most packets that wait.
  };

  /// Needs CAP_NET_ADMIN. Errors: exists (another process reads that queue), unsupported, io.
  static Result<Queue> make(std::uint16_t number, Options options);

  int fd() const { return fd_.get(); }

  /// The next packet; nullopt: none waits. Never waits.
  std::optional<Queued> receive();

  /// Decides, in the order of the calls; send() passes the decisions on. The second form lets a packet continue with
  /// other contents, at most 65531 bytes.
  void decide(std::uint32_t id, Verdict verdict);
  void accept(std::uint32_t id, Bytes instead);
  void send();

  /// Packets that were lost for want of room, in the queue or in the socket, as far as the kernel says.
  std::uint64_t overruns() const;

 private:
  Queue(Descriptor fd, std::uint16_t number);

  Result<void> configure(Options options);
  Result<void> request(std::span<const std::byte> message);
  void put(std::uint32_t id, Verdict verdict, std::optional<Bytes> instead);

  Descriptor fd_, counters_;
  std::uint16_t number_;
  std::unique_ptr<std::byte[]> memory_;
  std::vector<std::byte> decided_;
  std::size_t used_ = 0;
  std::uint64_t lost_ = 0;  // Notices of the socket, if there are no counters.
};

}  // namespace ipseckey::ipsecd
