// The packet path as the engine's thread sees it:
// 1. put() creates a Flow for a new SA and files it by name, by what it covers (Choice) and by its peer; for an
//    existing SA, change() applies what has changed.
// 2. halt() waits until no batch uses the Flow; remove() takes it out of the tables, and the epochs free it later.
// 3. Workers put Flows that need attention on a lock-free list; take_listed() empties it into `pending`.
// 4. attention(), moved() and wanted() return what is due, one at a time.
// 5. outbound() and inbound() add up the counters of all workers.
#include "traffic/plane.h"

#include <algorithm>

#include "traffic/hash.h"
#include "traffic/worker.h"

namespace ipseckey::traffic {

Totals& Totals::operator+=(const Totals& other) {
  packets += other.packets, bytes += other.bytes, clear += other.clear;
  for (std::size_t i = 0; i < kCauses; ++i) drops[i] += other.drops[i];
  return *this;
}

namespace {

PlaneOptions completed(PlaneOptions options) {
  if (!options.random) options.random = crypto::random_bytes;
  options.workers = std::max(1u, options.workers);
  options.mtu = std::min<std::uint32_t>(options.mtu, UINT16_MAX);
  return options;
}

}  // namespace

Plane::State::State(PlaneOptions o)
    : options(completed(std::move(o))), epochs(options.workers), tags(options.random), datagrams(options.random) {
  for (unsigned i = 0; i < options.workers; ++i) desks.push_back(std::make_unique<Desk>());
}

Plane::State::~State() {
  flows.for_each([](Flow& f) { delete &f; });
  delete orders.load();
}

Flow* Plane::State::find(const engine::SaId& id) const {
  return flows.find(hash_of(id), [&](const Flow& f) { return f.id == id; });
}

void Plane::State::list(Flow& flow) {
  Flow* head = listed.load(std::memory_order_relaxed);
  do flow.next_listed = head;
  while (!listed.compare_exchange_weak(head, &flow, std::memory_order_release));
}

// A Flow that a worker listed in its last batch must leave the list before it is freed.
void Plane::State::collect() {
  epochs.collect([this] { take_listed(); });
}

void Plane::State::take_listed() {
  for (Flow* f = listed.exchange(nullptr, std::memory_order_acquire); f;) {
    Flow* const next = f->next_listed;
    pending.add(f->id);
    f->attended();
    f = next;
  }
}

// Filed under its peer, if it follows it or reports its place.
void Plane::State::file(Flow& flow) {
  keep_alives.file(flow);
  if (options.nat_follow && flow.udp) followers.file(flow, epochs);
}

// An SA that changes its directions keeps its Flow, and with it the window, the connections and the numbers; only the
// outbound choice and the peer change.
void Plane::State::change(Flow& flow, const engine::Sa& sa) {
  const bool was_dying = flow.dying.load(std::memory_order_relaxed), sent = flow.sends.load(std::memory_order_relaxed),
             received = flow.receives.load(std::memory_order_relaxed), halted = !flow.usable.load();
  flow.take(sa);
  const bool sends = flow.sends.load(std::memory_order_relaxed);
  if (sends && !sent) choice.insert(flow, epochs);
  if (sent && !sends) choice.erase(flow, epochs);
  if (sends != sent || flow.receives.load(std::memory_order_relaxed) != received) file(flow);
  if (sent && sends) choice.sort(flow);
  if (halted || sends != sent || was_dying != flow.dying.load(std::memory_order_relaxed)) ++generation;
  collect();
}

Plane::Plane(PlaneOptions options) : state_(std::make_unique<State>(std::move(options))) {}
Plane::~Plane() = default;

Worker Plane::worker(unsigned number) { return Worker(std::make_unique<Worker::State>(*state_, number)); }

void Plane::put(const engine::Sa& sa) {
  if (Flow* const flow = state_->find(sa.id())) {
    state_->change(*flow, sa);
    return;
  }
  std::uint64_t iv = 0;
  std::array<std::byte, sizeof iv> random;
  state_->options.random(random);
  iv = std::bit_cast<std::uint64_t>(random);
  const SaNumbersSource& source = state_->options.numbers;
  auto flow =
      std::make_unique<Flow>(sa, state_->options.workers, iv, source ? source(sa.id()) : std::make_shared<SaNumbers>());
  const bool ah = sa.satype == pfkey::SaType::ah;
  flow->datagrams = state_->datagrams.series(flow->src, flow->id.dst, flow->udp ? kUdp : ah ? kAh : kEsp);
  if (flow->sends.load(std::memory_order_relaxed)) state_->choice.insert(*flow, state_->epochs);
  state_->file(*flow);
  state_->flows.insert(*flow.release(), state_->epochs);
  ++state_->generation;
  state_->collect();
}

void Plane::halt(const engine::SaId& id) {
  Flow* const flow = state_->find(id);
  if (!flow) return;
  flow->usable.store(false);
  ++state_->generation;
  state_->epochs.wait();
}

void Plane::remove(const engine::SaId& id) {
  Flow* const flow = state_->find(id);
  if (!flow) return;
  flow->usable.store(false, std::memory_order_relaxed);
  ++state_->generation;
  if (flow->sends.load(std::memory_order_relaxed)) state_->choice.erase(*flow, state_->epochs);
  if (state_->options.nat_follow) state_->followers.remove(*flow);
  state_->keep_alives.remove(*flow);
  state_->flows.erase(*flow);
  state_->epochs.retire(std::unique_ptr<Flow>(flow));
  state_->collect();
}

std::optional<engine::Carried> Plane::carried(const engine::SaId& id) const {
  const Flow* const flow = state_->find(id);
  if (!flow) return std::nullopt;
  return flow->carried();
}

// A worker reads the generation first: what it remembers under the new one was decided by the new rules.
void Plane::rules(std::shared_ptr<const policy::Lookup> rules) {
  std::unique_ptr<Orders> made;
  if (rules && !rules->rules().empty()) {
    const auto device = rules->tunnel(state_->options.device);
    if (++state_->orders_given == 0) ++state_->orders_given;
    made = std::make_unique<Orders>(std::move(rules), state_->orders_given, device);
  }
  std::unique_ptr<const Orders> old(state_->orders.exchange(made.release()));
  ++state_->generation;
  if (old) state_->epochs.retire(std::move(old));
  state_->collect();
}

std::optional<engine::SaId> Plane::attention() {
  state_->take_listed();
  state_->collect();
  return state_->pending.next();
}

std::optional<pfkey::Endpoint> Plane::moved(const engine::SaId& id) {
  Flow* const flow = state_->find(id);
  const auto place = flow ? flow->peer.take() : std::nullopt;
  if (!place) return std::nullopt;
  if (state_->options.nat_follow) state_->followers.follow(*flow, *place, state_->epochs);
  return pfkey::Endpoint{.proto = pfkey::kProtoUdp, .prefix = 0, .address = place->address, .port = place->port};
}

bool Plane::attention_left() const { return !state_->pending.empty(); }

std::optional<engine::Wanted> Plane::wanted() {
  constexpr unsigned kRound = 64;
  if (state_->asked++ < kRound)
    for (const auto& desk : state_->desks)
      if (auto wanted = desk->questions.pop()) return wanted;
  state_->asked = 0;
  return std::nullopt;
}

bool Plane::wanted_left() const {
  return std::ranges::any_of(state_->desks, [](const auto& desk) { return !desk->questions.empty(); });
}

void Plane::path_mtu(const engine::SaId& id, std::uint32_t mtu, Instant now) {
  const std::uint32_t believed = std::max(mtu, id.dst.family == Family::v4 ? kLeastReportV4 : kLeastReportV6);
  if (Flow* const flow = state_->find(id)) flow->narrow_path(believed, now);
  if (id.satype != pfkey::SaType::esp) return;
  state_->followers.at(id.spi, id.dst, [&](Flow& moved) { moved.narrow_path(believed, now); });
}

bool Plane::keep_alive(Item& item, Instant now) {
  Flow* const flow = state_->keep_alives.due(now);
  if (flow) write_keep_alive(item, *flow, state_->options.mtu);
  return flow != nullptr;
}

void Plane::keep_alive_again(const engine::SaId& id, Instant now) {
  if (Flow* const flow = state_->find(id)) state_->keep_alives.again(*flow, now);
}

std::optional<std::chrono::nanoseconds> Plane::keep_alive_at() const { return state_->keep_alives.deadline(); }

Totals Plane::outbound() const {
  Totals totals;
  for (const auto& desk : state_->desks) desk->outbound.add_to(totals);
  return totals;
}

Totals Plane::inbound() const {
  Totals totals;
  for (const auto& desk : state_->desks) desk->inbound.add_to(totals);
  return totals;
}

}  // namespace ipseckey::traffic
