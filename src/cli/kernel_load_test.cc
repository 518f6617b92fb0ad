// A load into a kernel that fails in every way: what a person reads, at which line of the file.
#include <gmock/gmock.h>
#include <netinet/in.h>

#include <cerrno>
#include <fstream>

#include "backend/testing.h"
#include "cli/program.h"
#include "kernel/fake_kernel.h"
#include "kernel/xfrm.h"

namespace ipseckey::cli {
namespace {

using kernel::Netlink;
using kernel::testing::Datagram;
using kernel::testing::FakeKernel;
using kernel::testing::Peer;
using kernel::testing::Request;

struct Ran {
  std::string out, err;
  Status status;
  bool saved;
};

Ran run(std::vector<std::string> arguments, std::string_view text, FakeKernel::Answer answer, bool lockdown = false) {
  const backend::testing::TempFolder folder;
  const std::string path = folder / "keys";
  std::ofstream(path) << text;
  std::filesystem::permissions(path, std::filesystem::perms::owner_read);
  FakeKernel kernel(std::move(answer));
  Ran ran{};
  const auto into = [](std::string& to) { return [&to](std::string_view t) { return to += t, 0; }; };
  Console console(into(ran.out), into(ran.err), false);
  World world{.console = console,
              .names = {[](const std::string&) { return Result<std::vector<Address>>(fail(Errc::not_found, "")); },
                        [](const std::string&) { return std::optional<std::uint8_t>(); },
                        [](const std::string&) { return std::optional<std::uint16_t>(); }},
              .host_name = nullptr,
              .protocol_name = nullptr,
              .clock = [] { return Instant{}; },
              .pid = 4242,
              .open = nullptr,
              .view_kernel = nullptr,
              .open_scratch = nullptr};
  world.open = [&](const std::string&) -> Result<std::unique_ptr<backend::Backend>> {
    kernel::XfrmWorld beside;
    beside.connect = [&](bool) -> Result<Netlink> { return kernel.client(); };
    beside.side_table = folder / "sadb.db";
    beside.clock = world.clock;
    beside.keys_hidden = lockdown;
    auto opened = kernel::Xfrm::open(std::move(beside));
    if (!opened) return std::unexpected(opened.error());
    return std::move(*opened);
  };
  for (std::string& word : arguments)
    if (word == "keys" || word == "saved") word = folder / word;
  ran.status = run_program({"ipseckey", std::move(arguments)}, world);
  ran.saved = std::filesystem::exists(folder / "saved");
  const auto shorten = [&](std::string& said) {
    for (auto at = said.find(path); at != std::string::npos; at = said.find(path))
      said.replace(at, path.size(), "keys");
  };
  shorten(ran.out), shorten(ran.err);
  return ran;
}

Ran load(std::string_view text, FakeKernel::Answer answer) { return run({"-f", "keys"}, text, std::move(answer)); }

constexpr std::string_view kFile =
    "# Four SAs.\n"
    "add ah spi 0x1001 src 192.0.2.1 dst 192.0.2.2 authalg sha256 "
    "authkey 000102030405060708090a0b0c0d0e0f00000000000000000000000000000000\n"
    "add ah spi 0x1002 src 192.0.2.1 dst 192.0.2.2 authalg sha256 "
    "authkey 100102030405060708090a0b0c0d0e0f00000000000000000000000000000000\n"
    "\n"
    "add ah spi 0x1003 src 192.0.2.1 dst 192.0.2.2 authalg sha256 "
    "authkey 200102030405060708090a0b0c0d0e0f00000000000000000000000000000000\n"
    "add ah spi 0x1004 src 192.0.2.1 dst 192.0.2.2 authalg sha256 "
    "authkey 300102030405060708090a0b0c0d0e0f00000000000000000000000000000000\n";

TEST(KernelLoad, EachFailureIsReportedAtItsLineInWhateverOrderItCame) {
  const Ran ran = load(kFile, [](const std::vector<Request>& r, Peer& peer) {
    peer.say(Datagram().verdict(r[3].seq, EINVAL, "Key is bad").verdict(r[2].seq, 0));
    peer.say(Datagram().verdict(77777, EPERM).verdict(r[1].seq, EEXIST).verdict(r[0].seq, 0));
  });
  EXPECT_EQ(
      ran.err,
      "keys:3:8: error: ah SA spi 0x1002 dst 192.0.2.2 already exists\n"
      "keys:6:8: error: One of the entered values is incorrect: Diagnostic code 0: no further information; the kernel "
      "says: Key is bad\n"
      "keys: 2 of 4 commands succeeded.\n");
  EXPECT_EQ(ran.status, Status::failed);
}

TEST(KernelLoad, AnAnswerCutShortLeavesTheLinesWithoutOneUnknown) {
  const Ran ran = load(kFile, [](const std::vector<Request>& r, Peer& peer) {
    peer.say(Datagram().verdict(r[0].seq, 0));
    peer.say(Datagram().verdict(r[1].seq, ENOMEM).verdict(r[2].seq, 0), 1);
  });
  EXPECT_EQ(
      ran.err,
      "keys:3:8: error: the SADB refuses: Cannot allocate memory (ENOMEM); the kernel is out of memory\n"
      "keys:5: error: no answer to this command and 1 after it, which may have been carried out; the rest was not run\n"
      "ipseckey: an answer from the kernel was truncated; the results of the other commands in it are unknown\n"
      "keys: 1 of 4 commands succeeded; the rest was not run.\n");
  EXPECT_EQ(ran.status, Status::no_sadb);
}

TEST(KernelLoad, AKernelThatGoesAwayIsNamedAtTheFirstLineWithoutAnswer) {
  const Ran ran = load(kFile, [](const std::vector<Request>&, Peer& peer) { peer.hang_up(); });
  EXPECT_EQ(
      ran.err,
      "keys:2: error: no answer to this command and 3 after it, which may have been carried out; the rest was not run\n"
      "ipseckey: the kernel closed the netlink socket\n"
      "keys: 0 of 4 commands succeeded; the rest was not run.\n");
}

// As the kernel tells an SA under lockdown: a key of zeros.
FakeKernel::Answer one_hidden_sa() {
  return [](const std::vector<Request>& r, Peer& peer) {
    xfrm_usersa_info info{};
    info.family = AF_INET, info.id.proto = IPPROTO_AH, info.id.spi = 0x01020304;
    struct {
      nlattr head{72 + 16 + sizeof(nlattr), XFRMA_ALG_AUTH_TRUNC};
      char name[64] = "hmac(md5)";
      std::uint32_t key_bits = 128, icv_bits = 96;
      char key[16] = {};
    } algorithm;
    kernel::testing::Octets payload;
    kernel::testing::append(payload, info);
    kernel::testing::append(payload, algorithm);
    peer.say(Datagram().message(XFRM_MSG_NEWSA, NLM_F_MULTI, r[0].seq, payload).done(r[0].seq));
  };
}

TEST(KernelSave, UnderLockdownNothingIsSavedAndAMessageSaysSo) {
  const Ran ran = run({"-s", "saved"}, "", one_hidden_sa(), true);
  EXPECT_EQ(ran.err, "ipseckey: the kernel's lockdown mode hides keys: nothing saved\n");
  EXPECT_EQ(ran.out, "");
  EXPECT_EQ(ran.status, Status::failed);
  EXPECT_FALSE(ran.saved);
}

TEST(KernelSave, UnderLockdownAnSaIsShownWithoutItsKey) {
  const Ran ran = run({"-n", "dump"}, "", one_hidden_sa(), true);
  EXPECT_THAT(ran.out, testing::HasSubstr("the kernel's lockdown mode hides keys"));
  EXPECT_THAT(ran.out, testing::Not(testing::HasSubstr("auth key")));
  EXPECT_EQ(ran.status, Status::ok);
}

TEST(KernelCount, NeedsNoKey) {
  for (const bool lockdown : {false, true}) {
    const Ran ran = run({"count"}, "", one_hidden_sa(), lockdown);
    EXPECT_EQ(ran.out, "ah   mature                   1\n1 SA in kernel.\n");
    EXPECT_EQ(ran.err, "");
    EXPECT_EQ(ran.status, Status::ok);
  }
}

TEST(KernelCount, IsNotHalfACount) {
  const Ran ran = run({"--json", "count", "esp"}, "",
                      [](const std::vector<Request>& r, Peer& peer) { peer.say(Datagram().verdict(r[0].seq, EPERM)); });
  EXPECT_EQ(ran.out, "");
  EXPECT_EQ(ran.err,
            "ipseckey: the SADB refuses to list its SAs: Operation not permitted (EPERM); nothing was counted\n");
  EXPECT_EQ(ran.status, Status::failed);
}

}  // namespace
}  // namespace ipseckey::cli
