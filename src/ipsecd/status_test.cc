// The status of ipsecd: the whole text of each form, and the socket that serves them.
#include "ipsecd/status.h"

#include <gmock/gmock.h>

#include "ipsecd/status_socket.h"
#include "ipsecd/testing.h"
#include "system/status_client.h"

namespace ipseckey::ipsecd {
namespace {

using traffic::Cause;

Status busy() {
  Status s{.socket = "/run/s", .sas = 2, .clients = 1, .traffic = Traffic{}};
  s.traffic->device = "ipsec0", s.traffic->workers = 2;
  s.traffic->outbound.packets = 10, s.traffic->outbound.bytes = 1280;
  s.traffic->outbound.drops[static_cast<std::size_t>(Cause::no_sa)] = 3;
  s.traffic->inbound.packets = 4, s.traffic->inbound.bytes = 400;
  s.traffic->inbound.drops[static_cast<std::size_t>(Cause::corrupt)] = 1;
  return s;
}

TEST(Status, AsText) {
  EXPECT_EQ(status_text({.socket = "/run/s", .sas = 1, .clients = 0, .traffic = {}}),
            "ipsecd at /run/s: 1 SA, 0 clients\n"
            "No packets are carried: ipsecd was started without --tun or --hook.\n");
  EXPECT_EQ(status_text(busy()),
            "ipsecd at /run/s: 2 SAs, 1 client\n"
            "Packets through ipsec0, 2 threads:\n"
            "  out  10 packets, 1280 bytes\n"
            "       3 dropped: no SA covers it (no_sa)\n"
            "  in   4 packets, 400 bytes\n"
            "       1 dropped: its ICV is wrong: compare keys, auth_alg and icv at both ends (corrupt)\n");
}

TEST(Status, AsJson) {
  EXPECT_EQ(status_json({.socket = "/run/s", .sas = 1, .clients = 0, .traffic = {}}),
            "{\"socket\":\"/run/s\",\"sas\":1,\"clients\":0}\n");
  EXPECT_EQ(status_json(busy()), R"({"socket":"/run/s","sas":2,"clients":1,"device":"ipsec0","threads":2,)"
                                 R"("out":{"packets":10,"bytes":1280,"dropped":{"no_sa":3}},)"
                                 R"("in":{"packets":4,"bytes":400,"dropped":{"corrupt":1}}})"
                                 "\n");
}

TEST(Status, ShowsThatTheDeviceWasCreatedAgain) {
  Status s = busy();
  s.traffic->device_made_again = 1;
  EXPECT_THAT(
      status_text(s),
      ::testing::HasSubstr("Packets through ipsec0, 2 threads:\n"
                           "  The device disappeared and was created again once: its earlier addresses and routes "
                           "are lost.\n"
                           "  out  10 packets"));
  EXPECT_THAT(status_prometheus(s), ::testing::HasSubstr("ipsecd_device_made_again_total 1\n"));
  s.traffic->device_made_again = 3;
  EXPECT_THAT(status_text(s), ::testing::HasSubstr("created again 3 times: its earlier addresses"));
  EXPECT_THAT(status_json(s), ::testing::HasSubstr(R"("threads":2,"device_made_again":3,"out":)"));
}

TEST(Status, ShowsHowPacketsLeave) {
  Status s = busy();
  s.traffic->leaving = Leaving{};
  EXPECT_EQ(status_text(s), status_text(busy())) << "there is no destination yet";
  EXPECT_EQ(status_json(s), status_json(busy()));
  const auto to = [](std::string_view text) { return *parse_address(text); };
  s.traffic->leaving = Leaving{.rows = {{to("192.0.2.2"), Detour::none, "eth0"},
                                        {to("192.0.2.3"), Detour::no_neighbour},
                                        {to("192.0.2.4"), Detour::no_neighbour},
                                        {to("198.51.100.1"), Detour::no_ethernet}},
                               .framed = 7};
  EXPECT_THAT(status_text(s), ::testing::HasSubstr("Packets through ipsec0, 2 threads:\n"
                                                   "  To 1 address packets leave by a packet socket.\n"
                                                   "  To 1 address packets leave by the raw socket: the link is not "
                                                   "Ethernet (no_ethernet).\n"
                                                   "  To 2 addresses packets leave by the raw socket: the Ethernet "
                                                   "address of the next hop is not known (no_neighbour).\n"
                                                   "  out  10 packets"));
  EXPECT_THAT(status_json(s),
              ::testing::HasSubstr(R"("threads":2,"destinations":[{"to":"192.0.2.2","link":"eth0"},)"
                                   R"({"to":"192.0.2.3","detour":"no_neighbour"},)"
                                   R"({"to":"192.0.2.4","detour":"no_neighbour"},)"
                                   R"({"to":"198.51.100.1","detour":"no_ethernet"}],"framed":7,"out":)"));
  EXPECT_EQ(status_reply("leaving", busy()), "");
  EXPECT_EQ(status_reply("leaving", {}), "");
  EXPECT_THAT(status_reply("leaving", s), ::testing::StartsWith("  To 1 address packets leave by a packet socket.\n"));
  const std::string text = status_prometheus(s);
  for (const char* const line :
       {"ipsecd_framed_packets_total 7", "ipsecd_destinations{detour=\"none\"} 1",
        "ipsecd_destinations{detour=\"no_neighbour\"} 2", "ipsecd_destinations{detour=\"firewall\"} 0"})
    EXPECT_THAT(text, ::testing::HasSubstr(std::string(line) + "\n"));
  EXPECT_THAT(status_prometheus(busy()), ::testing::Not(::testing::HasSubstr("ipsecd_destinations")));
}

TEST(Status, ShowsTheHook) {
  Status s = busy();
  s.traffic->hook = Hooked{.first_queue = 50, .queues = 4, .rules = 12, .waiting = false};
  EXPECT_THAT(status_text(s),
              ::testing::HasSubstr("\nPackets through ipsec0 and netfilter's queues 50 to 53, 2 threads:\n"
                                   "  out  10 packets"));
  EXPECT_THAT(status_json(s),
              ::testing::HasSubstr(R"("device":"ipsec0","hook":{"first_queue":50,"queues":4,"netfilter_rules":12,)"
                                   R"("owned":false,"waiting":false},"threads":2,)"));
  s.traffic->device = "", s.traffic->hook->waiting = true;
  EXPECT_THAT(
      status_text(s),
      ::testing::HasSubstr("\nPackets through netfilter's queues 50 to 53, 2 threads:\n"
                           "  Rules must be loaded again: what the rules before the restart concern is dropped until "
                           "then.\n  out  10 packets"));
  EXPECT_THAT(status_json(s), ::testing::HasSubstr(R"("clients":1,"hook":{"first_queue":50,)"));
  s.traffic->hook->owned = true, s.traffic->hook->made_again = 3;
  EXPECT_THAT(status_json(s), ::testing::HasSubstr(R"("owned":true,"tables_made_again":3,"waiting":true})"));
  const std::string text = status_prometheus(s);
  for (const char* const line : {"ipsecd_hook_netfilter_rules 12", "ipsecd_hook_owned 1", "ipsecd_hook_waiting 1",
                                 "ipsecd_hook_tables_made_again_total 3"})
    EXPECT_THAT(text, ::testing::HasSubstr(std::string("\n") + line + "\n"));
  EXPECT_THAT(status_prometheus(busy()), ::testing::Not(::testing::HasSubstr("ipsecd_hook_")));
}

TEST(Status, ShowsWhatRulesDrop) {
  Status s = busy();
  s.refusing = {{.index = 7, .out = {3, 1}, .in = {}}, {.index = 9, .out = {}, .in = {5, 1}}};
  EXPECT_THAT(status_json(s),
              ::testing::HasSubstr(R"("dropped_by_rules":[{"rule":7,"out":3,"in":0},{"rule":9,"out":0,"in":5}],)"));
  EXPECT_THAT(status_prometheus(s),
              ::testing::EndsWith("# TYPE ipsecd_rule_dropped_packets_total counter\n"
                                  "ipsecd_rule_dropped_packets_total{direction=\"out\",rule=\"7\"} 3\n"
                                  "ipsecd_rule_dropped_packets_total{direction=\"in\",rule=\"7\"} 0\n"
                                  "ipsecd_rule_dropped_packets_total{direction=\"out\",rule=\"9\"} 0\n"
                                  "ipsecd_rule_dropped_packets_total{direction=\"in\",rule=\"9\"} 5\n"));
  s.refusing.assign(2000, {.index = 1, .out = {1, 1}, .in = {}});
  EXPECT_LT(status_json(s).size(), 100'000u);  // Not one for each of very many rules.
}

TEST(Status, ShowsPortsOfOtherPrograms) {
  Status s = busy();
  s.traffic->busy_ports = {4500, 4501};
  EXPECT_THAT(
      status_text(s),
      ::testing::HasSubstr("  UDP port 4500 is used by another program: packets for SAs are received alongside it.\n"
                           "  UDP port 4501 is used by another program: packets for SAs are received alongside it.\n"
                           "  out  10 packets"));
  EXPECT_THAT(status_json(s),
              ::testing::HasSubstr(R"("threads":2,"busy_udp_ports":[{"port":4500},{"port":4501}],"out":)"));
  EXPECT_THAT(status_prometheus(s), ::testing::HasSubstr("ipsecd_busy_udp_ports 2\n"));
}

TEST(Status, ShowsSentKeepalives) {
  Status s = busy();
  s.traffic->keep_alives = 1;
  EXPECT_THAT(status_text(s), ::testing::HasSubstr("  1 keepalive sent to keep NAT mappings alive for idle SAs.\n"
                                                   "  out  10 packets"));
  EXPECT_THAT(status_json(s), ::testing::HasSubstr(R"("threads":2,"keepalives":1,"out":)"));
  s.traffic->keep_alives = 7;
  EXPECT_THAT(status_text(s), ::testing::HasSubstr("  7 keepalives sent to"));
  EXPECT_THAT(status_prometheus(s), ::testing::HasSubstr("ipsecd_keepalives_total 7\n"));
}

TEST(Status, ShowsRulesAndClearPackets) {
  Status s = busy();
  s.rules = 1;
  s.traffic->outbound.clear = 5;
  s.traffic->inbound.drops[static_cast<std::size_t>(Cause::by_rule)] = 2;
  EXPECT_THAT(status_text(s), ::testing::StartsWith("ipsecd at /run/s: 2 SAs, 1 rule, 1 client\n"));
  EXPECT_THAT(status_text(s), ::testing::HasSubstr("  out  10 packets, 1280 bytes\n"
                                                   "       5 in clear, as the rules say\n"
                                                   "       3 dropped: no SA covers it (no_sa)\n"));
  EXPECT_THAT(status_text(s), ::testing::HasSubstr("       2 dropped: a rule says drop (explicit)\n"));
  EXPECT_THAT(status_json(s), ::testing::StartsWith(R"({"socket":"/run/s","sas":2,"rules":1,"clients":1,)"));
  EXPECT_THAT(status_json(s), ::testing::HasSubstr(R"("out":{"packets":10,"bytes":1280,"clear":5,"dropped":)"));
  EXPECT_THAT(status_prometheus(s), ::testing::HasSubstr("ipsecd_rules 1\n"));
  EXPECT_THAT(status_prometheus(s), ::testing::HasSubstr("ipsecd_clear_packets_total{direction=\"out\"} 5\n"));
}

TEST(Status, AsPrometheusText) {
  const std::string text = status_prometheus(busy());
  EXPECT_TRUE(
      text.starts_with("# HELP ipsecd_sas Security associations in the database.\n"
                       "# TYPE ipsecd_sas gauge\n"
                       "ipsecd_sas 2\n"
                       "# HELP ipsecd_rules Rules in force.\n"
                       "# TYPE ipsecd_rules gauge\n"
                       "ipsecd_rules 0\n"
                       "# HELP ipsecd_clients PF_KEY clients that are connected.\n"
                       "# TYPE ipsecd_clients gauge\n"
                       "ipsecd_clients 1\n"
                       "# HELP ipsecd_device_made_again_total How often the device disappeared and was created again.\n"
                       "# TYPE ipsecd_device_made_again_total counter\n"
                       "ipsecd_device_made_again_total 0\n"
                       "# HELP ipsecd_busy_udp_ports UDP ports of SAs that another program uses.\n"
                       "# TYPE ipsecd_busy_udp_ports gauge\n"
                       "ipsecd_busy_udp_ports 0\n"
                       "# HELP ipsecd_keepalives_total Keepalives sent so that NAT mappings stay alive.\n"
                       "# TYPE ipsecd_keepalives_total counter\n"
                       "ipsecd_keepalives_total 0\n"
                       "# HELP ipsecd_packets_total Packets protected (out) or accepted (in).\n"
                       "# TYPE ipsecd_packets_total counter\n"
                       "ipsecd_packets_total{direction=\"out\"} 10\n"
                       "ipsecd_packets_total{direction=\"in\"} 4\n"));
  EXPECT_THAT(text, ::testing::HasSubstr("ipsecd_dropped_packets_total{direction=\"in\",cause=\"corrupt\"} 1\n"));
  // Counters that are 0 exist from the start; otherwise a first drop would not be an increase.
  EXPECT_THAT(text, ::testing::HasSubstr("ipsecd_dropped_packets_total{direction=\"in\",cause=\"replayed\"} 0\n"));
}

TEST(Status, IsServedOnASocket) {
  testing::RunningDaemon daemon;
  const std::string path = status_path(daemon.path());
  EXPECT_EQ(ask_status(path, "text").value(),
            "ipsecd at " + daemon.path() +
                ": 0 SAs, 0 clients\n"
                "No packets are carried: ipsecd was started without --tun or --hook.\n");
  EXPECT_THAT(ask_status(path, "GET /metrics HTTP/1.1\r").value(), ::testing::StartsWith("HTTP/1.0 200 OK\r\n"));
  EXPECT_EQ(ask_status(path, "keys").value(), "expected text, json, leaving or an HTTP GET\n");
  // A line without an end gets no answer, and is not buffered without limit.
  EXPECT_EQ(ask_status(path, std::string(5000, 'x')).value_or(""), "");
}

TEST(Status, NoDaemonIsAnError) {
  const auto asked = ask_status("/nonexistent/status", "text");
  ASSERT_FALSE(asked);
  EXPECT_EQ(asked.error().text, "no ipsecd answers at /nonexistent/status: No such file or directory");
}

}  // namespace
}  // namespace ipseckey::ipsecd
