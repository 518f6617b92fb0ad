// How a batch of packets is carried:
// 1. protect() and unprotect() stay in their epoch for a whole call, so that no table entry they use is freed.
// 2. begin_out() reads the headers, chooses the SA, checks length and room, charges, numbers and wraps the packet.
// 3. begin_in() finds the SA, queries the replay window and prepares the check. The payload is not trusted yet.
// 4. ESP packets become jobs, which the ciphers process together; then the ICVs of AH are computed together
//    (ah_batch.cc). For a bundle, AH is added around sealed ESP, and is checked before ESP is processed (bundle.cc).
// 5. finish_in() records the number, unwraps the packet, checks the inner packet, and charges.
// 6. A packet that fails is dropped with its cause. With extended numbers it may first be tried with a higher half.
#include "traffic/worker.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "traffic/detail/mss.h"
#include "traffic/detail/udp.h"

namespace ipseckey::traffic {
namespace {

constexpr std::size_t kLongest = UINT16_MAX;             // An IP packet.
constexpr std::uint64_t kStep = std::uint64_t{1} << 32;  // Of the half of a number that is not sent.

// If an ICV or a checksum covers the ID, it must be chosen here; and the kernel chooses it only under IPv4.
bool lacks_source(const Flow& flow) {
  return flow.tunnel && is_unspecified(flow.src) &&
         (flow.id.satype == pfkey::SaType::ah || flow.id.dst.family == Family::v6);
}

// RFC 4301 section 4.1: the SPI identifies a unicast SA, and the ICV proves that the sender has the key. In transport
// mode the source is a selector.
bool source_matters(const Flow& flow, const PlaneOptions& options) {
  if (is_unspecified(flow.src)) return false;
  return options.same_source || !flow.tunnel || flow.suite().icv() == 0 || is_multicast(flow.id.dst);
}

// Nothing leaves the device in clear.
Cause verdict_on(const Item& item, const Memory::Entry& seen) {
  return seen.verdict == Cause::clear && !item.arrived.by_hook ? Cause::misrouted : seen.verdict;
}

// Through a device, the host sees the MTU of the device. By a hook it sees that of the link, in transport mode, too.
bool is_clamped(const Flow& flow, const Item& item) { return flow.tunnel || item.arrived.by_hook; }

// As of a packet that is nothing but UDP's payload.
void read_told(const Arrival& told, Headers& h) {
  h.src = told.src, h.dst = told.dst;
  h.upper = h.next = told.protocol;
  h.traffic_class = told.traffic_class, h.hop_limit = told.hop_limit;
  h.src_port = told.src_port, h.dst_port = told.dst_port;
}

// Charged, but without a number: another thread took the last one.
void give_back(const Work& w) {
  w.flow->give_back(w.h.total);
  if (w.around.flow) w.around.flow->give_back(w.h.total);
}

}  // namespace

bool move_to_spare(Item& item) {
  Packet longer{std::exchange(item.spare, {}), Packet::kHeadroom, item.packet.size};
  if (longer.memory.size() < longer.at + longer.size + Packet::kTailroom) return false;
  std::ranges::copy(item.packet.bytes(), longer.bytes().begin());
  item.packet = longer;
  return true;
}

// The packets of one call. It is used again, as most calls have fewer packets than fit.
struct Worker::State::Batch {
  std::array<Work, kBatch> works;
  std::array<crypto::Job, kBatch> jobs;
  std::array<Work*, kBatch> owners;  // Of the jobs.
  std::size_t count = 0;             // Of the jobs.
  Work* trial = nullptr;             // Packets that may be tried again; they are kept.

