// What packet threads know about one SA:
// 1. The constructor copies the facts that never change: addresses, selectors, keys, the kind of ICV and padding.
// 2. take() copies what an UPDATE may change: limits, state, directions, the size of the window, a requested sequence
//    number.
// 3. Out: charge() counts the packet against the limits and next_number() numbers it, both before it is sent.
// 4. In: ask() queries the window before the ICV is checked and mark() records the number afterwards, both under the
//    Flow's own lock.
// 5. A limit, a first use or a peer that has moved sets a flag; the engine's thread then reads carried().
#include "traffic/detail/flow.h"

#include <algorithm>

#include "pfkey/icmp.h"
#include "traffic/detail/wrap.h"
#include "traffic/hash.h"

namespace ipseckey::traffic {
namespace {

using M = pfkey::Message;

constexpr auto kRelaxed = std::memory_order_relaxed;

bool wants_udp(const engine::Sa& sa) {
  return sa.satype == pfkey::SaType::esp && (rare_of(sa).at<&M::natt_local>() || rare_of(sa).at<&M::natt_remote>());
}

bool runs(const engine::Sa& sa, std::uint32_t way) {
  return (sa.flags & engine::Sa::kBothWays) == 0 || (sa.flags & way) != 0;
}

std::optional<std::uint16_t> port(std::uint16_t number, std::uint8_t protocol) {
  if (pfkey::is_icmp(protocol)) return pfkey::icmp_of_port(number);
  return number == 0 ? std::nullopt : std::optional(number);
}

Selectors selectors_of(const engine::Sa& sa) {
  Selectors s;
  const engine::Rare& rare = rare_of(sa);
  if (!(sa.flags & pfkey::kFlagTunnel)) {
    s.src = sa.src, s.dst = sa.dst;
    s.src_prefix = static_cast<std::uint8_t>(is_unspecified(sa.src) ? 0 : sa.src.bits());
    s.dst_prefix = static_cast<std::uint8_t>(sa.dst.bits());
    s.protocol = sa.proto;
    s.src_port = port(sa.src_port, s.protocol), s.dst_port = port(sa.dst_port, s.protocol);
    return s;
  }
  s.src = rare.at<&M::inner_src>()->address, s.src_prefix = rare.at<&M::inner_src>()->prefix;
  s.dst = rare.at<&M::inner_dst>()->address, s.dst_prefix = rare.at<&M::inner_dst>()->prefix;
  s.protocol = rare.at<&M::inner_dst>()->proto;
  // An SA has either outer or inner ports; outer ports apply to the inner packet, too.
  const auto either = [&](std::uint16_t inner, std::uint16_t outer) { return port(inner ? inner : outer, s.protocol); };
  s.src_port = either(rare.at<&M::inner_src>()->port, sa.src_port),
  s.dst_port = either(rare.at<&M::inner_dst>()->port, sa.dst_port);
  return s;
}

// The sequence number that was requested for the SA, and the default without one.
template <auto member>
std::uint32_t number_of(const engine::Sa& sa, std::uint32_t unsaid = 0) {
  const auto& asked = rare_of(sa).at<member>();
  return asked ? asked->value : unsaid;
}

std::size_t ah_unit_of(const engine::Sa& sa) {
  return sa.dst.family == Family::v6 ? 8 : number_of<&M::ah_align>(sa, 4);
}

pfkey::Df df_of(const engine::Sa& sa) {
  const bool has_bit = sa.flags & pfkey::kFlagTunnel && sa.dst.family == Family::v4;
  return has_bit ? static_cast<pfkey::Df>(number_of<&M::df>(sa, pfkey::kDfCopy)) : pfkey::kDfCopy;
}

std::uint64_t steady_of(Instant t) { return static_cast<std::uint64_t>(t.steady.count()); }
std::uint64_t wall_of(Instant t) { return static_cast<std::uint64_t>(t.wall.time_since_epoch().count()); }
Instant instant(std::uint64_t steady, std::uint64_t wall) {
  return {std::chrono::nanoseconds(steady), std::chrono::sys_seconds(std::chrono::seconds(wall))};
}

// Never decreases, whichever thread updates it.
void raise(SaNumbers::Counter& counter, std::uint64_t number) {
  std::uint64_t is = counter.load(kRelaxed);
  while (is < number && !counter.compare_exchange_weak(is, number, kRelaxed)) continue;
}

// Numbers that were started elsewhere are ahead of the SA's own record.
std::shared_ptr<SaNumbers> begin(std::shared_ptr<SaNumbers> live, const engine::Sa& sa, std::uint64_t iv_start) {
  if (live->begun.load(kRelaxed) != 0) return live;
  live->number.store(sequence_of(sa), kRelaxed);
  live->highest.store(sequence_of(sa), kRelaxed);
  live->iv.store(iv_start, kRelaxed);
  live->begun.store(1, std::memory_order_release);
  return live;
}

// If the SA only sends, its last use was an outbound packet.
std::uint64_t last_sent(const SaNumbers& live, const engine::Sa& sa) {
  const bool only_sends = (sa.flags & engine::Sa::kBothWays) == pfkey::kFlagOutbound;
  return std::max(steady_of(sa.added), only_sends ? live.last_steady.load(kRelaxed) : 0);
}

bool in_prefix(const Address& a, const Address& network, unsigned prefix) {
  if (a.family != network.family) return false;
  const std::size_t whole = prefix / 8;
  if (!std::ranges::equal(Bytes(a.octets).first(whole), Bytes(network.octets).first(whole))) return false;
  if (prefix % 8 == 0) return true;
  const auto differ = std::to_integer<unsigned>(a.octets[whole] ^ network.octets[whole]);
  return differ >> (8 - prefix % 8) == 0;
}

bool port_fits(const std::optional<std::uint16_t>& ours, const std::optional<std::uint16_t>& theirs) {
  return !ours || theirs == ours;
}

}  // namespace

bool Selectors::match(const Headers& h) const {
  const bool icmp = pfkey::is_icmp(protocol);
  return in_prefix(h.src, src, src_prefix) && in_prefix(h.dst, dst, dst_prefix) &&
         (protocol == 0 || protocol == h.upper) && port_fits(src_port, icmp ? h.icmp_type : h.src_port) &&
         port_fits(dst_port, icmp ? h.icmp_code : h.dst_port);
}

Flow::Flow(const engine::Sa& sa, unsigned workers, std::uint64_t iv_start, std::shared_ptr<SaNumbers> live)
    : id(sa.id()),
      hash(hash_of(id)),
      serial(sa.serial),
      src(sa.src),
      tunnel(sa.flags & pfkey::kFlagTunnel),
      udp(wants_udp(sa)),
      esn(engine::extended_numbers(sa)),
      ah_unit(ah_unit_of(sa)),
      selectors(selectors_of(sa)),
      local(rare_of(sa).at<&M::natt_local>()),
      remote(rare_of(sa).at<&M::natt_remote>()),
      tfc_pad(tunnel && id.satype == pfkey::SaType::esp ? number_of<&M::tfc_pad>(sa) : 0),
      df(df_of(sa)),
      dscp(tunnel ? number_of<&M::dscp>(sa, pfkey::kDscpKeep) : pfkey::kDscpKeep),
      keepalive(udp ? number_of<&M::keepalive>(sa) : 0),
      bundle(number_of<&M::bundle>(sa)),
      alone_(workers == 1),
      reqid_(number_of<&M::reqid>(sa)),
      if_id_(number_of<&M::if_id>(sa)),
      mark_(rare_of(sa).at<&M::mark>()),
      auth_key_(sa.keys ? sa.keys->auth.clone() : Secret()),
      encrypt_key_(sa.keys ? sa.keys->encrypt.clone() : Secret()),
      suite_{.encrypt = pfkey::find_algorithm(pfkey::AlgorithmKind::encrypt, sa.encrypt),
             .auth = pfkey::find_algorithm(pfkey::AlgorithmKind::auth, sa.auth),
             .encrypt_key = &encrypt_key_,
             .auth_key = &auth_key_,
             .truncated = number_of<&M::icv>(sa) / 8,
             .esn = esn},
      keyed_(new Ways[workers]),
      numbers_(begin(std::move(live), sa, iv_start)),
      window_(window_of(sa), numbers_->highest.load(kRelaxed)),
      window_size_(window_.size()),
      told_(sequence_of(sa)),
      left_at_(last_sent(*numbers_, sa)) {
  take(sa);
}

crypto::Keyed* Flow::sealing(unsigned worker) {
  auto& mine = keyed_[worker].seal;
  if (!mine) mine = crypto::Keyed::make(suite_, crypto::Keyed::Way::seal);
  return mine.get();
}

crypto::Keyed* Flow::opening(unsigned worker) {
  auto& mine = keyed_[worker].open;
  if (!mine) mine = crypto::Keyed::make(suite_, crypto::Keyed::Way::open);
  return mine.get();
}

void Flow::take(const engine::Sa& sa) {
  const pfkey::Lifetime none;
  const pfkey::Lifetime &hard = sa.limits ? sa.limits->hard : none, &soft = sa.limits ? sa.limits->soft : none;
  const bool mature = sa.is(pfkey::State::mature);
  hard_bytes_.store(hard.bytes), hard_flows_.store(hard.allocations);  // Not relaxed: see charge().
  soft_bytes_.store(mature ? soft.bytes : 0, kRelaxed), soft_flows_.store(mature ? soft.allocations : 0, kRelaxed);
  dying.store(!mature, kRelaxed);
  usable.store(true, kRelaxed);
  receives.store(runs(sa, pfkey::kFlagInbound), kRelaxed), sends.store(runs(sa, pfkey::kFlagOutbound), kRelaxed);
  window_size_.store(std::min(window_of(sa), ReplayWindow::kMost), kRelaxed);
  // The number that carried() reported is returned here: only a higher number is a request. This matters if one SA has
  // the numbers of both directions.
  const std::uint64_t number = sequence_of(sa);
  if (number <= told_.load(kRelaxed)) return;
  told_.store(number, kRelaxed);
  raise(numbers_->number, number);
  raise(numbers_->highest, number);
  let_in_.store(number, kRelaxed);
}

void Flow::narrow_path(std::uint32_t mtu, Instant now) {
  const std::uint32_t known = path_mtu(now);
  if (known != 0 && mtu > known) return;
  path_told_.store(steady_of(now), kRelaxed);
  path_mtu_.store(mtu, std::memory_order_release);
}

std::uint32_t Flow::path_mtu(Instant now) const {
  const std::uint32_t mtu = path_mtu_.load(std::memory_order_acquire);
  if (mtu == 0) return 0;
  const std::chrono::nanoseconds told(path_told_.load(kRelaxed));
  return now.steady - told < kPathLife ? mtu : 0;
}

std::optional<std::uint64_t> Flow::next_number() {
  const std::uint64_t last = last_number();
  std::uint64_t number = numbers_->number.load(kRelaxed);
  do {
    if (number == last) {
      exhausted_.fetch_add(1);
      end();
      return std::nullopt;
    }
  } while (!numbers_->number.compare_exchange_weak(number, number + 1, kRelaxed));
  return number + 1;
}

policy::SaFacts Flow::facts() const {
  const auto bits = [](const Secret& key, const pfkey::Algorithm* row) {
    const std::size_t all = key.size() * 8, salt = row ? row->salt_bits : 0;
    return all > salt ? std::optional(static_cast<std::uint16_t>(all - salt)) : std::nullopt;
  };
  policy::SaFacts f{.type = id.satype,
                    .auth = suite_.auth ? suite_.auth->number : std::uint8_t{0},
                    .encrypt = suite_.encrypt ? suite_.encrypt->number : std::uint8_t{0},
                    .auth_bits = bits(auth_key_, nullptr),
                    .encrypt_bits = bits(encrypt_key_, suite_.encrypt),
                    .src = src,
                    .dst = id.dst,
                    .tunnel = tunnel,
                    .inner_src = {},
                    .inner_dst = {},
                    .reqid = reqid_,
                    .if_id = if_id_,
                    .spi = id.spi,
                    .mark = mark_};
  if (!tunnel) return f;
  f.inner_src = policy::Prefix{masked(selectors.src, selectors.src_prefix), selectors.src_prefix};
  f.inner_dst = policy::Prefix{masked(selectors.dst, selectors.dst_prefix), selectors.dst_prefix};
  return f;
}

// Call with the lock held.
void Flow::settle() {
  const std::uint32_t size = window_size_.load(kRelaxed);
  if (window_.size() != size) window_ = ReplayWindow(size, window_.highest());
  window_.advance(let_in_.load(kRelaxed));
}

// Numbers without an ICV are not trusted: one forged packet would move the window past all others.
std::pair<std::uint64_t, ReplayWindow::Verdict> Flow::ask(std::uint32_t low) {
  if (suite_.icv() == 0) return {low, ReplayWindow::Verdict::fresh};
  const auto hold = hold_window();
  settle();
  const std::uint64_t number = esn ? window_.extend(low) : low;
  return {number, window_.ask(number)};
}

Flow::Marked Flow::mark(std::uint64_t number) {
  if (suite_.icv() == 0) return {ReplayWindow::Verdict::fresh, false};
  const auto hold = hold_window();
  settle();
  const bool newest = number > window_.highest();
  const auto verdict = window_.mark(number);
  raise(numbers_->highest, window_.highest());
  if (failures_.load(kRelaxed) != 0) failures_.store(0, kRelaxed);
  return {verdict, newest};
}

// A file for both hosts names the local port from one host's point of view.
void Flow::seen_at(const Place& place, std::uint64_t number) {
  const bool expected = (is_unspecified(src) || place.address == src) &&
                        (place.port == pfkey::nat_port(remote) || place.port == pfkey::nat_port(local));
  if (peer.see(place, number, expected)) attention_.store(true, kRelaxed);
}

std::unique_ptr<const Place> Flow::send_to(const Place& place) {
  auto next = std::make_unique<const Place>(place);
  sends_to_.store(next.get());
  return std::exchange(sends_to_owner_, std::move(next));
}

void Flow::end() {
  usable.store(false, kRelaxed);
  attention_.store(true, kRelaxed);
}

// After a restart only the number of earlier connections is known; until that many have come, any may be one of them.
// Without a limit, no SA ends by the number, so it need not be exact.
bool Flow::admit(std::uint64_t connection) {
  const std::scoped_lock hold(connections_lock_);
  if (connections_.contains(connection)) return true;
  const std::uint64_t hard = hard_flows_.load(kRelaxed);
  if (hard != 0 && connections_.size() >= hard) return false;
  const bool limited = hard != 0 || soft_flows_.load(kRelaxed) != 0;
  connections_.insert(connection, limited ? Connections::kExact : Connections::kRough);
  raise(numbers_->flows, connections_.size());
  return true;
}

bool Flow::charge(std::uint64_t bytes, const std::optional<std::uint64_t>& connection, Instant now) {
  const std::uint64_t hard = hard_bytes_.load(kRelaxed), hard_flows = hard_flows_.load(kRelaxed);
  const std::uint64_t total = add(numbers_->bytes, bytes) + bytes;
  if ((hard != 0 && total >= hard) || (connection && !admit(*connection))) {
    numbers_->bytes.fetch_sub(bytes, kRelaxed);
    exhausted_.fetch_add(1);
    // A limit that was raised in the meantime counts; the thread that raised it calls carried() afterwards, and one of
    // the two sees the other's change.
    if (hard_bytes_.load() != hard || hard_flows_.load() != hard_flows) {
      exhausted_.fetch_sub(1);
      return charge(bytes, connection, now);
    }
    end();
    return false;
  }
  if (add(numbers_->packets, 1) == 0) {
    numbers_->first_wall.store(wall_of(now), kRelaxed);
    numbers_->first_steady.store(steady_of(now), std::memory_order_release);
    attention_.store(true, kRelaxed);
  }
  numbers_->last_wall.store(wall_of(now), kRelaxed);
  numbers_->last_steady.store(steady_of(now), kRelaxed);
  const std::uint64_t soft = soft_bytes_.load(kRelaxed), soft_flows = soft_flows_.load(kRelaxed);
  if ((soft != 0 && total >= soft) || (soft_flows != 0 && numbers_->flows.load(kRelaxed) >= soft_flows))
    attention_.store(true, kRelaxed);
  return true;
}

bool Flow::has_room(std::uint64_t bytes, const std::optional<std::uint64_t>& connection) {
  const std::uint64_t hard = hard_bytes_.load(kRelaxed), hard_flows = hard_flows_.load(kRelaxed);
  if (hard != 0 && numbers_->bytes.load(kRelaxed) + bytes >= hard) return false;
  if (hard_flows == 0 || !connection) return true;
  const std::scoped_lock hold(connections_lock_);
  return connections_.size() < hard_flows || connections_.contains(*connection);
}

void Flow::give_back(std::uint64_t bytes) {
  numbers_->bytes.fetch_sub(bytes, kRelaxed);
  numbers_->packets.fetch_sub(1, kRelaxed);
}

bool joined(const Flow& one, const Flow& other) {
  const bool ah_first = one.id.satype == pfkey::SaType::ah;
  const Flow &ah = ah_first ? one : other, &esp = ah_first ? other : one;
  return ah.bundle == esp.bundle && ah.id.satype != esp.id.satype && ah.src == esp.src && ah.id.dst == esp.id.dst &&
         (esp.tunnel || !ah.tunnel);
}

void Flow::count(Cause cause) {
  Counter* const counter =
      cause == Cause::replayed                                                             ? &numbers_->replayed
      : cause == Cause::late                                                               ? &numbers_->late
      : cause == Cause::corrupt                                                            ? &numbers_->corrupt
      : cause == Cause::selector || cause == Cause::wrong_source || cause == Cause::bundle ? &numbers_->mismatched
      : cause == Cause::padding || cause == Cause::inner || cause == Cause::truncated      ? &numbers_->malformed
                                                                                           : nullptr;
  if (counter) counter->fetch_add(1, kRelaxed);
  if (esn && cause == Cause::corrupt) failures_.fetch_add(1, kRelaxed);
}

engine::Carried Flow::carried() const {
  engine::Carried c;
  c.packets = numbers_->packets.load(kRelaxed), c.bytes = numbers_->bytes.load(kRelaxed);
  c.allocations = static_cast<std::uint32_t>(std::min<std::uint64_t>(numbers_->flows.load(kRelaxed), UINT32_MAX));
  if (const std::uint64_t first = numbers_->first_steady.load(std::memory_order_acquire)) {
    c.first = instant(first, numbers_->first_wall.load(kRelaxed));
    c.last = instant(numbers_->last_steady.load(kRelaxed), numbers_->last_wall.load(kRelaxed));
  }
  c.sequence = std::max(sends.load(kRelaxed) ? numbers_->number.load(kRelaxed) : 0,
                        receives.load(kRelaxed) ? numbers_->highest.load(kRelaxed) : 0);
  told_.store(c.sequence, kRelaxed);
  c.replayed = numbers_->replayed.load(kRelaxed), c.late = numbers_->late.load(kRelaxed),
  c.corrupt = numbers_->corrupt.load(kRelaxed);
  c.mismatched = numbers_->mismatched.load(kRelaxed), c.malformed = numbers_->malformed.load(kRelaxed);
  c.exhausted = exhausted_.load() != 0;
  return c;
}

}  // namespace ipseckey::traffic
