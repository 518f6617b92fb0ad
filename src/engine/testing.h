#pragma once
/// Shared by the engine's tests: valid requests, to be spoilt one field at a time, and a recorder of answers.
#include <algorithm>
#include <initializer_list>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/engine.h"
#include "engine/sadb.h"
#include "pfkey/diagnostics.h"
#include "pfkey/message.h"

namespace ipseckey::engine::testing {

using pfkey::Message;
using pfkey::SaType;
using pfkey::Type;

/// t seconds after an arbitrary beginning; the two clocks differ on purpose.
inline Instant at(std::int64_t t) {
  return {std::chrono::seconds(5000 + t), std::chrono::sys_seconds(std::chrono::seconds(1'700'000'000 + t))};
}
inline constexpr std::uint64_t kEpoch = 1'700'000'000;  ///< at(0) on the wall.

inline pfkey::Endpoint endpoint(std::string_view address, std::uint8_t prefix = 0, std::uint16_t port = 0,
                                std::uint8_t proto = 0) {
  return {.proto = proto, .prefix = prefix, .address = parse_address(address).value(), .port = port};
}

/// A key of that many octets, which count up from `first`.
inline pfkey::Key key(std::size_t octets, unsigned first = 0x11, std::uint16_t reserved = 0) {
  pfkey::Key k{static_cast<std::uint16_t>(octets * 8), reserved, Secret(octets)};
  for (std::byte& b : k.material.bytes()) b = static_cast<std::byte>(first++);
  return k;
}

inline pfkey::Key key_of(std::initializer_list<unsigned> octets) {
  pfkey::Key k{static_cast<std::uint16_t>(octets.size() * 8), 0, Secret(octets.size())};
  std::ranges::transform(octets, k.material.bytes().begin(), [](unsigned o) { return static_cast<std::byte>(o); });
  return k;
}

inline Message request(Type type, SaType satype, std::uint32_t spi = 0) {
  Message m;
  m.type = type, m.satype = satype, m.seq = 7, m.pid = 4242;
  if (spi != 0) {
    m.sa = pfkey::Sa{.spi = spi, .state = pfkey::State::mature};
    m.src = endpoint("192.0.2.1");
    m.dst = endpoint("192.0.2.2");
  }
  return m;
}

/// AES-128-CBC with HMAC-SHA-256, 192.0.2.1 to 192.0.2.2.
inline Message add_esp(std::uint32_t spi) {
  Message m = request(Type::add, SaType::esp, spi);
  m.sa->encrypt = 12, m.sa->auth = 5;
  m.encrypt_key = key(16);
  m.auth_key = key(32, 0x40);
  return m;
}

/// HMAC-SHA-1, 192.0.2.1 to 192.0.2.2.
inline Message add_ah(std::uint32_t spi) {
  Message m = request(Type::add, SaType::ah, spi);
  m.sa->auth = 3;
  m.auth_key = key(20);
  return m;
}

/// Reserves an SPI from 192.0.2.1 to 192.0.2.2.
inline Message getspi(std::uint32_t min, std::uint32_t max) {
  Message m = request(Type::getspi, SaType::esp, 1);
  m.sa.reset();
  m.spi_range = pfkey::SpiRange{min, max};
  return m;
}

/// The same in the opposite direction.
inline Message reversed(Message m) {
  std::swap(m.src, m.dst);
  return m;
}

/// Replaces the packet path in tests: it carries packets by counting them, one at a time.
class CountedPackets final : public Carrier {
 public:
  /// A packet of `bytes` for the SA, the first one of a flow if `new_flow`; the engine, whose carrier this is, attends
  /// to it at once and sends the resulting messages (EXPIRE) to `out`. False: the SA may not carry it (it does not
  /// exist, is not usable, or this packet would reach a hard limit, which ends the SA).
  bool charge(Engine& engine, const SaId& id, std::uint64_t bytes, bool new_flow, Instant now, Sink out) {
    Flow* const flow = find(id);
    if (!flow) return false;
    Carried& c = flow->carried;
    const pfkey::Lifetime& hard = flow->hard;
    c.exhausted = (hard.bytes != 0 && (bytes >= hard.bytes || c.bytes >= hard.bytes - bytes)) ||
                  (new_flow && hard.allocations != 0 && c.allocations >= hard.allocations);
    const bool carries = !c.exhausted;  // The flow may be gone afterwards.
    if (!c.first) c.first = now;
    c.last = now;
    if (carries) c.packets += 1, c.bytes += bytes, c.allocations += new_flow;
    due_ = id;
    engine.attend(now, out);
    return carries;
  }

  void put(const Sa& sa) override {
    Flow* flow = find(sa.id());
    if (!flow) flow = &flows_.emplace_back(sa.id());
    flow->hard = sa.limits ? sa.limits->hard : pfkey::Lifetime{};
    flow->carried.sequence = sequence_of(sa);
  }
  void remove(const SaId& id) override {
    std::erase_if(flows_, [&](const Flow& f) { return f.id == id; });
  }
  std::optional<Carried> carried(const SaId& id) const override {
    const auto flow = std::ranges::find(flows_, id, &Flow::id);
    return flow == flows_.end() ? std::nullopt : std::optional(flow->carried);
  }
  std::optional<SaId> attention() override { return std::exchange(due_, std::nullopt); }

 private:
  struct Flow {
    SaId id;
    pfkey::Lifetime hard = {};
    Carried carried = {};
  };
  Flow* find(const SaId& id) {
    const auto flow = std::ranges::find(flows_, id, &Flow::id);
    return flow == flows_.end() ? nullptr : &*flow;
  }

  std::vector<Flow> flows_;
  std::optional<SaId> due_;
};

struct Sent {
  Audience to;
  Message message;
  bool operator==(const Sent&) const = default;
};

/// All messages of the engine for one request.
inline std::vector<Sent> ask(Engine& engine, Message m, Instant now = at(0)) {
  std::vector<Sent> sent;
  engine.handle(std::move(m), now, [&](Audience to, Message&& reply) { sent.push_back({to, std::move(reply)}); });
  return sent;
}

inline std::vector<Sent> expire(Engine& engine, Instant now) {
  std::vector<Sent> sent;
  engine.expire(now, [&](Audience to, Message&& m) { sent.push_back({to, std::move(m)}); });
  return sent;
}

/// All SAs, in the order of a DUMP.
inline std::vector<Message> dump(Engine& engine, SaType satype = SaType::unspec, Instant now = at(0)) {
  std::vector<Message> all;
  const auto walk = engine.dump(request(Type::dump, satype), now, [](Audience, Message&&) {});
  while (walk) {
    auto next = engine.next(*walk);
    if (!next) break;
    all.push_back(std::move(*next));
  }
  return all;
}

/// errno and diagnostic of the only answer.
struct Outcome {
  unsigned error;
  pfkey::Diagnostic diagnostic;
  bool operator==(const Outcome&) const = default;
  friend void PrintTo(const Outcome& o, std::ostream* os) {
    *os << "errno " << o.error << ", " << pfkey::name_of(o.diagnostic);
  }
};
inline constexpr Outcome kDone{0, pfkey::Diagnostic::none};

inline Outcome outcome(Engine& engine, Message m, Instant now = at(0)) {
  const auto sent = ask(engine, std::move(m), now);
  if (sent.size() != 1) return {255, pfkey::Diagnostic::none};
  return {sent[0].message.error, static_cast<pfkey::Diagnostic>(sent[0].message.diagnostic)};
}

}  // namespace ipseckey::engine::testing
