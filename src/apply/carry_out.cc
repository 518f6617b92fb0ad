// How a plan is carried out:
// 1. run() has the order of the steps. A step that returns false ends it: a signal came, or the SADB or the rows of
//    owners cannot be used.
// 2. send() sends a batch of requests and passes each reply to its SA; took() marks the SA as done or failed.
// 3. The row of its owner is written before an SA is added, so that a process that is killed leaves none without one.
// 4. replace_some() reads the old SAs, then sends DELETE and ADD together. If the keys stay, replace_numbered() lets
//    the new SA continue with the last number of the old one. If the new SA is refused, the old one is added again.
// 5. pair() sends the pairs that no ADD has made. own() writes the rows of SAs that existed already, and erases stale
//    ones.
#include "apply/carry_out.h"

#include <absl/functional/function_ref.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <set>
#include <span>
#include <utility>
#include <vector>

#include "lang/request.h"
#include "lang/to_spec.h"

namespace ipseckey::apply {
namespace {

using backend::SaName;
using lang::Verb;
using pfkey::Message;
using Do = PlannedSa::Do;

// If one of these differs, the new SA has another key, so its sequence numbers begin again.
const lang::KeywordSet kKeys =
    lang::bit(lang::keyword_for(&lang::SaSpec::auth)) | lang::bit(lang::keyword_for(&lang::SaSpec::auth_key)) |
    lang::bit(lang::keyword_for(&lang::SaSpec::encrypt)) | lang::bit(lang::keyword_for(&lang::SaSpec::encrypt_key));

// The message that this command would send. Its addresses are known, so no name is looked up.
Message message_of(Verb verb, pfkey::SaType satype, lang::SaSpec&& spec) {
  lang::Command command;
  command.row = &lang::row(verb), command.satype = satype, command.spec = std::move(spec);
  std::vector<Message> messages;
  lang::to_messages(std::move(command), {}, [](lang::Objection&&) {}, messages);
  return messages.empty() ? Message() : std::move(messages.back());
}

lang::SaSpec spec_of(const PlannedSa& sa) {
  lang::SaSpec spec;
  spec.spi = lang::Spi{sa.name.spi};
  spec.dst = lang::Host{sa.name.dst, {}, false};
  if (sa.name.mark != 0) spec.mark = pfkey::Mark{sa.name.mark, UINT32_MAX};
  return spec;
}

class Apply {
 public:
  Apply(const Program& program, Plan& plan, backend::Backend& desired, const PlanFor& whom)
      : program_(program), plan_(plan), desired_(desired), rows_(whom.rows), owner_(whom.owner) {}

  CarriedOut run(bool flush_first) {
    const bool done = (!flush_first || flush()) && add() && update() && replace() && remove() && pair() && own();
    if (ended_early_) plan_.end_early();
    return {done, ended_early_, flushed_};
  }

 private:
  static constexpr std::size_t kBatch = 256;

  struct Asking {
    PlannedSa* sa;
    Message message;
  };

  bool stop(Stop why, const Error& error) {
    program_.report_stop(why, error);
    ended_early_ = true;
    return false;
  }

  bool interrupted() { return stop(Stop::interrupted, {Errc::io, "interrupted"}); }

  // `wait`: a signal waits until the requests are sent, because they complete something half done.
  enum class Signals : bool { stop, wait };

  // Sends the batch and passes each reply on. False: the plan ends here.
  bool send(std::vector<Asking>& batch, absl::FunctionRef<void(PlannedSa&, Message&&)> reply,
            Signals signals = Signals::stop) {
    if (batch.empty()) return true;
    if (signals == Signals::stop && program_.interrupted()) return interrupted();
    std::vector<Message> messages;
    messages.reserve(batch.size());
    for (Asking& asking : batch) messages.push_back(std::move(asking.message));
    const auto called = program_.call(messages, [&](std::size_t i, Message&& m) { reply(*batch[i].sa, std::move(m)); });
    batch.clear();
    return called || stop(Stop::sadb, called.error());
  }

