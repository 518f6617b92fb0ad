// Sealing a batch: ciphers, then ICVs. Opening: ICVs, then the ciphers of those packets whose ICV is right.
// 1. Each step collects its packets. in_groups() passes those of one kind to the lanes, if there are enough (taken()),
//    and the others one by one to OpenSSL.
// 2. Combined modes, run_combined(), encrypt and authenticate in one step. Where that decrypts before the ICV is known,
//    the text of a packet with a wrong ICV is wiped.
// 3. run_ciphers() does the texts of the other modes, digest() their ICVs and those of AH.
// 4. The high half of an extended number belongs behind the packet: it is written there, where the ICV is on the wire,
//    while the ICV is computed.
#include "crypto/detail/batch.h"

#include <algorithm>
#include <bit>
#include <utility>

namespace ipseckey::crypto {
namespace {

using pfkey::Mode;

constexpr std::size_t kSpiAndNumber = 8;
constexpr std::size_t kRound = 16;  // The lanes of the widest registers.

// The set-up of a packet, in bytes that take as long.
constexpr std::size_t kSetUp = 64;
std::size_t cost(const Lanes::Text& t) { return t.text.size() + kSetUp; }
std::size_t cost(const Lanes::Packet& p) { return p.text.size() + kSetUp; }
std::size_t cost(const Lanes::Message& m) { return m.message.size() + kSetUp; }

const LaneCipher::Kind& kind(const Lanes::Text& t) { return t.cipher->kind(); }
const LaneCipher::Kind& kind(const Lanes::Packet& p) { return p.cipher->kind(); }
LaneMac::Kind kind(const Lanes::Message& m) { return m.mac->kind; }

// All lanes work until the longest packet is done, so short ones beside it count less.
template <class Item>
bool pays(std::span<const Item> items, unsigned from) {
  std::size_t longest = 0, total = 0;
  for (const Item& item : items) longest = std::max(longest, cost(item)), total += cost(item);
  return total >= from * longest;
}

// The number of the first ones that lanes should take.
template <class Item>
std::size_t taken(std::span<const Item> items, unsigned from) {
  if (from <= 1) return items.size();
  const std::size_t rest = items.size() % kRound;
  if (items.size() > kRound && rest > 0 && !pays(items.last(rest), from)) items = items.first(items.size() - rest);
  return pays(items, from) ? items.size() : 0;
}

// Calls `done` for each item with true if the lanes processed it, with false if they did not.
template <class Item, class From, class Done>
void in_groups(std::span<Item> items, Lanes* lanes, From from, Done done) {
  while (!items.empty()) {
    const auto first = kind(items.front());
    const auto others = std::ranges::partition(items, [&](const Item& item) { return kind(item) == first; });
    const std::span<Item> group = items.first(items.size() - others.size());
    const std::span<const Item> all = group;
    std::size_t count = lanes ? taken(all, from(group.front())) : 0;
    if (count > 0 && !lanes->run(all.first(count))) count = 0;
    for (std::size_t i = 0; i < group.size(); ++i) done(group[i], i < count);
    items = others;
  }
}

}  // namespace

Lanes* Batch::lanes() {
  if (!lanes_) lanes_ = Lanes::make();
  return lanes_.get();
}

// ---- combined modes

void Batch::finish_combined(Job& job, std::size_t i, bool done, bool sealing) {
  Contexts& c = job.keyed->contexts();
  if (sealing) {
    job.ok = done || seal_combined(c, job);
    return;
  }
  job.ok = done ? equal(tag(i, job.icv.size()), job.icv) : open_combined(c, job);
  if (!job.ok && c.encrypt->mode != Mode::gmac) wipe(job.esp.subspan(kSpiAndNumber + c.encrypt->iv));
}

void Batch::run_combined(std::span<Job> jobs, bool sealing) {
  std::size_t count = 0;
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    Job& job = jobs[i];
    const Contexts& c = job.keyed->contexts();
    if (!c.encrypt->combined()) continue;
    const Direction& d = sealing ? c.seal : c.open;
    const std::size_t text = job.esp.size() - kSpiAndNumber - c.encrypt->iv;
    if (!d.lane || (d.single && (text == 0 || text > kMostInLane))) {
      finish_combined(job, i, false, sealing);
      continue;
    }
    const View& v = views_[i].emplace(c, job);
    packets_[count++] = {d.lane.get(),
                         Bytes(v.nonce).first(c.salt_size + c.encrypt->iv),
                         v.aad,
                         v.text,
                         sealing ? job.icv : tag(i, c.tag),
                         i};
  }
  if (count == 0) return;
  const auto from = [&](const Lanes::Packet& p) {
    const Contexts& c = jobs[p.job].keyed->contexts();
    return (sealing ? c.seal : c.open).from;
  };
  in_groups(std::span(packets_).first(count), lanes(), from,
            [&](const Lanes::Packet& p, bool done) { finish_combined(jobs[p.job], p.job, done, sealing); });
}

// ---- other ciphers

