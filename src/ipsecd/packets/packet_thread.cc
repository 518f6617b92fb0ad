// One packet thread:
// 1. run() waits with epoll for its queue of the TUN device, its sockets, and the eventfd that wakes it.
// 2. go_out() reads a batch from the device, protects it and sends it; then it answers packets that are too big.
// 3. come_in() reads a batch from a socket, decrypts it and writes the inner packets to the device.
//    go_out_by_hook() and come_in_by_hook() do the same for packets that netfilter holds (hook.h).
// 4. If a socket to send by is full, the batch stays in its buffers, device and hook are not read, and go_on() retries;
//    meanwhile, inbound packets use the other set of buffers.
// 5. hand_over() leaves changes (sockets that come and go, a new device) in a list under a lock; take_over() applies
//    them.
// 6. If a limit was reached or an SA is missing, the engine's thread is called.
#include "ipsecd/packets/packet_thread.h"

#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <numeric>
#include <optional>

#include "base/registers.h"
#include "system/clock.h"

namespace ipseckey::ipsecd {

using traffic::Cause;
using traffic::Item;
using traffic::Packet;

namespace {

constexpr std::size_t kBuffer = Packet::kHeadroom + UINT16_MAX + 1 + Packet::kTailroom;

// A slow link gets room little by little; one without room for this long must not block the others.
// A link whose own queue is full does not report when it has room: it is retried, and if it had none, not waited for
// during a while.
constexpr std::chrono::milliseconds kPatience{200}, kNextTry{5}, kImpatience{1000};

}  // namespace

PacketThread::Hand::Hand() : memory(std::make_unique_for_overwrite<std::byte[]>(kBatch * kBuffer)), items(kBatch) {}

std::span<Item> PacketThread::Hand::empty() {
  for (std::size_t i = 0; i < used; ++i) {
    items[i].packet = {MutableBytes(memory.get() + i * kBuffer, kBuffer), Packet::kHeadroom, 0};
    items[i].arrived = {}, items[i].departure.interface = 0;
    items[i].told = nullptr, items[i].spare = {}, items[i].follows = false;
  }
  used = 0;
  return items;
}

// The reader may have begun one more.
std::span<Item> PacketThread::Hand::take(std::size_t count) {
  used = std::min(count + 1, kBatch);
  return std::span(items).first(count);
}

PacketThread::PacketThread(Parts parts)
    : parts_(std::move(parts)),
      epoll_(::epoll_create1(EPOLL_CLOEXEC)),
      woken_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      origins_(kBatch) {
  parts_.outlet.narrow_with(
      [this](Item& item, std::uint32_t mtu) { return parts_.worker.narrow(item, mtu, system_now()); });
  watch(woken_.get(), static_cast<std::uint64_t>(woken_.get()));
  watch(parts_.tun.fd(), static_cast<std::uint64_t>(parts_.tun.fd()));
  for (const Inlet& inlet : parts_.inlets) watch(inlet.fd(), static_cast<std::uint64_t>(inlet.fd()));
  if (!parts_.hook) return;
  for (const int fd : {parts_.hook->out(), parts_.hook->tcp(), parts_.hook->in()})
    if (fd >= 0) watch(fd, static_cast<std::uint64_t>(fd));
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

void PacketThread::drop_port(std::uint16_t port, Family family) { hand_over({.dropped = port, .family = family}); }

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
      if (change.added->udp() && change.added->family() == Family::v4)
        parts_.outlet.use(change.added->port(), change.added->fd());
      parts_.inlets.push_back(std::move(*change.added));
    } else if (change.device) {
      // A queue that is polled without a device reports nothing afterwards.
      ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, parts_.tun.fd(), nullptr);
      parts_.tun.back();
      if (waiting_.empty()) watch(parts_.tun.fd(), static_cast<std::uint64_t>(parts_.tun.fd()));
    } else {
      if (change.family == Family::v4) parts_.outlet.forget(change.dropped);
      // A packet waiting in it may be for the socket that has the port by now.
      const auto gone = [&](const Inlet& inlet) {
        return inlet.port() == change.dropped && inlet.family() == change.family;
      };
      constexpr unsigned kMostRounds = 64;
      for (Inlet& inlet : parts_.inlets) {
        if (!gone(inlet)) continue;
        if (inlet.fd() == full_) watch_full(false);
        for (unsigned i = 0; i < kMostRounds && come_in(inlet); ++i) continue;
      }
      std::erase_if(parts_.inlets, gone);
    }
  }
}

