// The daemon's packet path, as the engine's thread sees it:
// 1. make() opens everything that needs privileges: a queue of the TUN device, raw sockets and outlets for each packet
//    thread.
// 2. put() and remove() pass SAs on to the Plane, and keep the UDP ports open that they need.
// 3. attention() and wanted() return what is due; if more is left, the eventfd rings again so that clients are served
//    in between.
// 4. attend_sources() reads reports of path MTUs and retries ports that could not be opened.
// 5. mend() creates the device again if somebody has deleted it.
// 6. outbound() and inbound() add up the counters of all threads and sockets.
// 7. watch_tables() makes the tables in netfilter again if another program has changed them.
// 8. rules() passes rules to the Plane before netfilter queues packets for them; without rules, netfilter stops first.
#include "ipsecd/packets/dataplane.h"

#include <fmt/format.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <tuple>

#include "engine/sadb.h"
#include "system/clock.h"

namespace ipseckey::ipsecd {

using traffic::Cause;
using traffic::Totals;

namespace {

constexpr std::uint8_t kEsp = 50, kAh = 51;

// The UDP ports on which an SA's packets may arrive; none: it does not use UDP. Both ports of the SA are opened,
// because a file for both hosts names the local port from one host's point of view.
std::vector<std::uint16_t> ports_of(const engine::Sa& sa, std::uint16_t usual) {
  const engine::Rare& rare = engine::rare_of(sa);
  const auto &local = rare.at<&pfkey::Message::natt_local>(), &remote = rare.at<&pfkey::Message::natt_remote>();
  if (sa.satype != pfkey::SaType::esp || (!local && !remote)) return {};
  std::vector<std::uint16_t> ports;
  for (const auto& side : {local, remote})
    if (const std::uint16_t port = side && side->port != 0 ? side->port : usual;
        std::ranges::find(ports, port) == ports.end())
      ports.push_back(port);
  return ports;
}

// A hook must know the packets that are ipsecd's own.
DataplaneOptions with_mark(DataplaneOptions options) {
  if (options.hook && options.mark == 0) options.mark = Dataplane::kHookMark;
  return options;
}

void add_drops(const Hook::Drops& drops, Totals& totals) {
  totals.drops[static_cast<std::size_t>(Cause::overrun)] += drops.overruns;
  totals.drops[static_cast<std::size_t>(Cause::no_room)] += drops.too_long;
  totals.drops[static_cast<std::size_t>(Cause::not_ready)] += drops.not_ready;
}

}  // namespace

bool Dataplane::ById::operator()(const engine::SaId& a, const engine::SaId& b) const {
  return std::tie(a.satype, a.spi, a.dst) < std::tie(b.satype, b.spi, b.dst);
}

Dataplane::Dataplane(const DataplaneOptions& options, std::optional<Tun> tun, Log log)
    : options_(with_mark(options)),
      log_(std::move(log)),
      tun_(std::move(tun)),
      call_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      plane_({.workers = options.workers,
              .mtu = options.mtu,
              .icmp_errors = options.icmp_errors,
              .same_source = options.same_source,
              .mss_clamp = options.mss_clamp ? options.inner_mtu()
                           : options.hook    ? options.mtu
                                             : 0,
              .numbers = options.numbers,
              .nat_follow = options.nat_follow,
              .device = options.device,
              .unruled = options.unruled,
              .icmp_in_clear = options.icmp_in_clear}),
      udp_ports_(threads_,
                 {.sockets = {.mark = options_.mark, .offload = options.offload}, .beside_ike = options.beside_ike},
                 log_) {}

Dataplane::~Dataplane() { threads_.clear(); }

std::uint32_t DataplaneOptions::inner_mtu() const { return mtu - Dataplane::kOverhead; }

Result<std::unique_ptr<Dataplane>> Dataplane::make(const DataplaneOptions& options, std::optional<Tun> tun, Log log) {
  std::unique_ptr<Dataplane> plane(new Dataplane(options, std::move(tun), std::move(log)));
  if (plane->tun_) plane->overruns_.follow(plane->tun_->index());
  if (plane->options_.hook)
    if (auto r = plane->set_hook(); !r) return std::unexpected(std::move(r.error()));
  if (auto r = plane->add_surveyor(); !r)
    plane->log_(fmt::format("packets leave by the raw socket: {}", r.error().text));
  for (unsigned i = 0; i < options.workers; ++i)
    if (auto r = plane->add_thread(i); !r) return std::unexpected(std::move(r.error()));
  auto keep_alives = KeepAliveOutlet::make(plane->options_.mark);
  if (!keep_alives) return std::unexpected(std::move(keep_alives.error()));
  plane->keep_alives_.emplace(std::move(*keep_alives));
  if (!options.path_reports) return plane;
  for (const Family family : {Family::v4, Family::v6})
    if (auto path = PathInlet::make(family)) plane->paths_.push_back(std::move(*path));
  return plane;
}

TunQueue Dataplane::queue_of(unsigned number) const {
  if (!tun_) return {-1, false, false};
  return {tun_->queue(number), tun_->offload(), tun_->offloads_datagrams()};
}

Result<void> Dataplane::add_surveyor() {
  if (options_.raw_way == RawWay::socket) return {};
  auto surveyor = Surveyor::make({.mark = options_.mark,
                                  .own_table = tables_ ? tables_->table() : std::string(),
                                  .past_firewall = options_.raw_way == RawWay::packet});
  if (!surveyor) return std::unexpected(std::move(surveyor.error()));
  surveyor_ = std::move(*surveyor);
  return {};
}

Result<void> Dataplane::add_thread(unsigned number) {
  auto outlet = Outlet::make(options_.mark, options_.offload);
  if (!outlet) return std::unexpected(std::move(outlet.error()));
  if (surveyor_) {
    auto ways = Ways::make(surveyor_->board(), options_.mark);
    if (!ways) return std::unexpected(std::move(ways.error()));
    outlet->use(std::move(*ways));
  }
  auto answers = IcmpOutlet::make();
  if (!answers) return std::unexpected(std::move(answers.error()));
  auto hook = hook_of(number);
  if (!hook) return std::unexpected(std::move(hook.error()));
  PacketThread::Parts parts{plane_.worker(number), queue_of(number),    call_.get(),
                            std::move(*outlet),    std::move(*answers), {},
                            std::move(*hook)};
  for (const Family family : {Family::v4, Family::v6})
    for (const std::uint8_t protocol : {kEsp, kAh}) {
      auto inlet = Inlet::raw(family, protocol, {number, options_.workers});
      if (!inlet && inlet.error().code == Errc::unsupported) continue;
      if (!inlet) return std::unexpected(std::move(inlet.error()));
      sockets_.push_back(inlet->fd());
      parts.inlets.push_back(std::move(*inlet));
    }
  threads_.push_back(std::make_unique<PacketThread>(std::move(parts)));
  return {};
}

// ---- the hook

Result<void> Dataplane::set_hook() {
  const QueueNumbers numbers{*options_.hook, static_cast<std::uint16_t>(options_.workers)};
  auto tables = NfTables::make(numbers);
  if (!tables) return std::unexpected(std::move(tables.error()));
  tables_.emplace(std::move(*tables));
  auto watch = NfWatch::make(tables_->table(), tables_->port());
  if (!watch) return std::unexpected(std::move(watch.error()));
  watch_.emplace(std::move(*watch));
  hook_orders_.mtu = options_.mtu;
  hook_orders_.device = tun_.has_value();
  const auto taken_up = tables_->take_up();
  if (!taken_up) return std::unexpected(taken_up.error());
  hook_orders_.ready = !*taken_up;
  if (!hook_orders_.ready)
    log_(fmt::format(
        "netfilter's table {} has the rules of an earlier ipsecd: what they queue is dropped until rules are "
        "loaded",
        tables_->table()));
  ports_changed();
  return {};
}

Result<std::unique_ptr<Hook>> Dataplane::hook_of(unsigned number) {
  if (!options_.hook) return nullptr;
  const QueueNumbers numbers{*options_.hook, static_cast<std::uint16_t>(options_.workers)};
  auto out = Queue::make(numbers.out(number), {});
  if (!out) return std::unexpected(std::move(out.error()));
  auto in = Queue::make(numbers.in(number), {});
  if (!in) return std::unexpected(std::move(in.error()));
  std::optional<Hook::Tcp> tcp;
  if (auto sizes = SegmentSize::make(); sizes && options_.offload) {
    auto queue = Queue::make(numbers.tcp(number), {.long_packets = true});
    if (!queue) return std::unexpected(std::move(queue.error()));
    tcp = Hook::Tcp{std::move(*queue), std::move(*sizes)};
  }
  long_tcp_ = tcp.has_value();
  return std::make_unique<Hook>(std::move(*out), std::move(*in), std::move(tcp), hook_orders_);
}

std::optional<Hooked> Dataplane::hooked() const {
  if (!tables_) return std::nullopt;
  return Hooked{.first_queue = *options_.hook,
                .queues = QueueNumbers::kKinds * options_.workers,
                .rules = filter_rules_,
                .made_again = tables_made_again_,
                .owned = tables_->facts().owned,
                .waiting = !hook_orders_.ready.load(std::memory_order_relaxed)};
}

void Dataplane::filter(const policy::Lookup* rules) {
  FilterOptions options{.mark = options_.mark,
                        .device = options_.device,
                        .whole_v6 = tables_->facts().whole_v6,
                        .long_tcp = long_tcp_,
                        .local_source = tables_->facts().local_source,
                        .udp_ports = {options_.port}};
  for (const auto& [port, users] : ports_)
    if (port != options_.port) options.udp_ports.push_back(port);
  const auto made = rules ? filter_rules(rules->rules(), options) : std::vector<FilterRule>();
  if (auto r = tables_->replace(made); !r) {
    refused_ = std::move(r.error());
    ::eventfd_write(call_.get(), 1);
    return;
  }
  filter_rules_ = made.size();
}

void Dataplane::rules(std::shared_ptr<const policy::Lookup> rules) {
  rules_ = rules;
  if (!tables_) return plane_.rules(std::move(rules));
  if (rules) plane_.rules(rules);
  filter(rules.get());
  if (!rules && !refused_) plane_.rules(nullptr);
  hook_orders_.ready.store(true, std::memory_order_release);
}

// More ports than there is room for are left to what the rules say about them.
void Dataplane::ports_changed() {
  if (!tables_) return;
  std::size_t count = 0;
  const auto add = [&](std::uint16_t port) {
    if (count < HookOrders::kMostPorts) hook_orders_.ports[count++].store(port, std::memory_order_relaxed);
  };
  add(options_.port);
  for (const auto& [port, users] : ports_)
    if (port != options_.port) add(port);
  while (count < HookOrders::kMostPorts) add(0);
  if (!rules_) return;
  filter(rules_.get());
}

// `nft flush ruleset`, with which many firewalls begin, deletes the tables of all programs, but for those that have an
// owner. Until they are here again, packets leave as if there were no rules.
void Dataplane::watch_tables() {
  const NfWatch::News news = watch_->news();
  if (!rules_ || news == NfWatch::News::none || (news == NfWatch::News::lost && tables_->exists())) return;
  log_(fmt::format("another program changed or removed netfilter's table {}: it is created again", tables_->table()));
  ++tables_made_again_;
  filter(rules_.get());
}

// ---- counters

std::optional<Leaving> Dataplane::leaving() const {
  if (!surveyor_) return std::nullopt;
  Leaving leaving;
  const auto roads = surveyor_->board().roads();
  for (const auto& [to, destination] : roads->to)
    leaving.rows.push_back({to, destination.judged.detour, destination.link});
  std::ranges::sort(leaving.rows, {}, &Leaving::Row::to);
  for (const auto& thread : threads_) leaving.framed += thread->framed();
  return leaving;
}

Totals Dataplane::outbound() {
  Totals totals = plane_.outbound();
  const auto drops = [&](Cause cause) -> std::uint64_t& { return totals.drops[static_cast<std::size_t>(cause)]; };
  for (const auto& thread : threads_) {
    drops(Cause::unsent) += thread->unsent();
    if (const Hook* const hook = thread->hook()) add_drops(hook->outgoing(), totals);
  }
  drops(Cause::unsent) += keep_alives_->unsent();
  if (tun_) drops(Cause::overrun) += overruns_.count();
  return totals;
}

Totals Dataplane::inbound() const {
  Totals totals = plane_.inbound();
  for (const auto& thread : threads_) {
    totals.drops[static_cast<std::size_t>(Cause::unsent)] += thread->undelivered();
    if (const Hook* const hook = thread->hook()) add_drops(hook->arriving(), totals);
  }
  std::uint64_t& overruns = totals.drops[static_cast<std::size_t>(Cause::overrun)];
  overruns += udp_ports_.overruns();
  for (const int fd : sockets_) overruns += dropped_by_socket(fd);
  return totals;
}

void Dataplane::start() {
  if (surveyor_) surveyor_->start();
  for (const auto& thread : threads_) thread->start();
}

std::vector<int> Dataplane::sources() const {
  std::vector<int> fds = {udp_ports_.timer(), keep_alives_->timer()};
  for (const PathInlet& path : paths_) fds.push_back(path.fd());
  if (watch_) fds.push_back(watch_->fd());
  return fds;
}

void Dataplane::attend_sources() {
  if (watch_) watch_tables();
  udp_ports_.retry();
  keep_alives_->send(plane_, system_now());
  for (PathInlet& path : paths_)
    for (const auto& report : path.take()) plane_.path_mtu(report.id, report.mtu, system_now());
}

// Each thread notices by itself, and a thread that has not may already have the new device. Somebody may delete it
// while it is being created.
Result<void> Dataplane::mend() {
  if (refused_) return std::unexpected(*refused_);
  bool gone = false;
  for (const auto& thread : threads_) gone |= thread->device_gone();
  if (!gone) return {};
  constexpr int kTries = 3;
  auto made = tun_->make_again(options_.inner_mtu());
  for (int i = 1; !made && i < kTries; ++i) made = tun_->make_again(options_.inner_mtu());
  if (!made)
    return fail(made.error().code, fmt::format("the device {} disappeared and cannot be created again: {}",
                                               tun_->name(), made.error().text));
  if (*made) {
    ++device_made_again_;
    overruns_.follow(tun_->index());
    log_(
        fmt::format("the device {} disappeared and was created again: its addresses, routes and other settings "
                    "are lost; set them again",
                    tun_->name()));
  }
  for (const auto& thread : threads_) thread->device_back();
  return {};
}

std::optional<engine::Wanted> Dataplane::wanted() {
  auto wanted = plane_.wanted();
  if (!wanted && plane_.wanted_left()) ::eventfd_write(call_.get(), 1);
  return wanted;
}

std::optional<engine::SaId> Dataplane::attention() {
  auto id = plane_.attention();
  if (!id && plane_.attention_left()) ::eventfd_write(call_.get(), 1);
  return id;
}

void Dataplane::put(const engine::Sa& sa) {
  if (!ports_of_.contains(sa.id())) {
    std::vector<std::uint16_t> ports = ports_of(sa, options_.port);
    bool fresh = false;
    for (const std::uint16_t port : ports) udp_ports_.use(port), fresh |= ports_[port]++ == 0;
    if (fresh) ports_changed();
    if (!ports.empty()) ports_of_.emplace(sa.id(), std::move(ports));
  }
  plane_.put(sa);
  keep_alives_->set_timer(plane_);
}

void Dataplane::remove(const engine::SaId& id) {
  plane_.remove(id);
  keep_alives_->set_timer(plane_);
  const auto node = ports_of_.extract(id);
  if (!node) return;
  bool gone = false;
  for (const std::uint16_t port : node.mapped()) {
    udp_ports_.leave(port);
    if (--ports_[port] == 0) ports_.erase(port), gone = true;
  }
  if (gone) ports_changed();
}

}  // namespace ipseckey::ipsecd