  void clear() { count = 0, trial = nullptr; }
  Work& begin(std::size_t i, Item& item) {
    Work& w = works[i];
    std::uninitialized_default_construct_n(&w, 1);
    w.item = &item;
    if (item.follows && i > 0 && works[i - 1].flow) w.before = &works[i - 1];
    return w;
  }
  std::span<crypto::Job> waiting() { return std::span(jobs).first(count); }
};

void Worker::State::Delete::operator()(Batch* batch) const { delete batch; }

Worker::State::State(Plane::State& p, unsigned n)
    : plane(p),
      number(n),
      desk(*p.desks[n]),
      crypto(p.options.random),
      kept(std::make_unique_for_overwrite<std::byte[]>(kLongest)),
      current(new Batch) {}

Worker::Worker(std::unique_ptr<State> state) : state_(std::move(state)) {}
Worker::~Worker() = default;
Worker::Worker(Worker&&) noexcept = default;

bool Worker::attention() { return std::exchange(state_->attention, false); }

void Worker::protect(std::span<Item> items, Instant now) {
  const Epochs::Guard inside(state_->plane.epochs, state_->number);
  state_->begin_call();
  for (; !items.empty(); items = items.subspan(std::min(items.size(), State::kBatch)))
    state_->protect_some(items.first(std::min(items.size(), State::kBatch)), now);
}

void Worker::unprotect(std::span<Item> items, Instant now) {
  const Epochs::Guard inside(state_->plane.epochs, state_->number);
  state_->begin_call();
  for (; !items.empty(); items = items.subspan(std::min(items.size(), State::kBatch)))
    state_->unprotect_some(items.first(std::min(items.size(), State::kBatch)), now);
}

void Worker::State::drop(Work& w, Cause cause, Meter& meter) {
  if (cause == Cause::clear) {
    w.item->clear = true;
    return meter.let_go();
  }
  w.item->cause = cause;
  if (cause != Cause::held) meter.drop(cause);
  if (w.flow) w.flow->count(cause);
  w.flow = nullptr;
}

template <class Begin>
void Worker::State::begin_all(Batch& batch, std::span<Item> items, Meter& meter, Begin begin) {
  batch.clear();
  for (std::size_t i = 0; i < items.size(); ++i) {
    Work& w = batch.begin(i, items[i]);
    w.item->cause = Cause::none;
    w.item->clear = false;
    if (const Cause cause = begin(w); cause != Cause::none) {
      drop(w, cause, meter);
    } else if (w.flow->id.satype == pfkey::SaType::esp) {
      batch.owners[batch.count] = &w;
      batch.jobs[batch.count++] = w.job;
    }
  }
}

void Worker::State::drop_failed(Batch& batch, Cause cause, Meter& meter) {
  for (std::size_t i = 0; i < batch.count; ++i)
    if (!batch.jobs[i].ok) drop(*batch.owners[i], cause, meter);
}

void Worker::State::call_for(Flow& flow) {
  if (flow.needs_attention()) plane.list(flow), attention = true;
}

// The connection is counted under the key of its entry, whatever path its packets take. A later fragment has no ports
// to identify it, and is nobody's first packet.
std::optional<std::uint64_t> Worker::State::uncounted(const Flow& flow, std::uint64_t counted,
                                                      const Memory::Entry& seen) const {
  if (counted == flow.serial || seen.fragment) return std::nullopt;
  return plane.tags(seen.src, seen.dst, seen.kind());
}

bool Worker::State::charge(Flow& flow, std::uint64_t& counted, const Work& w, const Memory::Entry& seen, Instant now) {
  const bool carried = flow.charge(w.h.total, uncounted(flow, counted, seen), now);
  if (carried) counted = flow.serial;
  call_for(flow);
  return carried;
}

bool Worker::State::charge(Work& w, Memory::Entry& seen, Instant now) {
  return w.around.flow ? charge_both(w, seen, now) : charge(*w.flow, seen.counted, w, seen, now);
}

// ---- out

// `flow`, with `around`, is the SA through which the tunnel's packets leave; its path MTU is `mtu` bytes.
void Worker::State::clamp(const Work& w, const Flow& flow, const Flow* around, std::uint32_t mtu) {
  const MutableBytes packet = w.item->packet.bytes();
  if (is_clamped(flow, *w.item) && opens_connection(packet, w.h))
    lower_mss(packet, w.h, std::min(plane.options.mss_clamp, inner_mtu(flow, w.h, mtu, around)));
}

// An inbound SYN limits the segments that this side will send: by the SA that will carry them, or one like the SA by
// which the SYN arrived.
void Worker::State::clamp_arrived(const Work& w, Instant now) {
  if (!is_clamped(*w.flow, *w.item) || !opens_connection(w.item->packet.bytes(), w.h)) return;
  Headers back = w.h;
  std::swap(back.src, back.dst), std::swap(back.src_port, back.dst_port);
  const Chosen found = chosen(back);
  const auto [flow, around] = found.flow && is_clamped(*found.flow, *w.item) ? found : Chosen{w.flow, w.around.flow};
  const std::uint32_t known = (around ? around : flow)->path_mtu(now);
  clamp(w, *flow, around, known ? std::min(known, plane.options.mtu) : plane.options.mtu);
}

inline bool Worker::State::next_numbers(Work& w) {
  const auto next = [this](Flow& flow, std::uint64_t& given) {
    const auto sequence = flow.next_number();
    if (!sequence) call_for(flow);
    given = sequence.value_or(0);
    return sequence.has_value();
  };
  if (!w.around.flow) return next(*w.flow, w.number);
  // Only the SA without numbers is charged, so that the other one's number is not used up.
  if (!w.flow->has_number()) return next(*w.flow, w.number);
  return next(*w.around.flow, w.around.number) && next(*w.flow, w.number);
}

// What does not differ from the previous packet is not read again.
bool Worker::State::read_headers(Work& w) const {
  const Bytes packet = w.item->packet.bytes();
  if (!w.before) return parse(packet, w.h);
  w.h = w.before->h;
  w.h.total = static_cast<std::uint32_t>(packet.size());
  return true;
}

Cause Worker::State::begin_out(Work& w, Instant now) {
  Packet& p = w.item->packet;
  if (!read_headers(w)) return Cause::malformed;
  if (w.item->arrived.uncut) w.h.dont_fragment = false;
  if (w.h.fragment && !leaves_as_fragment(w))
    if (const Cause cause = make_whole(w, now); cause != Cause::none) return cause;
  Memory::Entry& seen = choose_peer(w);
  if (!w.flow && orders) return noted({verdict_on(*w.item, seen), seen.rule}, policy::Direction::out);
  if (!w.flow) return Cause::no_sa;
  const Nesting depth = nesting(*w.flow, w.h, p.bytes(), plane.returned, now);
  if (depth == Nesting::back) return Cause::looped;
  w.nested = depth == Nesting::inside;
  if (w.flow->bundle != 0 || seen.around)
    if (const Cause cause = take_bundle(w, seen); cause != Cause::none) return cause;
  if (lacks_source(*w.flow)) return Cause::not_usable;
  Layout layout = layout_of(*w.flow, w.h, w.around.flow);
  const std::uint32_t known = outermost(w).path_mtu(now);
  const std::uint32_t mtu = known ? std::min(known, plane.options.mtu) : plane.options.mtu;
  if (layout.total() > mtu)
    if (const Cause cause = fit(w, layout, mtu); cause != Cause::none) return cause;
  if (w.flow->tfc_pad != 0)
    hide_length(layout, *w.flow, std::min(w.flow->tfc_pad, inner_mtu(*w.flow, w.h, mtu, w.around.flow)));
  if (!has_room(p, w.h, layout) && !(move_to_spare(*w.item) && has_room(p, w.h, layout))) return Cause::no_room;
  if (plane.options.mss_clamp) clamp(w, *w.flow, w.around.flow, mtu);
  w.job.keyed = w.flow->sealing(number);
  if (!w.job.keyed) return Cause::crypto;
  if (!charge(w, seen, now)) return Cause::exhausted;
  if (!next_numbers(w)) return give_back(w), Cause::exhausted;
  if (w.flow->keepalive != 0) w.flow->leaves(now);
  // The path may be narrower than currently known (plane.h).
  w.may_be_cut = known == kLeastReportV4 && w.h.dont_fragment && w.flow->id.dst.family == Family::v4;
  wrap(w, layout);
  w.item->departure.mtu = mtu;
  if (layout.total() > mtu && w.item->departure.dst.family == Family::v6)
    w.item->departure.id = outermost(w).datagrams.next();
  if (w.flow->id.satype == pfkey::SaType::ah) return Cause::none;
  const MutableBytes iv = w.job.esp.subspan(8, w.flow->suite().iv());
  if (w.flow->suite().encrypt->counter()) {
    set(iv, 0, w.flow->next_iv());
  } else {
    crypto.random(iv);
  }
  return Cause::none;
}

void Worker::State::seal_all_ah(Batch& batch, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) {
    Work& w = batch.works[i];
    if (!w.flow || (w.flow->id.satype != pfkey::SaType::ah && !w.around.flow)) continue;
    const AhPart part = w.around.flow ? w.around : ah_of(w);
    if (!ah_icvs.add(w, part, ah_size(part.flow->ah_unit, part.flow->suite().icv())))
      drop(w, Cause::malformed, desk.outbound);
  }
  for (const AhBatch::Entry& e : ah_icvs.compute(crypto))
    e.ok ? e.seal() : drop(*e.work, Cause::malformed, desk.outbound);
}

