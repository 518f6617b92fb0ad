#pragma once
/// AH and ESP in operation: a TUN device, a hook in netfilter, the sockets for protected packets, and the threads
/// between them.
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "ipsecd/packets/hooked.h"
#include "ipsecd/packets/keep_alive_outlet.h"
#include "ipsecd/packets/leaving.h"
#include "ipsecd/packets/nf_tables.h"
#include "ipsecd/packets/nf_watch.h"
#include "ipsecd/packets/overruns.h"
#include "ipsecd/packets/packet_thread.h"
#include "ipsecd/packets/surveyor.h"
#include "ipsecd/packets/tun.h"
#include "ipsecd/packets/udp_ports.h"
#include "policy/lookup.h"
#include "traffic/plane.h"

namespace ipseckey::ipsecd {

/// How complete packets leave.
enum class RawWay : std::uint8_t {
  automatic,  ///< By packet sockets, where the kernel's IP layer would do nothing else.
  packet,     ///< The same, and past netfilter, too.
  socket,     ///< By the raw socket.
};

struct DataplaneOptions {
  std::string device;                    ///< The TUN device's name; empty: none.
  std::optional<std::uint16_t> hook;     ///< Packets are also taken by netfilter, into queues from this number on.
  unsigned workers = 1;                  ///< Packet threads.
  std::uint32_t mtu = 1500;              ///< The MTU of the host's links, in bytes.
  std::uint32_t mark = 0;                ///< SO_MARK for protected packets; 0: none.
  std::uint16_t port = pfkey::kNatPort;  ///< The UDP port of SAs behind a NAT that specify none.
  bool nat_follow = false;               ///< SAs in UDP send to the place where their peer was last seen.
  bool beside_ike = false;               ///< UDP ports are left to an IKE daemon.
  bool offload = true;                   ///< Accept long packets from the host's stack and from UDP sockets.
  bool path_reports = true;              ///< ICMP errors about path MTUs are used (RFC 4301 section 6.1.1).
  traffic::SaNumbersSource numbers = nullptr;  ///< Returns an SA's numbers; nullptr: they end with the process.
  bool same_source = false;                    ///< Tunnels accept packets only from the SA's own outer source.
  traffic::Unruled unruled = traffic::Unruled::accept;  ///< As in PlaneOptions.
  bool icmp_in_clear = true;                            ///< The same.
  RawWay raw_way = RawWay::automatic;
  bool mss_clamp = false;  ///< Whether TCP's MSS is lowered to what fits a tunnel.
  traffic::IcmpErrors icmp_errors = traffic::IcmpErrors::quoted;

  /// The device's MTU, in bytes.
  std::uint32_t inner_mtu() const;
};

class Dataplane final : public engine::Carrier {
 public:
  /// The most that a packet grows with an ICV of up to 256 bits: an IPv6 header, UDP, ESP with IV, padding and ICV.
  /// With a longer one, ICMP notifies senders of the size that fits.
  static constexpr std::uint32_t kOverhead = 120;

  using Log = std::function<void(std::string_view)>;

  /// SO_MARK for protected packets with a hook, unless one is given: packets with it are not taken.
  static constexpr std::uint32_t kHookMark = 0x69707365;

  /// Opens everything that needs privileges except the device; no packet moves before start(). `tun`: nullopt if the
  /// options name no device. Errors: those of Inlet, Outlet, Queue and NfTables.
  static Result<std::unique_ptr<Dataplane>> make(const DataplaneOptions& options, std::optional<Tun> tun, Log log);
  ~Dataplane() override;

  void start();

