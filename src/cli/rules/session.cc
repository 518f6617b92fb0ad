#include "cli/rules/session.h"

#include <fmt/format.h>

#include "pfkey/names.h"
#include "pfkey/units.h"
#include "system/held_signals.h"

namespace ipseckey::cli {

backend::Spd* RuleSession::spd() {
  if (spd_) return spd_.get();
  Result<std::unique_ptr<backend::Spd>> opened = fail(Errc::unreachable, "no database of rules is at hand");
  if (world_.open_spd) opened = world_.open_spd(settings().where());
  if (!opened) {
    console().complain(opened.error().text);
    no_spd_ =
        opened.error().code == Errc::syntax ? Status::usage : worse(Status::no_sadb, status_for(opened.error().code));
    return nullptr;
  }
  spd_ = std::move(*opened);
  return spd_.get();
}

std::string RuleSession::shown_spd() const { return pfkey::escaped(spd_name()); }

Result<RuleSession::Sas> RuleSession::sas() const {
  Sas sas;
  const auto chooser = each_sa([&](const pfkey::Message& m) { sas.held.push_back(policy::held_sa(m)); });
  if (!chooser) return std::unexpected(chooser.error());
  sas.chooser = *chooser;
  return sas;
}

Result<policy::Chooser> RuleSession::each_sa(absl::FunctionRef<void(const pfkey::Message&)> each) const {
  // `auto` may have passed an ipsecd over: rules and SAs are of one place.
  const std::string where = spd_ && settings().where() == "auto" ? spd_->name() : settings().where();
  auto opened = world_.open(where);
  if (!opened) return std::unexpected(std::move(opened.error()));
  pfkey::Message request;
  request.type = pfkey::Type::dump;
  request.satype = pfkey::SaType::unspec;
  request.seq = 1, request.pid = world_.pid;
  Result<void> listed;
  const auto answered = (*opened)->call({&request, 1}, [&](std::size_t, pfkey::Message&& m) {
    if (m.error != 0)
      listed = fail(Errc::denied, fmt::format("the SADB refuses to list its SAs: {}", pfkey::refusal_text(m)));
    if (m.error == 0 && m.sa && m.dst) each(m);
  });
  if (!answered) return std::unexpected(answered.error());
  if (!listed) return std::unexpected(listed.error());
  return (*opened)->rules() == backend::Rules::kernel ? policy::Chooser::kernel : policy::Chooser::exact;
}

Result<std::optional<apply::Lock>> RuleSession::lock() const {
  const std::string& rows = world_.owner_rows;  // The lock of an apply of SAs is in the same file.
  if (rows.empty() || spd_name() == "memory") return std::nullopt;
  const HeldSignals held;
  auto lock = apply::Lock::take(rows + ".lock", "rules of " + spd_name(), apply::Lock::kPatience, HeldSignals::fd());
  if (!lock) return std::unexpected(std::move(lock.error()));
  return std::move(*lock);
}

Status RuleSession::status_for(Errc code) const {
  return settings().service && code == Errc::denied ? Status::no_privilege : status_of(code);
}

}  // namespace ipseckey::cli