  // Handles the SADB's answer to a request; false: it refuses.
  bool took(PlannedSa& sa, const Message& reply, bool missing_is_fine = false) {
    // Half of a replacement does not count.
    const bool last = sa.what != Do::replace || reply.type != pfkey::Type::del;
    if (missing_is_fine && reply.error == ESRCH) return sa.done = sa.done || last, true;
    const bool ok = program_.report(sa, reply);
    sa.failed = sa.failed || !ok;
    sa.done = sa.done || (ok && last);
    return ok;
  }

  // Records the owner before the SAs are added: however the process ends, none is left without an owner.
  bool own_batch(const std::vector<Asking>& batch) {
    std::vector<PlannedSa*> sas;
    for (const Asking& asking : batch)
      if (asking.message.type == pfkey::Type::add) sas.push_back(asking.sa);
    return own_sas(sas);
  }

  bool own_sas(std::span<PlannedSa* const> sas) {
    if (!rows_) return true;
    Additions rows;
    for (const PlannedSa* sa : sas) rows[sa->name] = seconds_since_1970(program_.clock());
    const auto put = rows_->put(owner_, rows);
    return put || stop(Stop::rows, put.error());
  }

  bool flush() {
    PlannedSa all;
    Message message;
    message.type = pfkey::Type::flush;
    std::vector<Asking> batch;
    batch.push_back({&all, std::move(message)});
    unsigned refused = 0;  // An errno.
    const bool sent = send(batch, [&](PlannedSa&, Message&& reply) {
      if (reply.error != 0) refused = reply.error;
    });
    if (sent && refused != 0)
      return stop(Stop::flush, {refused == EPERM || refused == EACCES ? Errc::denied : Errc::invalid,
                                "the SADB refuses to flush its SAs"});
    flushed_ = sent;
    if (!sent || !rows_) return sent;
    const auto cleared = rows_->clear(owner_.sadb);
    return cleared || stop(Stop::rows, cleared.error());
  }

  // Every wanted SA of one action, in batches. `ask` puts an SA's messages into the batch.
  bool each(std::vector<PlannedSa>& list, Do what, absl::FunctionRef<void(PlannedSa&, std::vector<Asking>&)> ask,
            absl::FunctionRef<void(PlannedSa&, Message&&)> reply) {
    std::vector<Asking> batch;
    for (PlannedSa& sa : list) {
      if (sa.what != what || sa.failed) continue;
      ask(sa, batch);
      if (batch.size() >= kBatch && (!own_batch(batch) || !send(batch, reply))) return false;
    }
    return own_batch(batch) && send(batch, reply);
  }

  // `number`: a sequence number to continue from, unless the file's own is ahead.
  Message addition(const PlannedSa& sa, bool with_pair, std::optional<lang::Count> number = std::nullopt) {
    auto found = find_sa(desired_, sa.name);
    lang::SaSpec spec = found ? lang::to_spec(std::move(*found)) : spec_of(sa);
    if (number && (!spec.replay_value || spec.replay_value->value < number->value)) spec.replay_value = number;
    if (!with_pair) spec.pair_spi.reset();
    return message_of(Verb::add, sa.name.satype, std::move(spec));
  }

  // Of two new SAs the second names the first; an SA that must be paired with an existing one is paired at the end.
  bool add() {
    return each(
        plan_.wanted(), Do::add,
        [&](PlannedSa& sa, std::vector<Asking>& batch) {
          PlannedSa* const partner = plan_.partner(sa);
          const bool second = partner && partner < &sa && partner->what == Do::add && !partner->failed;
          batch.push_back({&sa, addition(sa, second)});
          if (second) sa.joined = partner->joined = true;
        },
        [&](PlannedSa& sa, Message&& reply) { took(sa, reply); });
  }

