// Random requests, packets and time for the engine and a naive model of it: answers, events and tables must be equal.
// One seed is one run; a failure names it.
#include "engine/model.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <random>
#include <string>

namespace ipseckey::engine::testing {

using pfkey::Diagnostic;
using pfkey::Lifetime;
using pfkey::State;

namespace {

constexpr std::uint32_t kIn = pfkey::kFlagInbound, kOut = pfkey::kFlagOutbound, kEither = kIn | kOut;

constexpr Outcome bad(Diagnostic d) { return {EINVAL, d}; }

bool above(std::uint64_t a, std::uint64_t b) { return a && b && a > b; }

std::optional<Outcome> limits_fault(const Message& m) {
  if (!m.hard || !m.soft) return std::nullopt;
  const Lifetime idle = m.idle.value_or(Lifetime{});
  if (above(m.soft->allocations, m.hard->allocations)) return bad(Diagnostic::alloc_hserr);
  if (above(m.soft->bytes, m.hard->bytes)) return bad(Diagnostic::bytes_hserr);
  if (above(m.soft->addtime, m.hard->addtime)) return bad(Diagnostic::addtime_hserr);
  if (above(m.soft->usetime, m.hard->usetime)) return bad(Diagnostic::usetime_hserr);
  if (above(idle.addtime, m.hard->addtime) || above(idle.addtime, m.soft->addtime))
    return bad(Diagnostic::addtime_hserr);
  if (above(idle.usetime, m.hard->usetime) || above(idle.usetime, m.soft->usetime))
    return bad(Diagnostic::usetime_hserr);
  return std::nullopt;
}

void take(std::optional<Lifetime>& ours, const std::optional<Lifetime>& given) {
  if (!given) return;
  Lifetime l = ours.value_or(Lifetime{});
  if (given->allocations) l.allocations = given->allocations;
  if (given->bytes) l.bytes = given->bytes;
  if (given->addtime) l.addtime = given->addtime;
  if (given->usetime) l.usetime = given->usetime;
  ours = l.empty() ? std::nullopt : std::optional(l);
}

void lower(std::optional<Lifetime>& ours, const std::optional<Lifetime>& bound) {
  if (!ours || !bound) return;
  if (bound->allocations) ours->allocations = std::min(ours->allocations, bound->allocations);
  if (bound->bytes) ours->bytes = std::min(ours->bytes, bound->bytes);
  if (bound->addtime) ours->addtime = std::min(ours->addtime, bound->addtime);
  if (bound->usetime) ours->usetime = std::min(ours->usetime, bound->usetime);
}

// Whether a limit in seconds after `from` has been reached at t.
bool reached(std::uint64_t limit, std::optional<std::int64_t> from, std::int64_t t) {
  return limit != 0 && from && t >= *from + static_cast<std::int64_t>(limit);
}

template <class Entry>
bool limit_reached(const std::optional<Lifetime>& l, const Entry& e, bool hard, std::int64_t t) {
  if (!l) return false;
  return reached(l->addtime, e.added, t) || reached(l->usetime, e.first_use, t) || (l->bytes && e.bytes >= l->bytes) ||
         (l->allocations && (hard ? e.flows > l->allocations : e.flows >= l->allocations));
}

Lifetime idle_limit(const Message& m) {
  if (m.idle) return *m.idle;
  return {.addtime = m.hard ? m.hard->addtime / 2 : 0};
}

template <class Entry>
bool idle_reached(const Entry& e, std::int64_t t) {
  const Lifetime idle = idle_limit(e.m);
  return reached(idle.addtime, e.idle_from, t) || (e.first_use && reached(idle.usetime, e.idle_from, t));
}

template <class Entry>
Lifetime current(const Entry& e) {
  return {.allocations = e.flows,
          .bytes = e.bytes,
          .addtime = kEpoch + static_cast<std::uint64_t>(e.added),
          .usetime = e.first_use ? kEpoch + static_cast<std::uint64_t>(*e.first_use) : 0};
}

template <class Entry>
Sent notice(const Entry& e) {
  Message m;
  m.type = Type::expire, m.satype = e.m.satype;
  m.sa = e.m.sa, m.src = e.m.src, m.dst = e.m.dst;
  m.current = current(e);
  m.km_cookie.emplace();
  if (m.sa->state == State::dead) m.hard = e.m.hard.value_or(Lifetime{});
  if (m.sa->state == State::dying) m.soft = e.m.soft;
  if (m.sa->state == State::mature) m.idle = idle_limit(e.m);
  return {Audience::everyone, std::move(m)};
}

bool silent(State s) { return s == State::larval || s == State::active_elsewhere || s == State::idle; }

}  // namespace

Model::Entry* Model::find(SaType satype, std::uint32_t spi, const Address& dst) {
  for (Entry& e : all_)
    if (e.m.satype == satype && e.m.sa->spi == spi && e.m.dst->address == dst) return &e;
  return nullptr;
}

Model::Entry* Model::born(int birth) {
  for (Entry& e : all_)
    if (e.birth == birth && birth != 0) return &e;
  return nullptr;
}
const Model::Entry* Model::born(int birth) const { return const_cast<Model*>(this)->born(birth); }

void Model::remove(int birth) {
  for (Entry& e : all_)
    if (e.mate == birth) e.mate = 0, e.m.sa->flags &= ~std::uint32_t{pfkey::kFlagPaired};
  std::erase_if(all_, [&](const Entry& e) { return e.birth == birth; });
}

void Model::kill(Entry& e, std::vector<Sent>& sent) {
  const int births[] = {e.birth, e.mate};
  for (const int birth : births) {
    Entry* const dead = born(birth);
    if (!dead) continue;
    if (!silent(dead->m.sa->state)) {
      dead->m.sa->state = State::dead;
      sent.push_back(notice(*dead));
    }
    remove(birth);
  }
}

std::vector<Sent> Model::tick(std::int64_t t) {
  std::vector<Sent> sent;
  std::vector<int> births;
  for (const Entry& e : all_) births.push_back(e.birth);
  for (const int birth : births) {
    Entry* const e = born(birth);
    if (!e) continue;
    State& state = e->m.sa->state;
    if (state == State::larval) {
      if (t >= e->added + 90) remove(birth);
    } else if (limit_reached(e->m.hard, *e, true, t)) {
      kill(*e, sent);
    } else if (state == State::mature && limit_reached(e->m.soft, *e, false, t)) {
      state = State::dying;
      sent.push_back(notice(*e));
    } else if (state == State::mature && !e->idle_told && idle_reached(*e, t)) {
      e->idle_told = true;
      sent.push_back(notice(*e));
    } else if (state == State::active_elsewhere && idle_reached(*e, t)) {
      state = State::idle;
    }
  }
  return sent;
}

bool Model::charge(const SaId& id, std::uint64_t bytes, bool new_flow, std::int64_t t, std::vector<Sent>& sent) {
  Entry* const e = find(id.satype, id.spi, id.dst);
  if (!e || (e->m.sa->state != State::mature && e->m.sa->state != State::dying)) return false;
  if (!e->first_use) e->first_use = t;
  e->last_use = t;
  e->m.sa->flags |= pfkey::kFlagUsed;
  const Lifetime hard = e->m.hard.value_or(Lifetime{});
  if ((hard.bytes && e->bytes + bytes >= hard.bytes) ||
      (new_flow && hard.allocations && e->flows + 1 > hard.allocations)) {
    kill(*e, sent);
    return false;
  }
  ++e->packets;
  e->bytes += bytes;
  e->flows += new_flow;
  e->idle_from = t;
  e->idle_told = false;
  if (e->m.sa->state == State::mature && !limit_reached(e->m.hard, *e, true, t) &&
      limit_reached(e->m.soft, *e, false, t)) {
    e->m.sa->state = State::dying;
    sent.push_back(notice(*e));
  }
  return true;
}

Message Model::describe(const Entry& e, const Message& request) const {
  Message m = e.m.clone();
  m.type = request.type, m.seq = request.seq, m.pid = request.pid, m.error = 0, m.diagnostic = 0;
  m.current = current(e);
  if (e.last_use)
    m.traffic = pfkey::Traffic{.packets = e.packets, .last_use = kEpoch + static_cast<std::uint64_t>(*e.last_use)};
  if (const Entry* const mate = born(e.mate)) m.pair = pfkey::Pair{mate->m.sa->spi};
  return m;
}

std::vector<Message> Model::dump(const Message& request) const {
  std::vector<Message> all;
  for (const Entry& e : all_)
    if (request.satype == SaType::unspec || e.m.satype == request.satype) all.push_back(describe(e, request));
  return all;
}

std::uint32_t Model::direction(const Message& m) const {
  if (m.sa->flags & kEither) return m.sa->flags & kEither;
  if (!local_) return 0;
  const bool to_us = m.dst->address == *local_, from_us = m.src->address == *local_;
  if (to_us) return !from_us && !is_unspecified(m.src->address) ? kIn : kEither;
  return from_us ? kOut : kEither;
}

// Whether the addresses imply no direction, so that a pair must.
bool Model::untold(const Address& dst, const Address& src) const {
  return local_ && (src == *local_) == (dst == *local_ && !is_unspecified(src));
}

void Model::settle_ways(Entry& a, Entry& b) {
  const auto set = [](Entry& e, std::uint32_t ways) { e.m.sa->flags = (e.m.sa->flags & ~kEither) | ways; };
  const std::uint32_t first = a.m.sa->flags & kEither, second = b.m.sa->flags & kEither;
  const bool knows_first = first == kIn || first == kOut, knows_second = second == kIn || second == kOut;
  if (!knows_first) set(a, second == kIn ? kOut : second == kOut ? kIn : 0);
  if (!knows_second) set(b, first == kIn ? kOut : first == kOut ? kIn : 0);
}

std::optional<Outcome> Model::pair_fault(const Message& m, const Address& src, std::uint32_t flags, bool is_dying,
                                         int mate) {
  const std::uint32_t ways = flags & kEither;
  const Outcome no = bad(Diagnostic::pair_inappropriate);
  if ((ways == kEither && !untold(m.dst->address, src)) || is_dying || m.pair->spi == 0 || m.pair->spi == m.sa->spi)
    return no;
  Entry* const other = find(m.satype, m.pair->spi, src);
  if (!other || other->m.src->address != m.dst->address) return no;
  const State state = other->m.sa->state;
  const std::uint32_t theirs = other->m.sa->flags & kEither;
  if (state == State::larval || state == State::dying) return no;
  if (theirs == kEither && !untold(src, m.dst->address)) return no;
  if ((ways == kIn || ways == kOut) && ways == theirs) return no;
  const Entry* const self = find(m.satype, m.sa->spi, m.dst->address);
  if (other->mate != 0 && (!self || other->mate != self->birth)) return bad(Diagnostic::pair_already);
  if (mate != 0 && mate != other->birth) return bad(Diagnostic::pair_already);
  return std::nullopt;
}

Outcome Model::add(const Message& m, std::int64_t t, Message& reply) {
  Entry* larval = m.type == Type::update ? find(m.satype, m.sa->spi, m.dst->address) : nullptr;
  if (m.satype == SaType::esp && !m.encrypt_key) return bad(Diagnostic::missing_ekey);
  if (m.satype == SaType::ah && !m.auth_key) return bad(Diagnostic::missing_akey);
  if (m.sa->state != State::mature && m.sa->state != State::active_elsewhere) return bad(Diagnostic::bad_sastate);
  if (auto wrong = limits_fault(m)) return *wrong;
  const std::uint32_t ways = direction(m);
  if (m.pair && ways == kEither && !untold(m.dst->address, m.src->address)) return bad(Diagnostic::pair_inappropriate);
  if (!larval && find(m.satype, m.sa->spi, m.dst->address)) return {EEXIST, Diagnostic::none};
  Entry e;
  e.m = m.clone();
  if (larval && is_unspecified(m.src->address)) e.m.src->address = larval->m.src->address;
  if (m.pair)
    if (auto wrong = pair_fault(m, e.m.src->address, ways, false, 0)) return *wrong;
  e.birth = larval ? larval->birth : ++births_;
  e.added = e.idle_from = t;
  e.m.sa->flags = (m.sa->flags & ~std::uint32_t{pfkey::kFlagPaired}) | ways;
  e.m.pair.reset();
  for (auto* l : {&e.m.hard, &e.m.soft, &e.m.idle})
    if (*l && (*l)->empty()) l->reset();
  if (e.m.replay_value && e.m.replay_value->low == 0) e.m.replay_value.reset();
  if (larval) {
    *larval = std::move(e);
  } else {
    all_.push_back(std::move(e));
  }
  Entry* const self = find(m.satype, m.sa->spi, m.dst->address);
  if (m.pair) {
    Entry* const other = find(m.satype, m.pair->spi, self->m.src->address);
    self->mate = other->birth, other->mate = self->birth;
    self->m.sa->flags |= pfkey::kFlagPaired, other->m.sa->flags |= pfkey::kFlagPaired;
    settle_ways(*self, *other);
  }
  reply.sa->flags = self->m.sa->flags;
  reply.src = self->m.src;
  return kDone;
}

Outcome Model::update(const Message& m, std::int64_t t) {
  Entry* const e = find(m.satype, m.sa->spi, m.dst->address);
  const bool both = m.type == Type::x_updatepair;
  if (both && e->mate == 0) return {ESRCH, Diagnostic::pair_sa_notfound};
  if (m.auth_key) return bad(Diagnostic::akey_present);
  if (m.encrypt_key) return bad(Diagnostic::ekey_present);
  Entry* const mate = born(e->mate);
  const State asked = m.sa->state;
  if (asked != State::mature && asked != State::active_elsewhere && asked != State::active)
    return bad(Diagnostic::bad_sastate);
  if (asked == State::active && (e->m.sa->state != State::idle || (mate && mate->m.sa->state != State::idle)))
    return bad(Diagnostic::bad_sastate);
  if (auto wrong = limits_fault(m)) return *wrong;
  const std::uint32_t value = e->m.replay_value ? e->m.replay_value->low : 0;
  const unsigned window = m.sa->replay ? m.sa->replay : e->m.sa->replay;
  if (m.replay_value && (m.replay_value->low < value || ((e->m.sa->flags & kEither) == kIn && window == 0)))
    return bad(Diagnostic::invalid_replay);
  if (m.pair)
    if (auto wrong = pair_fault(m, e->m.src->address, e->m.sa->flags, e->m.sa->state == State::dying, e->mate))
      return *wrong;
  for (Entry* const half : {e, mate}) {
    if (!half) continue;
    if (half->m.sa->state == State::idle && asked != State::mature) {
      half->m.sa->state = asked == State::active ? State::mature : asked;
      half->idle_from = t, half->idle_told = false;
    }
    if ((half == mate && !both) || (!m.hard && !m.soft && !m.idle)) continue;
    take(half->m.hard, m.hard), take(half->m.soft, m.soft), take(half->m.idle, m.idle);
    lower(half->m.soft, half->m.hard), lower(half->m.idle, half->m.hard), lower(half->m.idle, half->m.soft);
    if (m.idle) half->idle_from = t, half->idle_told = false;
    if (half->m.sa->state == State::dying && !limit_reached(half->m.soft, *half, false, t))
      half->m.sa->state = State::mature;
  }
  if (m.sa->replay != 0) e->m.sa->replay = m.sa->replay;
  if (m.replay_value && m.replay_value->low != 0) e->m.replay_value = m.replay_value;
  if (m.pair) {
    Entry* const other = find(m.satype, m.pair->spi, e->m.src->address);
    e->mate = other->birth, other->mate = e->birth;
    e->m.sa->flags |= pfkey::kFlagPaired, other->m.sa->flags |= pfkey::kFlagPaired;
    settle_ways(*e, *other);
  }
  return kDone;
}

Outcome Model::reserve(const Message& m, std::int64_t t, Message& reply) {
  if (find(m.satype, m.spi_range->min, m.dst->address)) return {EEXIST, Diagnostic::none};
  reply.spi_range.reset();
  reply.sa = pfkey::Sa{.spi = m.spi_range->min};
  Entry e;
  e.m.satype = m.satype, e.m.sa = reply.sa, e.m.src = m.src, e.m.dst = m.dst;
  e.birth = ++births_;
  e.added = t;
  all_.push_back(std::move(e));
  return kDone;
}

Outcome Model::remove_named(const Message& m, Message& reply) {
  const Entry* const e = find(m.satype, m.sa->spi, m.dst->address);
  const int birth = e->birth, mate = e->mate;
  if (m.type == Type::x_delpair && mate == 0) return {ESRCH, Diagnostic::pair_sa_notfound};
  reply = describe(*e, m);
  reply.sa->state = State::dead;
  remove(birth);
  if (m.type == Type::x_delpair) remove(mate);
  return kDone;
}

std::vector<Sent> Model::ask(const Message& m, std::int64_t t) {
  Message reply = m.clone();
  Outcome outcome = kDone;
  const auto answer = [&] {
    if (m.type == Type::flush) {
      std::erase_if(all_, [&](const Entry& e) { return m.satype == SaType::unspec || e.m.satype == m.satype; });
      for (Entry& e : all_)
        if (!born(e.mate)) e.mate = 0;
      return kDone;
    }
    if (m.type == Type::getspi) return reserve(m, t, reply);
    if (m.type == Type::add) return add(m, t, reply);
    const Entry* const e = find(m.satype, m.sa->spi, m.dst->address);
    if (!e ||
        !(e->m.src->address == m.src->address || is_unspecified(m.src->address) || is_unspecified(e->m.src->address)))
      return Outcome{ESRCH, Diagnostic::sa_notfound};
    if (m.type == Type::update && e->m.sa->state == State::larval) return add(m, t, reply);
    if (m.type == Type::del || m.type == Type::x_delpair) return remove_named(m, reply);
    if (m.type != Type::get) return update(m, t);
    reply = describe(*e, m);
    return kDone;
  };
  outcome = answer();
  if (outcome != kDone) reply = m.header();
  reply.error = static_cast<std::uint8_t>(outcome.error);
  reply.diagnostic = static_cast<std::uint16_t>(outcome.diagnostic);
  if (m.type != Type::get) reply.auth_key.reset(), reply.encrypt_key.reset();
  std::vector<Sent> sent;
  sent.push_back({m.type == Type::get ? Audience::sender : Audience::everyone, std::move(reply)});
  return sent;
}

namespace {

// Few SPIs and addresses, and small numbers, so that they coincide.
class Dice {
 public:
  explicit Dice(unsigned seed) : engine_(seed) {}
  unsigned below(unsigned n) { return static_cast<unsigned>(engine_() % n); }
  bool one_in(unsigned n) { return below(n) == 0; }
  std::uint32_t spi() { return 1 + below(4); }
  SaType satype() { return one_in(6) ? SaType::ah : SaType::esp; }

