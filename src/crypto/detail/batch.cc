// Sealing a batch: ciphers, then ICVs. Opening: ICVs, then the ciphers of those packets whose ICV is right.
// 1. Waiting collects the packets that lanes can process. run() passes those of one kind to the lanes, if there are
//    enough (taken()), and the others one by one to OpenSSL.
// 2. Combined modes (add_combined() and finish_combined()) encrypt and authenticate in one step. Where that decrypts
//    before the ICV is known, the text of a packet with a wrong ICV is wiped.
// 3. add_text() and run_ciphers() are for the texts of the other modes, add_icv() and finish_icv() for their ICVs;
//    mac() is for those of AH.
// 4. The high half of an extended number belongs behind the packet: it is written there, where the ICV is on the wire,
//    while the ICV is computed.
#include "crypto/detail/batch.h"

#include <bit>
#include <utility>

#include "crypto/detail/same.h"

namespace ipseckey::crypto {
namespace {

using pfkey::Mode;

constexpr std::size_t kSpiAndNumber = 8;
constexpr std::size_t kRound = 16;  // The lanes of the widest registers.
constexpr std::size_t kSetUp = 64;  // The bytes of a text that take as long as the set-up of a packet.

// All lanes work until the longest packet is done, so short ones beside it count less.
bool pays(std::size_t total, std::size_t longest, unsigned from) { return total >= from * longest; }

template <class Item>
bool pays(std::span<const Item> items) {
  std::size_t longest = 0, total = 0;
  for (const Item& item : items) {
    const std::size_t cost = item.bytes() + kSetUp;
    longest = std::max(longest, cost), total += cost;
  }
  return pays(total, longest, items.front().from);
}

// The number of the first ones that lanes should take.
template <class Item>
std::size_t taken(std::span<const Item> items) {
  if (items.front().from <= 1) return items.size();
  const std::size_t rest = items.size() % kRound;
  if (items.size() > kRound && rest > 0 && !pays(items.last(rest))) items = items.first(items.size() - rest);
  return pays(items) ? items.size() : 0;
}

}  // namespace

template <class Item>
template <class Kind>
Item& Batch::Waiting<Item>::next(const Kind& kind, std::size_t bytes) {
  if (count == 0) longest = total = 0, alike = true;
  const std::size_t cost = bytes + kSetUp;
  longest = std::max(longest, cost), total += cost;
  if (count > 0 && kind != items[0].kind()) alike = false;
  return items[count++];
}

template <class Item>
bool Batch::use_lanes(std::span<const Item> items) {
  return !items.empty() && lanes_ && lanes_->run(items);
}

// Calls `done` for each with true if the lanes processed it, with false if they did not.
template <class Item, class Done>
void Batch::run(Waiting<Item>& waiting, Done done) {
  const std::size_t all = std::exchange(waiting.count, 0);
  if (all == 0) return;
  if (!lanes_) lanes_ = Lanes::make();
  std::span<Item> items = std::span(waiting.items).first(all);
  if (waiting.alike && all % kRound == 0) {
    const bool pay = pays(waiting.total, waiting.longest, items.front().from);
    const bool ran = pay && use_lanes(std::span<const Item>(items));
    for (const Item& item : items) done(item, ran);
    return;
  }
  while (!items.empty()) {
    const auto kind = items.front().kind();
    const auto others = std::ranges::partition(items, [&](const Item& item) { return item.kind() == kind; });
    const std::span<const Item> group = items.first(items.size() - others.size());
    const std::span<const Item> some = group.first(taken(group));
    const bool ran = use_lanes(some);
    for (std::size_t i = 0; i < group.size(); ++i) done(group[i], ran && i < some.size());
    items = others;
  }
}

// ---- combined modes

void Batch::add_combined(Job& job, std::size_t i, bool sealing) {
  const Contexts& c = job.keyed->contexts();
  const auto& [single, lane, from] = sealing ? c.seal : c.open;
  const std::size_t text = job.esp.size() - c.text;
  if (!lane || (single && (text == 0 || text > kMostInLane))) return finish_combined(job, i, false, sealing);
  const View& v = views_[i].emplace(c, job);
  Lanes::Packet& p = packets_.next(lane->kind(), text);
  p.cipher = lane.get();
  p.nonce = Bytes(v.nonce).first(c.salt_size + c.encrypt->iv), p.aad = v.aad;
  p.text = v.text, p.icv = sealing ? job.icv : tag(i, c.tag);
  p.job = i, p.from = from;
}

void Batch::finish_combined(Job& job, std::size_t i, bool done, bool sealing) {
  Contexts& c = job.keyed->contexts();
  if (sealing) {
    job.ok = done || seal_combined(c, job);
    return;
  }
  job.ok = done ? same(tag(i, job.icv.size()), job.icv) : open_combined(c, job);
  if (!job.ok && c.encrypt->mode != Mode::gmac) wipe(job.esp.subspan(c.text));
}

// ---- other ciphers

void Batch::add_text(Job& job, std::size_t i, bool sealing) {
  const Contexts& c = job.keyed->contexts();
  job.ok = true;
  const MutableBytes text = job.esp.subspan(c.text);
  if (c.null || text.empty()) return;
  const auto& [single, lane, from] = sealing ? c.seal : c.open;
  if (!lane || (single && text.size() > kMostInLane)) {
    job.ok = run_single(c, single.get(), job);
    return;
  }
  const std::byte* iv = job.esp.data() + kSpiAndNumber;
  if (c.encrypt->mode == Mode::ctr) {
    std::ranges::copy(c.salt, nonces_[i].begin());
    std::copy_n(iv, 8, nonces_[i].begin() + 4);
    iv = nonces_[i].data();
  }
  Lanes::Text& t = texts_.next(lane->kind(), text.size());
  t.cipher = lane.get();
  t.text = text, t.iv = iv;
  t.job = i, t.from = from;
}

void Batch::run_ciphers(std::span<Job> jobs, bool sealing) {
  run(texts_, [&](const Lanes::Text& t, bool done) {
    if (done) return;
    Job& job = jobs[t.job];
    const Contexts& c = job.keyed->contexts();
    job.ok = run_single(c, (sealing ? c.seal : c.open).single.get(), job);
  });
}

// ---- ICVs

// False: lanes cannot compute it.
inline bool Batch::want(const Contexts& c, Bytes message, MutableBytes icv, std::size_t i) {
  const LaneMac* const lane = c.mac_lane;
  const std::size_t size = icv.size();
  if (!lane || message.size() < kLeastInLane || message.size() > kMostInLane || size > lane->size) return false;
  Lanes::Message& m = messages_.next(lane->kind, message.size());
  m.mac = lane;
  m.message = message;
  m.icv = size == lane->cut || size == lane->size ? icv : tag(i, lane->size);
  m.job = i, m.from = c.mac_from;
  return true;
}

void Batch::add_icv(Job& job, std::size_t i, bool sealing) {
  const Contexts& c = job.keyed->contexts();
  const MutableBytes icv = sealing ? job.icv : tag(i, job.icv.size());
  placed_[i] = false;
  std::array<std::byte, 4> high{};
  Bytes message = job.esp;
  if (c.esn) {
    high = std::bit_cast<std::array<std::byte, 4>>(big_endian(job.sequence_high));
    placed_[i] = job.icv.data() == job.esp.data() + job.esp.size() && job.icv.size() >= high.size();
  }
  if (placed_[i]) {
    std::ranges::copy(job.icv.first(high.size()), covered_[i].begin());
    std::ranges::copy(high, job.icv.begin());
    message = {job.esp.data(), job.esp.size() + high.size()};
  }
  const bool apart = c.esn && !placed_[i];
  if (!apart && want(c, message, icv, i)) return;
  const std::array<Bytes, 2> parts = {message, high};
  finish_icv(job, i, c.mac->compute(std::span(parts).first(apart ? 2 : 1), icv), sealing);
}

// The ICV is where add_icv() wanted it, if `computed`.
inline void Batch::finish_icv(Job& job, std::size_t i, bool computed, bool sealing) {
  job.ok = computed;
  if (sealing) return;
  if (placed_[i]) std::ranges::copy(covered_[i], job.icv.begin());
  job.ok = computed && same(tag(i, job.icv.size()), job.icv);
  if (job.ok) add_text(job, i, sealing);
}

// ---- a batch

void Batch::seal(std::span<Job> jobs) {
  bool any = false;
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    const Contexts& c = jobs[i].keyed->contexts();
    if (c.combined) {
      add_combined(jobs[i], i, true);
    } else if (c.null) {
      jobs[i].ok = true;
    } else {
      add_text(jobs[i], i, true);
    }
    any = any || c.mac;
  }
  run(packets_, [&](const Lanes::Packet& p, bool done) { finish_combined(jobs[p.job], p.job, done, true); });
  run_ciphers(jobs, true);
  if (!any) return;
  for (std::size_t i = 0; i < jobs.size(); ++i)
    if (jobs[i].ok && jobs[i].keyed->contexts().mac) add_icv(jobs[i], i, true);
  run(messages_, [&](const Lanes::Message& m, bool done) {
    Job& job = jobs[m.job];
    if (!done) done = job.keyed->contexts().mac->compute({&m.message, 1}, m.icv);
    if (m.icv.data() != job.icv.data()) std::ranges::copy(m.icv.first(job.icv.size()), job.icv.begin());
    finish_icv(job, m.job, done, true);
  });
}