  /// Becomes readable when attend() has something to do.
  int call() const { return call_.get(); }
  /// Other descriptors that become readable when there is work for attend_sources(): path reports, which are read in
  /// batches and keep their sockets readable until all are read; UDP ports to retry; keepalives that are due; changes
  /// of netfilter's tables by other programs.
  std::vector<int> sources() const;
  void attend_sources();
  std::vector<std::uint16_t> busy_ports() const { return udp_ports_.busy(); }  ///< As in UdpPorts.
  std::uint64_t keep_alives() const { return keep_alives_ ? keep_alives_->sent() : 0; }
  /// The next packet that lacks an SA. As with attention(), nullopt may mean that this round is full, and then call()
  /// is readable again.
  std::optional<engine::Wanted> wanted();

  /// The rules from now on, in the data plane and in netfilter; nullptr: none. There is no moment without the former or
  /// the latter. If netfilter refuses them, refusal() says so, and mend() fails.
  void rules(std::shared_ptr<const policy::Lookup> rules);
  /// Why the rules are not in force, as a sentence without a full stop; empty: they are.
  std::string refusal() const { return refused_ ? refused_->text : std::string(); }

  /// Creates the device again if it disappeared, and logs it; call it after call() became readable. Error: it cannot be
  /// created; or netfilter refused rules: packets must not pass by rules of before, so the daemon ends, and what
  /// netfilter queues is dropped.
  Result<void> mend();
  std::uint64_t device_made_again() const { return device_made_again_; }  ///< How often.

  const std::string& device() const { return options_.device; }
  /// nullopt: there is no hook.
  std::optional<Hooked> hooked() const;
  /// nullopt: all leave by the raw socket, because an option says so or the kernel's tables cannot be followed.
  std::optional<Leaving> leaving() const;
  unsigned workers() const { return static_cast<unsigned>(threads_.size()); }
  traffic::Totals outbound();
  traffic::Totals inbound() const;

  // The Carrier: the plane, and a UDP socket for each port that an SA names.
  void put(const engine::Sa& sa) override;
  void halt(const engine::SaId& id) override { plane_.halt(id); }
  void remove(const engine::SaId& id) override;
  std::optional<engine::Carried> carried(const engine::SaId& id) const override { return plane_.carried(id); }
  std::optional<engine::SaId> attention() override;
  std::optional<pfkey::Endpoint> moved(const engine::SaId& id) override { return plane_.moved(id); }

 private:
  Dataplane(const DataplaneOptions& options, std::optional<Tun> tun, Log log);

  TunQueue queue_of(unsigned number) const;
  Result<void> add_thread(unsigned number);
  Result<void> add_surveyor();
  Result<void> set_hook();
  Result<std::unique_ptr<Hook>> hook_of(unsigned number);
  void filter(const policy::Lookup* rules);
  void ports_changed();
  void watch_tables();

  struct ById {
    bool operator()(const engine::SaId& a, const engine::SaId& b) const;
  };

  DataplaneOptions options_;
  Log log_;
  std::optional<Tun> tun_;
  std::optional<NfTables> tables_;  // Of the hook.
  std::optional<NfWatch> watch_;
  HookOrders hook_orders_;
  std::shared_ptr<const policy::Lookup> rules_;
  std::size_t filter_rules_ = 0;
  bool long_tcp_ = false;         // The hook has a queue for TCP.
  std::optional<Error> refused_;  // By netfilter.
  std::uint64_t device_made_again_ = 0, tables_made_again_ = 0;
  DeviceOverruns overruns_;
  std::vector<int> sockets_;  // Raw ones of the packet threads.
  Descriptor call_;
  traffic::Plane plane_;
  std::vector<PathInlet> paths_;
  std::unique_ptr<Surveyor> surveyor_;                                 // nullptr: none. Outlives the threads.
  std::map<engine::SaId, std::vector<std::uint16_t>, ById> ports_of_;  // SAs in UDP.
  std::map<std::uint16_t, std::size_t> ports_;                         // How many of these use each.
  std::vector<std::unique_ptr<PacketThread>> threads_;                 // Destroyed before the plane.
  UdpPorts udp_ports_;
  std::optional<KeepAliveOutlet> keep_alives_;
};

}  // namespace ipseckey::ipsecd
