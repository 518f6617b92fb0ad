// 1. explain_packet() finds the rules that match and the SAs that would serve the first one (policy/match.h,
//    policy/serving.h), and puts the result into a verdict. A rule that stands for another program's policy matches as
//    the policy does (policy/xfrm_match.h), which may depend on facts that a packet's description lacks.
// 2. explanation_text() and explanation_json() show all of it: the rules and why the first one decides, what it became
//    in the kernel, each SA with the reason why it is used or not, the verdict, and what the peer needs.
// 3. difference() compares what two sources make of one packet.
#include "cli/rules/explanation.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "base/harmless.h"
#include "cli/rules/findings.h"
#include "cli/rules/meetings.h"
#include "pfkey/icmp.h"
#include "pfkey/names.h"
#include "policylang/write.h"

namespace ipseckey::cli {
namespace {

using backend::HeldRule;
using policy::Direction;
using policy::Fate;
using policy::Meeting;
using policy::Outcome;
using policylang::write_rule;

constexpr std::size_t kMargin = 10;

void put(std::string& out, std::string_view label, std::string_view text) {
  out += fmt::format("{:<{}}{}\n", label, kMargin, text);
}

std::string numbers_of(const policy::Flow& flow, bool local) {
  if (pfkey::is_icmp(flow.protocol)) return {};
  const auto& port = local ? flow.local_port : flow.remote_port;
  return port ? fmt::format(" port {}", *port) : "";
}

// "out: protocol 6, 192.0.2.1 -> 192.0.2.2 port 443".
std::string packet_words(const Explained& e) {
  const bool out = e.packet.direction == Direction::out;
  const policy::Flow& f = e.packet.flow;
  std::string text = fmt::format("{}: {}{}{} -> {}{}", out ? "out" : "in",
                                 f.protocol == 0 ? std::string() : fmt::format("protocol {}, ", f.protocol),
                                 to_string(out ? f.local : f.remote), numbers_of(f, out),
                                 to_string(out ? f.remote : f.local), numbers_of(f, !out));
  if (f.icmp_type) text += fmt::format(", type {}", *f.icmp_type);
  if (f.icmp_code) text += fmt::format(" code {}", *f.icmp_code);
  if (!f.tunnel.empty()) text += fmt::format(", inside of tunnel {}", text::harmless(f.tunnel));
  if (f.mark != 0) text += fmt::format(", mark 0x{:x}", f.mark);
  if (f.if_id != 0) text += fmt::format(", if_id {}", f.if_id);
  return text;
}

// "#3" of a database, "line 3" of a file.
std::string called(const HeldRule& h, const RuleSource& source) {
  return source.is_file ? fmt::format("line {}", h.rule.line) : fmt::format("#{}", h.index);
}

std::string why_first(const Explained& e, const RuleSource& source) {
  if (!e.packet.exempt.empty()) return "none is asked: " + e.packet.exempt;
  const auto second = [&] { return called(source.rules[e.rules.matching[1]], source); };
  switch (e.rules.reason) {
    case policy::Reason::none_matches:
      return "none is about it";
    case policy::Reason::tunnel_has_rules:
      return "none is about it, and its tunnel has rules";
    case policy::Reason::only_one:
      return "decides: no other is about it";
    case policy::Reason::higher_class:
      return fmt::format("decides: its kind is tried before that of {}", second());
    case policy::Reason::earlier:
      return fmt::format("decides: it is tried before {}", second());
  }
  return {};
}

std::string joined(std::vector<std::string> words, std::string_view last) {
  std::string text;
  for (std::size_t i = 0; i < words.size(); ++i)
    text += fmt::format("{}{}", i == 0 ? "" : i + 1 == words.size() ? fmt::format(" {} ", last) : ", ", words[i]);
  return text;
}

// The SAs that are used or accepted.
std::vector<std::string> serving_names(const Explained& e, const SaSource& sas, Fate fate) {
  std::vector<std::string> names;
  for (const policy::Need& need : e.serving.needs)
    for (const policy::Candidate& c : need.candidates)
      if (c.fate == fate) {
        std::string name = name_of(sas.sas[c.sa], need.type);
        if (std::ranges::find(names, name) == names.end()) names.push_back(std::move(name));
      }
  return names;
}

std::string objections(const policy::Candidate& c) {
  std::vector<std::string> all;
  if (c.fate != Fate::other && c.fate != Fate::serves && c.fate != Fate::breaks) all.emplace_back(words(c.fate));
  for (const policy::Objection o : c.objections) all.emplace_back(words(o));
  return joined(std::move(all), "and");
}

void judge(Explained& e, const SaSource& sas, bool may_be_clear) {
  using enum PacketFate;
  const bool out = e.packet.direction == Direction::out;
  const std::string or_clear = may_be_clear ? ", or clear" : "";
  if (!sas.known) {
    e.fate = is_protected;
    e.verdict = fmt::format("{} protected{}; the SAs are not known here", out ? "sent" : "accepted only if", or_clear);
    return;
  }
  const auto good = serving_names(e, sas, Fate::serves), bad = serving_names(e, sas, Fate::breaks);
  switch (e.serving.service) {
    case policy::Service::served:
      e.fate = is_protected;
      e.verdict = out ? fmt::format("protected by {}", joined(good, "and"))
                      : fmt::format("accepted if protected by {}{}; otherwise dropped", joined(good, "or"), or_clear);
      return;
    case policy::Service::broken:
      e.fate = broken;
      e.verdict = fmt::format("{} {}, which is not what the rule demands",
                              out ? "protected by" : "accepted if protected by", joined(bad, out ? "and" : "or"));
      return;
    case policy::Service::missing:
    case policy::Service::not_needed:
      break;
  }
  if (may_be_clear) {
    e.fate = PacketFate::clear;
    e.verdict = out ? "clear: there is no SA, and the rule allows that" : "accepted in clear: the rule allows that";
    return;
  }
  e.fate = lacks_sa;
  e.verdict = !out ? "dropped: it must be protected, and there is no SA"
              : sas.waits.value_or(false)
                  ? "waits until there is an SA that the rule demands"
                  : "dropped, without a word to its sender: there is no SA that the rule demands";
}

void put_rules(std::string& out, const Explained& e, const RuleSource& source) {
  std::string_view label = "Perhaps";
  for (const std::size_t number : e.perhaps) {
    const HeldRule& h = source.rules[number];
    put(out, std::exchange(label, ""), fmt::format("{} {} (another program's)", called(h, source), write_rule(h.rule)));
    for (const std::string& remark : h.remarks) put(out, "", text::harmless(remark));
  }
  label = "Rules";
  if (e.rules.matching.empty()) return put(out, label, why_first(e, source));
  for (std::size_t i = 0; i < e.rules.matching.size(); ++i) {
    const HeldRule& h = source.rules[e.rules.matching[i]];
    put(out, label,
        fmt::format("{} {}{}", called(h, source), write_rule(h.rule), h.foreign ? " (another program's)" : ""));
    if (i == 0) put(out, "", why_first(e, source));
    label = "";
  }
}

void put_kernel(std::string& out, const Explained& e, const RuleSource& source) {
  if (e.rules.matching.empty()) return;
  const HeldRule& decides = source.rules[e.rules.matching[0]];
  for (const backend::KernelPolicy& p : decides.policies)
    if (is_shown(p, decides.rule, e.packet))
      put(out, "Kernel",
          fmt::format("{} policy, index {}, priority {}: {}", p.direction, p.index, p.priority,
                      text::harmless(p.text)));
}

// Between other hosts; there can be thousands.
bool is_elsewhere(const policy::Candidate& c) {
  using enum policy::Objection;
  return c.fate == Fate::other_packets || std::ranges::any_of(c.objections, [](policy::Objection o) {
           return o == ends || o == addresses || o == mode;
         });
}

void put_sas(std::string& out, const Explained& e, const SaSource& sas) {
  std::string_view label = "SAs";
  const auto say = [&](std::string_view text) { put(out, std::exchange(label, ""), text); };
  for (const policy::Need& need : e.serving.needs) {
    const std::string type = pfkey::name(need.type);
    if (need.candidates.empty()) say(fmt::format("there is no {} SA", type));
    std::size_t elsewhere = 0;
    for (const policy::Candidate& c : need.candidates) {
      elsewhere += is_elsewhere(c);
      if (is_elsewhere(c)) continue;
      const bool used = c.fate == Fate::serves || c.fate == Fate::breaks;
      const std::string why = objections(c), link = used ? ", although " : ": ";
      say(fmt::format("{}: {}{}", name_of(sas.sas[c.sa], need.type), used ? "used" : "not used",
                      why.empty() ? "" : link + why));
    }
    if (elsewhere > 0)
      say(fmt::format("{} {} SA{} for other packets, or in another mode", elsewhere, type, elsewhere == 1 ? "" : "s"));
  }
}

// What the other host needs, so that the packet arrives, or comes.
std::vector<std::string> peer_needs(const Explained& e, const RuleSource& source, const SaSource& sas) {
  std::vector<std::string> needs;
  if (e.serving.needs.empty()) return needs;
  const policy::Rule& rule = source.rules[e.rules.matching[0]].rule;
  needs.push_back(fmt::format("the rule {}", write_rule(mirrored(rule))));
  const auto used = serving_names(e, sas, Fate::serves);
  if (!used.empty()) {
    needs.push_back(
        fmt::format("{}, with the same keys", joined(used, e.packet.direction == Direction::out ? "and" : "or")));
  } else if (sas.known) {
    needs.push_back(fmt::format("the same SA as here: {}",
                                command_for(rule, e.packet.direction, e.serving.needs.front(), &e.packet.flow)));
  }
  return needs;
}

std::string_view fate_word(PacketFate fate) {
  switch (fate) {
    case PacketFate::clear:
      return "clear";
    case PacketFate::is_protected:
      return "protected";
    case PacketFate::broken:
      return "broken";
    case PacketFate::dropped:
      return "dropped";
    case PacketFate::lacks_sa:
      return "no-sa";
  }
  return {};
}

// What the verdict does not consider, as a rule cannot say all about another program's policy.
void add_doubts(Explained& e, const RuleSource& source) {
  if (!e.rules.matching.empty()) {
    const HeldRule& first = source.rules[e.rules.matching[0]];
    if (first.demands_more)
      e.verdict = fmt::format("perhaps {}; {} also says what a rule cannot: {}", e.verdict, called(first, source),
                              text::harmless(fmt::format("{}", fmt::join(first.remarks, "; "))));
  }
  for (const std::size_t number : e.perhaps) {
    const HeldRule& h = source.rules[number];
    e.verdict += fmt::format("; if {} is about it, {} by that", called(h, source),
                             policy::words(policy::outcome(h.rule, e.packet.direction)));
  }
}

}  // namespace

policy::Rule mirrored(const policy::Rule& rule) {
  policy::Rule peer = rule;
  std::swap(peer.selector.local, peer.selector.remote);
  std::swap(peer.selector.local_port, peer.selector.remote_port);
  std::swap(peer.in, peer.out);
  peer.mark.reset(), peer.if_id.reset();  // They mean nothing on another host.
  for (policy::Alternative& a : peer.alternatives) {
    a.protection.reqid.reset();
    if (a.protection.ends) std::swap(a.protection.ends->local, a.protection.ends->remote);
  }
  return peer;
}

Explained explain_packet(const RuleSource& source, const SaSource& sas, const ExplainedPacket& packet) {
  Explained e{.packet = packet, .rules = {}, .perhaps = {}, .serving = {}, .verdict = {}};
  if (!packet.exempt.empty()) {
    e.verdict = packet.direction == Direction::out ? "clear: it does not leave this host" : "accepted in clear";
    return e;
  }
  policy::Rules rules;
  rules.reserve(source.rules.size());
  for (const HeldRule& h : source.rules) rules.push_back(h.rule);
  const std::vector<Meeting> meetings = meetings_with(rules, source, packet);
  e.rules = policy::explain(rules, source.order, e.packet.flow, e.packet.direction,
                            [&](std::size_t number) { return meetings[number] == Meeting::yes; });
  e.perhaps = perhaps_before(e.rules, policy::order(rules, source.order), meetings);
  if (!e.rules.matching.empty())
    e.serving = serve(rules[e.rules.matching[0]], e.packet.direction, sas.sas, sas.chooser, &e.packet.flow);
  switch (e.rules.outcome) {
    case Outcome::clear:
      e.fate = PacketFate::clear;
      e.verdict = e.packet.direction == Direction::out ? "clear: it is sent as it is" : "accepted in clear";
      break;
    case Outcome::discard:
      e.fate = PacketFate::dropped;
      e.verdict =
          e.rules.matching.empty() ? "dropped: its tunnel has rules, and none is about it" : "dropped by the rule";
      break;
    case Outcome::protect:
    case Outcome::protect_or_clear:
      judge(e, sas, e.rules.outcome == Outcome::protect_or_clear);
      break;
  }
  add_doubts(e, source);
  return e;
}

std::string explanation_text(const Explained& e, const RuleSource& source, const SaSource& sas) {
  std::string out;
  put(out, "Packet", packet_words(e));
  put(out, source.is_file ? "File" : "Database",
      fmt::format("{}, {} rule{}", source.name, source.rules.size(), source.rules.size() == 1 ? "" : "s"));
  put_rules(out, e, source);
  put_kernel(out, e, source);
  if (sas.known) put_sas(out, e, sas);
  put(out, "Verdict", e.verdict);
  std::string_view label = "Peer";
  for (const std::string& need : peer_needs(e, source, sas)) put(out, std::exchange(label, ""), "needs " + need);
  return out;
}

JsonObject explanation_json(const Explained& e, const RuleSource& source, const SaSource& sas, std::string_view sadb) {
  JsonObject object;
  object.put("kind", "explain");
  object.put("sadb", sadb);
  if (source.is_file) object.put("file", source.name);
  object.put("direction", e.packet.direction == Direction::out ? "out" : "in");
  object.put("packet", packet_words(e));
  std::vector<JsonObject> rules, perhaps, candidates;
  for (const std::size_t number : e.rules.matching) {
    const HeldRule& h = source.rules[number];
    JsonObject& row = rules.emplace_back();
    if (source.is_file) {
      row.put("line", h.rule.line);
    } else {
      row.put("index", h.index);
      row.put("foreign", h.foreign);
    }
    row.put("entry", write_rule(h.rule));
  }
  for (const std::size_t number : e.perhaps) {
    JsonObject& row = perhaps.emplace_back();
    row.put("index", source.rules[number].index);
    row.put("entry", write_rule(source.rules[number].rule));
    row.put("remarks", source.rules[number].remarks);
  }
  for (const policy::Need& need : e.serving.needs)
    for (const policy::Candidate& c : need.candidates) {
      JsonObject& row = candidates.emplace_back();
      row.put("satype", pfkey::name(need.type));
      row.put("spi", sas.sas[c.sa].facts.spi);
      row.put("dst", to_string(sas.sas[c.sa].facts.dst));
      row.put("used", c.fate == Fate::serves || c.fate == Fate::breaks);
      std::vector<std::string> why;
      if (!words(c.fate).empty()) why.emplace_back(words(c.fate));
      for (const policy::Objection o : c.objections) why.emplace_back(words(o));
      row.put("why", why);
    }
  object.put("rules", std::move(rules));
  if (!perhaps.empty()) object.put("perhaps", std::move(perhaps));
  object.put("why_first", why_first(e, source));
  object.put("sas", std::move(candidates));
  object.put("outcome", fate_word(e.fate));
  object.put("verdict", e.verdict);
  object.put("peer", peer_needs(e, source, sas));
  return object;
}

std::string difference(const Explained& a, const RuleSource& of_a, const Explained& b, const RuleSource& of_b) {
  const auto decides = [](const Explained& e, const RuleSource& source) -> const policy::Rule* {
    return e.rules.matching.empty() ? nullptr : &source.rules[e.rules.matching[0]].rule;
  };
  if (a.fate != b.fate)
    return fmt::format("{} and {} differ: {} by the one, {} by the other", of_a.name, of_b.name, fate_word(a.fate),
                       fate_word(b.fate));
  const policy::Rule *const first = decides(a, of_a), *const second = decides(b, of_b);
  if ((first == nullptr) == (second == nullptr) && (!first || *first == *second)) return {};
  return fmt::format("{} and {} differ: another rule decides, with the same result", of_a.name, of_b.name);
}

}  // namespace ipseckey::cli
