#pragma once
/// The thread that keeps the roads true (survey.h): it waits for the kernel's messages and for questions of packet
/// threads.
#include <atomic>
#include <memory>
#include <thread>

#include "base/result.h"
#include "ipsecd/packets/kernel_policies.h"
#include "ipsecd/packets/nf_firewall.h"
#include "ipsecd/packets/road_board.h"
#include "ipsecd/packets/route_asker.h"
#include "ipsecd/packets/survey.h"
#include "system/descriptor.h"

namespace ipseckey::ipsecd {

class Surveyor {
 public:
  struct Options {
    std::uint32_t mark = 0;      ///< Of the packets; 0: none.
    std::string own_table = {};  ///< A table of netfilter that lets the packets pass; empty: none.
    bool past_firewall = false;  ///< Netfilter's rules close no road.
  };
  /// Opens everything; in the network namespace of the caller. Error io.
  static Result<std::unique_ptr<Surveyor>> make(Options options);
  /// Ends the thread.
  ~Surveyor();

  /// One thread, which must be started before packets move; until it has read the kernel's tables, no road is open.
  void start();
  RoadBoard& board() { return board_; }

 private:
  Surveyor(const Options& options, RouteAsker asker, RouteListener listener, Firewall firewall);
  void run();
  Detour obstacle();

  Options options_;
  RoadBoard board_;
  RouteAsker asker_;
  RouteListener listener_;
  Firewall firewall_;
  KernelPolicies policies_;
  Survey survey_{asker_, board_};
  Descriptor stop_;
  std::thread thread_;
};

}  // namespace ipseckey::ipsecd