  std::optional<Lifetime> limits(unsigned rarity) {
    if (!one_in(rarity)) return std::nullopt;
    Lifetime l;
    if (one_in(3)) l.allocations = 1 + below(4);
    if (one_in(3)) l.bytes = 1 + below(200);
    if (one_in(2)) l.addtime = 1 + below(60);
    if (one_in(3)) l.usetime = 1 + below(30);
    return l;
  }

  Message request() {
    static constexpr Type kTypes[] = {Type::add,    Type::add, Type::add,          Type::update,    Type::update,
                                      Type::update, Type::get, Type::x_updatepair, Type::x_delpair, Type::del,
                                      Type::getspi, Type::add, Type::add,          Type::update};
    const Type type = one_in(150) ? Type::flush : kTypes[below(std::size(kTypes))];
    const SaType sa = satype();
    if (type == Type::flush) return engine::testing::request(type, one_in(2) ? SaType::unspec : sa);
    Message m = sa == SaType::esp ? add_esp(spi()) : add_ah(spi());
    m.type = type, m.seq = below(1000);
    if (one_in(2)) m = reversed(std::move(m));
    if (one_in(12)) m.src = endpoint("0.0.0.0");
    const bool with_keys = type == Type::add || (type == Type::update && one_in(4));
    if (!with_keys) m.auth_key.reset(), m.encrypt_key.reset();
    if (type == Type::getspi) {
      m.spi_range = pfkey::SpiRange{m.sa->spi, m.sa->spi};
      m.sa.reset();
      return m;
    }
    if (type == Type::get || type == Type::del || type == Type::x_delpair) return m;
    if (one_in(4)) m.sa->flags = (one_in(2) ? kIn : kOut) | (one_in(8) ? kEither : 0);
    if (one_in(8)) m.sa->state = static_cast<State>(below(7));
    if (one_in(4)) m.sa->replay = one_in(2) ? 32 : 64;
    if (one_in(3)) m.pair = pfkey::Pair{below(5)};
    if (one_in(8)) m.replay_value = pfkey::ReplayValue{.low = below(6)};
    m.hard = limits(2), m.soft = limits(3), m.idle = limits(4);
    return m;
  }

