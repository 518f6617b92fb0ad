#include "backend/socket.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <grp.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/wait.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <stdexcept>
#include <string>

#include "backend/memory.h"
#include "backend/testing.h"
#include "engine/testing.h"
#include "pfkey/names.h"
#include "pfkey/notices.h"
#include "pfkey/packs.h"

namespace ipseckey::backend {
namespace {

using pfkey::Message;
using pfkey::Type;
using ::testing::ElementsAre;
using ::testing::Pair;
using testing::receive_message;
using testing::ScriptedDaemon;
using testing::send_message;
using testing::TempFolder;

constexpr std::chrono::milliseconds kSoon{50};

Message request(Type type, std::uint32_t seq) {
  Message m;
  m.type = type, m.satype = pfkey::SaType::esp, m.seq = seq, m.pid = 42;
  return m;
}

std::vector<Message> requests(std::size_t count, Type type = Type::get) {
  std::vector<Message> list;
  for (std::size_t i = 0; i < count; ++i) list.push_back(request(type, static_cast<std::uint32_t>(i + 1)));
  return list;
}

// Answers every request until the client leaves.
void answer_all(int fd) {
  for (Message m; receive_message(fd, m);) send_message(fd, m);
}

struct Outcome {
  std::vector<std::pair<std::size_t, std::uint32_t>> replies;  // Request and seq of the reply.
  Result<void> result;
};

Outcome call(Backend& backend, std::vector<Message> list) {
  Outcome outcome;
  outcome.result = backend.call(list, [&](std::size_t i, Message&& m) { outcome.replies.emplace_back(i, m.seq); });
  return outcome;
}

std::string error_of(const Result<std::unique_ptr<Socket>>& r) { return r ? "connected" : r.error().text; }

// A socket of user nobody at `path`; its process ends, with the number of bytes that the first client sent, when that
// client has left.
class Impostor {
 public:
  static constexpr uid_t kUser = 65534;

  explicit Impostor(const std::string& path) {
    int ready[2];
    if (::pipe2(ready, O_CLOEXEC) != 0) throw std::runtime_error("pipe2");
    pid_ = ::fork();
    if (pid_ == 0) {
      if (::setgroups(0, nullptr) != 0 || ::setuid(kUser) != 0) ::_exit(255);
      const int fd = testing::listen_at(path);
      ::close(ready[1]);
      const int client = testing::ready(fd, POLLIN) ? ::accept4(fd, nullptr, nullptr, SOCK_CLOEXEC) : -1;
      std::array<char, 200> some;
      ::_exit(testing::ready(client, POLLIN) ? static_cast<int>(::recv(client, some.data(), some.size(), 0)) : 254);
    }
    ::close(ready[1]);
    testing::ready(ready[0], POLLIN);  // It listens: the pipe's other end is closed.
    ::close(ready[0]);
  }
  ~Impostor() { got(); }

  /// Waits for its end.
  int got() {
    int status = 0;
    if (pid_ > 0 && ::waitpid(std::exchange(pid_, 0), &status, 0) > 0) got_ = WEXITSTATUS(status);
    return got_;
  }