  bool update() {
    return each(
        plan_.wanted(), Do::update,
        [&](PlannedSa& sa, std::vector<Asking>& batch) {
          auto found = find_sa(desired_, sa.name);
          if (!found) return;
          const lang::SaSpec wanted = lang::to_spec(std::move(*found));
          lang::SaSpec spec = lang::update_of({sa.differs}, wanted);
          if (lang::update_is_empty(spec)) return;  // Only its pair differs: see pair().
          batch.push_back({&sa, message_of(Verb::update, sa.name.satype, std::move(spec))});
        },
        [&](PlannedSa& sa, Message&& reply) { took(sa, reply); });
  }

  // DELETE and ADD of an SA are sent together. A new SA with the old keys continues the old one's sequence numbers, so
  // that no packet is accepted twice, no number is sent twice, and the peer's replay window accepts its packets. If the
  // SADB refuses the new SA, the old one is restored.
  bool replace() {
    std::vector<PlannedSa*> turned;
    for (PlannedSa& sa : plan_.wanted())
      if (sa.what == Do::replace) turned.push_back(&sa);
    for (std::size_t first = 0; first < turned.size(); first += kBatch)
      if (!replace_some(std::span(turned).subspan(first, std::min(kBatch, turned.size() - first)))) return false;
    return true;
  }

  using Old = std::optional<lang::SaSpec>;

  bool replace_some(std::span<PlannedSa* const> some) {
    std::vector<Asking> batch;
    std::vector<Old> old(some.size());
    for (PlannedSa* sa : some) batch.push_back({sa, message_of(Verb::get, sa->name.satype, spec_of(*sa))});
    const auto index = [&](const PlannedSa& sa) {
      return static_cast<std::size_t>(std::ranges::find(some, &sa) - some.begin());
    };
    if (!send(batch, [&](PlannedSa& sa, Message&& m) {
          if (m.error == 0 && m.sa && m.sa->state != pfkey::State::larval) old[index(sa)] = lang::to_spec(std::move(m));
        }))
      return false;
    if (!own_sas(some)) return false;
    for (std::size_t i = 0; i < some.size(); ++i) {
      if (keeps_keys(*some[i], old[i])) continue;
      batch.push_back({some[i], message_of(Verb::del, some[i]->name.satype, spec_of(*some[i]))});
      batch.push_back({some[i], addition(*some[i], false)});
    }
    if (!send(batch, [&](PlannedSa& sa, Message&& m) { took(sa, m, m.type == pfkey::Type::del); })) return false;
    if (!replace_numbered(some, old)) return false;
    for (std::size_t i = 0; i < some.size(); ++i) {
      if (!some[i]->failed || !old[i]) continue;
      old[i]->pair_spi.reset();
      batch.push_back({some[i], message_of(Verb::add, some[i]->name.satype, std::move(*old[i]))});
    }
    const auto back = [&](PlannedSa& sa, Message&& m) {
      if (m.error == 0) program_.report_restored(sa);
    };
    return send(batch, back, Signals::wait) && (!program_.interrupted() || interrupted());
  }

  static bool keeps_keys(const PlannedSa& sa, const Old& old) { return old && !sa.differs.meets(kKeys); }

