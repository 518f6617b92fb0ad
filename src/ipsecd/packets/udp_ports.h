#pragma once
/// The UDP ports of SAs behind a NAT: a socket for each packet thread, or, while another program holds the port, a raw
/// socket alongside it.
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string_view>
#include <vector>

#include "base/net.h"
#include "base/result.h"
#include "ipsecd/packets/packet_thread.h"
#include "system/descriptor.h"

namespace ipseckey::ipsecd {

/// For the engine's thread.
class UdpPorts {
 public:
  struct Options {
    UdpOptions sockets;
    bool beside_ike = false;  ///< Never bind a port: an IKE daemon may come and go.
  };
  using Log = std::function<void(std::string_view)>;
  using Threads = std::vector<std::unique_ptr<PacketThread>>;

  /// `threads` outlives this.
  UdpPorts(const Threads& threads, const Options& options, Log log);

  /// One more SA needs the port, or one less. This never fails: the log reports what is not possible.
  void use(std::uint16_t port);
  void leave(std::uint16_t port);

  /// Becomes readable when retry() is due: ports that another program holds are retried every second.
  int timer() const { return timer_.get(); }
  void retry();

  /// Ports that another program holds, ascending; empty with `beside_ike`, where that is intended.
  std::vector<std::uint16_t> busy() const;
  /// Packets for which the sockets had no room.
  std::uint64_t overruns() const;

 private:
  struct Socket {
    int fd;  // Belongs to a packet thread, which closes it only on request.
    Family family;
  };
  struct Port {
    std::size_t users = 0;
    std::vector<Socket> sockets;
    std::vector<Family> busy;
  };

  Result<std::vector<Inlet>> open(std::uint16_t number, Family family, bool beside) const;
  void hand_over(std::vector<Inlet> inlets, Port& port);
  void close(std::uint16_t number, Port& port, Family family);
  void set_timer();

  const Threads& threads_;
  Options options_;
  Log log_;
  Descriptor timer_;
  std::map<std::uint16_t, Port> ports_;
  std::uint64_t overruns_of_closed_ = 0;
};

}  // namespace ipseckey::ipsecd
