#pragma once
/// One run of a prover about one rule: its sockets, and what it has seen.
#include <absl/functional/function_ref.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <optional>

#include "kernel/route.h"
#include "probe/capture.h"
#include "probe/prover.h"
#include "probe/socket.h"
#include "prove/own.h"
#include "system/clock.h"

namespace ipseckey::probe {

inline constexpr std::uint8_t kIcmp = 1, kTcp = 6, kUdp = 17, kIcmp6 = 58;
inline constexpr std::size_t kProbe = 150;  ///< Octets of a probe's data, at least.

/// 16 random octets.
prove::Marker fresh();
/// Octets of a probe's data: at random, so that its protected packet is known by its size.
std::size_t any_size(std::size_t most = 470);

class Run {
 public:
  explicit Run(Plan plan) : plan_(std::move(plan)), f_(plan_.facts), run_(fresh()), end_(now() + plan_.budget.time) {}
  Run(const Run&) = delete;
  Run& operator=(const Run&) = delete;

  Result<void> open();
  void go();
  prove::Facts facts() && { return std::move(f_); }

 private:
  std::chrono::nanoseconds now() const { return system_now().steady; }
  bool late() const { return now() >= end_ || f_.packets >= plan_.budget.packets; }
  // Reads everything until the condition holds. False: it did not in time.
  bool pump(absl::FunctionRef<bool()> done, std::chrono::milliseconds patience);
  void see(Frame&& frame);
  void hear(const Arrival& arrival);
  void hear_tell(Bytes datagram);

  Result<void> open_probe();
  bool suits(std::uint8_t protocol);
  Result<void> open_socket();
  bool is_icmp() const { return f_.flow.protocol == kIcmp || f_.flow.protocol == kIcmp6; }
  bool ask(std::optional<prove::Tell>& answer, prove::Kind kind, const prove::Marker& marker);
  prove::Ask question() const;
  int send(const prove::Marker& marker, std::size_t size);
  bool answered(const prove::Marker& m) const { return answers_.contains(m); }
  unsigned times(const prove::Marker& m) const;
  bool probe(const prove::Marker& marker, unsigned tries, std::size_t size = any_size(),
             std::chrono::milliseconds patience = std::chrono::milliseconds(400));
  void claim(std::size_t begin, prove::Sizes sizes, bool answered);
  void first_probes();
  void connect_tcp();
  void meet();
  void repeat();
  void repeated_there();
  void sizes();
  void note_neighbour();
  void settle();

  Plan plan_;
  prove::Facts& f_;
  prove::Marker run_;
  std::chrono::nanoseconds end_;
  std::optional<Capture> capture_;
  std::optional<Socket> probe_, ask_;
  std::map<prove::Marker, unsigned> answers_;  // Echoes by what they answer.
  std::map<prove::Marker, unsigned> clears_;   // Clear packets that reached the socket.
  std::optional<prove::Tell> told_;
  prove::Marker first_{};
  std::vector<std::pair<prove::Seal, Frame>> sealed_;  // Protected as it should be, since the last probe was sent.
  std::optional<Frame> outward_;                       // The protected packet of the probe first_.
  std::optional<Frame> any_out_;  // Any packet that left to the other end: it has the header of the link.
  std::optional<kernel::Routes> routes_;
};

}  // namespace ipseckey::probe
