#pragma once
/// One packet thread: packets routed into the TUN device, or taken by a hook, leave protected; inbound packets come out
/// of the device, or continue where a hook took them.
#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "ipsecd/packets/hook.h"
#include "ipsecd/packets/icmp_outlet.h"
#include "ipsecd/packets/inlet.h"
#include "ipsecd/packets/outlet.h"
#include "ipsecd/packets/tun_queue.h"
#include "system/descriptor.h"
#include "traffic/plane.h"

namespace ipseckey::ipsecd {

class PacketThread {
 public:
  struct Parts {
    traffic::Worker worker;
    TunQueue tun;
    int call;  ///< An eventfd that wakes the engine's thread.
    Outlet outlet;
    IcmpOutlet answers;
    std::vector<Inlet> inlets;
    std::unique_ptr<Hook> hook = nullptr;  ///< nullptr: none.
  };

  explicit PacketThread(Parts parts);
  /// Ends the thread after it has finished its current packets.
  ~PacketThread();

  void start();

  // For the engine's thread: further sockets, which the thread takes over between two batches.
  void add(Inlet inlet);
  void drop_port(std::uint16_t port, Family family);
  /// The device exists again.
  void device_back() { hand_over({.device = true}); }

  /// Whether the device was found missing since the last call; the engine's thread is woken then.
  bool device_gone() { return device_gone_.exchange(false, std::memory_order_relaxed); }

  // For any thread: packets that were protected, or accepted, but that the kernel did not take.
  std::uint64_t unsent() const { return unsent_.load(std::memory_order_relaxed); }
  /// Packets that left by packet sockets.
  std::uint64_t framed() const { return framed_.load(std::memory_order_relaxed); }
  std::uint64_t undelivered() const { return undelivered_.load(std::memory_order_relaxed); }
  const Hook* hook() const { return parts_.hook.get(); }

 private:
  static constexpr std::size_t kBatch = Inlet::kBatch;

  // The packets being handled, and their buffers.
  struct Hand {
    Hand();
    /// All of them, ready to be filled; then take() the first `count`, which were.
    std::span<traffic::Item> empty();
    std::span<traffic::Item> take(std::size_t count);

    std::unique_ptr<std::byte[]> memory;
    std::vector<traffic::Item> items;
    std::size_t used = kBatch;
  };
  struct Ready {
    int fd;
    std::uint32_t events;
  };

  void run();
  void serve(const Ready& ready);
  /// Waits for packets or a call. False: the thread must end.
  bool wait();
  void take_over();
  void watch(int fd, std::uint64_t tag);
  void go_out();
  void go_out_by_hook();
  void go_out_by_tcp_hook();
  /// False: there was no room for all that was protected.
  bool send_protected(Instant at);
  bool send(bool wait);
  void watch_sources(bool watched);
  void wait_for_room();
  void go_on();
  void watch_full(bool watched);
  /// One batch. False: there was nothing to read.
  bool come_in(Inlet& inlet);
  void come_in_by_hook();
  void deliver(std::span<traffic::Item> items);
  void leave_device();
  void answer_too_big(std::span<traffic::Item> items);
  void call_if_needed();

  Parts parts_;
  Descriptor epoll_, woken_;
  Hand hand_;
  std::vector<std::uint32_t> origins_;  // For items that go out.
  std::vector<Ready> ready_;            // From the last wait().
  // While a socket is full, the packets that wait for it stay in hand_, the device is not read, and inbound packets use
  // the other set.
  std::span<traffic::Item> waiting_;
  std::optional<Hand> other_hand_;
  int full_ = -1;  // The full socket; if no packets wait, the wait was in vain.
  std::chrono::nanoseconds patient_until_{}, next_try_{}, impatient_until_{};
  std::thread thread_;

  std::atomic<bool> ended_ = false, device_gone_ = false;
  std::atomic<std::uint64_t> unsent_ = 0, undelivered_ = 0, framed_ = 0;
  struct Change {
    std::optional<Inlet> added = std::nullopt;
    std::uint16_t dropped = 0;   // A port, if nothing is added,
    Family family = Family::v4;  // of this family;
    bool device = false;         // or the device is back.
  };
  void hand_over(Change change);
  std::mutex mutex_;             // Guards what the engine's thread hands over.
  std::vector<Change> changes_;  // In order: a port may be given up and opened again, or the reverse.
};

}  // namespace ipseckey::ipsecd
