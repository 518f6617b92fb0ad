// One function for each form of the status:
// 1. status_text() for people: a line for the SADB, one for where packets come and go, remarks, and the two directions.
// 2. status_json() for programs: an object; members that are absent or 0 are left out.
// 3. status_prometheus(): every counter, also those that are 0.
// 4. status_reply() chooses by the first line of a request.
#include "ipsecd/status.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <span>
#include <utility>

#include "base/json.h"

namespace ipseckey::ipsecd {
namespace {

using traffic::Cause;
using traffic::kCauses;
using traffic::Totals;

struct Direction {
  std::string_view name;
  Totals Traffic::* totals;
};
constexpr std::array kDirections = {Direction{"out", &Traffic::outbound}, Direction{"in", &Traffic::inbound}};

// Calls f(cause, packets) for each cause that has dropped packets, or for all.
template <class F>
void each_drop(const Totals& totals, bool all, F f) {
  for (std::size_t i = 1; i < kCauses; ++i)
    if (all || totals.drops[i] > 0) f(static_cast<Cause>(i), totals.drops[i]);
}

JsonObject json_of(const Totals& totals) {
  JsonObject object, drops;
  object.put("packets", totals.packets);
  object.put("bytes", totals.bytes);
  if (totals.clear > 0) object.put("clear", totals.clear);
  each_drop(totals, false, [&](Cause cause, std::uint64_t n) { drops.put(traffic::name(cause), n); });
  object.put("dropped", std::move(drops));
  return object;
}

// "ipsec0 and netfilter's queues 50 to 51".
std::string places_of(const Traffic& t) {
  std::string out = t.device;
  if (!t.hook) return out;
  if (!out.empty()) out += " and ";
  return out +
         fmt::format("netfilter's queues {} to {}", t.hook->first_queue, t.hook->first_queue + t.hook->queues - 1);
}

JsonObject json_of(const Hooked& hook) {
  JsonObject object;
  object.put("first_queue", hook.first_queue);
  object.put("queues", hook.queues);
  object.put("netfilter_rules", hook.rules);
  object.put("owned", hook.owned);
  if (hook.made_again > 0) object.put("tables_made_again", hook.made_again);
  object.put("waiting", hook.waiting);
  return object;
}

// The first lines of a metric of Prometheus, and all of one that has a single value.
std::string head(std::string_view name, std::string_view type, std::string_view help) {
  return fmt::format("# HELP {0} {2}\n# TYPE {0} {1}\n", name, type, help);
}
std::string metric(std::string_view name, std::string_view type, std::string_view help, std::uint64_t value) {
  return head(name, type, help) + fmt::format("{} {}\n", name, value);
}

std::string prometheus_of(const Hooked& hook) {
  return metric("ipsecd_hook_netfilter_rules", "gauge", "Rules in netfilter's tables.", hook.rules) +
         metric("ipsecd_hook_owned", "gauge", "Whether other programs cannot change these tables (1).", hook.owned) +
         metric("ipsecd_hook_waiting", "gauge", "Whether packets are dropped until rules are loaded again (1).",
                hook.waiting) +
         metric("ipsecd_hook_tables_made_again_total", "counter",
                "How often another program had changed or removed the tables.", hook.made_again);
}

// The same in every format: rules that have dropped packets, so that their number stays small.
constexpr std::size_t kMostRules = 1000;

std::span<const engine::RuleBook::Refusing> first_of(std::span<const engine::RuleBook::Refusing> rules) {
  return rules.first(std::min(rules.size(), kMostRules));
}

std::vector<JsonObject> objects_of(std::span<const engine::RuleBook::Refusing> rules) {
  std::vector<JsonObject> objects;
  for (const auto& rule : first_of(rules)) {
    JsonObject& object = objects.emplace_back();
    object.put("rule", rule.index);
    object.put("out", rule.out.packets);
    object.put("in", rule.in.packets);
  }
  return objects;
}

std::vector<JsonObject> objects_of(const std::vector<std::uint16_t>& ports) {
  std::vector<JsonObject> objects;
  for (const std::uint16_t port : ports) objects.emplace_back().put("port", port);
  return objects;
}

// How many destinations packets leave to for each reason, in the order of reasons.
std::array<std::size_t, kDetours> by_detour(const Leaving& leaving) {
  std::array<std::size_t, kDetours> counts{};
  for (const Leaving::Row& row : leaving.rows) ++counts[static_cast<std::size_t>(row.detour)];
  return counts;
}

std::string text_of(const Leaving& leaving) {
  std::string out;
  const auto counts = by_detour(leaving);
  for (std::size_t i = 0; i < kDetours; ++i) {
    if (counts[i] == 0) continue;
    const auto detour = static_cast<Detour>(i);
    out += fmt::format("  To {} address{} packets leave by ", counts[i], counts[i] == 1 ? "" : "es");
    out += detour == Detour::none ? "a packet socket.\n"
                                  : fmt::format("the raw socket: {} ({}).\n", sentence(detour), name(detour));
  }
  return out;
}

std::vector<JsonObject> objects_of(const Leaving& leaving) {
  std::vector<JsonObject> objects;
  for (const Leaving::Row& row : std::span(leaving.rows).first(std::min(leaving.rows.size(), kMostRules))) {
    JsonObject& object = objects.emplace_back();
    object.put("to", to_string(row.to));
    if (row.detour == Detour::none) {
      object.put("link", row.link);
    } else {
      object.put("detour", name(row.detour));
    }
  }
  return objects;
}

std::string prometheus_of(const Leaving& leaving) {
  std::string out =
      metric("ipsecd_framed_packets_total", "counter", "Packets that left by packet sockets.", leaving.framed);
  out += head("ipsecd_destinations", "gauge",
              "Destinations by why their packets leave by the raw socket (none: they need not).");
  const auto counts = by_detour(leaving);
  for (std::size_t i = 0; i < kDetours; ++i)
    out += fmt::format("ipsecd_destinations{{detour=\"{}\"}} {}\n", name(static_cast<Detour>(i)), counts[i]);
  return out;
}

}  // namespace

std::string status_text(const Status& s) {
  const auto some = [](std::uint64_t n, std::string_view what) {
    return fmt::format("{} {}{}", n, what, n == 1 ? "" : "s");
  };
  const std::string rules = s.rules > 0 ? some(s.rules, "rule") + ", " : "";
  std::string out =
      fmt::format("ipsecd at {}: {}, {}{}\n", s.socket, some(s.sas, "SA"), rules, some(s.clients, "client"));
  if (!s.traffic) return out + "No packets are carried: ipsecd was started without --tun or --hook.\n";
  out += fmt::format("Packets through {}, {} thread{}:\n", places_of(*s.traffic), s.traffic->workers,
                     s.traffic->workers == 1 ? "" : "s");
  if (const std::uint64_t times = s.traffic->device_made_again; times > 0)
    out +=
        fmt::format("  The device disappeared and was created again {}: its earlier addresses and routes are lost.\n",
                    times == 1 ? "once" : fmt::format("{} times", times));
  if (s.traffic->hook && s.traffic->hook->waiting)
    out += "  Rules must be loaded again: what the rules before the restart concern is dropped until then.\n";
  for (const std::uint16_t port : s.traffic->busy_ports)
    out += fmt::format("  UDP port {} is used by another program: packets for SAs are received alongside it.\n", port);
  if (const std::uint64_t sent = s.traffic->keep_alives; sent > 0)
    out += fmt::format("  {} keepalive{} sent to keep NAT mappings alive for idle SAs.\n", sent, sent == 1 ? "" : "s");
  if (s.traffic->leaving) out += text_of(*s.traffic->leaving);
  for (const Direction& d : kDirections) {
    const Totals& totals = (*s.traffic).*d.totals;
    out += fmt::format("  {:3}  {} packets, {} bytes\n", d.name, totals.packets, totals.bytes);
    if (totals.clear > 0) out += fmt::format("       {} in clear, as the rules say\n", totals.clear);
    each_drop(totals, false, [&](Cause cause, std::uint64_t n) {
      out += fmt::format("       {} dropped: {} ({})\n", n, traffic::sentence(cause), traffic::name(cause));
    });
  }
  return out;
}

std::string status_json(const Status& s) {
  JsonObject object;
  object.put("socket", s.socket);
  object.put("sas", s.sas);
  if (s.rules > 0) object.put("rules", s.rules);
  object.put("clients", s.clients);
  if (!s.refusing.empty()) object.put("dropped_by_rules", objects_of(s.refusing));
  if (s.traffic) {
    if (!s.traffic->device.empty()) object.put("device", s.traffic->device);
    if (s.traffic->hook) object.put("hook", json_of(*s.traffic->hook));
    object.put("threads", s.traffic->workers);
    if (s.traffic->device_made_again > 0) object.put("device_made_again", s.traffic->device_made_again);
    if (!s.traffic->busy_ports.empty()) object.put("busy_udp_ports", objects_of(s.traffic->busy_ports));
    if (s.traffic->keep_alives > 0) object.put("keepalives", s.traffic->keep_alives);
    if (const auto& leaving = s.traffic->leaving; leaving && !leaving->rows.empty())
      object.put("destinations", objects_of(*leaving));
    if (s.traffic->leaving && s.traffic->leaving->framed > 0) object.put("framed", s.traffic->leaving->framed);
    for (const Direction& d : kDirections) object.put(d.name, json_of((*s.traffic).*d.totals));
  }
  return object.line();
}

std::string status_prometheus(const Status& s) {
  std::string out;
  out += metric("ipsecd_sas", "gauge", "Security associations in the database.", s.sas);
  out += metric("ipsecd_rules", "gauge", "Rules in force.", s.rules);
  out += metric("ipsecd_clients", "gauge", "PF_KEY clients that are connected.", s.clients);
  if (!s.traffic) return out;
  out += metric("ipsecd_device_made_again_total", "counter", "How often the device disappeared and was created again.",
                s.traffic->device_made_again);
  out += metric("ipsecd_busy_udp_ports", "gauge", "UDP ports of SAs that another program uses.",
                s.traffic->busy_ports.size());
  out += metric("ipsecd_keepalives_total", "counter", "Keepalives sent so that NAT mappings stay alive.",
                s.traffic->keep_alives);
  if (s.traffic->hook) out += prometheus_of(*s.traffic->hook);
  if (s.traffic->leaving) out += prometheus_of(*s.traffic->leaving);
  out += head("ipsecd_packets_total", "counter", "Packets protected (out) or accepted (in).");
  for (const Direction& d : kDirections)
    out += fmt::format("ipsecd_packets_total{{direction=\"{}\"}} {}\n", d.name, ((*s.traffic).*d.totals).packets);
  out += head("ipsecd_bytes_total", "counter", "Bytes of the inner packets.");
  for (const Direction& d : kDirections)
    out += fmt::format("ipsecd_bytes_total{{direction=\"{}\"}} {}\n", d.name, ((*s.traffic).*d.totals).bytes);
  out +=
      head("ipsecd_clear_packets_total", "counter", "Packets that went or were accepted in clear, as the rules say.");
  for (const Direction& d : kDirections)
    out += fmt::format("ipsecd_clear_packets_total{{direction=\"{}\"}} {}\n", d.name, ((*s.traffic).*d.totals).clear);
  out += head("ipsecd_dropped_packets_total", "counter", "Packets dropped, by cause.");
  for (const Direction& d : kDirections)
    each_drop((*s.traffic).*d.totals, true, [&](Cause cause, std::uint64_t n) {
      out += fmt::format("ipsecd_dropped_packets_total{{direction=\"{}\",cause=\"{}\"}} {}\n", d.name,
                         traffic::name(cause), n);
    });
  out += head("ipsecd_rule_dropped_packets_total", "counter", "Packets that a rule dropped, by the rule's index.");
  for (const auto& rule : first_of(s.refusing))
    for (const auto& [direction, count] : {std::pair("out", rule.out), std::pair("in", rule.in)})
      out += fmt::format("ipsecd_rule_dropped_packets_total{{direction=\"{}\",rule=\"{}\"}} {}\n", direction,
                         rule.index, count.packets);
  return out;
}

std::string status_reply(std::string_view line, const Status& status) {
  if (line == "text") return status_text(status);
  if (line == "json") return status_json(status);
  if (line == "leaving") return status.traffic && status.traffic->leaving ? text_of(*status.traffic->leaving) : "";
  if (!line.starts_with("GET ")) return "expected text, json, leaving or an HTTP GET\n";
  const std::string body = status_prometheus(status);
  return fmt::format(
      "HTTP/1.0 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{}",
      body.size(), body);
}

}  // namespace ipseckey::ipsecd