bool PacketThread::wait() {
  std::array<epoll_event, 32> events;
  wipe_registers();
  const int limit = waiting_.empty() ? -1 : static_cast<int>(kNextTry.count());
  const int count = ::epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()), limit);
  ready_.clear();
  for (const epoll_event& event : std::span(events).first(static_cast<std::size_t>(std::max(count, 0))))
    ready_.push_back({static_cast<int>(event.data.u64), event.events});
  return !ended_ && (count >= 0 || errno == EINTR);
}

void PacketThread::run() {
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, nullptr);
  while (wait()) {
    for (const Ready& ready : ready_) serve(ready);
    if (!waiting_.empty()) go_on();
  }
}

void PacketThread::serve(const Ready& ready) {
  if (ready.fd == woken_.get()) {
    take_over();
  } else if (ready.fd == parts_.tun.fd()) {
    if (waiting_.empty()) go_out();
  } else if (parts_.hook && ready.fd == parts_.hook->out()) {
    if (waiting_.empty()) go_out_by_hook();
  } else if (parts_.hook && ready.fd == parts_.hook->tcp()) {
    if (waiting_.empty()) go_out_by_tcp_hook();
  } else if (parts_.hook && ready.fd == parts_.hook->in()) {
    come_in_by_hook();
  } else {
    if (ready.fd == full_ && waiting_.empty() && (ready.events & EPOLLOUT) != 0) watch_full(false);
    if (const auto inlet = std::ranges::find(parts_.inlets, ready.fd, &Inlet::fd); inlet != parts_.inlets.end())
      come_in(*inlet);
  }
}

// The engine's thread acts on limits that packets reached and requests missing SAs.
void PacketThread::call_if_needed() {
  if (parts_.worker.attention()) ::eventfd_write(parts_.call, 1);
}

void PacketThread::go_out() {
  do {
    waiting_ = hand_.take(parts_.tun.read(hand_.empty(), origins_));
    const Instant at = system_now();
    parts_.worker.protect(waiting_, at);
    if (!send_protected(at)) return;
  } while (parts_.tun.left());
  if (parts_.tun.gone()) leave_device();
}

// The host has parted with the packets before they are sent: a socket without room keeps no more than one batch.
void PacketThread::go_out_by_hook() {
  waiting_ = hand_.take(parts_.hook->take_outgoing(hand_.empty()));
  std::iota(origins_.begin(), origins_.end(), 0u);
  const Instant at = system_now();
  parts_.worker.protect(waiting_, at);
  parts_.hook->settle_outgoing(waiting_);
  send_protected(at);
}

void PacketThread::go_out_by_tcp_hook() {
  do {
    const Instant at = system_now();
    waiting_ = hand_.take(parts_.hook->take_tcp(hand_.empty(), origins_, at));
    parts_.worker.protect(waiting_, at);
    parts_.hook->settle_tcp(waiting_);
    if (!send_protected(at)) return;
  } while (parts_.hook->tcp_left());
}

bool PacketThread::send_protected(Instant at) {
  const bool done = send(full_ < 0 && at.steady >= impatient_until_);
  if (!done) wait_for_room();
  return done;
}

// Sends what waits. False: some are left, because there was no room.
bool PacketThread::send(bool wait) {
  const std::size_t sent = parts_.outlet.send(waiting_, wait);
  unsent_.store(parts_.outlet.unsent(), std::memory_order_relaxed);
  framed_.store(parts_.outlet.framed(), std::memory_order_relaxed);
  answer_too_big(waiting_.first(sent));
  waiting_ = waiting_.subspan(sent);
  call_if_needed();
  return waiting_.empty();
}

