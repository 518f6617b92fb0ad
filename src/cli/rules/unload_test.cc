// `unload` where --sadb is auto: the rules may be in a database that it would not choose now.
#include <gmock/gmock.h>

#include <map>

#include "backend/spd_testing.h"
#include "backend/testing.h"
#include "cli/program.h"
#include "policy/testing.h"

namespace ipseckey::cli {
namespace {

using backend::testing::HeldSpd;
using backend::testing::RuleStore;

struct Unload : ::testing::Test {
  std::map<std::string, RuleStore> stores;  // Those that answer.
  std::string out, err;
  Status status = Status::ok;

  void put(const std::string& place, bool foreign = false) {
    RuleStore& store = stores[place];
    store.name = place;
    backend::HeldRule held;
    held.rule = policy::testing::drop_rule(), held.index = store.next++, held.foreign = foreign;
    store.held.push_back(std::move(held));
  }
  std::size_t left(const std::string& place) { return stores.at(place).held.size(); }

  void run(std::vector<std::string> arguments) {
    const backend::testing::TempFolder folder;
    const auto into = [](std::string& to) { return [&to](std::string_view t) { return to += t, 0; }; };
    Console console(into(out), into(err), false);
    World world{.console = console,
                .names = {},
                .host_name = nullptr,
                .protocol_name = nullptr,
                .clock = [] { return Instant{}; },
                .pid = 4242,
                .open = nullptr,
                .view_kernel = nullptr,
                .open_scratch = nullptr,
                .owner_rows = folder / "owned.db",
                .open_spd = [this](const std::string& where) -> Result<std::unique_ptr<backend::Spd>> {
                  // As auto does it: an ipsecd before the kernel.
                  const std::string chosen = where != "auto" ? where : stores.contains("ipsecd") ? "ipsecd" : "kernel";
                  const auto found = stores.find(chosen);
                  if (found == stores.end()) return fail(Errc::unreachable, "no " + chosen + " answers");
                  return std::make_unique<HeldSpd>(found->second);
                }};
    status = run_program({"/usr/sbin/ipsecconf", std::move(arguments)}, world);
  }
};

TEST_F(Unload, OfAutoIsOfEveryDatabase) {
  put("ipsecd"), put("kernel"), put("kernel", true);
  run({"unload"});
  EXPECT_EQ(status, Status::ok);
  EXPECT_EQ(out, "ipsecd: 0 added, 1 removed, 0 kept.\nkernel: 0 added, 1 removed, 0 kept.\n");
  EXPECT_EQ(err, "");
  EXPECT_EQ(left("ipsecd"), 0u);
  EXPECT_EQ(left("kernel"), 1u);  // Another program's.
}

TEST_F(Unload, OfOneIsOfThatOne) {
  put("ipsecd"), put("kernel");
  run({"--sadb=kernel", "unload"});
  EXPECT_EQ(out, "kernel: 0 added, 1 removed, 0 kept.\n");
  EXPECT_EQ(left("ipsecd"), 1u);
}

TEST_F(Unload, ADatabaseThatIsNotThereHasNone) {
  put("kernel");
  run({"unload"});
  EXPECT_EQ(status, Status::ok);
  EXPECT_EQ(out, "kernel: 0 added, 1 removed, 0 kept.\n");
  EXPECT_EQ(err, "");
}

TEST_F(Unload, ADatabaseThatRefusesIsNamed) {
  put("ipsecd"), put("kernel");
  stores["kernel"].refusal = fail(Errc::denied, "it needs CAP_NET_ADMIN");
  run({"unload"});
  EXPECT_EQ(left("ipsecd"), 0u);
  EXPECT_EQ(err, "ipsecconf: warning: rules of kernel stay, if there are any: it needs CAP_NET_ADMIN\n");
}

TEST_F(Unload, WithoutAnyItFails) {
  run({"unload"});
  EXPECT_EQ(status, Status::no_sadb);
  EXPECT_EQ(err, "ipsecconf: no kernel answers\n");
}

}  // namespace
}  // namespace ipseckey::cli