void Worker::State::protect_some(std::span<Item> items, Instant now) {
  if (!reassembly.empty()) expire_pieces(now);
  Batch& batch = *current;
  begin_all(batch, items, desk.outbound, [&](Work& w) { return begin_out(w, now); });
  crypto.seal(batch.waiting());
  drop_failed(batch, Cause::crypto, desk.outbound);
  seal_all_ah(batch, items.size());
  for (std::size_t i = 0; i < items.size(); ++i) {
    Work& w = batch.works[i];
    if (!w.flow) continue;
    if (w.flow->udp && w.flow->id.dst.family == Family::v6) finish_udp(w);
    desk.outbound.pass(w.h.total);
  }
}

// ---- in

// Finds ESP or AH in the packet, and the SA. Until the ICV is checked, only the position of things is trusted.
Cause Worker::State::locate(Work& w) {
  const Bytes packet = w.item->packet.bytes();
  const Headers& h = w.h;
  w.at = h.upper_at;
  const bool in_udp = h.upper == kUdp;
  if (h.upper != kEsp && h.upper != kAh && !in_udp) return Cause::not_ipsec;
  if (h.fragment) return Cause::fragment;
  if (in_udp && !w.item->told) {
    if (packet.size() - h.upper_at < kUdpHeader) return Cause::malformed;
    const std::size_t length = get<std::uint16_t>(packet, h.upper_at + kUdpLength);
    if (length < kUdpHeader || length > packet.size() - h.upper_at) return Cause::malformed;
    w.at += kUdpHeader;
    w.item->packet.size = h.upper_at + length;
  }
  if (in_udp) {
    const Bytes datagram = w.item->packet.bytes().subspan(w.at);
    if (datagram.size() == 1 && datagram[0] == std::byte{0xff}) return Cause::keep_alive;
    if (datagram.size() >= 4 && get<std::uint32_t>(datagram, 0) == 0) return Cause::ike;
  }
  const bool ah = h.upper == kAh;
  const std::size_t least = ah ? kAhFixed : 8;
  if (w.item->packet.size - w.at < least) return Cause::truncated;
  const std::uint32_t spi = get<std::uint32_t>(packet, w.at + (ah ? 4 : 0));
  w.flow = plane.find({ah ? pfkey::SaType::ah : pfkey::SaType::esp, spi, h.dst});
  if (!w.flow) return Cause::no_sa;
  if (!w.flow->receives.load(std::memory_order_relaxed) || !w.flow->usable.load()) return Cause::not_usable;
  if (w.flow->udp != in_udp) return Cause::wrong_encapsulation;
  const Address& src = ah && h.home ? *h.home : h.src;
  if (src != w.flow->src && source_matters(*w.flow, plane.options)) return Cause::wrong_source;
  return Cause::none;
}