// The device's queue fills meanwhile; the kernel drops and counts what does not fit.
void PacketThread::wait_for_room() {
  watch_sources(false);
  if (!other_hand_) other_hand_.emplace();
  watch_full(true);
  const auto at = system_now().steady;
  patient_until_ = at + kPatience, next_try_ = at + kNextTry;
}

void PacketThread::go_on() {
  const std::size_t before = waiting_.size();
  const Instant at = system_now();
  if (full_ < 0 && at.steady < next_try_) return;
  next_try_ = at.steady + kNextTry;
  const bool patient = at.steady < patient_until_;
  if (!send(patient)) {
    if (waiting_.size() < before) patient_until_ = at.steady + kPatience;
    if (parts_.outlet.full() != full_) watch_full(true);
    return;
  }
  if (patient) watch_full(false);
  if (!patient && full_ < 0) impatient_until_ = at.steady + kImpatience;
  watch_sources(true);
  go_out();
  if (parts_.hook && waiting_.empty()) go_out_by_tcp_hook();
}

// Where packets that go out come from.
void PacketThread::watch_sources(bool watched) {
  const Hook* const hook = parts_.hook.get();
  for (const int fd : {parts_.tun.fd(), hook ? hook->out() : -1, hook ? hook->tcp() : -1}) {
    if (fd < 0) continue;
    if (watched) {
      watch(fd, static_cast<std::uint64_t>(fd));
    } else {
      ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
    }
  }
}

// Whether the outlet's full socket has room again. UDP sockets are watched anyway.
void PacketThread::watch_full(bool watched) {
  const auto change = [&](int fd, bool room) {
    epoll_event event{};
    event.data.u64 = static_cast<std::uint64_t>(fd);
    const bool inlet = std::ranges::find(parts_.inlets, fd, &Inlet::fd) != parts_.inlets.end();
    event.events = (inlet ? std::uint32_t{EPOLLIN} : 0u) | (room ? std::uint32_t{EPOLLOUT} : 0u);
    ::epoll_ctl(epoll_.get(), inlet ? EPOLL_CTL_MOD : room ? EPOLL_CTL_ADD : EPOLL_CTL_DEL, fd, &event);
  };
  if (full_ >= 0) change(full_, false);
  full_ = watched ? parts_.outlet.full() : -1;
  if (full_ >= 0) change(full_, true);
}

// A descriptor without a device is always ready, and never has a packet.
void PacketThread::leave_device() {
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, parts_.tun.fd(), nullptr);
  device_gone_.store(true, std::memory_order_relaxed);
  ::eventfd_write(parts_.call, 1);
}

bool PacketThread::come_in(Inlet& inlet) {
  bool some = false;
  Hand& hand = waiting_.empty() ? hand_ : *other_hand_;
  do {
    const std::span<Item> items = hand.take(inlet.receive(hand.empty()));
    some |= !items.empty();
    parts_.worker.unprotect(items, system_now());
    deliver(items);
  } while (inlet.left());
  return some;
}

void PacketThread::come_in_by_hook() {
  Hand& hand = waiting_.empty() ? hand_ : *other_hand_;
  const std::span<Item> items = hand.take(parts_.hook->take_arriving(hand.empty()));
  parts_.hook->handle_arriving(items, parts_.worker, system_now());
  parts_.hook->settle_arriving(items);
  deliver(items);
}

void PacketThread::deliver(std::span<Item> items) {
  parts_.tun.write(items);
  undelivered_.store(parts_.tun.refused(), std::memory_order_relaxed);
  call_if_needed();
}

// One answer for each of the stack's packets; the kernel knows the address to send it from.
void PacketThread::answer_too_big(std::span<Item> items) {
  std::optional<std::uint32_t> answered;
  for (Item& item : items) {
    if (item.cause != Cause::too_big || item.mtu == 0) continue;
    const std::uint32_t origin = origins_[static_cast<std::size_t>(&item - hand_.items.data())];
    if (answered == origin) continue;
    answered = origin;
    Packet& packet = item.packet;
    if (traffic::make_too_big(packet, item.mtu, std::nullopt))
      parts_.answers.send(packet.bytes(), item.departure.interface);
  }
}

}  // namespace ipseckey::ipsecd
