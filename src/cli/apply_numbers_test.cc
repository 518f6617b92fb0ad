// `apply` that replaces an SA under the same keys while its packets flow: no sequence number is let in or sent twice.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include <fstream>

#include "api/open.h"
#include "backend/memory.h"
#include "backend/testing.h"
#include "cli/program.h"

namespace ipseckey::cli {
namespace {

using pfkey::Message;
using pfkey::Type;
using ::testing::ElementsAre;

// A SADB whose SAs are never at rest: after each reply, and before the next request, a thousand packets more.
class Busy : public backend::Backend {
 public:
  static constexpr std::uint64_t kPackets = 1000;

  explicit Busy(const std::function<Instant()>& clock) : engine_(engine::Options{}, clock) {}

  std::string name() const override { return "memory"; }
  Result<void> call(std::span<Message> requests, const Reply& reply) override {
    for (std::size_t i = 0; i < requests.size(); ++i) {
      const Type type = requests[i].type;
      if (type == Type::add && requests[i].replay_value) begun.push_back(requests[i].replay_value->number());
      if (type == Type::add && refuses_window != 0 && requests[i].sa->replay == refuses_window) {
        Message refusal = requests[i].header();
        refusal.error = 12;  // ENOMEM
        reply(i, std::move(refusal));
        continue;
      }
      Message name;
      if (type == Type::get) name = requests[i].clone();
      const auto done = engine_.call(requests.subspan(i, 1), [&](std::size_t, Message&& m) {
        if (type == Type::del && m.replay_value) ended.push_back(m.replay_value->number());
        reply(i, std::move(m));
      });
      if (!done) return done;
      if (type == Type::get) flow(std::move(name));
    }
    return {};
  }
  Result<std::unique_ptr<backend::Listener>> listen(bool) override { return fail(Errc::unsupported, ""); }

  std::vector<std::uint64_t> begun, ended;  // Numbers of ADDs, and of the replies to DELETEs.
  std::uint8_t refuses_window = 0;

 private:
  void flow(Message&& name) {
    std::uint64_t number = 0;
    Message update = name.clone();
    ++update.seq, update.type = Type::update;
    const auto get = [&](std::size_t, Message&& m) {
      number = m.replay_value ? m.replay_value->number() : 0;
      update.src = m.src, update.sa->state = pfkey::State::mature;  // GET needs neither, UPDATE both.
    };
    static_cast<void>(engine_.call({&name, 1}, get));
    update.replay_value = pfkey::ReplayValue::of(number + kPackets);
    static_cast<void>(
        engine_.call({&update, 1}, [](std::size_t, Message&& m) { EXPECT_EQ(m.error, 0) << m.diagnostic; }));
  }

  backend::Memory engine_;
};

// Lends what another owns.
class Lent : public backend::Backend {
 public:
  explicit Lent(Backend& whole) : whole_(whole) {}
  std::string name() const override { return whole_.name(); }
  Result<void> call(std::span<Message> requests, const Reply& reply) override { return whole_.call(requests, reply); }
  Result<std::unique_ptr<backend::Listener>> listen(bool on) override { return whole_.listen(on); }

