// How rules are held:
// 1. The active and the standby rules are a RuleSet each (detail/rule_set.h).
// 2. handle() finds the row of the request, checks that the client may change rules now, and calls the handler.
// 3. A rule that is added to the standby set and is in the active set, too, has its index: it is the same rule.
// 4. Every change of the active set makes a new Lookup, which in_force() gets; additions and deletions of single rules
//    share one, when put_into_force() is called.
// 5. A DUMP keeps what it shows: rules are shared between the sets and the walks, and never changed.
#include "engine/rule_book.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <expected>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "engine/detail/rule_set.h"
#include "pfpolicy/convert.h"

namespace ipseckey::engine {
namespace {

using pfpolicy::Diagnostic;
using pfpolicy::Message;
using pfpolicy::Spd;
using pfpolicy::Type;
using policy::Direction;
using policy::Rule;

struct Refusal {
  int error;
  Diagnostic diagnostic;
  std::string remark = {};
};
template <class T>
using Answer = std::expected<T, Refusal>;

// A change that leaves some of the host's rules as they are.
bool is_partial(const Message& m) {
  const bool of_one_tunnel = m.tunnel && !m.tunnel->text.empty();
  if (m.type == Type::flip) return of_one_tunnel;
  if (m.type == Type::flush) return m.spd == Spd::active && of_one_tunnel;
  return m.type == Type::clone || (!only_reads(m) && m.spd == Spd::active);
}

struct Walk {
  Message request;
  std::vector<HeldPtr> rules;
  std::uint64_t version;
  std::size_t sent = 0;
};

}  // namespace

struct RuleBook::State {
  using Handler = Answer<Message> (State::*)(ClientId, const Message&);
  struct Row {
    Type type;
    Handler handler;  // Null: it is answered otherwise.
    bool begins;      // It takes the standby set.
  };
  static const Row* find(Type type);

  RuleBookOptions options;
  std::array<RuleSet, 2> sets;
  std::uint64_t version = 0, active_version = 0, last_index = 0, last_serial = 0;
  std::optional<ClientId> owner;  // Of the standby set.
  std::chrono::nanoseconds lease_end{};
  std::map<ClientId, Walk> walks;
  bool unsettled = false;  // The active rules are not those in force.

  RuleSet& set(Spd spd) { return sets[static_cast<std::size_t>(spd)]; }

  std::optional<Refusal> may(ClientId client, const Message& m, const Row& row, Instant now);
  Answer<Message> flush(ClientId client, const Message& m);
  Answer<Message> add(ClientId client, const Message& m);
  Answer<Message> remove(ClientId client, const Message& m);
  Answer<Message> flip(ClientId client, const Message& m);
  Answer<Message> clone(ClientId client, const Message& m);
  Answer<Message> dump(ClientId client, const Message& m);
  Answer<Message> watch(ClientId client, const Message& m);

