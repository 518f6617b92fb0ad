// The socket to the kernel, with a peer that plays the kernel and makes every mistake that is possible.
#include "kernel/netlink.h"

#include <gmock/gmock.h>

#include <cerrno>

#include "backend/testing.h"
#include "kernel/fake_kernel.h"

namespace ipseckey::kernel {
namespace {

using ::testing::AllOf;
using testing::Datagram;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::Gt;
using ::testing::IsEmpty;
using testing::Octets;
using ::testing::Pair;
using testing::Peer;

constexpr std::uint16_t kType = 17;

NetlinkBatch requests(std::size_t count) {
  NetlinkBatch batch;
  for (std::size_t i = 0; i < count; ++i) {
    batch.begin(kType);
    batch.body(Octets(4));
  }
  return batch;
}

using Verdicts = std::vector<std::pair<std::size_t, std::string>>;

struct Exchanged {
  Verdicts verdicts;  // Of those that arrived, in order.
  Result<void> done;
};

Exchanged exchange(Netlink& netlink, std::size_t count) {
  NetlinkBatch batch = requests(count);
  Exchanged out;
  out.done = netlink.exchange(
      batch, [](std::size_t, const NetlinkMessage&) {},
      [&](std::size_t index, const Netlink::Verdict& v) {
        out.verdicts.emplace_back(index, std::to_string(v.error) + (v.text.empty() ? "" : " " + v.text));
      });
  return out;
}

TEST(Netlink, VerdictsMatchTheirRequestsInAnyOrder) {
  Peer peer;
  peer.say(Datagram().verdict(3, 0).verdict(1, EEXIST, "Already there"));
  peer.say(Datagram().verdict(2, EINVAL));
  Netlink netlink = peer.client();
  const Exchanged out = exchange(netlink, 3);
  EXPECT_THAT(out.verdicts, ElementsAre(Pair(2, "0"), Pair(0, "17 Already there"), Pair(1, "22")));
  EXPECT_TRUE(out.done);
}

TEST(Netlink, AnswersToUnknownRequestsAreIgnored) {
  Peer peer;
  peer.say(Datagram().verdict(99, EPERM).verdict(0, EPERM).verdict(UINT32_MAX, EPERM));
  peer.say(Datagram().verdict(1, 0).verdict(1, EPERM).message(NLMSG_NOOP, 0, 1, {}).verdict(2, 0));
  Netlink netlink = peer.client();
  EXPECT_THAT(exchange(netlink, 2).verdicts, ElementsAre(Pair(0, "0"), Pair(1, "0")));
}

TEST(Netlink, ASecondBatchContinuesTheNumbers) {
  Peer peer;
  Netlink netlink = peer.client();
  peer.say(Datagram().verdict(1, 0).verdict(2, 0));
  EXPECT_TRUE(exchange(netlink, 2).done);
  peer.say(Datagram().verdict(1, EPERM).verdict(3, 0).verdict(4, ESRCH));  // The first is late: it was decided before.
  EXPECT_THAT(exchange(netlink, 2).verdicts, ElementsAre(Pair(0, "0"), Pair(1, "3")));
}

TEST(Netlink, SilenceIsATimeoutAndEarlierVerdictsCount) {
  Peer peer;
  peer.say(Datagram().verdict(2, 0));
  Netlink netlink = peer.client();
  const Exchanged out = exchange(netlink, 3);
  EXPECT_THAT(out.verdicts, ElementsAre(Pair(1, "0")));
  EXPECT_EQ(out.done.error().code, Errc::timeout);
  EXPECT_EQ(out.done.error().text, "the kernel does not answer");
}

TEST(Netlink, EveryTruncatedAnswerIsAnErrorAndEarlierVerdictsCount) {
  for (std::size_t cut = 1; cut < sizeof(nlmsghdr) + sizeof(nlmsgerr); ++cut) {
    Peer peer;
    peer.say(Datagram().verdict(1, 0).verdict(2, 0), cut);
    Netlink netlink = peer.client();
    const Exchanged out = exchange(netlink, 2);
    EXPECT_THAT(out.verdicts, ElementsAre(Pair(0, "0"))) << cut;
    ASSERT_FALSE(out.done) << cut;
    EXPECT_EQ(out.done.error().code, Errc::malformed) << cut;
  }
}

TEST(Netlink, WrongLengthsAreErrors) {
  for (const std::uint32_t length : {0u, 15u, 37u, 4096u, UINT32_MAX}) {
    Octets octets = Datagram().verdict(1, 0).octets();
    std::memcpy(octets.data(), &length, sizeof length);
    Peer peer;
    ASSERT_GT(::send(peer.fd(), octets.data(), octets.size(), 0), 0);
    Netlink netlink = peer.client();
    EXPECT_EQ(exchange(netlink, 1).done.error().code, Errc::malformed) << length;
  }
}

TEST(Netlink, EveryTruncatedErrorTextIsReadSafely) {
  const std::string text = "Requested type not found";
  const Octets whole = Datagram().verdict(1, EPROTONOSUPPORT, text).octets();
  const std::size_t end = sizeof(nlmsghdr) + sizeof(nlmsgerr) + sizeof(nlattr) + text.size() + 1;
  for (std::size_t size = sizeof(nlmsghdr) + sizeof(nlmsgerr); size < end; ++size) {
    Octets cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
    const auto length = static_cast<std::uint32_t>(size);
    std::memcpy(cut.data(), &length, sizeof length);
    Peer peer;
    ASSERT_GT(::send(peer.fd(), cut.data(), cut.size(), 0), 0);
    Netlink netlink = peer.client();
    EXPECT_THAT(exchange(netlink, 1).verdicts, ElementsAre(Pair(0, "93"))) << size;  // Without the text.
  }
}

TEST(Netlink, AnAnswerLargerThanTheBufferIsAnError) {
  Peer peer;
  peer.say(Datagram().message(kType, 0, 1, Octets(9000)).verdict(1, 0));
  Netlink netlink = peer.client();
  EXPECT_EQ(exchange(netlink, 1).done.error().code, Errc::malformed);
}

TEST(Netlink, AClosedSocketIsAnError) {
  Peer peer;
  Netlink netlink = peer.client();
  peer.hang_up();
  EXPECT_EQ(exchange(netlink, 1).done.error().code, Errc::io);
}

// A real kernel socket, whose receive buffer is too small for the verdicts: it answers NLMSG_NOOP.
TEST(Netlink, LostVerdictsAreAnErrorAndTheOthersCount) {
  const int fd = ::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
  ASSERT_GE(fd, 0);
  const int small = 4096;
  setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
  Netlink netlink(fd, std::chrono::seconds(20));
  NetlinkBatch batch;
  for (int i = 0; i < 500; ++i) batch.begin(NLMSG_NOOP);
  std::vector<std::size_t> decided;
  const auto done = netlink.exchange(
      batch, [](std::size_t, const NetlinkMessage&) {},
      [&](std::size_t index, const Netlink::Verdict& v) {
        EXPECT_EQ(v.error, 0);
        decided.push_back(index);
      });
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, Errc::io);
  EXPECT_EQ(done.error().text,
            "answers from the kernel were lost (ENOBUFS): commands without one may have been carried out");
  ASSERT_FALSE(decided.empty());
  EXPECT_LT(decided.size(), 500u);
  for (std::size_t i = 0; i < decided.size(); ++i) EXPECT_EQ(decided[i], i);
  NetlinkBatch again;
  again.begin(NLMSG_NOOP);
  EXPECT_TRUE(
      netlink.exchange(again, [](std::size_t, const NetlinkMessage&) {}, [](std::size_t, const Netlink::Verdict&) {}));
}

// ---- dumps

constexpr std::uint16_t kInterrupted = NLM_F_MULTI | NLM_F_DUMP_INTR;

Result<std::vector<int>> dumped(Netlink& netlink) {
  NetlinkBatch batch = requests(1);
  std::vector<int> seen;
  const auto verdict =
      netlink.dump(batch, [&](const NetlinkMessage& m) { seen.push_back(std::to_integer<int>(m.payload[0])); });
  if (!verdict) return std::unexpected(verdict.error());
  seen.push_back(-verdict->error);
  return seen;
}

Octets one(int value) { return {static_cast<std::byte>(value), {}, {}, {}}; }

TEST(Netlink, AnInterruptedDumpIsRepeatedAndReturnedOnce) {
  Peer peer;
  peer.say(Datagram().message(kType, NLM_F_MULTI, 1, one(7)).message(kType, kInterrupted, 1, one(8)));
  peer.say(Datagram().done(1));
  peer.say(Datagram().done(2, kInterrupted));
  peer.say(Datagram().message(kType, NLM_F_MULTI, 3, one(7)));
  peer.say(Datagram().message(kType, NLM_F_MULTI, 3, one(9)).done(3));
  Netlink netlink = peer.client();
  EXPECT_THAT(dumped(netlink).value(), ElementsAre(7, 9, 0));
}

TEST(Netlink, TheRestOfAnOldDumpIsNotPartOfTheNext) {
  Peer peer;
  peer.say(Datagram().message(kType, NLM_F_MULTI, 77, one(1)).done(77));
  peer.say(Datagram().message(kType, NLM_F_MULTI, 1, one(2)).done(1).message(kType, NLM_F_MULTI, 1, one(3)));
  Netlink netlink = peer.client();
  EXPECT_THAT(dumped(netlink).value(), ElementsAre(2, 0));
}

TEST(Netlink, ADumpThatIsAlwaysInterruptedIsAnError) {
  Peer peer;
  for (std::uint32_t seq = 1; seq <= 10; ++seq) peer.say(Datagram().done(seq, kInterrupted));
  Netlink netlink = peer.client();
  const auto out = dumped(netlink);
  EXPECT_EQ(out.error().code, Errc::io);
  EXPECT_EQ(out.error().text, "the SAs change faster than the kernel can list them: try again");
}

TEST(Netlink, ADumpWithoutItsEndIsIncomplete) {
  Peer peer;
  peer.say(Datagram().message(kType, NLM_F_MULTI, 1, one(7)));
  Netlink netlink = peer.client();
  EXPECT_EQ(dumped(netlink).error().code, Errc::timeout);
}

TEST(Netlink, ARefusedDumpReturnsNothing) {
  Peer peer;
  peer.say(Datagram().message(kType, NLM_F_MULTI, 1, one(7)).verdict(1, EPERM));
  Netlink netlink = peer.client();
  EXPECT_THAT(dumped(netlink).value(), ElementsAre(-EPERM));
}

TEST(Netlink, EveryTruncatedDumpIsAnError) {
  const std::size_t size = Datagram().message(kType, NLM_F_MULTI, 1, one(7)).done(1).octets().size();
  for (std::size_t cut = 1; cut < size; ++cut) {
    Peer peer;
    peer.say(Datagram().message(kType, NLM_F_MULTI, 1, one(7)).done(1), cut);
    Netlink netlink = peer.client(std::chrono::milliseconds(1));
    EXPECT_FALSE(dumped(netlink)) << cut;
  }
}

// ---- listening

struct HeardAll {
  std::vector<std::uint16_t> types;
  Result<Netlink::Heard> why;
};
// Waits and listens until there are enough messages, or a loss or an error.
HeardAll hear(Netlink& netlink, std::size_t enough) {
  HeardAll out{{}, Netlink::Heard::some};
  while (out.types.size() < enough && out.why && *out.why != Netlink::Heard::lost) {
    EXPECT_TRUE(backend::testing::readable(netlink.descriptor(), backend::testing::kDeadline));
    out.why = netlink.hear([&](const NetlinkMessage& m) { out.types.push_back(m.type); });
  }
  return out;
}

TEST(Netlink, EventsAreReceived) {
  Peer peer;
  peer.say(Datagram().message(1, 0, 0, {}).message(2, 0, 0, {})).say(Datagram().message(3, 0, 0, {}));
  Netlink netlink = peer.client();
  const HeardAll out = hear(netlink, 3);
  EXPECT_THAT(out.types, ElementsAre(1, 2, 3));
  EXPECT_EQ(out.why.value(), Netlink::Heard::some);
}

TEST(Netlink, EventsAreReadWithoutWaiting) {
  Peer peer;
  Netlink netlink = peer.client();
  std::vector<std::uint16_t> types;
  const auto into = [&](const NetlinkMessage& m) { types.push_back(m.type); };
  EXPECT_FALSE(backend::testing::readable(netlink.descriptor()));
  EXPECT_EQ(netlink.hear(into).value(), Netlink::Heard::nothing);
  EXPECT_EQ(netlink.hear_all(into).value(), Netlink::Heard::nothing);
  for (std::uint16_t i = 1; i <= 100; ++i) peer.say(Datagram().message(i, 0, 0, {}));
  EXPECT_TRUE(backend::testing::readable(netlink.descriptor()));
  EXPECT_EQ(netlink.hear(into).value(), Netlink::Heard::some);
  EXPECT_LT(types.size(), 100u);  // The caller gets to other work in between.
  EXPECT_TRUE(backend::testing::readable(netlink.descriptor()));
  EXPECT_EQ(netlink.hear_all(into).value(), Netlink::Heard::nothing);
  EXPECT_EQ(types.size(), 100u);
  EXPECT_EQ(types.back(), 100u);
  EXPECT_FALSE(backend::testing::readable(netlink.descriptor()));
}

TEST(Netlink, ATruncatedEventIsALoss) {
  Peer peer;
  peer.say(Datagram().message(1, 0, 0, {}).message(2, 0, 0, Octets(8)), 3);
  Netlink netlink = peer.client();
  const HeardAll out = hear(netlink, 5);
  EXPECT_THAT(out.types, ElementsAre(1));
  EXPECT_EQ(out.why.value(), Netlink::Heard::lost);
}

// As above: a real socket, too small for the kernel's messages.
TEST(Netlink, EventsWithoutRoomAreALossAndTheOthersAreReceived) {
  const int fd = ::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
  ASSERT_GE(fd, 0);
  const int small = 4096;
  setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
  NetlinkBatch batch;
  for (int i = 0; i < 500; ++i) batch.begin(NLMSG_NOOP);
  ASSERT_GT(::send(fd, batch.bytes().data(), batch.bytes().size(), 0), 0);
  Netlink netlink(fd);
  EXPECT_EQ(hear(netlink, 500).why.value(), Netlink::Heard::lost);
  const HeardAll rest = hear(netlink, 1);
  EXPECT_THAT(rest.types, AllOf(::testing::SizeIs(Gt(0u)), Each(NLMSG_ERROR)));
  EXPECT_EQ(rest.why.value(), Netlink::Heard::some);
}

TEST(Netlink, AListenerNoticesThatTheKernelClosedTheSocket) {
  Peer peer;
  Netlink netlink = peer.client();
  peer.hang_up();
  EXPECT_EQ(hear(netlink, 1).why.error().code, Errc::io);
}

}  // namespace
}  // namespace ipseckey::kernel
