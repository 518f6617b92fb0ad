// `explain`:
// 1. The words are read (policylang/packet.h); which way the packet goes follows from the host's addresses, unless the
//    words say it. One that is passed on comes in and goes out, and so does one that the host sends to itself, which
//    may be exempt from rules.
// 2. It is explained by what the database holds and, with --file, by a file, too (explanation.h). If these differ,
//    that is reported, and the exit status is 1.
#include <fmt/format.h>

#include "cli/rules/explanation.h"
#include "cli/rules/file.h"
#include "cli/rules/table.h"
#include "pfkey/units.h"

namespace ipseckey::cli {
namespace {

using backend::HeldRule;
using policy::Direction;

// Each direction in which rules are about the packet, and whether the host sends it to itself.
struct Ways {
  std::vector<Direction> directions;
  bool passed_on = false, to_itself = false;
};

Ways ways(RuleSession& session, const policylang::Packet& p) {
  using enum policylang::PacketWay;
  const HostFacts host = session.world().host ? session.world().host() : HostFacts();
  const auto is_own = [&](const Address& a) { return is_loopback(a) || (host.is_local && host.is_local(a)); };
  const bool from_here = is_own(p.from), to_here = is_own(p.to);
  Ways w{.directions = {}, .passed_on = p.way == forward, .to_itself = from_here && to_here && p.way != forward};
  if (p.way == out || p.way == in) {
    w.directions = {p.way == out ? Direction::out : Direction::in};
  } else if (p.way == forward) {
    w.directions = {Direction::in, Direction::out};
  } else {
    if (from_here) w.directions.push_back(Direction::out);
    if (to_here) w.directions.push_back(Direction::in);
  }
  return w;
}

// Why the database asks no rule about a packet that this host sends to itself; empty: it asks them.
std::string exemption(RuleSession& session, const policylang::Packet& p, Direction d) {
  if (session.spd_name().starts_with("ipsecd")) return "what a host sends to itself does not reach ipsecd";
  if (session.spd_name() != "kernel" || p.from.family != Family::v4 || !session.world().view_policies) return {};
  // The kernel takes the settings of `all` and of the interface together.
  const kernel::PolicyView view = session.world().view_policies();
  for (const kernel::InterfaceSettings& i : view.interfaces) {
    if (i.name != "lo" && i.name != "all") continue;
    if (d == Direction::out && i.no_xfrm.value_or(false))
      return fmt::format("it does not leave this host, and {} has disable_xfrm set", i.name);
    if (d == Direction::in && i.no_policy_v4.value_or(false))
      return fmt::format("it does not leave this host, and {} has disable_policy set", i.name);
  }
  return {};
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
  const Ways way = ways(session, *packet);
  if (way.directions.empty()) {
    session.console().complain("neither address is this host's: add in, out or fwd");
    return Status::usage;
  }
  Sources sources;
  if (const Status status = open_sources(session, sources); status != Status::ok) return status;
  const bool json = session.settings().json;
  Status status = Status::ok;
  bool first = true;
  for (const Direction d : way.directions) {
    const ExplainedPacket one{flow_of(*packet, d), d, way.passed_on,
                              way.to_itself ? exemption(session, *packet, d) : std::string()};
    std::optional<Explained> by_held;
    std::string text;
    for (const auto* const source : {&sources.held, &sources.file}) {
      if (!*source) continue;
      const RuleSource& rules = **source;
      Explained e = explain_packet(rules, sources.sas, one);
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