  std::optional<Refusal> fault_of(const Rule& rule, const RuleSet& into) const;
  void changed(Spd spd);
  void put_into_force();
  void end_others_claim(ClientId client, const Message& m);
  Message counted(const Message& m);
  void count(Message& m, std::size_t rules, std::uint64_t of_version) const;
};

const RuleBook::State::Row* RuleBook::State::find(Type type) {
  static constexpr std::array kRows = {
      Row{Type::flush, &State::flush, true},        Row{Type::addrule, &State::add, false},
      Row{Type::deleterule, &State::remove, false}, Row{Type::flip, &State::flip, false},
      Row{Type::clone, &State::clone, true},        Row{Type::dump, &State::dump, false},
      Row{Type::watch, &State::watch, false},
  };
  const auto found = std::ranges::find(kRows, type, &Row::type);
  return found == kRows.end() ? nullptr : &*found;
}

// Active rules can be changed directly while nobody has the standby set.
std::optional<Refusal> RuleBook::State::may(ClientId client, const Message& m, const Row& row, Instant now) {
  if (only_reads(m)) return std::nullopt;
  const bool mine = owner == client;
  if (owner && !mine && now.steady < lease_end)
    return Refusal{EBUSY, Diagnostic::standby_taken, "another client is changing the rules: try again"};
  const bool standby = m.spd == Spd::standby || m.type == Type::flip || m.type == Type::clone;
  if (!standby) return std::nullopt;
  if (!mine && !row.begins)
    return Refusal{EBUSY, Diagnostic::standby_taken,
                   "the standby rules are not this client's, or no longer: begin with CLONE or FLUSH"};
  owner = client;
  lease_end = now.steady + kLease;
  return std::nullopt;
}

// The active rules have changed by someone whom the owner's lease no longer keeps out: its standby set is about rules
// that are no more, and its FLIP would undo this change.
void RuleBook::State::end_others_claim(ClientId client, const Message& m) {
  if (m.spd == Spd::active && owner != client) owner.reset();
}

void RuleBook::State::changed(Spd spd) {
  ++version;
  if (spd == Spd::active) unsettled = true, active_version = version;
}

void RuleBook::State::put_into_force() {
  if (!std::exchange(unsettled, false)) return;
  std::vector<HeldPtr> list = set(Spd::active).of(everything());
  sort(list);
  policy::Rules rules;
  policy::Tallies tallies;
  rules.reserve(list.size()), tallies.reserve(list.size());
  for (const HeldPtr& held : list) rules.push_back(held->rule), tallies.push_back(held->tally);
  options.in_force(rules.empty() ? nullptr
                                 : std::make_shared<const policy::Lookup>(std::move(rules), std::move(tallies)));
}

Message RuleBook::State::counted(const Message& m) {
  Message reply = m.header();
  count(reply, set(m.spd).size(), version);
  return reply;
}

void RuleBook::State::count(Message& m, std::size_t rules, std::uint64_t of_version) const {
  m.ruleset = pfpolicy::Ruleset{static_cast<std::uint32_t>(rules), of_version};
  const std::string& remark = options.idle.empty() ? options.unseen : options.idle;
  if (!remark.empty()) m.remark = pfpolicy::Text{remark};
  if (!options.idle.empty()) m.diagnostic = Diagnostic::not_obeyed;
}

Answer<Message> RuleBook::State::flush(ClientId, const Message& m) {
  RuleSet& s = set(m.spd);
  s.take(s.of(Scope(m)));
  changed(m.spd);
  return counted(m);
}

// What a user-space engine cannot do.
std::optional<Refusal> RuleBook::State::fault_of(const Rule& rule, const RuleSet& into) const {
  if (rule.if_id.value_or(0) != 0)
    return Refusal{EINVAL, Diagnostic::not_here,
                   "if_id names an XFRM interface, which only the kernel has: leave it out"};
  if (!rule.tunnel) return std::nullopt;
  const std::string& name = rule.tunnel->name;
  if (!rule.tunnel->whole_packets)
    return Refusal{EINVAL, Diagnostic::not_here,
                   "negotiate transport is for the kernel: write a rule for the tunnel's protocol (ulp 4, 41 or 47) "
                   "between its ends"};
  const bool with_ends = std::ranges::any_of(
      rule.alternatives, [](const policy::Alternative& a) { return a.protection.ends.has_value(); });
  if (with_ends || options.has_link(name) || into.names_ends(name)) return std::nullopt;
  return Refusal{
      ENOENT, Diagnostic::unknown_tunnel,
      fmt::format("there is no interface {}: create it first, or give the tunnel's ends (tsrc, tdst)", name)};
}

Answer<Message> RuleBook::State::add(ClientId, const Message& m) {
  if (!options.idle.empty()) return std::unexpected(Refusal{EOPNOTSUPP, Diagnostic::not_obeyed, options.idle});
  if (m.rule && m.rule->index != 0)
    return std::unexpected(Refusal{EINVAL, Diagnostic::bad_index, "a rule gets its index from this database"});
  auto rule = pfpolicy::to_rule(m);
  if (!rule) return std::unexpected(Refusal{EINVAL, rule.error().diagnostic, std::move(rule.error().remark)});
  RuleSet& into = set(m.spd);
  if (auto fault = fault_of(*rule, into)) return std::unexpected(std::move(*fault));
  if (const HeldPtr same = into.about(*rule))
    return std::unexpected(Refusal{EEXIST, Diagnostic::none,
                                   fmt::format("rule {} is about the same packets{}", same->index,
                                               same->rule.line ? fmt::format(" (line {})", same->rule.line) : "")});
  if (into.size() >= options.most)
    return std::unexpected(Refusal{ENOMEM, Diagnostic::no_memory, fmt::format("there are {} rules", options.most)});
  const HeldPtr known = m.spd == Spd::standby ? set(Spd::active).about(*rule) : nullptr;
  const bool kept = known && known->rule == *rule && !into.at(known->index);
  const std::uint64_t index = kept ? known->index : ++last_index;
  auto tally = kept ? known->tally : std::make_shared<policy::Tally>();
  into.put(
      std::make_shared<const HeldRule>(index, ++last_serial, m.rule->priority, std::move(*rule), std::move(tally)));
  changed(m.spd);
  Message reply = m.header();
  reply.rule = m.rule;
  reply.rule->index = index;
  return reply;
}

// By pattern: rules about exactly these packets, in no other direction than those that the request names.
Answer<Message> RuleBook::State::remove(ClientId, const Message& m) {
  RuleSet& from = set(m.spd);
  std::vector<HeldPtr> gone;
  if (m.rule && m.rule->index != 0) {
    if (const HeldPtr held = from.at(m.rule->index)) gone.push_back(held);
  } else {
    const auto pattern = pfpolicy::to_pattern(m);
    if (!pattern) return std::unexpected(Refusal{EINVAL, pattern.error().diagnostic, pattern.error().remark});
    for (const Direction d : {Direction::out, Direction::in}) {
      if (!pattern->has(d)) continue;
      Rule one = *pattern;
      one.out = d == Direction::out, one.in = d == Direction::in;
      const HeldPtr held = from.about(one);
      const bool within = held && (!held->rule.out || pattern->out) && (!held->rule.in || pattern->in);
      if (within && std::ranges::find(gone, held) == gone.end()) gone.push_back(held);
    }
  }
  if (gone.empty()) return std::unexpected(Refusal{ENOENT, Diagnostic::bad_index, "there is no such rule"});
  from.take(gone);
  changed(m.spd);
  Message reply = m.header();
  reply.rule = m.rule;
  reply.rule->index = gone.front()->index;
  return reply;
}

Answer<Message> RuleBook::State::flip(ClientId, const Message& m) {
  const Scope scope(m);
  RuleSet &active = set(Spd::active), &standby = set(Spd::standby);
  const auto before = active.of(scope), after = standby.of(scope);
  active.take(before), standby.take(after);
  active.put(after), standby.put(before);
  owner.reset();
  changed(Spd::active);
  return counted(m);
}

Answer<Message> RuleBook::State::clone(ClientId, const Message& m) {
  const Scope scope(m);
  RuleSet& standby = set(Spd::standby);
  standby.take(standby.of(scope));
  standby.put(set(Spd::active).of(scope));
  changed(Spd::standby);
  return counted(m);
}

Answer<Message> RuleBook::State::dump(ClientId client, const Message& m) {
  Walk walk{.request = m.header(), .rules = set(m.spd).of(Scope(m)), .version = version};
  sort(walk.rules);
  walks.insert_or_assign(client, std::move(walk));
  return Message{};
}

// Whoever keeps the clients tells them.
Answer<Message> RuleBook::State::watch(ClientId, const Message& m) {
  if (m.spd != Spd::active)
    return std::unexpected(Refusal{EINVAL, Diagnostic::bad_spd, "only active rules are watched"});
  return counted(m);
}

RuleBook::RuleBook(RuleBookOptions options) : state_(std::make_unique<State>()) {
  state_->options = std::move(options);
}
RuleBook::~RuleBook() = default;

void RuleBook::handle(ClientId client, const Message& m, Instant now, Reply reply) {
  const State::Row* const row = State::find(m.type);
  if (!row) return reply(refused(m, EINVAL, Diagnostic::bad_message_type));
  if (m.spd != Spd::active && m.spd != Spd::standby) return reply(refused(m, EINVAL, Diagnostic::bad_spd));
  if (is_partial(m) && state_->options.waits())
    return reply(refused(m, EAGAIN, Diagnostic::none,
                         "rules of before the restart are still in force, and are not known here: load all rules "
                         "(ipsecconf apply FILE), or unload them (ipsecconf unload)"));
  if (auto why = state_->may(client, m, *row, now)) return reply(refused(m, why->error, why->diagnostic, why->remark));
  auto answer = (state_.get()->*row->handler)(client, m);
  if (!answer) return reply(refused(m, answer.error().error, answer.error().diagnostic, answer.error().remark));
  const bool of_one_rule = m.type == Type::addrule || m.type == Type::deleterule;
  if (!of_one_rule) state_->put_into_force();
  if (m.type == Type::dump) return;
  if (!only_reads(m)) state_->end_others_claim(client, m);
  reply(of_one_rule ? std::move(*answer) : settled(std::move(*answer)));
}

bool RuleBook::unsettled() const { return state_->unsettled; }

void RuleBook::put_into_force() { state_->put_into_force(); }

Message RuleBook::settled(Message granted) const {
  if (granted.error != 0 || only_reads(granted)) return granted;
  const std::string why = state_->options.not_in_force();
  return why.empty() ? granted : refused(granted, EIO, Diagnostic::none, why);
}

void RuleBook::close(ClientId client) {
  if (state_->owner == client) state_->owner.reset();
  state_->walks.erase(client);
}

bool RuleBook::dumping(ClientId client) const { return state_->walks.contains(client); }

Message RuleBook::next_dumped(ClientId client) {
  const auto found = state_->walks.find(client);
  Walk& walk = found->second;
  Message m = walk.request;
  const std::size_t number = walk.sent++;
  if (number == 0 || number > walk.rules.size()) {
    state_->count(m, walk.rules.size(), walk.version);
    const auto [out, in] = state_->options.dropped();
    if (out.packets > 0) m.dropped_out = out;
    if (in.packets > 0) m.dropped_in = in;
    if (number > 0) state_->walks.erase(found);
    return m;
  }
  const HeldRule& held = *walk.rules[number - 1];
  Message shown = pfpolicy::from_rule(held.rule, held.priority);
  shown.type = m.type, shown.spd = m.spd, shown.seq = m.seq, shown.pid = m.pid;
  shown.rule->index = held.index;
  const auto dropped = [&](Direction d) -> std::optional<pfpolicy::Dropped> {
    const policy::Tally::Count count = held.tally->dropped(d);
    if (count.packets == 0) return std::nullopt;
    return pfpolicy::Dropped{count.packets, state_->options.cause(count.cause)};
  };
  shown.dropped_out = dropped(Direction::out), shown.dropped_in = dropped(Direction::in);
  return shown;
}

std::size_t RuleBook::active() const { return state_->sets[0].size(); }

std::uint64_t RuleBook::version() const { return state_->active_version; }

Message RuleBook::notice() const {
  Message m;
  m.type = Type::watch;
  state_->count(m, active(), version());
  return m;
}

std::vector<RuleBook::Refusing> RuleBook::refusing() const {
  std::vector<Refusing> found;
  for (const HeldPtr& held : state_->sets[0].of(everything())) {
    const Refusing one{held->index, held->tally->dropped(Direction::out), held->tally->dropped(Direction::in)};
    if (one.out.packets + one.in.packets > 0) found.push_back(one);
  }
  return found;
}

bool only_reads(const Message& request) { return request.type == Type::dump || request.type == Type::watch; }

Message refused(const Message& request, int error, Diagnostic diagnostic, std::string_view remark) {
  Message m = request.header();
  m.error = static_cast<std::uint8_t>(error);
  m.diagnostic = diagnostic;
  if (!remark.empty()) m.remark = pfpolicy::Text{std::string(remark)};
  return m;
}

}  // namespace ipseckey::engine