void Batch::open(std::span<Job> jobs) {
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    const Contexts& c = jobs[i].keyed->contexts();
    if (c.combined) {
      add_combined(jobs[i], i, false);
    } else {
      c.mac ? add_icv(jobs[i], i, false) : add_text(jobs[i], i, false);
    }
  }
  run(packets_, [&](const Lanes::Packet& p, bool done) { finish_combined(jobs[p.job], p.job, done, false); });
  run(messages_, [&](const Lanes::Message& m, bool done) {
    Job& job = jobs[m.job];
    finish_icv(job, m.job, done || job.keyed->contexts().mac->compute({&m.message, 1}, m.icv), false);
  });
  run_ciphers(jobs, false);
}

void Batch::mac(std::span<MacJob> jobs) {
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    MacJob& job = jobs[i];
    const Contexts& c = job.keyed->contexts();
    job.ok = c.mac && (want(c, job.message, job.icv, i) || c.mac->compute({&job.message, 1}, job.icv));
  }
  run(messages_, [&](const Lanes::Message& m, bool done) {
    MacJob& job = jobs[m.job];
    job.ok = done || job.keyed->contexts().mac->compute({&m.message, 1}, m.icv);
    if (m.icv.data() != job.icv.data()) std::ranges::copy(m.icv.first(job.icv.size()), job.icv.begin());
  });
}

}  // namespace ipseckey::crypto
