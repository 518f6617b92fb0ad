#include "cli/rules/proof.h"

#include <fmt/format.h>

#include <numeric>

namespace ipseckey::cli {

using policy::Direction;

Status read_ground(RuleSession& session, ProofGround& ground) {
  backend::Spd* const spd = session.spd();
  if (!spd) return session.no_spd();
  auto listed = spd->list();
  if (!listed) {
    session.console().complain(listed.error().text);
    return session.status_for(listed.error().code);
  }
  ground.database = session.spd_name();
  ground.held = std::move(*listed);
  for (const backend::HeldRule& h : ground.held) ground.rules.push_back(h.rule);
  if (const auto read = read_sas(session, ground); !read) {
    session.console().complain(read.error().text);
    return session.status_for(read.error().code);
  }
  return Status::ok;
}

Result<void> read_sas(const RuleSession& session, ProofGround& ground) {
  ground.views.clear(), ground.sas.clear();
  const auto chooser = session.each_sa([&](const pfkey::Message& m) {
    ground.views.push_back(prove::view_of(m));
    ground.sas.push_back(ground.views.back().held);
  });
  if (!chooser) return std::unexpected(chooser.error());
  ground.chooser = *chooser;
  return {};
}

std::optional<std::size_t> met(const ProofGround& ground, const policy::Flow& flow, Direction direction) {
  std::vector<std::size_t> tried(ground.rules.size());
  std::iota(tried.begin(), tried.end(), std::size_t{0});
  return policy::match(ground.rules, tried, flow, direction);
}

std::string rule_name(const backend::HeldRule& held) {
  if (held.index == 0) return fmt::format("the rule in line {}", held.rule.line);
  return fmt::format("rule #{}", held.index);
}

std::string proof_name(const Proof& p) {
  std::string name = p.index != 0 ? fmt::format("rule #{}", p.index) : fmt::format("line {}", p.line);
  if (!p.peer.empty()) name += " with " + p.peer;
  return name;
}

std::string proof_text(const Proof& p) {
  const prove::Verdict& v = p.verdict;
  const bool good = v.state == prove::State::is_protected;
  std::string text =
      fmt::format("{}: {}{}\n", proof_name(p), good ? "" : fmt::format("{}: ", prove::word(v.state)), v.text);
  if (!v.cure.empty()) text += fmt::format("         {}\n", v.cure);
  for (const std::string& remark : v.remarks) text += fmt::format("         {}\n", remark);
  return text;
}

JsonObject proof_json(const Proof& p, const std::string& sadb) {
  JsonObject o;
  o.put("kind", "proof");
  o.put("sadb", sadb);
  if (p.index != 0) o.put("index", p.index);
  if (p.line != 0) o.put("line", p.line);
  if (!p.peer.empty()) o.put("peer", p.peer);
  o.put("state", prove::word(p.verdict.state));
  if (!p.verdict.cause.empty()) o.put("cause", p.verdict.cause);
  o.put("text", p.verdict.text);
  if (!p.verdict.cure.empty()) o.put("cure", p.verdict.cure);
  if (!p.verdict.remarks.empty()) o.put("remarks", p.verdict.remarks);
  if (p.verdict.seconds_left) o.put("seconds_left", *p.verdict.seconds_left);
  if (!p.facts) return o;
  const prove::Facts& f = *p.facts;
  if (const auto spi = prove::spi_of(f, Direction::out)) o.put("out_spi", *spi);
  if (const auto spi = prove::spi_of(f, Direction::in)) o.put("in_spi", *spi);
  o.put("responder", f.there.has_value());
  o.put("sent", f.sent);
  o.put("answers", f.answers);
  const auto repeat = [&](std::string_view name, const prove::Repeat& r) {
    if (r.tried) o.put(name, r.accepted ? "accepted" : "refused");
  };
  repeat("replay", f.replay), repeat("changed", f.flip), repeat("replay_back", f.replay_in),
      repeat("clear_back", f.clear_in);
  if (f.largest != 0) o.put("mtu", f.largest);
  if (f.pieces) o.put("fragments", *f.pieces);
  return o;
}

}  // namespace ipseckey::cli
