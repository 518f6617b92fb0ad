// How roads stay true:
// 1. begin() lists links and neighbours. Routes are not listed, as a router has a million: one question for
//    each destination lets the kernel apply rules, marks and metrics itself.
// 2. news() changes the tables, and marks the destinations whose route must be asked again.
// 3. settle() asks for these, computes every road and publishes all of them if one is another than before.
// 4. tick() forgets destinations that are no longer used, lets the kernel confirm neighbours that are in use, and asks
//    for all routes from time to time.
#include "ipsecd/packets/survey.h"

#include <utility>
#include <variant>

namespace ipseckey::ipsecd {

void Survey::begin() {
  const Detour before = map_.obstacle();
  map_.obstacle(Detour::unsure);
  changed_ = true;
  publish();
  map_.obstacle(before);
  map_.clear();
  complete_ = source_.list([&](const RoadNews& one) { news(one); });
  ask_all();
}

void Survey::news(const RoadNews& news) {
  changed_ = true;
  struct Change {
    Survey& survey;
    void operator()(const LinkNews& n) const {
      survey.map_.link(n.index, n.facts);
      survey.ask_all();  // The kernel does not report each route that a link without carrier takes away.
    }
    void operator()(const LinkGone& n) const {
      survey.map_.link_gone(n.index);
      survey.ask_all();
    }
    void operator()(const NeighbourNews& n) const { survey.map_.neighbour(n.link, n.address, n.facts); }
    void operator()(const RouteNews& n) const {
      for (auto& [to, entry] : survey.entries_) entry.must_ask |= n.concerns(to);
    }
    void operator()(const OtherRoutes&) const { survey.ask_all(); }
  };
  std::visit(Change{*this}, news);
}

void Survey::ask_all() {
  for (auto& [to, entry] : entries_) entry.must_ask = true;
}

void Survey::ask(std::span<const Address> destinations) {
  for (const Address& to : destinations) {
    if (entries_.size() >= kMost) return;
    const auto [entry, fresh] = entries_.try_emplace(to);
    if (!fresh) continue;
    entry->second.destination.used = std::make_shared<std::atomic<bool>>(true);
    changed_ = true;
  }
}

void Survey::obstacle(Detour detour) {
  if (map_.obstacle() == detour) return;
  map_.obstacle(detour);
  changed_ = true;
}

void Survey::settle() {
  for (auto& [to, entry] : entries_) {
    if (!std::exchange(entry.must_ask, false)) continue;
    entry.route = source_.route(to);
    changed_ = true;
  }
  publish();
}

void Survey::publish() {
  if (!std::exchange(changed_, false)) return;
  const auto before = board_.roads();
  bool other = before->to.size() != entries_.size();
  for (auto& [to, entry] : entries_) {
    const Judged judged = complete_ ? map_.road(to, entry.route) : Judged{Detour::unsure};
    other |= entry.destination.judged != judged || !before->to.contains(to);
    entry.destination.judged = judged;
    entry.destination.link = judged.detour == Detour::none ? map_.link_name(judged.road.link) : std::string_view();
  }
  if (!other) return;
  auto roads = std::make_shared<Roads>();
  roads->to.reserve(entries_.size());
  for (const auto& [to, entry] : entries_) roads->to.emplace(to, entry.destination);
  board_.publish(std::move(roads));
}

void Survey::tick() {
  if (!complete_) begin();
  for (auto& [to, entry] : entries_) {
    const bool used = entry.destination.used->exchange(false, std::memory_order_relaxed);
    entry.unused = used ? 0 : entry.unused + 1;
    if (!used || !entry.route || entry.destination.judged.detour != Detour::none) continue;
    // The kernel does not see the packets, and would not ask the neighbour by itself.
    if (const NeighbourFacts* const next = map_.next_hop(to, *entry.route); next && next->stale)
      source_.confirm(entry.route->link, entry.route->gateway.value_or(to));
  }
  if (absl::erase_if(entries_, [](const auto& e) { return e.second.unused >= kForgotten; }) > 0) changed_ = true;
  if (++ticks_ % kAskedAgain == 0) ask_all();
}

}  // namespace ipseckey::ipsecd
