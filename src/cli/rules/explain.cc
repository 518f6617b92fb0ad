// `explain`:
// 1. The words are read (policylang/packet.h); which way the packet goes follows from the host's addresses, unless the
//    words say it. One that is passed on comes in and goes out.
// 2. It is explained by what the database holds and, with --file, by a file, too (explanation.h). If these differ,
//    that is reported, and the exit status is 1.
#include <fmt/format.h>

#include <algorithm>

#include "cli/rules/explanation.h"
#include "cli/rules/file.h"
#include "cli/rules/table.h"
#include "pfkey/units.h"

namespace ipseckey::cli {
namespace {

using backend::HeldRule;
using policy::Direction;

// Each direction in which rules are about the packet: one that is passed on comes in and goes out.
std::vector<Direction> ways(RuleSession& session, const policylang::Packet& p) {
  using enum policylang::PacketWay;
  if (p.way == out) return {Direction::out};
  if (p.way == in) return {Direction::in};
  if (p.way == forward) return {Direction::in, Direction::out};
  const HostFacts host = session.world().host ? session.world().host() : HostFacts();
  const auto is_local = [&](const Address& a) { return host.is_local && host.is_local(a); };
  if (is_local(p.from)) return {Direction::out};
  if (is_local(p.to)) return {Direction::in};
  return {};
}

// A host's rules without a tunnel are not about what it passes on, when it comes in.
RuleSource forwarding_only(RuleSource source) {
  std::erase_if(source.rules, [](const HeldRule& h) {
    return std::ranges::none_of(h.rule.alternatives, [&](const policy::Alternative& a) {
      return a.action == policy::Action::ipsec && in_tunnel_mode(h.rule, a.protection);
    });
  });
  return source;
}

std::string words_of(const RuleSession& session) {
  std::string text;
  for (const std::string& word : session.options().operands) {
    if (!text.empty()) text += ' ';
    text += word;
  }
  return text;
}

struct Sources {
  std::optional<RuleSource> held, file;
  SaSource sas;
};

// Not ok: the error has been printed. A file can be explained without a database.
Status open_sources(RuleSession& session, Sources& sources) {
  const std::string& path = session.settings().rules_file;
  if (!path.empty()) {
    RuleFile file;
    if (const Status status = file.read(session, path); status != Status::ok) return status;
    const bool wrong = file.errors() > 0;
    file.print(session, false);
    if (wrong) return Status::failed;
    RuleSource& source = sources.file.emplace(RuleSource{pfkey::escaped(path), true, file.policy().order, {}});
    for (const policy::Rule& rule : file.policy().rules) source.rules.emplace_back().rule = rule;
  }
  if (sources.file && session.settings().where() == "memory") return Status::ok;  // It holds nothing.
  backend::Spd* const spd = session.spd();
  if (!spd) return sources.file ? Status::ok : session.no_spd();
  auto listed = spd->list();
  if (!listed) {
    session.console().complain(listed.error().text);
    return session.status_for(listed.error().code);
  }
  sources.held = RuleSource{session.shown_spd(), false, policy::Order::file, std::move(*listed)};
  if (auto sas = session.sas()) {
    sources.sas = {std::move(sas->held), sas->chooser, true, std::nullopt};
    if (session.world().view_policies && sas->chooser == policy::Chooser::kernel)
      if (const auto drops = session.world().view_policies().larval_drop) sources.sas.waits = !*drops;
  } else {
    session.console().complain(fmt::format("warning: the SAs are not known: {}", sas.error().text));
  }
  return Status::ok;
}

}  // namespace

Status rules::explain(RuleSession& session) {
  if (session.options().operands.empty()) {
    session.console().complain("explain needs a packet: explain from ADDRESS to ADDRESS [proto PROTOCOL] ...");
    return Status::usage;
  }
  const auto packet = policylang::read_packet(words_of(session), session.world().names);
  if (!packet) {
    session.console().err(packet.error());
    return Status::usage;
  }
  const auto directions = ways(session, *packet);
  if (directions.empty()) {
    session.console().complain("neither address is this host's: add in, out or fwd");
    return Status::usage;
  }
  Sources sources;
  if (const Status status = open_sources(session, sources); status != Status::ok) return status;
  const bool json = session.settings().json, passed_on = directions.size() > 1;
  Status status = Status::ok;
  bool first = true;
  for (const Direction d : directions) {
    std::optional<Explained> by_held;
    std::string text;
    for (const auto* const source : {&sources.held, &sources.file}) {
      if (!*source) continue;
      const bool arrives = passed_on && d == Direction::in;
      const RuleSource rules = arrives ? forwarding_only(**source) : **source;
      Explained e = explain_packet(rules, sources.sas, flow_of(*packet, d), d);
      if (!json && !std::exchange(first, false)) text += '\n';
      text += json ? explanation_json(e, rules, sources.sas, session.spd_name()).line()
                   : explanation_text(e, rules, sources.sas);
      if (by_held) {
        const std::string differs = difference(*by_held, *sources.held, e, rules);
        if (!differs.empty()) status = Status::failed;
        if (!differs.empty()) session.console().complain(differs);
      }
      by_held = std::move(e);
    }
    session.console().out(text);
  }
  return status;
}

}  // namespace ipseckey::cli