// In transport mode the packet keeps its headers.
Cause Worker::State::complete(Batch& batch, Work& w) {
  Item& item = *w.item;
  if (!move_to_spare(item)) return Cause::no_room;
  if (!add_header(item.packet, *item.told)) return Cause::malformed;
  item.told = nullptr;
  w.flow = nullptr;
  w.h = {};
  return begin_in(batch, w);
}

Cause Worker::State::begin_in(Batch& batch, Work& w) {
  Packet& p = w.item->packet;
  if (const Arrival* const told = w.item->told) {
    read_told(*told, w.h);
  } else {
    if (!parse(p.bytes(), w.h)) return Cause::malformed;
    p.size = w.h.total;
  }
  if (const Cause cause = locate(w); cause != Cause::none) return cause;
  if (w.item->told && !w.flow->tunnel) return complete(batch, w);
  const bool bundle = w.flow->bundle != 0;
  if (w.flow->id.satype == pfkey::SaType::ah) {
    if (const Cause cause = ask(w, 8); cause != Cause::none) return cause;
    if (!bundle && !(orders && pair_arrived(w))) return begin_ah(w);
    if (const Cause cause = check_ah_higher(w); cause != Cause::none) return cause;
    if (const Cause cause = find_inside(w); cause != Cause::none) return cause;
  } else if (bundle) {
    return Cause::bundle;
  }
  // ESP, by itself or behind AH.
  if (const Cause cause = ask(w, 4); cause != Cause::none) return cause;
  if (!begin_esp(w)) return Cause::truncated;
  if (!batch.trial && w.flow->may_have_lost_count()) keep_for_trial(batch, w);
  return Cause::none;
}