 private:
  std::minstd_rand engine_;
};

struct Trial {
  Dice dice;
  CountedPackets packets;
  Engine engine;
  Model model;
  std::int64_t t = 0;

  static Options options_for(CountedPackets& packets, bool knows) {
    Options o;
    o.carrier = &packets;
    if (knows) o.is_local = [](const Address& a) { return a == parse_address("192.0.2.1"); };
    return o;
  }
  explicit Trial(unsigned seed)
      : dice(seed),
        engine(options_for(packets, seed % 2)),
        model(seed % 2 ? parse_address("192.0.2.1") : std::nullopt) {}

  // The engine is woken at its deadlines, the model every second.
  void pass_time(std::int64_t seconds) {
    std::vector<Sent> engines, models;
    const auto collect = [](std::vector<Sent>& all, std::vector<Sent> more) {
      for (Sent& s : more) all.push_back(std::move(s));
    };
    for (const std::int64_t end = t + seconds;; ++t) {
      if (engine.deadline() && *engine.deadline() <= at(t).steady) collect(engines, expire(engine, at(t)));
      collect(models, model.tick(t));
      if (t == end) break;
    }
    EXPECT_EQ(engines, models);
  }

  void packet() {
    const SaId id{dice.satype(), dice.spi(), endpoint(dice.one_in(2) ? "192.0.2.1" : "192.0.2.2").address};
    const std::uint64_t bytes = dice.below(80);
    const bool new_flow = dice.one_in(3);
    std::vector<Sent> engines, models;
    const bool passed = packets.charge(engine, id, bytes, new_flow, at(t),
                                       [&](Audience to, Message&& m) { engines.push_back({to, std::move(m)}); });
    EXPECT_EQ(passed, model.charge(id, bytes, new_flow, t, models));
    EXPECT_EQ(engines, models);
  }

  void step() {
    const unsigned what = dice.below(10);
    if (what < 6) {
      const Message m = dice.request();
      auto answer = ask(engine, m.clone(), at(t));
      if (answer.size() == 1) answer[0].message.remark.reset();  // The model does not use words.
      EXPECT_EQ(answer, model.ask(m, t)) << "type " << static_cast<int>(m.type);
    } else if (what < 8) {
      packet();
    } else {
      pass_time(dice.below(dice.one_in(5) ? 100 : 10));
    }
    pass_time(0);
    EXPECT_EQ(dump(engine), model.dump(request(Type::dump, SaType::unspec)));
  }
};

TEST(Model, EngineAndModelAgree) {
  constexpr unsigned kRuns = 2000, kSteps = 50;
  for (unsigned seed = 1; seed <= kRuns; ++seed) {
    Trial trial(seed);
    for (unsigned i = 0; i < kSteps; ++i) {
      SCOPED_TRACE("seed " + std::to_string(seed) + ", step " + std::to_string(i));
      trial.step();
      ASSERT_FALSE(HasFailure());
    }
  }
}

}  // namespace
}  // namespace ipseckey::engine::testing