 private:
  pid_t pid_ = 0;
  int got_ = -1;
};

// Only root can make what another user listens on; for others ipseckey's own user is all there is to try.
TEST(Socket, SendsNothingToASocketOfAnotherUser) {
  if (::geteuid() != 0) return;
  const TempFolder folder;
  ::chmod((folder / ".").c_str(), 01777);
  {
    Impostor impostor(folder / "s");
    const auto socket = Socket::connect(folder / "s");
    EXPECT_EQ(error_of(socket),
              (folder / "s") +
                  " is served by user 65534, who is neither root nor you nor the owner of its folder: nothing was "
                  "sent; if your ipsecd runs as that user, put its socket in a folder that this user owns");
    EXPECT_EQ(socket.error().code, Errc::denied);
    EXPECT_EQ(impostor.got(), 0);
  }
  std::filesystem::remove(folder / "s");
  ASSERT_EQ(::chown((folder / ".").c_str(), Impostor::kUser, 0), 0);
  Impostor daemon(folder / "s");
  {
    const auto socket = Socket::connect(folder / "s");
    ASSERT_EQ(error_of(socket), "connected");
    EXPECT_FALSE(call(**socket, requests(1)).result);  // It says nothing and ends.
  }
  EXPECT_EQ(daemon.got(), 16);
}

TEST(Socket, SendsInOrderAndGivesEachReply) {
  const TempFolder folder;
  const ScriptedDaemon daemon(folder / "s", {answer_all});
  const auto socket = Socket::connect(folder / "s").value();
  EXPECT_EQ(socket->name(), "ipsecd:" + (folder / "s"));
  const auto outcome = call(*socket, requests(3));
  EXPECT_TRUE(outcome.result);
  EXPECT_THAT(outcome.replies, ElementsAre(Pair(0, 1), Pair(1, 2), Pair(2, 3)));
}

TEST(Socket, ConsumesTheKeysOfTheRequest) {
  const TempFolder folder;
  const ScriptedDaemon daemon(folder / "s", {answer_all});
  const auto socket = Socket::connect(folder / "s").value();
  std::vector<Message> list = requests(1, Type::add);
  list[0].auth_key = pfkey::Key{128, 0, Secret(16)};
  ASSERT_TRUE(socket->call(list, [](std::size_t, Message&&) {}));
  EXPECT_EQ(list[0], request(Type::add, 1));
}

TEST(Socket, IgnoresMessagesForOthers) {
  const TempFolder folder;
  const ScriptedDaemon daemon(folder / "s", {[](int fd) {
                                Message m;
                                receive_message(fd, m);
                                Message other = m.clone();
                                other.pid = 43;
                                send_message(fd, other);
                                send_message(fd, pfkey::gap_notice(7));
                                send_message(fd, m);
                                receive_message(fd, m);
                              }});
  const auto socket = Socket::connect(folder / "s").value();
  const auto outcome = call(*socket, requests(1));
  EXPECT_TRUE(outcome.result);
  EXPECT_THAT(outcome.replies, ElementsAre(Pair(0, 1)));
}

TEST(Socket, DoesNotDeadlockWhenBothDirectionsAreFull) {
  constexpr std::size_t kMany = 20'000;
  const TempFolder folder;
  // The daemon speaks first and long, and only then listens.
  const ScriptedDaemon daemon(folder / "s", {[](int fd) {
                                for (std::size_t i = 0; i < kMany; ++i) send_message(fd, request(Type::expire, 0));
                                answer_all(fd);
                              }});
  const auto socket = Socket::connect(folder / "s").value();
  const auto outcome = call(*socket, requests(kMany));
  EXPECT_TRUE(outcome.result);
  EXPECT_EQ(outcome.replies.size(), kMany);
}

TEST(Socket, ADaemonThatDiesIsNoticedAtOnceAndItsLastAnswersCount) {
  const TempFolder folder;
  const std::string path = folder / "s";
  const ScriptedDaemon daemon(path, {[](int fd) {
                                Message m;
                                for (int i = 0; i < 2 && receive_message(fd, m); ++i) send_message(fd, m);
                              }});
  const auto socket = Socket::connect(path).value();
  const auto outcome = call(*socket, requests(1000));
  EXPECT_THAT(outcome.replies, ElementsAre(Pair(0, 1), Pair(1, 2)));
  ASSERT_FALSE(outcome.result);
  EXPECT_EQ(outcome.result.error().code, Errc::unreachable);
  EXPECT_EQ(outcome.result.error().text,
            "ipsecd at " + path +
                " closed the connection before it had answered everything: start it with `ipsecd "
                "--socket " +
                path + "`");
}

TEST(Socket, ConnectsAgainAfterALoss) {
  const TempFolder folder;
  const ScriptedDaemon daemon(folder / "s", {[](int) {}, answer_all});
  const auto socket = Socket::connect(folder / "s").value();
  EXPECT_EQ(call(*socket, requests(1)).result.error().code, Errc::unreachable);
  const auto again = call(*socket, requests(1));
  EXPECT_TRUE(again.result);
  EXPECT_THAT(again.replies, ElementsAre(Pair(0, 1)));
}

TEST(Socket, SilenceIsATimeout) {
  const TempFolder folder;
  const std::string path = folder / "s";
  const ScriptedDaemon daemon(path, {[](int fd) {
                                for (Message m; receive_message(fd, m);) continue;
                              }});
  const auto socket = Socket::connect(path, kSoon).value();
  const auto outcome = call(*socket, requests(2));
  ASSERT_FALSE(outcome.result);
  EXPECT_EQ(outcome.result.error().code, Errc::timeout);
  EXPECT_EQ(outcome.result.error().text,
            "ipsecd at " + path + " has not answered for 0.05 s; is it stopped or overloaded?");
  EXPECT_TRUE(outcome.replies.empty());
}

TEST(Socket, NoiseIsNotAnAnswer) {
  const TempFolder folder;
  // News for others all the time, and never the reply.
  const ScriptedDaemon daemon(folder / "s", {[](int fd) {
                                std::array<std::byte, 64> wire;
                                const auto size = pfkey::encode(request(Type::expire, 0), wire).value();
                                while (::send(fd, wire.data(), size, MSG_NOSIGNAL) > 0) continue;
                              }});
  const auto socket = Socket::connect(folder / "s", kSoon).value();
  EXPECT_EQ(call(*socket, requests(1)).result.error().code, Errc::timeout);
}

TEST(Socket, AMessageThatIsNotPfKeyIsReported) {
  const TempFolder folder;
  const std::string path = folder / "s";
  const ScriptedDaemon daemon(path, {[](int fd) {
                                Message m;
                                receive_message(fd, m);
                                ::send(fd, "220 hello", 9, MSG_NOSIGNAL);
                                receive_message(fd, m);
                              }});
  const auto socket = Socket::connect(path).value();
  const auto outcome = call(*socket, requests(1));
  EXPECT_EQ(outcome.result.error().code, Errc::malformed);
  EXPECT_EQ(outcome.result.error().text,
            "the program that answers at " + path + " does not speak ipsecd's PF_KEY: no PF_KEY v2 header");
}

TEST(Socket, ARefusalOfServiceIsReported) {
  const TempFolder folder;
  const std::string path = folder / "s";
  const auto refuse = [](std::uint8_t error) {
    return [error](int fd) { send_message(fd, pfkey::refusal_notice(error)); };
  };
  const ScriptedDaemon daemon(path, {refuse(EPERM), refuse(EMFILE)});
  const auto socket = Socket::connect(path).value();
  const auto denied = call(*socket, requests(1)).result.error();
  EXPECT_EQ(denied.code, Errc::denied);
  EXPECT_EQ(denied.text, "ipsecd at " + path +
                             " serves only root, its own user and the groups that it was started with; try again as "
                             "one of them, for example with sudo");
  const auto full = call(*socket, requests(1)).result.error();
  EXPECT_EQ(full.code, Errc::unreachable);
  EXPECT_EQ(full.text, "ipsecd at " + path + " has too many clients; try again later");
}

TEST(Socket, OneRequestThatIsTooLargeDoesNotHurtThoseBefore) {
  const TempFolder folder;
  const ScriptedDaemon daemon(folder / "s", {answer_all});
  const auto socket = Socket::connect(folder / "s").value();
  auto list = requests(3);
  list[1].src_identity = pfkey::Identity{.text = std::string(600'000, 'x')};
  const auto outcome = call(*socket, std::move(list));
  EXPECT_THAT(outcome.replies, ElementsAre(Pair(0, 1)));
  ASSERT_FALSE(outcome.result);
  EXPECT_EQ(outcome.result.error().code, Errc::invalid);
  const auto after = call(*socket, requests(1));
  EXPECT_TRUE(after.result);
  EXPECT_THAT(after.replies, ElementsAre(Pair(0, 1)));
}

using Packet = std::vector<std::byte>;

// The next packet; empty at the end of the connection.
Packet receive_packet(int fd) {
  Packet wire(pfkey::kMaxMessageSize);
  if (!testing::ready(fd, POLLIN)) throw std::runtime_error("nothing comes");
  wire.resize(static_cast<std::size_t>(std::max<ssize_t>(::recv(fd, wire.data(), wire.size(), 0), 0)));
  return wire;
}

// Answers each packet of requests with one of replies, with which it says that it takes them; counts both.
struct Packer {
  std::vector<std::size_t> packets;
  std::size_t unmarked = 0;

  void operator()(int fd) {
    for (Packet wire = receive_packet(fd); !wire.empty(); wire = receive_packet(fd)) {
      packets.push_back(0);
      for (MutableBytes rest = wire; !rest.empty(); ++packets.back()) {
        const MutableBytes one = rest.first(pfkey::packs::first_size(rest));
        unmarked += pfkey::packs::mark_of(one) != pfkey::packs::kClient;
        pfkey::packs::set_mark(one, pfkey::packs::kServer);
        rest = rest.subspan(one.size());
      }
      ::send(fd, wire.data(), wire.size(), MSG_NOSIGNAL);
    }
  }
};

TEST(Socket, SendsManyRequestsInOnePacketOnceIpsecdHasShownThatItTakesThem) {
  const TempFolder folder;
  Packer packer;
  {
    const ScriptedDaemon daemon(folder / "s", {[&](int fd) { packer(fd); }});
    const auto socket = Socket::connect(folder / "s").value();
    EXPECT_THAT(call(*socket, requests(3)).replies, ElementsAre(Pair(0, 1), Pair(1, 2), Pair(2, 3)));
    EXPECT_THAT(call(*socket, requests(3)).replies, ElementsAre(Pair(0, 1), Pair(1, 2), Pair(2, 3)));
    EXPECT_EQ(call(*socket, requests(5000)).replies.size(), 5000u);
  }
  EXPECT_EQ(packer.unmarked, 0u);
  EXPECT_THAT(packer.packets, ElementsAre(1, 1, 1, 3, 2048, 2048, 904));
}

TEST(Socket, ALongRequestIsAPacketOfItsOwn) {
  const TempFolder folder;
  Packer packer;
  {
    const ScriptedDaemon daemon(folder / "s", {[&](int fd) { packer(fd); }});
    const auto socket = Socket::connect(folder / "s").value();
    call(*socket, requests(1));
    auto list = requests(5);
    list[2].src_identity = pfkey::Identity{.text = std::string(50'000, 'x')};
    EXPECT_THAT(call(*socket, std::move(list)).replies,
                ElementsAre(Pair(0, 1), Pair(1, 2), Pair(2, 3), Pair(3, 4), Pair(4, 5)));
  }
  EXPECT_THAT(packer.packets, ElementsAre(1, 2, 1, 2));
}

TEST(Socket, ARequestThatIsTooLargeDoesNotHurtThoseOfThePacketBefore) {
  const TempFolder folder;
  Packer packer;
  const ScriptedDaemon daemon(folder / "s", {[&](int fd) { packer(fd); }});
  const auto socket = Socket::connect(folder / "s").value();
  call(*socket, requests(1));
  auto list = requests(4);
  list[2].src_identity = pfkey::Identity{.text = std::string(600'000, 'x')};
  const auto outcome = call(*socket, std::move(list));
  EXPECT_THAT(outcome.replies, ElementsAre(Pair(0, 1), Pair(1, 2)));
  ASSERT_FALSE(outcome.result);
  EXPECT_EQ(outcome.result.error().code, Errc::invalid);
}

TEST(Socket, AReplyWhoseLengthCannotBeIsReportedAndNothingBeyondItIsRead) {
  for (const unsigned units : {0u, 1u, 0xffffu}) {
    const TempFolder folder;
    const std::string path = folder / "s";
    const ScriptedDaemon daemon(path, {[&](int fd) {
                                  Packet wire = receive_packet(fd);
                                  wire.insert(wire.end(), wire.begin(), wire.end());
                                  const std::size_t second = wire.size() / 2;
                                  wire[second + 4] = static_cast<std::byte>(units & 0xff);
                                  wire[second + 5] = static_cast<std::byte>(units >> 8);
                                  ::send(fd, wire.data(), wire.size(), MSG_NOSIGNAL);
                                  while (!receive_packet(fd).empty()) continue;
                                }});
    const auto socket = Socket::connect(path).value();
    const auto outcome = call(*socket, requests(2));
    EXPECT_THAT(outcome.replies, ElementsAre(Pair(0, 1)));
    EXPECT_EQ(outcome.result.error().text,
              fmt::format("the program that answers at {} does not speak ipsecd's PF_KEY: 16 bytes arrived, but the "
                          "header says {}",
                          path, units * 8));
  }
}

TEST(Socket, WhatIsStartedIsAnsweredByFinish) {
  const TempFolder folder;
  const ScriptedDaemon daemon(folder / "s", {answer_all});
  const auto socket = Socket::connect(folder / "s").value();
  std::vector<std::size_t> replies;
  const Backend::Reply reply = [&](std::size_t i, Message&&) { replies.push_back(i); };
  EXPECT_TRUE(socket->finish());
  auto list = requests(3);
  ASSERT_TRUE(socket->start(list, reply));
  ASSERT_TRUE(socket->finish());
  EXPECT_THAT(replies, ElementsAre(0, 1, 2));
  EXPECT_TRUE(socket->finish());
  EXPECT_THAT(call(*socket, requests(1)).replies, ElementsAre(Pair(0, 1)));
}

TEST(Socket, AListenerGetsEveryMessageOfAPacket) {
  const TempFolder folder;
  constexpr std::size_t kMany = 1000;  // More than are given at a time.
  const ScriptedDaemon daemon(folder / "s", {[](int fd) {
                                Message m;
                                receive_message(fd, m);
                                send_message(fd, m);
                                Packet packet, one(64);
                                for (std::size_t i = 0; i < kMany; ++i) {
                                  const auto size = pfkey::encode(request(Type::expire, 0), one).value();
                                  packet.insert(packet.end(), one.begin(), one.begin() + static_cast<int>(size));
                                }
                                ::send(fd, packet.data(), packet.size(), MSG_NOSIGNAL);
                                receive_message(fd, m);
                              }});
  const auto socket = Socket::connect(folder / "s").value();
  std::size_t heard = 0;
  EXPECT_TRUE(testing::hear(*socket, false, -1, [&](Message&&) { return ++heard < kMany + 1; }));
  EXPECT_EQ(heard, kMany + 1);
}

TEST(Socket, ListensUntilTheSinkHasEnough) {
  const TempFolder folder;
  std::vector<Message> requests_seen;
  {
    const ScriptedDaemon daemon(folder / "s", {[&](int fd) {
                                  Message m;
                                  receive_message(fd, m);
                                  requests_seen.push_back(m.clone());
                                  send_message(fd, m);
                                  for (std::uint32_t i = 1; i <= 3; ++i) send_message(fd, request(Type::expire, i));
                                  receive_message(fd, m);
                                  requests_seen.push_back(m.clone());
                                  send_message(fd, m);
                                }});
    const auto socket = Socket::connect(folder / "s").value();
    std::vector<std::pair<Type, std::uint32_t>> heard;
    EXPECT_TRUE(testing::hear(*socket, true, -1, [&](Message&& m) {
      heard.emplace_back(m.type, m.type == Type::expire ? m.seq : 0);
      return m.seq != 2;
    }));
    EXPECT_THAT(heard, ElementsAre(Pair(Type::x_promisc, 0), Pair(Type::expire, 1), Pair(Type::expire, 2)));
  }
  ASSERT_EQ(requests_seen.size(), 2u);
  EXPECT_EQ(requests_seen[0].type, Type::x_promisc);
  EXPECT_NE(requests_seen[0].satype, pfkey::SaType::unspec);
  EXPECT_EQ(requests_seen[1].type, Type::x_promisc);
  EXPECT_EQ(requests_seen[1].satype, pfkey::SaType::unspec);
}

// Somebody who wants an end: readable as long as he does.
class Stop {
 public:
  int fd() const { return fd_; }
  void now() const { ::eventfd_write(fd_, 1); }
  ~Stop() { ::close(fd_); }

 private:
  int fd_ = ::eventfd(0, EFD_CLOEXEC);
};

TEST(Socket, ListeningEndsOnDemandAndPromiscuityWithIt) {
  const TempFolder folder;
  const Stop stop;
  std::vector<pfkey::SaType> modes;
  {
    const ScriptedDaemon daemon(folder / "s", {[&](int fd) {
                                  for (Message m; receive_message(fd, m);) {
                                    EXPECT_EQ(m.type, Type::x_promisc);
                                    modes.push_back(m.satype);
                                    send_message(fd, m);
                                  }
                                }});
    const auto socket = Socket::connect(folder / "s", Socket::kPatience, stop.fd()).value();
    EXPECT_TRUE(testing::hear(*socket, true, stop.fd(), [&](Message&&) {
      stop.now();
      return true;
    }));
  }
  EXPECT_THAT(modes, ElementsAre(pfkey::SaType{1}, pfkey::SaType::unspec));
}

// A loop of the caller's own: two SADBs, a timer and a pipe, each served when it has something.
TEST(Socket, AListenerIsOneOfManyThatALoopWaitsFor) {
  const TempFolder folder;
  int commands[2];
  ASSERT_EQ(::pipe(commands), 0);
  const ScriptedDaemon daemon(folder / "s", {[&](int fd) {
                                Message m;
                                receive_message(fd, m);
                                send_message(fd, m);
                                char begin;  // The loop is waiting.
                                EXPECT_EQ(::read(commands[0], &begin, 1), 1);
                                send_message(fd, request(Type::expire, 7));
                                receive_message(fd, m);
                                send_message(fd, m);
                              }});
  const int timer = ::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
  const itimerspec soon{{}, {0, 1'000'000}};
  ASSERT_EQ(::timerfd_settime(timer, 0, &soon, nullptr), 0);
  Instant now = engine::testing::at(0);
  Memory memory({}, [&] { return now; });
  Message add = engine::testing::add_esp(0x1001);
  add.hard = pfkey::Lifetime{.addtime = 10};
  ASSERT_TRUE(memory.call({&add, 1}, [](std::size_t, Message&& m) { EXPECT_EQ(m.error, 0); }));
  const auto socket = Socket::connect(folder / "s").value();
  const auto far = socket->listen(true).value(), near = memory.listen(false).value();
  std::vector<std::string> heard;
  const auto note = [&](std::string_view who) {
    return [&heard, who](Message&& m) { heard.push_back(fmt::format("{} {}", who, pfkey::name(m.type))); };
  };
  ASSERT_TRUE(far->next(note("far")));
  ASSERT_TRUE(near->next(note("near")));
  bool rang = false;
  while (heard.size() < 5) {
    pollfd waiting[] = {{far->descriptor(), POLLIN, 0}, {near->descriptor(), POLLIN, 0}, {timer, POLLIN, 0}};
    ASSERT_GT(::poll(waiting, std::size(waiting), testing::kDeadline), 0);
    if (waiting[0].revents != 0) {
      ASSERT_TRUE(far->next(note("far")));
      // What one source says is cause for a question to another, and for news of it.
      now = engine::testing::at(10);
      Message get = engine::testing::request(Type::get, pfkey::SaType::esp, 0x1001);
      get.seq = get.pid = 9;
      ASSERT_TRUE(memory.call({&get, 1}, [&](std::size_t, Message&& m) { note("reply")(std::move(m)); }));
    }
    if (waiting[1].revents != 0) {
      ASSERT_TRUE(near->next(note("near")));
    }
    if (waiting[2].revents == 0) continue;
    std::uint64_t times = 0;
    ASSERT_EQ(::read(timer, &times, sizeof times), static_cast<ssize_t>(sizeof times));
    rang = true;
    ASSERT_EQ(::write(commands[1], "x", 1), 1);
  }
  EXPECT_TRUE(rang);
  EXPECT_THAT(heard, ElementsAre("far X_PROMISC", "near X_PROMISC", "far EXPIRE", "reply GET", "near EXPIRE"));
  EXPECT_TRUE(far->end());
  EXPECT_TRUE(near->end());
  for (const int fd : {timer, commands[0], commands[1]}) ::close(fd);
}

TEST(Socket, CallsContinueBesideAListenerAndNoNewsIsLost) {
  const TempFolder folder;
  const ScriptedDaemon daemon(folder / "s", {[&](int fd) {
                                Message m;
                                receive_message(fd, m);
                                send_message(fd, m);
                                send_message(fd, request(Type::expire, 1));
                                receive_message(fd, m);
                                send_message(fd, request(Type::expire, 2));
                                send_message(fd, m);
                                send_message(fd, request(Type::expire, 3));
                              }});
  const auto socket = Socket::connect(folder / "s").value();
  const auto listener = socket->listen(false).value();
  EXPECT_THAT(call(*socket, requests(1)).replies, ElementsAre(Pair(0, 1)));
  std::vector<std::pair<Type, std::uint32_t>> heard;
  Result<void> more;
  while ((more = listener->next([&](Message&& m) { heard.emplace_back(m.type, m.type == Type::expire ? m.seq : 0); })))
    ASSERT_TRUE(testing::readable(listener->descriptor(), testing::kDeadline));
  EXPECT_THAT(heard, ElementsAre(Pair(Type::x_promisc, 0), Pair(Type::expire, 1), Pair(Type::expire, 2),
                                 Pair(Type::expire, 3)));
  EXPECT_EQ(more.error().code, Errc::unreachable);
  EXPECT_EQ(listener->descriptor(), -1);
}

// The next connection would not be the listener's: it says so for good.
TEST(Socket, AListenerWhoseConnectionACallGaveUpHearsNoMore) {
  const TempFolder folder;
  const ScriptedDaemon daemon(folder / "s", {[](int fd) {
                                               Message m;
                                               receive_message(fd, m);
                                               send_message(fd, m);
                                               receive_message(fd, m);
                                               send_message(fd, request(Type::expire, 1));
                                             },
                                             answer_all});
  const auto socket = Socket::connect(folder / "s").value();
  const auto listener = socket->listen(true).value();
  const auto outcome = call(*socket, requests(1));
  ASSERT_FALSE(outcome.result);
  EXPECT_THAT(call(*socket, requests(1)).replies, ElementsAre(Pair(0, 1)));
  EXPECT_EQ(listener->descriptor(), -1);
  std::vector<Type> heard;
  for (int i = 0; i < 2; ++i) {
    const auto gone = listener->next([&](Message&& m) { heard.push_back(m.type); });
    ASSERT_FALSE(gone);
    EXPECT_EQ(gone.error().text, outcome.result.error().text);
  }
  EXPECT_THAT(heard, ElementsAre(Type::x_promisc, Type::expire));
  EXPECT_TRUE(listener->end());  // Nothing is left to be turned off.
}

TEST(Socket, ADumpIsGivenUpOnDemandAndTheNextCallFindsAFreshConnection) {
  const TempFolder folder;
  const Stop stop;
  const ScriptedDaemon daemon(folder / "s", {[&](int fd) {
                                               Message m;
                                               receive_message(fd, m);
                                               send_message(fd, m);  // One SA, and never an end.
                                               EXPECT_FALSE(receive_message(fd, m));
                                             },
                                             answer_all});
  const auto socket = Socket::connect(folder / "s", Socket::kPatience, stop.fd()).value();
  std::vector<Message> dump = requests(1, Type::dump);
  const auto begin = std::chrono::steady_clock::now();
  const auto given_up = socket->call(dump, [&](std::size_t, Message&&) { stop.now(); });
  ASSERT_FALSE(given_up);
  EXPECT_EQ(given_up.error().code, Errc::timeout);
  EXPECT_EQ(given_up.error().text, "interrupted before ipsecd at " + (folder / "s") + " had answered everything");
  EXPECT_LT(std::chrono::steady_clock::now() - begin, Socket::kPatience);
  EXPECT_THAT(call(*socket, requests(1)).replies, ElementsAre(Pair(0, 1)));  // Still wanted: replies get a second.
}

TEST(Socket, SilenceOnDemandIsWaitedForOnlyASecond) {
  const TempFolder folder;
  const Stop stop;
  stop.now();
  const ScriptedDaemon daemon(folder / "s", {[&](int fd) {
                                for (Message m; receive_message(fd, m);) continue;
                              }});
  const auto socket = Socket::connect(folder / "s", Socket::kPatience, stop.fd()).value();
  const auto outcome = call(*socket, requests(2));
  ASSERT_FALSE(outcome.result);
  EXPECT_EQ(outcome.result.error().text,
            "ipsecd at " + (folder / "s") + " has not answered for 1 s; is it stopped or overloaded?");
}

TEST(Socket, ListeningEndsWithTheDaemon) {
  const TempFolder folder;
  const std::string path = folder / "s";
  const ScriptedDaemon daemon(path, {[](int fd) {
                                Message m;
                                receive_message(fd, m);
                                send_message(fd, m);
                              }});
  const auto socket = Socket::connect(path).value();
  const auto ended = testing::hear(*socket, false, -1, [](Message&&) { return true; });
  ASSERT_FALSE(ended);
  EXPECT_EQ(ended.error().code, Errc::unreachable);
  EXPECT_EQ(ended.error().text, "ipsecd at " + path + " has exited: start it with `ipsecd --socket " + path + "`");
}

TEST(Socket, SaysWhyItCannotConnect) {
  const TempFolder folder;
  const std::string missing = folder / "none", stale = folder / "stale", file = folder / "file", stream = folder / "st";
  ::close(testing::listen_at(stale));
  ::close(::open(file.c_str(), O_CREAT | O_WRONLY, 0600));
  const int fd = testing::listen_at(stream, SOCK_STREAM);
  EXPECT_EQ(error_of(Socket::connect(missing)),
            "no ipsecd at " + missing + ": start it with `ipsecd --socket " + missing + "`");
  EXPECT_EQ(error_of(Socket::connect(stale)),
            "ipsecd no longer answers at " + stale + ": start it with `ipsecd --socket " + stale + "`");
  EXPECT_EQ(error_of(Socket::connect(file)), file + " is not a socket");
  EXPECT_EQ(error_of(Socket::connect(file + "/s")), "cannot connect to " + file + "/s: Not a directory");
  EXPECT_EQ(error_of(Socket::connect(stream)), stream + " is a socket of another type, not ipsecd's");
  EXPECT_EQ(error_of(Socket::connect("")), "the path of ipsecd's socket is empty");
  const std::string longest(107, 'x'), too_long(108, 'x');
  EXPECT_EQ(error_of(Socket::connect(longest)),
            "no ipsecd at " + longest + ": start it with `ipsecd --socket " + longest + "`");
  EXPECT_EQ(error_of(Socket::connect(too_long)),
            "the socket path " + too_long + " has 108 bytes; at most 107 are allowed");
  ::close(fd);
}

// In a child, for the user of a process is that of all its threads.
[[noreturn]] void connect_without_permission(const std::string& path) {
  constexpr uid_t kNobody = 65534;
  if (::geteuid() == 0 && (::setgroups(0, nullptr) != 0 || ::setuid(kNobody) != 0)) ::_exit(2);
  const auto socket = Socket::connect(path);
  std::fputs(error_of(socket).c_str(), stderr);
  ::_exit(!socket && socket.error().code == Errc::denied ? 0 : 1);
}

TEST(Socket, SaysWhoMayConnect) {
  const TempFolder folder;
  const std::string path = folder / "s";
  const int fd = testing::listen_at(path);
  ::chmod(path.c_str(), 0);
  ::chmod((folder / ".").c_str(), 0755);
  EXPECT_EXIT(connect_without_permission(path), ::testing::ExitedWithCode(0),
              "permission denied for .*/s: only root, ipsecd's own user and the groups that it was started with may "
              "use it; try again as one of them, for example with sudo");
  ::close(fd);
}

TEST(Socket, ABusyDaemonIsWaitedForOnlySoLong) {
  const TempFolder folder;
  const std::string path = folder / "s";
  const int fd = ::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
  const sockaddr_un address = testing::unix_address(path);
  ASSERT_EQ(::bind(fd, testing::generic(address), sizeof address), 0);
  ASSERT_EQ(::listen(fd, 0), 0);
  const auto first = Socket::connect(path, kSoon);
  ASSERT_TRUE(first);
  const auto second = Socket::connect(path, kSoon);
  EXPECT_EQ(error_of(second), "ipsecd at " + path + " is too busy to accept a connection");
  EXPECT_EQ(second.error().code, Errc::timeout);
  ::close(fd);
}

}  // namespace
}  // namespace ipseckey::backend
