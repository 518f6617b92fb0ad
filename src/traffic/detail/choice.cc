// Which SA protects an outbound packet:
// 1. SAs with the same mode and selectors form a Group, newest first, with separate chains for mature and dying SAs.
// 2. A Shape describes which parts of the selectors a group specifies; shapes_ lists them, tunnels first.
// 3. find() builds one Key per shape from the packet's headers and looks that group up: a few probes, whatever the
//    number of SAs.
// 4. insert(), sort() and erase() are called by one thread; they change chains in an order that is safe for readers,
//    and publish a new list of shapes when one is added or removed.
// 5. The epochs free what was removed once no batch can see it.
#include "traffic/detail/choice.h"

#include <algorithm>

#include "pfkey/icmp.h"
#include "traffic/hash.h"

namespace ipseckey::traffic {
namespace {

bool is_dying(const Flow& flow) { return flow.dying.load(std::memory_order_relaxed); }

bool better(const Flow& a, const Flow* b) {
  if (!b) return true;
  const bool a_dying = is_dying(a), b_dying = is_dying(*b);
  return a_dying != b_dying ? b_dying : a.serial > b->serial;
}

}  // namespace

bool Choice::Shape::operator==(const Shape& other) const {
  return tunnel == other.tunnel && family == other.family && src_prefix == other.src_prefix &&
         dst_prefix == other.dst_prefix && protocol == other.protocol && src_port == other.src_port &&
         dst_port == other.dst_port;
}

Choice::Choice() : shapes_(new Shapes) {}

Choice::~Choice() {
  groups_.for_each([](Group& g) { delete &g; });
  delete shapes_.load();
}

Choice::Key Choice::key_of(const Flow& flow) {
  Key key{flow.tunnel, flow.selectors};
  key.selectors.src = masked(key.selectors.src, key.selectors.src_prefix);
  key.selectors.dst = masked(key.selectors.dst, key.selectors.dst_prefix);
  return key;
}

Choice::Shape Choice::shape_of(const Key& key) {
  const Selectors& s = key.selectors;
  return {.tunnel = key.tunnel,
          .family = s.dst.family,
          .src_prefix = s.src_prefix,
          .dst_prefix = s.dst_prefix,
          .protocol = s.protocol != 0,
          .src_port = s.src_port.has_value(),
          .dst_port = s.dst_port.has_value(),
          .groups = 1};
}

std::optional<Choice::Key> Choice::key_of(const Headers& h, const Shape& shape) {
  const bool icmp = shape.protocol && pfkey::is_icmp(h.upper);
  const auto &src_port = icmp ? h.icmp_type : h.src_port, &dst_port = icmp ? h.icmp_code : h.dst_port;
  if ((shape.src_port && !src_port) || (shape.dst_port && !dst_port)) return std::nullopt;
  return Key{shape.tunnel,
             {.src = masked(h.src, shape.src_prefix),
              .dst = masked(h.dst, shape.dst_prefix),
              .src_prefix = shape.src_prefix,
              .dst_prefix = shape.dst_prefix,
              .protocol = shape.protocol ? h.upper : std::uint8_t{0},
              .src_port = shape.src_port ? src_port : std::nullopt,
              .dst_port = shape.dst_port ? dst_port : std::nullopt}};
}

std::uint32_t Choice::hash_of(const Key& key) {
  const Selectors& s = key.selectors;
  const std::uint64_t given = std::uint64_t{key.tunnel} << 2 | std::uint64_t{s.src_port.has_value()} << 1 |
                              std::uint64_t{s.dst_port.has_value()};
  Hasher h;
  h.add(given << 48 | std::uint64_t{s.src_prefix} << 40 | std::uint64_t{s.dst_prefix} << 32 |
        std::uint64_t{s.src_port.value_or(0)} << 16 | s.dst_port.value_or(0));
  h.add(s.src);
  h.add(s.dst);
  h.add(s.protocol);
  return h.value();
}

Choice::Group* Choice::group(const Key& key) const {
  return groups_.find(hash_of(key), [&](const Group& g) { return g.key == key; });
}

template <class Count, class Is>
Flow* Choice::search(const Headers& h, Count count, Is is) const {
  Flow* best = nullptr;
  const Shapes& shapes = *shapes_.load();
  for (const Shape& shape : shapes) {
    if (best && best->tunnel && !shape.tunnel) break;
    if (shape.family != h.dst.family) continue;
    const auto key = key_of(h, shape);
    if (!key) continue;
    count();
    const Group* const g = group(*key);
    if (!g) continue;
    const Flow* const before = best;
    for (std::size_t age = 0; age < Flow::kAges && best == before; ++age)
      for (Flow* f = g->newest[age].load(); f; f = f->chains[age].older.load()) {
        count();
        if (!f->usable.load() || !is(*f)) continue;
        if (better(*f, best)) best = f;
        break;  // All others in the chain are older.
      }
  }
  return best;
}

// An SA that moves from the dying to the mature chain is linked there first: a reader that looks in the new chain
// before, and in the old one after the change, notices it by the generation.
template <class Is>
Flow* Choice::find_if(const Headers& h, Is is) const {
  for (;;) {
    const std::uint64_t before = rejuvenated_.load();
    Flow* const found = search(h, [] {}, is);
    if (found || rejuvenated_.load() == before) return found;
  }
}

Flow* Choice::find(const Headers& h) const {
  return find_if(h, [](const Flow&) { return true; });
}

Flow* Choice::find(const Headers& h, absl::FunctionRef<bool(const Flow&)> is) const { return find_if(h, is); }

bool Choice::names_ports(Family family) const {
  return std::ranges::any_of(*shapes_.load(), [&](const Shape& shape) {
    return shape.tunnel && shape.family == family && (shape.src_port || shape.dst_port);
  });
}

std::size_t Choice::effort(const Headers& h) const {
  std::size_t steps = 0;
  search(h, [&] { ++steps; }, [](const Flow&) { return true; });
  return steps;
}

void Choice::publish(Shapes shapes, Epochs& epochs) {
  std::ranges::stable_partition(shapes, &Shape::tunnel);
  const auto* const made = new Shapes(std::move(shapes));
  epochs.retire(std::unique_ptr<const Shapes>(shapes_.exchange(made)));
}

void Choice::link(Group& group, Flow& flow) {
  const std::size_t age = flow.filed_dying = is_dying(flow);
  std::atomic<Flow*>* place = &group.newest[age];
  flow.chains[age].newer = nullptr;
  for (Flow* f = place->load(); f && f->serial > flow.serial; f = place->load())
    flow.chains[age].newer = f, place = &f->chains[age].older;
  Flow* const older = place->load();
  if (older) older->chains[age].newer = &flow;
  flow.chains[age].older.store(older);
  place->store(&flow);
}

// Its own link to the older SAs stays, for a reader that is at it.
void Choice::unlink(Group& group, Flow& flow, bool dying) {
  const std::size_t age = dying;
  Flow* const older = flow.chains[age].older.load();
  Flow* const newer = flow.chains[age].newer;
  if (older) older->chains[age].newer = newer;
  (newer ? newer->chains[age].older : group.newest[age]).store(older);
}

void Choice::insert(Flow& flow, Epochs& epochs) {
  const Key key = key_of(flow);
  Group* g = group(key);
  if (!g) {
    g = new Group{key, hash_of(key)};
    groups_.insert(*g, epochs);
    const Shape shape = shape_of(key);
    const Shapes& now = *shapes_.load(std::memory_order_relaxed);
    const auto known = std::ranges::find(now, shape);
    if (known == now.end()) {
      Shapes more = now;
      more.push_back(shape);
      publish(std::move(more), epochs);
    } else {
      ++known->groups;
    }
  }
  link(*g, flow);
}

void Choice::sort(Flow& flow) {
  const bool was = flow.filed_dying;
  if (is_dying(flow) == was) return;
  Group& g = *group(key_of(flow));
  link(g, flow);
  if (was) ++rejuvenated_;
  unlink(g, flow, was);
}

void Choice::erase(Flow& flow, Epochs& epochs) {
  const Key key = key_of(flow);
  Group* const g = group(key);
  unlink(*g, flow, flow.filed_dying);
  if (std::ranges::any_of(g->newest, [](const auto& newest) { return newest.load() != nullptr; })) return;
  groups_.erase(*g);
  epochs.retire(std::unique_ptr<Group>(g));
  const Shapes& now = *shapes_.load(std::memory_order_relaxed);
  const Shape shape = shape_of(key);
  const auto known = std::ranges::find(now, shape);
  if (known->groups > 1) {
    --known->groups;
    return;
  }
  Shapes fewer = now;
  std::erase(fewer, shape);
  publish(std::move(fewer), epochs);
}

}  // namespace ipseckey::traffic
