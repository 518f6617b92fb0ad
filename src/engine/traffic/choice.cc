#include "engine/traffic/choice.h"

#include <algorithm>

#include "engine/traffic/hash.h"

namespace engine::traffic {
namespace {

bool better(const Flow& a, const Flow* b) {
  if (!b) return true;
  const bool a_dying = a.dying.load(std::memory_order_relaxed), b_dying = b->dying.load(std::memory_order_relaxed);
  return a_dying != b_dying ? b_dying : a.serial > b->serial;
}

}  // namespace

bool Choice::Shape::operator==(const Shape& other) const {
  return tunnel == other.tunnel && family == other.family && src_prefix == other.src_prefix &&
         dst_prefix == other.dst_prefix;
}

Choice::Choice() : shapes_(new Shapes) {}

Choice::~Choice() {
  groups_.for_each([](Group& g) { delete &g; });
  delete shapes_.load();
}

Choice::Key Choice::key_of(const Flow& flow) {
  const Selectors& s = flow.selectors;
  return {flow.tunnel, s.src_prefix, s.dst_prefix, masked(s.src, s.src_prefix), masked(s.dst, s.dst_prefix)};
}

std::uint32_t Choice::hash_of(const Key& key) {
  Hasher h;
  h.add(std::uint64_t{key.tunnel} << 16 | std::uint64_t{key.src_prefix} << 8 | key.dst_prefix);
  h.add(key.src);
  h.add(key.dst);
  return h.value();
}

Choice::Group* Choice::group(const Key& key) const {
  return groups_.find(hash_of(key), [&](const Group& g) { return g.key == key; });
}

Flow* Choice::find(const Headers& h) const {
  Flow* best = nullptr;
  const Shapes& shapes = *shapes_.load();
  for (const Shape& shape : shapes) {
    if (best && best->tunnel && !shape.tunnel) break;
    if (shape.family != h.dst.family) continue;
    const Group* const g = group({shape.tunnel, shape.src_prefix, shape.dst_prefix, masked(h.src, shape.src_prefix),
                                  masked(h.dst, shape.dst_prefix)});
    if (!g) continue;
    for (Flow* f = g->newest.load(); f; f = f->older.load())
      if (f->usable.load() && better(*f, best) && f->selectors.match(h)) {
        best = f;
        if (!f->dying.load(std::memory_order_relaxed)) break;  // The rest of the group is older.
      }
  }
  return best;
}

void Choice::publish(Shapes shapes, Epochs& epochs) {
  std::ranges::stable_partition(shapes, &Shape::tunnel);
  const auto* const made = new Shapes(std::move(shapes));
  epochs.retire(std::unique_ptr<const Shapes>(shapes_.exchange(made)));
}

void Choice::insert(Flow& flow, Epochs& epochs) {
  const Key key = key_of(flow);
  Group* g = group(key);
  if (!g) {
    g = new Group{key, hash_of(key), {}};
    groups_.insert(*g, epochs);
    const Shape shape{key.tunnel, key.dst.family, key.src_prefix, key.dst_prefix, 1};
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
  std::atomic<Flow*>* link = &g->newest;
  flow.newer = nullptr;
  for (Flow* f = link->load(); f && f->serial > flow.serial; f = link->load()) flow.newer = f, link = &f->older;
  Flow* const older = link->load();
  if (older) older->newer = &flow;
  flow.older.store(older, std::memory_order_relaxed);
  link->store(&flow);
}

void Choice::erase(Flow& flow, Epochs& epochs) {
  const Key key = key_of(flow);
  Group* const g = group(key);
  Flow* const older = flow.older.load();
  if (older) older->newer = flow.newer;
  (flow.newer ? flow.newer->older : g->newest).store(older);
  if (g->newest.load() != nullptr) return;
  groups_.erase(*g);
  epochs.retire(std::unique_ptr<Group>(g));
  const Shapes& now = *shapes_.load(std::memory_order_relaxed);
  const Shape shape{key.tunnel, key.dst.family, key.src_prefix, key.dst_prefix, 0};
  const auto known = std::ranges::find(now, shape);
  if (known->groups > 1) {
    --known->groups;
    return;
  }
  Shapes fewer = now;
  std::erase(fewer, shape);
  publish(std::move(fewer), epochs);
}

}  // namespace engine::traffic