  // Packets flow until the DELETE is done, so only its reply has the last number. Each of these SAs is deleted in
  // a request of its own, together with the ADD of the one before, so that each is missing for one round trip at most.
  bool replace_numbered(std::span<PlannedSa* const> some, std::span<Old> old) {
    std::vector<Asking> batch;
    Old* numbers = nullptr;  // Of the SA that is deleted.
    bool gone = false;
    const auto reply = [&](PlannedSa& sa, Message&& m) {
      const bool last = m.type == pfkey::Type::del;
      const bool fine = took(sa, m, last);
      if (!last || !fine) return;
      gone = true;
      const auto number = m.replay_value ? m.replay_value->number() : 0;
      if (number > (*numbers)->replay_value.value_or(lang::Count{}).value)
        (*numbers)->replay_value = lang::Count{number};
    };
    for (std::size_t i = 0; i < some.size(); ++i) {
      PlannedSa& sa = *some[i];
      if (!keeps_keys(sa, old[i])) continue;
      if (program_.interrupted()) break;
      Message deletion = message_of(Verb::del, sa.name.satype, spec_of(sa));
      deletion.replay_value = pfkey::ReplayValue{};  // The kernel returns the last number on request.
      batch.push_back({&sa, std::move(deletion)});
      numbers = &old[i], gone = false;
      if (!send(batch, reply, Signals::wait)) return false;
      if (gone) batch.push_back({&sa, addition(sa, false, old[i]->replay_value)});
    }
    return send(batch, reply, Signals::wait);
  }

  bool remove() {
    std::vector<SaName> gone;
    const bool done = each(
        plan_.surplus(), Do::remove,
        [&](PlannedSa& sa, std::vector<Asking>& batch) {
          batch.push_back({&sa, message_of(Verb::del, sa.name.satype, spec_of(sa))});
        },
        [&](PlannedSa& sa, Message&& reply) {
          if (took(sa, reply, true)) gone.push_back(sa.name);
        });
    const auto erased = rows_ ? rows_->erase(owner_, gone) : Result<void>();
    return (erased || stop(Stop::rows, erased.error())) && done;
  }

  bool pair() {
    std::vector<Asking> batch;
    for (PlannedSa& sa : plan_.wanted()) {
      PlannedSa* const partner = plan_.partner(sa);
      if (!partner || sa.joined || sa.failed || partner->failed) continue;
      sa.joined = partner->joined = true;
      lang::SaSpec spec = spec_of(sa);
      spec.src = lang::Host{sa.src, {}, false};
      spec.pair_spi = lang::Spi{sa.pair};
      batch.push_back({&sa, message_of(Verb::update, sa.name.satype, std::move(spec))});
      if (batch.size() >= kBatch && !send(batch, [&](PlannedSa& s, Message&& m) { took(s, m); })) return false;
    }
    return send(batch, [&](PlannedSa& s, Message&& m) { took(s, m); });
  }

  // The file also becomes the owner of existing SAs that it lists; rows of SAs that do not exist are erased.
  bool own() {
    if (!rows_) return true;
    const auto rows = rows_->read(owner_);
    if (!rows) return stop(Stop::rows, rows.error());
    Additions fresh;
    for (const PlannedSa& sa : plan_.wanted()) {
      if (sa.what != Do::keep && sa.what != Do::update) continue;
      const auto row = rows->mine.find(sa.name);
      if (row == rows->mine.end() || !backend::same_moment(row->second, sa.added)) fresh[sa.name] = sa.added;
    }
    std::set<SaName> listed;
    for (const PlannedSa& sa : plan_.wanted())
      if (!sa.failed || sa.what != Do::add) listed.insert(sa.name);
    std::vector<SaName> stale;
    for (const auto& [name, added] : rows->mine)
      if (!listed.contains(name)) stale.push_back(name);
    for (const PlannedSa& sa : plan_.surplus())
      if (sa.failed) std::erase(stale, sa.name);
    auto done = rows_->put(owner_, fresh);
    if (done) done = rows_->erase(owner_, stale);
    return done || stop(Stop::rows, done.error());
  }

  const Program& program_;
  Plan& plan_;
  backend::Backend& desired_;
  OwnerRows* const rows_;
  const Owner& owner_;
  bool ended_early_ = false, flushed_ = false;
};

}  // namespace

CarriedOut carry_out(const Program& program, Plan& plan, backend::Backend& desired, const PlanFor& whom,
                     bool flush_first) {
  return Apply(program, plan, desired, whom).run(flush_first);
}

}  // namespace ipseckey::apply