 private:
  Backend& whole_;
};

class ApplyNumbers : public ::testing::Test {
 protected:
  Status run(std::vector<std::string> arguments, const std::string& text) {
    std::ofstream(folder_ / "keys") << text;
    std::filesystem::permissions(folder_ / "keys",
                                 std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
    out_.clear(), err_.clear();
    const auto into = [](std::string& to) { return [&to](std::string_view t) { return to += t, 0; }; };
    Console console(into(out_), into(err_), false);
    World world{.console = console,
                .names = {[](const std::string&) { return Result<std::vector<Address>>(fail(Errc::not_found, "")); },
                          [](const std::string&) { return std::optional<std::uint8_t>(); },
                          [](const std::string&) { return std::optional<std::uint16_t>(); }},
                .host_name = nullptr,
                .protocol_name = nullptr,
                .clock = [] { return Instant{}; },
                .pid = 4242,
                .open =
                    [&](const std::string&) {
                      return Result<std::unique_ptr<backend::Backend>>(std::make_unique<Lent>(sadb_));
                    },
                .view_kernel = nullptr,
                .open_scratch =
                    [](api::Scratch kind) {
                      return api::open_scratch(
                          {.socket = "", .clock = [] { return Instant{}; }, .kernel_lacks = {}, .stop_fd = -1}, kind);
                    }};
    for (std::string& word : arguments)
      if (word == "keys") word = folder_ / word;
    return run_program({"ipseckey", std::move(arguments)}, world);
  }

  static std::string sa(const std::string& spi, const std::string& more) {
    return "add esp spi " + spi +
           " src 192.0.2.1 dst 192.0.2.2 encralg aes-gcm encrkey 000102030405060708090a0b0c0d0e0f" + spi.substr(2) +
           "0000 " + more + "\n";
  }

  // What the language warns of in such a line of the file.
  std::string warned(int line, const std::string& text) const {
    return fmt::format(
        "{0}:{1}:{2}: warning: aes-gcm with a manual key may be insecure: a key must never see the same IV twice\n"
        "{0}:{1}:{3}: warning: a replay window with manual keys is considered harmful: after the peer restarts, its "
        "packets are dropped as replays\n",
        folder_ / "keys", line, text.find("encralg") + 1, text.find("replay") + 1);
  }

  const backend::testing::TempFolder folder_;
  Busy sadb_{[] { return Instant{}; }};
  std::string out_, err_;
};

TEST_F(ApplyNumbers, ContinueWhereTheOldSaEnded) {
  const std::string in = " inbound replay 64", both = " replay 32";
  ASSERT_EQ(run({"-f", "keys"}, sa("0x1001", "replay_value 5" + in) + sa("0x1002", "replay_value 70" + both)),
            Status::ok)
      << err_;
  sadb_.begun.clear();
  const std::string first = sa("0x1001", in + " reqid 9"), second = sa("0x1002", both + " reqid 9");
  ASSERT_EQ(run({"apply", "keys"}, first + second), Status::ok) << err_;
  EXPECT_THAT(sadb_.ended, ElementsAre(1005, 1070));
  EXPECT_THAT(sadb_.begun, ElementsAre(1005, 1070));
  EXPECT_EQ(err_, warned(1, first) + warned(2, second));  // Of the file; nothing of what was done with it.
}

// A restored SA continues with the numbers it had reached.
TEST_F(ApplyNumbers, ContinueWhereTheOldSaEndedWhenItIsRestored) {
  ASSERT_EQ(run({"-f", "keys"}, sa("0x1001", "replay_value 5 inbound replay 64")), Status::ok) << err_;
  sadb_.begun.clear();
  sadb_.refuses_window = 128;
  ASSERT_EQ(run({"apply", "keys"}, sa("0x1001", "inbound replay 128")), Status::failed);
  EXPECT_THAT(sadb_.ended, ElementsAre(1005));
  EXPECT_THAT(sadb_.begun, ElementsAre(1005, 1005));  // Refused, and back.
  EXPECT_THAT(err_, ::testing::HasSubstr("the old esp SA spi 0x1001 dst 192.0.2.2 was restored"));
}

// Other keys are another SA, whose numbers start from zero.
TEST_F(ApplyNumbers, StartFromZeroUnderOtherKeys) {
  ASSERT_EQ(run({"-f", "keys"}, sa("0x1001", "replay_value 5 inbound replay 64")), Status::ok) << err_;
  sadb_.begun.clear();
  std::string other = sa("0x1001", "inbound replay 64");
  other.replace(other.find("0001"), 4, "ffee");
  ASSERT_EQ(run({"apply", "keys"}, other), Status::ok) << err_;
  EXPECT_THAT(sadb_.begun, ElementsAre());
}

}  // namespace
}  // namespace ipseckey::cli