void Batch::run_ciphers(std::span<Job> jobs, bool sealing) {
  std::size_t count = 0;
  const auto direction = [sealing](const Job& job) -> const Direction& {
    const Contexts& c = job.keyed->contexts();
    return sealing ? c.seal : c.open;
  };
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    Job& job = jobs[i];
    const Contexts& c = job.keyed->contexts();
    if (c.encrypt->combined() || !job.ok || c.encrypt->mode == Mode::null) continue;
    const Direction& d = direction(job);
    const MutableBytes text = job.esp.subspan(kSpiAndNumber + c.encrypt->iv);
    if (text.empty()) continue;
    if (!d.lane || (d.single && text.size() > kMostInLane)) {
      job.ok = run_single(c, d.single.get(), job);
      continue;
    }
    const std::byte* iv = job.esp.data() + kSpiAndNumber;
    if (c.encrypt->mode == Mode::ctr) {
      std::ranges::copy(c.salt, nonces_[i].begin());
      std::copy_n(iv, c.encrypt->iv, nonces_[i].begin() + static_cast<long>(c.salt_size));
      iv = nonces_[i].data();
    }
    texts_[count++] = {d.lane.get(), text, iv, i};
  }
  if (count == 0) return;
  in_groups(
      std::span(texts_).first(count), lanes(), [&](const Lanes::Text& t) { return direction(jobs[t.job]).from; },
      [&](const Lanes::Text& t, bool done) {
        Job& job = jobs[t.job];
        job.ok = done || run_single(job.keyed->contexts(), direction(job).single.get(), job);
      });
}

// ---- ICVs

void Batch::want(std::size_t i, const Contexts& c, Bytes message, std::size_t size) {
  icvs_[i].mac = c.mac.get(), icvs_[i].size = size, icvs_[i].from = c.mac_from;
  if (c.mac_lane && message.size() >= kLeastInLane && message.size() <= kMostInLane && size <= c.mac_lane->size) {
    messages_[waiting_++] = {c.mac_lane, message, tags_[i].data(), i};
  } else {
    icvs_[i].ok = c.mac->compute({&message, 1}, tag(i, size));
  }
}

void Batch::want(std::size_t i, const Job& job) {
  const Contexts& c = job.keyed->contexts();
  icvs_[i].placed = false;
  if (!c.esn) return want(i, c, job.esp, job.icv.size());
  const auto high = std::bit_cast<std::array<std::byte, 4>>(big_endian(job.sequence_high));
  if (job.icv.data() != job.esp.data() + job.esp.size() || job.icv.size() < high.size()) {
    const std::array<Bytes, 2> parts = {job.esp, high};
    icvs_[i].ok = c.mac->compute(parts, tag(i, job.icv.size()));
    return;
  }
  icvs_[i].placed = true;
  std::ranges::copy(job.icv.first(high.size()), covered_[i].begin());
  std::ranges::copy(high, job.icv.begin());
  want(i, c, {job.esp.data(), job.esp.size() + high.size()}, job.icv.size());
}

void Batch::digest() {
  const std::span<Lanes::Message> all = std::span(messages_).first(std::exchange(waiting_, 0));
  if (all.empty()) return;
  in_groups(
      all, lanes(), [&](const Lanes::Message& m) { return icvs_[m.job].from; },
      [&](const Lanes::Message& m, bool done) {
        Icv& icv = icvs_[m.job];
        icv.ok = done || icv.mac->compute({&m.message, 1}, tag(m.job, icv.size));
      });
}

// ---- a batch

void Batch::seal(std::span<Job> jobs) {
  for (Job& job : jobs) job.ok = true;
  run_combined(jobs, true);
  run_ciphers(jobs, true);
  const auto has_icv = [](const Job& job) { return job.ok && job.keyed->contexts().mac; };
  for (std::size_t i = 0; i < jobs.size(); ++i)
    if (has_icv(jobs[i])) want(i, jobs[i]);
  digest();
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    Job& job = jobs[i];
    if (!has_icv(job)) continue;
    job.ok = icvs_[i].ok;
    if (job.ok) std::ranges::copy(tag(i, job.icv.size()), job.icv.begin());
  }
}

void Batch::open(std::span<Job> jobs) {
  for (Job& job : jobs) job.ok = true;
  run_combined(jobs, false);
  const auto has_icv = [](const Job& job) { return job.keyed->contexts().mac != nullptr; };
  for (std::size_t i = 0; i < jobs.size(); ++i)
    if (has_icv(jobs[i])) want(i, jobs[i]);
  digest();
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    Job& job = jobs[i];
    if (!has_icv(job)) continue;
    if (icvs_[i].placed) std::ranges::copy(covered_[i], job.icv.begin());
    job.ok = icvs_[i].ok && equal(tag(i, job.icv.size()), job.icv);
  }
  run_ciphers(jobs, false);
}

void Batch::mac(std::span<MacJob> jobs) {
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    const Contexts& c = jobs[i].keyed->contexts();
    icvs_[i].ok = false;
    if (c.mac) want(i, c, jobs[i].message, jobs[i].icv.size());
  }
  digest();
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    jobs[i].ok = icvs_[i].ok;
    if (jobs[i].ok) std::ranges::copy(tag(i, jobs[i].icv.size()), jobs[i].icv.begin());
  }
}

}  // namespace ipseckey::crypto
