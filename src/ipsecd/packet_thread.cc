#include "ipsecd/packet_thread.h"

#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <optional>

#include "base/registers.h"
#include "ipsecd/clock.h"

namespace ipsecd {

using engine::traffic::Cause;
using engine::traffic::Item;
using engine::traffic::Packet;

namespace {

constexpr std::size_t kBuffer = Packet::kHeadroom + UINT16_MAX + 1 + Packet::kTailroom;

}  // namespace

PacketThread::PacketThread(Parts parts)
    : parts_(std::move(parts)),
      epoll_(::epoll_create1(EPOLL_CLOEXEC)),
      woken_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      memory_(std::make_unique_for_overwrite<std::byte[]>(kBatch * kBuffer)),
      items_(kBatch),
      origins_(kBatch) {
  watch(woken_.get(), static_cast<std::uint64_t>(woken_.get()));
  watch(parts_.tun.fd(), static_cast<std::uint64_t>(parts_.tun.fd()));
  for (const Inlet& inlet : parts_.inlets) watch(inlet.fd(), static_cast<std::uint64_t>(inlet.fd()));
}

PacketThread::~PacketThread() {
  ended_ = true;
  ::eventfd_write(woken_.get(), 1);
  if (thread_.joinable()) thread_.join();
}

void PacketThread::start() {
  thread_ = std::thread([this] { run(); });
}

void PacketThread::watch(int fd, std::uint64_t tag) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = tag;
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event);
}

void PacketThread::hand_over(Change change) {
  {
    const std::lock_guard lock(mutex_);
    changes_.push_back(std::move(change));
  }
  ::eventfd_write(woken_.get(), 1);
}

void PacketThread::add(Inlet inlet) { hand_over({.added = std::move(inlet)}); }

void PacketThread::drop_port(std::uint16_t port) { hand_over({.dropped = port}); }

void PacketThread::take_over() {
  std::uint64_t calls = 0;
  ::eventfd_read(woken_.get(), &calls);
  std::vector<Change> changes;
  {
    const std::lock_guard lock(mutex_);
    changes.swap(changes_);
  }
  for (Change& change : changes) {
    if (change.added) {
      watch(change.added->fd(), static_cast<std::uint64_t>(change.added->fd()));
      if (change.added->family() == Family::v4) parts_.outlet.use(change.added->port(), change.added->fd());
      parts_.inlets.push_back(std::move(*change.added));
    } else if (change.device) {
      // What is polled without a device tells of nothing afterwards.
      ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, parts_.tun.fd(), nullptr);
      watch(parts_.tun.fd(), static_cast<std::uint64_t>(parts_.tun.fd()));
      parts_.tun.back();
    } else {
      parts_.outlet.forget(change.dropped);
      // What waits in it may be for the socket that has the port by now.
      const auto gone = [&](const Inlet& inlet) { return inlet.port() == change.dropped; };
      for (Inlet& inlet : parts_.inlets)
        if (gone(inlet)) come_in(inlet);
      std::erase_if(parts_.inlets, gone);
    }
  }
}

bool PacketThread::wait() {
  std::array<epoll_event, 32> events;
  wipe_registers();
  const int count = ::epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()), -1);
  ready_.clear();
  for (int i = 0; i < count; ++i) ready_.push_back(static_cast<int>(events[static_cast<std::size_t>(i)].data.u64));
  return !ended_ && (count >= 0 || errno == EINTR);
}

void PacketThread::run() {
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, nullptr);
  while (wait()) {
    for (const int fd : ready_) {
      if (fd == woken_.get()) {
        take_over();
      } else if (fd == parts_.tun.fd()) {
        go_out();
      } else if (const auto inlet = std::ranges::find(parts_.inlets, fd, &Inlet::fd); inlet != parts_.inlets.end()) {
        come_in(*inlet);
      }
    }
  }
}

void PacketThread::reset_buffers() {
  for (std::size_t i = 0; i < kBatch; ++i)
    items_[i].packet = {MutableBytes(memory_.get() + i * kBuffer, kBuffer), Packet::kHeadroom, 0};
}

// The engine's thread acts on limits that packets reached and asks for SAs that are missing.
void PacketThread::call_if_needed() {
  if (parts_.worker.attention()) ::eventfd_write(parts_.call, 1);
}

void PacketThread::go_out() {
  do {
    reset_buffers();
    const std::span<Item> items = std::span(items_).first(parts_.tun.read(items_, origins_));
    parts_.worker.protect(items, now());
    parts_.outlet.send(items);
    unsent_.store(parts_.outlet.unsent(), std::memory_order_relaxed);
    answer_too_big(items);
    call_if_needed();
  } while (parts_.tun.left());
  if (parts_.tun.gone()) leave_device();
}

// A descriptor without a device is always ready, and never has anything.
void PacketThread::leave_device() {
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, parts_.tun.fd(), nullptr);
  device_gone_.store(true, std::memory_order_relaxed);
  ::eventfd_write(parts_.call, 1);
}

void PacketThread::come_in(Inlet& inlet) {
  do {
    reset_buffers();
    const std::span<Item> items = std::span(items_).first(inlet.receive(items_));
    parts_.worker.unprotect(items, now());
    parts_.tun.write(items);
    undelivered_.store(parts_.tun.refused(), std::memory_order_relaxed);
    call_if_needed();
  } while (inlet.left());
}

// One answer for each packet of the stack, from the packet's own destination: the device need not have an address.
void PacketThread::answer_too_big(std::span<Item> items) {
  std::optional<std::uint32_t> answered;
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (items[i].cause != Cause::too_big || answered == origins_[i]) continue;
    answered = origins_[i];
    Packet& packet = items[i].packet;
    const auto headers = engine::traffic::parse(packet.bytes());
    if (headers && engine::traffic::make_too_big(packet, items[i].mtu, headers->dst)) parts_.tun.write(packet.bytes());
  }
}

}  // namespace ipsecd
