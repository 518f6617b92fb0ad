// How a request is handled:
// 1. handle() finds the row of its type, checks the SA type and, if it is about an SA, the contents, and calls the
//    handler. Handlers are in this file and in those that state.h names.
// 2. A handler replies through `out`, or returns a Refusal, which handle() turns into the reply.
// 3. audience_of() decides who gets a reply. echo() is the reply that repeats the request, without keys.
// 4. DUMP is a walk: dump() begins it, next() returns one SA per call, and dump_end() is its last message.
// 5. deadline() is when the caller must call again, for an SA or an ACQUIRE.
#include "engine/engine.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <random>
#include <tuple>

#include "engine/reply.h"
#include "engine/state.h"
#include "pfkey/near_name.h"

namespace ipseckey::engine {
namespace {

using pfkey::Diagnostic;
using pfkey::Message;
using pfkey::SaType;
using pfkey::Type;

bool has_engine(SaType satype) { return satype == SaType::ah || satype == SaType::esp; }

Check check_satype(SaType satype) {
  if (satype == SaType::unspec) return invalid(Diagnostic::satype_needed);
  if (!has_engine(satype)) return invalid(Diagnostic::unknown_satype);
  return std::nullopt;
}

// The same for messages in which SA type 0 means all types.
Check check_satypes(SaType satype) { return satype == SaType::unspec ? std::nullopt : check_satype(satype); }

Check any_satype(SaType) { return std::nullopt; }

// A random SPI from the range; if that is in use, the next free one.
std::optional<std::uint32_t> free_spi(Sadb& sadb, SaId id, pfkey::SpiRange range, const Options& options) {
  range.min = std::max(range.min, 1u);
  const std::uint64_t width = std::uint64_t{range.max} - range.min + 1;
  const std::uint32_t random = options.random();
  id.spi = random >= range.min && random <= range.max ? random : static_cast<std::uint32_t>(range.min + random % width);
  for (std::uint64_t tried = 0; tried < width; ++tried) {
    if (!sadb.find(id)) return id.spi;
    id.spi = id.spi == range.max ? range.min : id.spi + 1;
  }
  return std::nullopt;
}

}  // namespace

Audience audience_of(Type type, SaType satype) {
  switch (type) {
    case Type::getspi:
    case Type::update:
    case Type::add:
    case Type::del:
    case Type::expire:
    case Type::flush:
    case Type::x_updatepair:
    case Type::x_delpair:
      return Audience::everyone;
    case Type::acquire:
    case Type::reg:
      return satype == SaType::unspec ? Audience::extended_registered : Audience::registered;
    case Type::reserved:
    case Type::get:
    case Type::dump:
    case Type::x_promisc:
    case Type::x_inverse_acquire:
    case Type::x_delpair_state:
    case Type::x_nat_t_new_mapping:  // It does not exist as a request.
      break;
  }
  return Audience::sender;
}

void echo(Message& request, Sink out) {
  // Keys; extensions of replies, which a reader would take for the engine's own; extensions of other requests.
  constexpr auto kNotEchoed = std::make_tuple(
      &Message::auth_key, &Message::encrypt_key, &Message::initial_iv, &Message::remark, &Message::traffic,
      &Message::current, &Message::offload, &Message::supported_auth, &Message::supported_encrypt, &Message::spi_range,
      &Message::extended_register, &Message::extended_dump);
  request.error = 0;
  request.diagnostic = 0;
  std::apply([&](auto... slot) { ((request.*slot).reset(), ...); }, kNotEchoed);
  const Audience audience = audience_of(request.type, request.satype);
  out(audience, std::move(request));
}

Engine::Engine(Options options) {
  if (!options.random) options.random = [] { return std::random_device{}(); };
  state_ = std::make_unique<State>(std::move(options));
}
Engine::~Engine() = default;
Engine::Engine(Engine&&) noexcept = default;
Engine& Engine::operator=(Engine&&) noexcept = default;

std::size_t Engine::size() const { return state_->sadb.size(); }
bool Engine::has_spare() const { return state_->sadb.has_spare(); }
void Engine::release_spare() { state_->sadb.release_spare(); }

std::optional<std::chrono::nanoseconds> Engine::deadline() const {
  const auto a = state_->deadlines.next(), b = state_->acquires.next();
  return a && b ? std::min(*a, *b) : a ? a : b;
}

// ---- requests

void Engine::handle(Message&& request, Instant now, Sink out) {
  using Handler = Check (State::*)(Message&, Instant, Sink);
  struct Row {
    Type type;
    Check (*satype)(SaType);
    bool addressed;  // Whether it may have extensions about an SA, which are then checked.
    Handler handler;
  };
  static constexpr std::array kTable = {
      Row{Type::getspi, check_satype, true, &State::getspi},
      Row{Type::update, check_satype, true, &State::update},
      Row{Type::add, check_satype, true, &State::add},
      Row{Type::del, check_satype, true, &State::remove},
      Row{Type::get, check_satype, true, &State::get},
      Row{Type::acquire, check_satypes, false, &State::acquire},
      Row{Type::reg, check_satypes, false, &State::reg},
      Row{Type::expire, any_satype, false, &State::refuse_expire},
      Row{Type::flush, check_satypes, false, &State::flush},
      Row{Type::x_inverse_acquire, any_satype, true, &State::inverse_acquire},
      Row{Type::x_updatepair, check_satype, true, &State::update},
      Row{Type::x_delpair, check_satype, true, &State::remove},
      Row{Type::x_delpair_state, check_satypes, true, &State::remove_by_state},
  };
  Check wrong = invalid(Diagnostic::unknown_msg);
  for (const Row& row : kTable) {
    if (row.type != request.type) continue;
    wrong = row.satype(request.satype);
    if (!wrong && row.addressed) wrong = normalise(request, state_->options);
    if (!wrong) wrong = (*state_.*row.handler)(request, now, out);
    break;
  }
  if (wrong) out(audience_of(request.type, request.satype), error_reply(request, *wrong));
  if (!state_->options.defers_removals)
    while (removals() > 0) remove_some(SIZE_MAX, out);
}

void Engine::expect(const Message& request) const {
  if (request.sa && request.dst) state_->sadb.prefetch({request.satype, request.sa->spi, request.dst->address});
}

SaId Engine::State::id_of(const Message& m) const {
  return {m.satype, m.sa->spi, m.dst->address, options.names_by_mark && m.mark ? m.mark->value : 0};
}

Sa* Engine::State::named(const Message& m) { return sadb.find(id_of(m), m.src ? &m.src->address : nullptr); }

Check Engine::State::not_found(const Message& m, Sink out) {
  Message reply = error_reply(m, Refusal{ESRCH, Diagnostic::sa_notfound});
  if (const Sa* const sa = sadb.find_near(id_of(m))) {
    Message there;
    there.satype = sa->satype, there.src = pfkey::Endpoint{.address = sa->src};
    there.mark = rare_of(*sa).at<&Message::mark>();
    std::string text = pfkey::near_name_text(m, there, options.names_by_mark);
    if (!text.empty()) reply.remark = pfkey::Remark{std::move(text)};
  }
  out(audience_of(m.type, m.satype), std::move(reply));
  return std::nullopt;
}

Check Engine::State::getspi(Message& m, Instant now, Sink out) {
  if (!m.src) return invalid(Diagnostic::missing_src);
  if (!m.dst) return invalid(Diagnostic::missing_dst);
  if (!m.spi_range) return invalid(Diagnostic::missing_range);
  SaId id{m.satype, 0, m.dst->address};
  const auto spi = free_spi(sadb, id, *m.spi_range, options);
  if (!spi) return Refusal{EEXIST, Diagnostic::none};
  if (!sadb.make_room()) return kNoMemory;
  id.spi = *spi;
  Sa& sa = *sadb.insert(id);
  sa.src = m.src->address;
  sa.added = now;
  limits_of(sa);
  deadlines.schedule(sa, now);
  keep(sa);
  m.sa = pfkey::Sa{.spi = *spi};
  echo(m, out);
  return std::nullopt;
}

Check Engine::State::get(Message& m, Instant, Sink out) {
  if (!m.dst) return invalid(Diagnostic::missing_dst);
  if (!m.sa) return invalid(Diagnostic::missing_sa);
  Sa* const sa = named(m);
  if (!sa) return not_found(m, out);
  out(Audience::sender, show(*sa, m, WithKeys::yes));
  return std::nullopt;
}

Check Engine::State::refuse_expire(Message&, Instant, Sink) { return Refusal{EOPNOTSUPP, Diagnostic::none}; }

// ---- dump

struct DumpWalk::State {
  Message request;
  std::shared_ptr<Sadb::Cursor> cursor;
  std::optional<std::chrono::nanoseconds> idle_since;  ///< Only SAs that were not used after this.
};

DumpWalk::DumpWalk(std::unique_ptr<State> state) : state_(std::move(state)) {}
DumpWalk::~DumpWalk() = default;

std::unique_ptr<DumpWalk> Engine::dump(const Message& request, Instant now, Sink out) {
  Message rest = request.header();
  rest.extended_dump = request.extended_dump;
  Check wrong = check_satypes(request.satype);
  if (!wrong && !(rest == request)) wrong = invalid(Diagnostic::no_ext);
  if (wrong) {
    out(Audience::sender, error_reply(request, *wrong));
    return nullptr;
  }
  auto walk = std::make_unique<DumpWalk::State>();
  if (request.extended_dump && request.extended_dump->timeout != 0) {
    constexpr std::uint64_t kLongest = 1u << 31;  // Seconds: longer than any machine is up.
    walk->idle_since = now.steady - std::chrono::seconds(std::min(request.extended_dump->timeout, kLongest));
  }
  walk->request = std::move(rest);
  walk->cursor = state_->sadb.walk();
  return std::unique_ptr<DumpWalk>(new DumpWalk(std::move(walk)));
}

std::optional<Message> Engine::next(DumpWalk& walk) {
  DumpWalk::State& w = *walk.state_;
  while (Sa* const sa = state_->sadb.step(*w.cursor)) {
    if (w.request.satype != SaType::unspec && w.request.satype != sa->satype) continue;
    if (w.idle_since) state_->refresh(*sa);
    if (w.idle_since && (sa->use ? sa->use->last : sa->added).steady > *w.idle_since) continue;
    return state_->show(*sa, w.request, WithKeys::yes);
  }
  return std::nullopt;
}

Message Engine::dump_end(const DumpWalk& walk) {
  Message m = walk.state_->request.header();
  m.error = 0, m.diagnostic = 0, m.seq = 0;
  return m;
}

}  // namespace ipseckey::engine
