#include "ipsecd/daemon.h"

#include <gmock/gmock.h>
#include <sys/eventfd.h>
#include <sys/resource.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <optional>

#include "backend/channel.h"
#include "backend/socket.h"
#include "engine/testing.h"
#include "ipsecd/testing.h"
#include "pfkey/notices.h"
#include "pfkey/packs.h"

namespace ipseckey::ipsecd {
namespace {

using backend::Channel;
using backend::Outcome;
using backend::Socket;
using backend::testing::kDeadline;
using backend::testing::ready;
using engine::testing::add_esp;
using engine::testing::request;
using pfkey::Message;
using pfkey::SaType;
using pfkey::Type;
using ::testing::ElementsAre;
using testing::RunningDaemon;

const std::size_t kClients = Daemon::Options().clients;

// One client: its requests have its pid.
Message from(std::uint32_t pid, std::uint32_t seq, Message m) {
  m.pid = pid, m.seq = seq;
  return m;
}

// Each reply to the requests, which get their seqs here: request, type, errno.
using Reply = std::tuple<std::size_t, Type, unsigned>;
std::vector<Reply> call(backend::Backend& sadb, std::vector<Message> requests, std::uint32_t pid = 1) {
  std::vector<Reply> replies;
  for (std::size_t i = 0; i < requests.size(); ++i) {
    requests[i].pid = pid;
    requests[i].seq = static_cast<std::uint32_t>(i + 1);
  }
  const auto done = sadb.call(requests, [&](std::size_t i, Message&& m) { replies.emplace_back(i, m.type, m.error); });
  EXPECT_TRUE(done) << done.error().text;
  return replies;
}

std::vector<Message> adds(std::uint32_t first, std::uint32_t count) {
  std::vector<Message> list;
  for (std::uint32_t spi = first; spi < first + count; ++spi) list.push_back(add_esp(spi));
  return list;
}

std::vector<Message> one(Message m) {
  std::vector<Message> list;
  list.push_back(std::move(m));
  return list;
}

Channel connect(const RunningDaemon& daemon) {
  return Channel::connect(daemon.path(), std::chrono::milliseconds(kDeadline)).value();
}

void send(Channel& channel, const Message& m) {
  while (channel.send(m).value() == Outcome::again) ASSERT_TRUE(ready(channel.fd(), POLLOUT));
  while (channel.flush().value() == Outcome::again) ASSERT_TRUE(ready(channel.fd(), POLLOUT));
}

// The next message; nullopt at the end of the connection.
std::optional<Message> receive(Channel& channel) {
  Message m;
  while (true) {
    const auto outcome = channel.receive(m);
    if (!outcome) throw std::runtime_error(outcome.error().text);
    if (*outcome == Outcome::done) return m;
    if (*outcome == Outcome::gone) return std::nullopt;
    if (!ready(channel.fd(), POLLIN)) throw std::runtime_error("nothing comes");
  }
}

// When the answer arrives, the daemon has registered the client and processed all that it had sent.
void sync(Channel& channel) {
  send(channel, from(999, 999, request(Type::get, SaType::esp, 0xffff)));
  for (auto m = receive(channel); m; m = receive(channel))
    if (m->pid == 999) return;
  FAIL() << "the connection has ended";
}

TEST(Daemon, AnswersTenThousandRequestsAtOnceAndDumpsThem) {
  constexpr std::uint32_t kMany = 10'000;
  RunningDaemon daemon;
  const auto sadb = Socket::connect(daemon.path()).value();
  const auto added = call(*sadb, adds(0x1000, kMany));
  ASSERT_EQ(added.size(), kMany);
  for (std::size_t i = 0; i < kMany; ++i) ASSERT_EQ(added[i], (Reply{i, Type::add, 0}));

  auto dump = one(from(1, 1, request(Type::dump, SaType::esp)));
  std::vector<bool> seen(kMany);
  std::size_t ends = 0;
  ASSERT_TRUE(sadb->call(dump, [&](std::size_t, Message&& m) {
    if (m.sa) {
      seen.at(m.sa->spi - 0x1000) = true;
      EXPECT_EQ(m.encrypt_key, engine::testing::key(16));
    }
    ends += m.seq == 0;
  }));
  EXPECT_EQ(std::ranges::count(seen, true), kMany);
  EXPECT_EQ(ends, 1u);
  EXPECT_TRUE(daemon.stop());
  EXPECT_TRUE(daemon.log().empty());
}

TEST(Daemon, RequestsBehindADumpWaitForItsEnd) {
  RunningDaemon daemon;
  const auto sadb = Socket::connect(daemon.path()).value();
  call(*sadb, adds(0x1000, 2));
  std::vector<Message> requests;
  for (const Type type : {Type::dump, Type::dump, Type::flush, Type::dump})
    requests.push_back(request(type, SaType::esp));
  EXPECT_THAT(
      call(*sadb, std::move(requests)),
      ElementsAre(Reply{0, Type::dump, 0}, Reply{0, Type::dump, 0}, Reply{0, Type::dump, 0}, Reply{1, Type::dump, 0},
                  Reply{1, Type::dump, 0}, Reply{1, Type::dump, 0}, Reply{2, Type::flush, 0}, Reply{3, Type::dump, 0}));
}

TEST(Daemon, EveryClientSeesChangesAndOnlyTheSenderOtherReplies) {
  RunningDaemon daemon;
  Channel a = connect(daemon), b = connect(daemon);
  sync(b);
  send(a, from(1, 1, add_esp(0x1001)));
  send(a, from(1, 2, request(Type::get, SaType::esp, 0x1001)));
  send(a, from(1, 3, request(Type::del, SaType::esp, 0x1001)));
  std::vector<std::pair<Type, std::uint32_t>> heard;
  for (int i = 0; i < 2; ++i) {
    const auto m = receive(b).value();
    heard.emplace_back(m.type, m.seq);
    EXPECT_FALSE(m.encrypt_key);
  }
  EXPECT_THAT(heard, ElementsAre(std::pair(Type::add, 1u), std::pair(Type::del, 3u)));
}

TEST(Daemon, APromiscuousListenerReceivesEverythingUntilItIsStopped) {
  RunningDaemon daemon;
  const auto listener = Socket::connect(daemon.path()).value();
  Channel a = connect(daemon);
  const int stop_fd = ::eventfd(0, EFD_CLOEXEC);
  std::vector<Type> heard;
  const auto ended = backend::testing::hear(*listener, true, stop_fd, [&](Message&& m) {
    if (heard.empty()) send(a, from(1, 1, request(Type::get, SaType::esp, 0x1001)));
    heard.push_back(m.type);
    if (m.type == Type::get) ::eventfd_write(stop_fd, 1);
    return true;
  });
  EXPECT_TRUE(ended);
  EXPECT_THAT(heard, ElementsAre(Type::x_promisc, Type::get));
  ::close(stop_fd);

  // It receives no more replies to others; their changes are still notices for it.
  heard.clear();
  EXPECT_TRUE(backend::testing::hear(*listener, false, -1, [&](Message&& m) {
    if (heard.empty()) {
      send(a, from(1, 2, request(Type::get, SaType::esp, 0x1001)));
      send(a, from(1, 3, add_esp(0x1001)));
    }
    heard.push_back(m.type);
    return m.type != Type::add;
  }));
  EXPECT_THAT(heard, ElementsAre(Type::x_promisc, Type::add));
}

TEST(Daemon, ASlowListenerGetsAGapNoticeAndNobodyWaitsForIt) {
  constexpr std::uint32_t kMany = 100'000;
  RunningDaemon daemon;
  Channel slow = connect(daemon);
  sync(slow);
  const auto sadb = Socket::connect(daemon.path()).value();
  EXPECT_EQ(call(*sadb, adds(0x1000, kMany)).size(), kMany);

  std::uint64_t news = 0, lost = 0, notices = 0;
  std::uint32_t next = 1;
  // Messages that it has not read may still be lost, so it reads while the last request is on its way.
  send(slow, from(2, 1, request(Type::get, SaType::esp, 0x1000)));
  for (auto m = receive(slow).value(); m.type != Type::get; m = receive(slow).value()) {
    if (const auto gap = pfkey::messages_lost(m)) {
      lost += *gap;
      next += *gap;
      ++notices;
    } else {
      EXPECT_EQ(m.seq, next++);  // The notice is exactly where messages are missing.
      ++news;
    }
  }
  EXPECT_EQ(news + lost, kMany);
  EXPECT_GT(lost, 0u);
  EXPECT_GE(notices, 1u);
}

TEST(Daemon, ASlowDumpDelaysNobodyAndLosesNothing) {
  constexpr std::uint32_t kMany = 10'000;
  RunningDaemon daemon;
  const auto sadb = Socket::connect(daemon.path()).value();
  call(*sadb, adds(0x1000, kMany));
  Channel slow = connect(daemon);
  send(slow, from(2, 5, request(Type::dump, SaType::esp)));
  EXPECT_EQ(call(*sadb, adds(0x1000 + kMany, 100)).size(), 100u);
  std::size_t dumped = 0;
  for (auto m = receive(slow).value(); !(m.type == Type::dump && m.seq == 0); m = receive(slow).value())
    dumped += m.type == Type::dump;
  EXPECT_GE(dumped, kMany);  // Those added before the daemon started the DUMP are in it.
}

TEST(Daemon, GarbageIsAnsweredAndHarmsNobody) {
  RunningDaemon daemon;
  Channel noisy = connect(daemon);
  const auto sadb = Socket::connect(daemon.path()).value();
  std::vector<std::byte> noise(4096);
  std::uint32_t state = 1;
  std::size_t answers = 0;
  for (std::size_t size = 1; size <= noise.size(); size += 13) {
    for (std::byte& b : noise) b = static_cast<std::byte>((state = state * 1664525 + 1013904223) >> 24);
    ASSERT_EQ(::send(noisy.fd(), noise.data(), size, MSG_NOSIGNAL), static_cast<ssize_t>(size));
    const auto m = receive(noisy).value();
    answers += m.error == EINVAL || m.error == EMSGSIZE;
  }
  EXPECT_EQ(answers, 316u);
  EXPECT_THAT(call(*sadb, adds(0x1000, 1)), ElementsAre(Reply{0, Type::add, 0}));
}

TEST(Daemon, AMessageThatIsTooLongIsAnswered) {
  RunningDaemon daemon;
  Channel channel = connect(daemon);
  std::vector<std::byte> wire(600'000);
  ASSERT_TRUE(pfkey::encode(from(1, 7, request(Type::get, SaType::esp)), wire));
  const int size = 2'000'000;
  ::setsockopt(channel.fd(), SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
  // If the system's limit is smaller, so is the message: it is still longer than its header claims.
  ssize_t sent = -1;
  for (std::size_t length = wire.size(); sent < 0 && length > 1000; length /= 2)
    sent = ::send(channel.fd(), wire.data(), length, MSG_NOSIGNAL);
  ASSERT_GT(sent, 0);
  const auto reply = receive(channel).value();
  EXPECT_EQ(reply.error, EMSGSIZE);
  EXPECT_EQ(reply.seq, 7u);
  sync(channel);
}

TEST(Daemon, RequestsBeforeAClientLeftAreProcessed) {
  RunningDaemon daemon;
  const auto sadb = Socket::connect(daemon.path()).value();
  {
    Channel leaver = connect(daemon);
    for (std::uint32_t i = 0; i < 300; ++i) send(leaver, from(2, i + 1, add_esp(0x1000 + i)));
  }
  {
    Channel dumper = connect(daemon);
    send(dumper, from(3, 1, request(Type::dump, SaType::esp)));
  }
  // Notices of the 300 reach the other client; then they all exist.
  std::uint32_t heard = 0;
  const auto all = [&] { return call(*sadb, one(request(Type::dump, SaType::esp))).size() - 1; };
  if (all() < 300) {
    ASSERT_TRUE(backend::testing::hear(*sadb, false, -1, [&](Message&&) { return ++heard, all() < 300; }));
  }
  EXPECT_EQ(all(), 300u);
}

// A packet of GETs of SAs that do not exist, as a client sends it that takes replies together.
std::vector<std::byte> packet_of(std::uint32_t pid, std::uint32_t count) {
  std::vector<std::byte> packet, one(200);
  for (std::uint32_t i = 0; i < count; ++i) {
    const auto size = pfkey::encode(from(pid, i + 1, request(Type::get, SaType::esp, 0xffff)), one).value();
    pfkey::packs::set_mark(one, pfkey::packs::kClient);
    packet.insert(packet.end(), one.begin(), one.begin() + static_cast<std::ptrdiff_t>(size));
  }
  return packet;
}

TEST(Daemon, APacketOfManyRequestsDoesNotKeepOthersWaiting) {
  RunningDaemon daemon;
  Channel many = connect(daemon);
  const auto one = packet_of(5, 1);
  const auto count = static_cast<std::uint32_t>(pfkey::packs::kMost / one.size());
  const auto packet = packet_of(5, count);
  constexpr std::uint32_t kPackets = 20;
  // Nobody reads the answers at first, so requests stay behind in the middle of a packet.
  std::uint32_t sent = 0;
  while (sent < kPackets && ::send(many.fd(), packet.data(), packet.size(), MSG_DONTWAIT | MSG_NOSIGNAL) > 0) ++sent;
  ASSERT_GT(sent, 0u);
  const auto sadb = Socket::connect(daemon.path()).value();
  EXPECT_EQ(call(*sadb, adds(0x1000, 100)).size(), 100u);
  std::uint32_t answered = 0;
  while (answered < sent * count) {
    const Message m = receive(many).value();
    if (m.pid != 5) continue;
    ASSERT_EQ(m.error, ESRCH);
    ASSERT_EQ(m.seq, answered++ % count + 1);
  }
}

TEST(Daemon, RequestsOfAPacketBeforeAClientLeftAreProcessed) {
  RunningDaemon daemon;
  const auto sadb = Socket::connect(daemon.path()).value();
  {
    Channel leaver = connect(daemon);
    sync(leaver);  // From now on it sends packets.
    for (std::uint32_t i = 0; i < 2000; ++i) {
      while (leaver.send(from(2, i + 1, add_esp(0x1000 + i))).value() == Outcome::again)
        ASSERT_TRUE(ready(leaver.fd(), POLLOUT));
    }
    while (leaver.flush().value() == Outcome::again) ASSERT_TRUE(ready(leaver.fd(), POLLOUT));
    ::shutdown(leaver.fd(), SHUT_WR);
    std::uint32_t heard = 0;
    while (const auto m = receive(leaver)) heard += m->type == Type::add;
    EXPECT_EQ(heard, 2000u);
  }
  EXPECT_EQ(call(*sadb, one(request(Type::dump, SaType::esp))).size(), 2001u);
}

TEST(Daemon, ExpiresOnTime) {
  RunningDaemon daemon;
  Channel channel = connect(daemon);
  Message m = add_esp(0x1001);
  m.hard = pfkey::Lifetime{.addtime = 1};
  const auto begin = std::chrono::steady_clock::now();
  send(channel, from(1, 1, std::move(m)));
  auto news = receive(channel).value();
  EXPECT_EQ(news.type, Type::add);
  do news = receive(channel).value();
  while (news.type == Type::expire && !news.hard);
  EXPECT_EQ(news.type, Type::expire);
  const auto took = std::chrono::steady_clock::now() - begin;
  EXPECT_GE(took, std::chrono::milliseconds(1000));
  EXPECT_LT(took, std::chrono::milliseconds(5000));
}

TEST(Daemon, TooManyClientsAreRefusedUntilOneLeaves) {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
  ASSERT_GT(limit.rlim_cur, 2 * kClients + 50) << "raise the limit of open files (ulimit -Hn)";

  RunningDaemon daemon;
  const auto plain = [&] {
    const int fd = ::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    const sockaddr_un address = backend::testing::unix_address(daemon.path());
    EXPECT_EQ(::connect(fd, backend::testing::generic(address), sizeof address), 0);
    return Descriptor(fd);
  };
  std::vector<Descriptor> clients;
  for (std::size_t i = 0; i < kClients; ++i) clients.push_back(plain());
  Message m;
  {
    const Descriptor surplus = plain();
    ASSERT_TRUE(backend::testing::receive_message(surplus.get(), m));
    EXPECT_EQ(pfkey::refusal(m), EMFILE);
    EXPECT_FALSE(backend::testing::receive_message(surplus.get(), m));
  }
  clients.pop_back();
  // The daemon may see the newcomer before the client that left; then it refuses, and a request that it did not read
  // turns the refusal into a connection reset.
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(backend::testing::kDeadline);
  bool served = false;
  while (!served && std::chrono::steady_clock::now() < deadline) {
    const Descriptor next = plain();
    backend::testing::send_message(next.get(), request(Type::get, SaType::esp, 0x1001));
    served = backend::testing::receive_message(next.get(), m) && !pfkey::refusal(m);
  }
  ASSERT_TRUE(served);
  EXPECT_EQ(m.error, ESRCH);
  EXPECT_TRUE(daemon.stop());
  EXPECT_THAT(daemon.log(), ElementsAre("refused a client: --max-clients allows 1024"));
}

}  // namespace
}  // namespace ipseckey::ipsecd
