// How a plan is made:
// 1. want() lists the engine that holds the SAs of the file. Each begins as one to add.
// 2. compare() gets an SA that the SADB holds. If the file has it, look_at() decides: keep, update, or replace where no
//    UPDATE can do it. Otherwise look_at_surplus() plans its removal if only this owner has it, or if all others must
//    go.
// 3. compare_pairs() is called last: an UPDATE can pair an SA only if its old partner, if any, goes.
// 4. begin_anew() is for --flush-first: SAs that compare() saw count as removed, and all of the file's as added.
// 5. carry_out() marks what failed or was not done; the counts leave those out.
#include "apply/plan.h"

#include <fmt/format.h>

#include <set>

#include "base/json.h"
#include "lang/commands.h"
#include "lang/to_spec.h"

namespace ipseckey::apply {

using backend::SaName;
using pfkey::Message;
using Do = PlannedSa::Do;

namespace {

const lang::KeywordSet kPairSpi = lang::bit(lang::keyword_for(&lang::SaSpec::pair_spi));

// Requests to an engine of this process, where nobody else sends.
Message request(pfkey::Type type, const SaName& name) {
  Message m;
  m.type = type, m.satype = name.satype;
  m.seq = m.pid = 1;
  return m;
}

bool goes(const PlannedSa& sa) { return sa.what == Do::replace || sa.what == Do::remove; }

}  // namespace

std::optional<Message> find_sa(backend::Backend& engine, const SaName& name) {
  Message get = request(pfkey::Type::get, name);
  get.sa = pfkey::Sa{.spi = name.spi};
  get.dst = pfkey::Endpoint{.address = name.dst};
  if (name.mark != 0) get.mark = pfkey::Mark{name.mark, UINT32_MAX};
  std::optional<Message> found;
  const auto asked = engine.call({&get, 1}, [&](std::size_t, Message&& m) {
    if (m.error == 0 && m.sa) found = std::move(m);
  });
  return asked ? std::move(found) : std::nullopt;
}

Result<void> Plan::want(backend::Backend& desired) {
  Message dump = request(pfkey::Type::dump, {});
  return desired.call({&dump, 1}, [&](std::size_t, Message&& m) {
    if (!m.sa || !m.dst || m.sa->state == pfkey::State::larval) return;
    PlannedSa sa{.name = backend::name_of(m), .src = m.src ? m.src->address : Address{}};
    sa.pair = m.pair ? m.pair->spi : 0;
    SaName key = sa.name;
    if (!names_by_mark_) key.mark = 0;
    index_.emplace(key, wanted_.size());
    wanted_.push_back(sa);
  });
}

PlannedSa* Plan::find(SaName name) {
  if (!names_by_mark_) name.mark = 0;
  const auto at = index_.find(name);
  return at == index_.end() ? nullptr : &wanted_[at->second];
}

PlannedSa* Plan::partner(const PlannedSa& sa) {
  return sa.pair == 0 ? nullptr : find({sa.name.satype, sa.pair, sa.src, sa.name.mark});
}

Result<void> Plan::compare(Message&& held, const Against& against) {
  if (!held.dst) return {};
  if (find(backend::name_of(held))) return look_at(std::move(held), against);
  look_at_surplus(held, against);
  return {};
}

Result<void> Plan::look_at(Message&& held, const Against& against) {
  PlannedSa& sa = *find(backend::name_of(held));
  sa.added = held.current ? held.current->addtime : 0;
  sa.held_pair = held.pair ? held.pair->spi : 0;
  sa.what = Do::replace;
  const bool unsaid = held.remark.has_value();  // It has properties that the language cannot express.
  if (held.sa->state == pfkey::State::larval) {
    sa.differs = lang::bit(lang::keyword_for(&lang::SaSpec::state));
    return {};
  }
  auto found = find_sa(against.desired, sa.name);
  if (!found) return fail(Errc::invalid, "cannot look up an SA of the file after loading it");
  lang::SaSpec wanted = lang::to_spec(std::move(*found));
  lang::Difference difference = lang::compare(wanted, held);
  if (difference.unknown)
    return fail(
        Errc::invalid,
        fmt::format("the SADB does not return the keys of the {}, so changes cannot be determined: use --flush-first",
                    text_of(sa.name)));
  difference.keywords &= ~kPairSpi;  // compare_pairs() decides about pairs.
  sa.differs = difference.keywords;
  if (unsaid) return {};
  if (difference.none()) {
    sa.what = Do::keep;
  } else if (lang::update_can(difference, wanted, held, against.now)) {
    sa.what = Do::update;
  }
  return {};
}

void Plan::look_at_surplus(const Message& held, const Against& against) {
  const SaName name = backend::name_of(held);
  const std::uint64_t added = held.current ? held.current->addtime : 0;
  const auto owned = [&](const Additions& rows) {
    const auto row = rows.find(name);
    return row != rows.end() && backend::same_moment(row->second, added);
  };
  if (!against.all && (!owned(against.holdings.mine) || owned(against.holdings.others))) return;
  surplus_.push_back({.name = name, .src = held.src ? held.src->address : Address{}, .what = Do::remove});
}

// An UPDATE can pair SAs that have no partner. An SA whose other partner stays cannot be separated from it, only
// removed, so it is replaced.
void Plan::compare_pairs() {
  std::set<SaName> going;
  for (const PlannedSa& sa : surplus_) going.insert(sa.name);
  for (PlannedSa& sa : wanted_) {
    if (sa.what != Do::keep && sa.what != Do::update) continue;
    sa.joined = sa.pair == sa.held_pair;
    if (sa.joined) continue;
    sa.differs |= kPairSpi;
    if (sa.what == Do::keep) sa.what = Do::update;
    if (sa.held_pair == 0) continue;
    const SaName old{sa.name.satype, sa.held_pair, sa.src, sa.name.mark};
    const PlannedSa* const listed = find(old);
    if (!(listed && goes(*listed)) && !going.contains(old)) sa.what = Do::replace;
  }
  for (PlannedSa& sa : wanted_)
    if (const PlannedSa* const other = partner(sa); other && goes(*other)) sa.joined = false;
}

std::size_t Plan::count(std::initializer_list<Do> actions) const {
  std::size_t n = 0;
  for (const auto* const list : {&wanted_, &surplus_})
    for (const PlannedSa& sa : *list)
      n += !sa.failed && !sa.undone && std::ranges::find(actions, sa.what) != actions.end() ? 1u : 0u;
  return n;
}

void Plan::end_early() {
  for (auto* const list : {&wanted_, &surplus_})
    for (PlannedSa& sa : *list) sa.undone = sa.what != PlannedSa::Do::keep && !sa.done;
}

std::size_t Plan::failed() const {
  std::size_t n = 0;
  for (const auto* const list : {&wanted_, &surplus_})
    n += static_cast<std::size_t>(std::ranges::count(*list, true, &PlannedSa::failed));
  return n;
}

void Plan::begin_anew() {
  for (PlannedSa& sa : wanted_) {
    if (sa.what != Do::add) surplus_.push_back({.name = sa.name, .src = sa.src, .what = Do::remove});
    sa.what = Do::add, sa.differs = {}, sa.joined = false;
  }
}

// ---- the report

std::string text_of(const SaName& name) {
  return fmt::format("{} SA spi 0x{:x} dst {}", lang::satype_word(name.satype), name.spi, to_string(name.dst));
}

namespace {

struct Words {
  std::string_view action, how;
};
Words words_of(Do what) {
  using enum Do;
  switch (what) {
    case add:
      return {"add", ""};
    case update:
      return {"change", "update"};
    case replace:
      return {"change", "replace"};
    case keep:
      return {"keep", ""};
    case remove:
      return {"remove", ""};
  }
  return {};
}

}  // namespace

std::string plan_text(Plan& plan) {
  std::string out;
  for (const auto* const list : {&plan.wanted(), &plan.surplus()})
    for (const PlannedSa& sa : *list) {
      const Words words = words_of(sa.what);
      out += fmt::format("{:<6} {}", words.action, text_of(sa.name));
      if (!words.how.empty())
        out += fmt::format(": {} ({})",
                           sa.differs.empty() ? "a property without a keyword" : lang::keyword_list(sa.differs),
                           words.how);
      out += '\n';
    }
  return out;
}

std::string plan_json(Plan& plan, const std::string& sadb, const std::string& file) {
  std::string out;
  for (const auto* const list : {&plan.wanted(), &plan.surplus()})
    for (const PlannedSa& sa : *list) {
      const Words words = words_of(sa.what);
      JsonObject line;
      line.put("kind", "plan");
      line.put("sadb", sadb);
      line.put("file", file);
      line.put("action", words.action);
      line.put("satype", lang::satype_word(sa.name.satype));
      line.put("spi", sa.name.spi);
      line.put("dst", to_string(sa.name.dst));
      if (!words.how.empty()) {
        line.put("how", words.how);
        std::vector<std::string> differs;
        for (const lang::Keyword& row : lang::keywords())
          if (sa.differs.meets(lang::bit(row))) differs.emplace_back(row.name());
        line.put("differs", differs);
      }
      out += line.line();
    }
  return out;
}

std::string summary_json(const Plan& plan, const std::string& sadb, const std::string& file, bool dry_run) {
  JsonObject object;
  object.put("kind", "apply");
  object.put("sadb", sadb);
  object.put("file", file);
  object.put("dry_run", dry_run);
  object.put("add", plan.count({Do::add}));
  object.put("change", plan.count({Do::update, Do::replace}));
  object.put("keep", plan.count({Do::keep}));
  object.put("remove", plan.count({Do::remove}));
  object.put("failed", plan.failed());
  return object.line();
}

}  // namespace ipseckey::apply