// The SA's keys, and the window's verdict on the number at that many bytes from the header's start.
inline Cause Worker::State::ask(Work& w, std::size_t number_at) {
  w.job.keyed = w.flow->opening(number);
  if (!w.job.keyed) return Cause::crypto;
  const auto [sequence, verdict] = w.flow->ask(get<std::uint32_t>(w.item->packet.bytes(), w.at + number_at));
  w.number = sequence;
  return dropped_by(verdict);
}

// ---- in: RFC 4303 appendix A3

// The ICV is compared later, unless it may have to be tried again.
Cause Worker::State::begin_ah(Work& w) {
  if (w.flow->may_have_lost_count()) return check_ah_higher(w);
  const AhPart part = ah_of(w);
  const auto length = ah_length(w.item->packet.bytes(), part);
  if (!length) return Cause::truncated;
  return ah_icvs.add(w, part, *length) ? Cause::none : Cause::corrupt;
}

Cause Worker::State::check_ah_higher(Work& w) {
  const bool lost = w.flow->may_have_lost_count();
  Cause cause = check_ah(w.item->packet.bytes(), ah_of(w));
  if (cause != Cause::corrupt || !lost) return cause;
  w.flow->tried();
  for (std::uint32_t i = 0; i < Flow::kTries && cause == Cause::corrupt; ++i) {
    w.number += kStep;
    cause = check_ah(w.item->packet.bytes(), ah_of(w));
  }
  return cause;
}

// A cipher that finds a wrong ICV destroys the packet.
void Worker::State::keep_for_trial(Batch& batch, Work& w) {
  w.flow->tried();
  batch.trial = &w;
  std::ranges::copy(w.job.esp, kept.get());
  std::ranges::copy(w.job.icv, kept.get() + w.job.esp.size());
}

void Worker::State::try_higher(Batch& batch) {
  if (!batch.trial) return;
  Work& w = *batch.trial;
  crypto::Job& job = batch.jobs[static_cast<std::size_t>(std::ranges::find(batch.owners, &w) - batch.owners.begin())];
  for (std::uint32_t i = 0; i < Flow::kTries && !job.ok; ++i) {
    w.number += kStep;
    job.sequence_high = static_cast<std::uint32_t>(w.number >> 32);
    std::ranges::copy(Bytes(kept.get(), job.esp.size()), job.esp.begin());
    std::ranges::copy(Bytes(kept.get() + job.esp.size(), job.icv.size()), job.icv.begin());
    crypto.open({&job, 1});
  }
}

Cause Worker::State::finish_in(Work& w, Instant now) {
  const auto [verdict, newest] = w.flow->mark(w.number);
  if (const Cause cause = dropped_by(verdict); cause != Cause::none) return cause;
  // An old packet may have been held back, and a copy of it sent from anywhere; without integrity, no packet counts as
  // the newest.
  std::optional<Place> moved;
  if (newest && w.flow->udp && !w.flow->peer.is(w.h.src, w.h.src_port.value_or(0)))
    moved = Place{w.h.src, w.h.src_port.value_or(0)};
  const std::optional<Address> home = vouched_home(w);
  if (const Cause cause = unwrap(w, plane.options.icmp_errors); cause != Cause::none) return cause;
  Headers ends = w.h;
  if (home) ends.src = *home;
  if (moved) w.flow->seen_at(*moved, w.number);
  Memory::Entry& seen = incoming.at(ends);
  if (orders)
    if (const Cause cause = permit(w, seen); cause != Cause::none) return cause;
  if (!charge(w, seen, now)) return Cause::exhausted;
  if (plane.options.mss_clamp) clamp_arrived(w, now);
  return Cause::none;
}

void Worker::State::unprotect_some(std::span<Item> items, Instant now) {
  Batch& batch = *current;
  begin_all(batch, items, desk.inbound, [&](Work& w) { return begin_in(batch, w); });
  crypto.open(batch.waiting());
  try_higher(batch);
  drop_failed(batch, Cause::corrupt, desk.inbound);
  for (const AhBatch::Entry& e : ah_icvs.compute(crypto))
    if (!e.ok || !crypto::equal(e.icv(), e.arrived())) drop(*e.work, Cause::corrupt, desk.inbound);
  for (std::size_t i = 0; i < items.size(); ++i) {
    Work& w = batch.works[i];
    if (!w.flow) continue;
    if (const Cause cause = finish_in(w, now); cause != Cause::none) {
      drop(w, cause, desk.inbound);
    } else {
      desk.inbound.pass(w.h.total);
    }
  }
}

}  // namespace ipseckey::traffic
