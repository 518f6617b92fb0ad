#include "program.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <grp.h>
#include <sys/stat.h>

#include <cerrno>
#include <chrono>
#include <fstream>
#include <sstream>

#include "backend/socket.h"
#include "backend/testing.h"
#include "engine/testing.h"
#include "pfkey/notices.h"

namespace ipseckey {

namespace {

using backend::Socket;
using backend::testing::TempFolder;
using engine::testing::request;
using pfkey::Message;
using pfkey::SaType;
using pfkey::Type;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr char kProgram[] = IPSECD;

// A daemon that serves `path`.
struct Running {
  explicit Running(
      const std::string& path, const std::function<void()>& prepare = [] {})
      : program({kProgram, "--socket", path}, prepare) {
    program.wait_for("ipsecd: serving " + path + "\n");
  }
  Program program;
};

Result<void> ask(Socket& sadb, unsigned& error) {
  Message m = request(Type::get, SaType::esp, 0x1001);
  return sadb.call(std::span(&m, 1), [&](std::size_t, Message&& reply) { error = reply.error; });
}

// Whether somebody answers at the path.
bool answers(const std::string& path) {
  const auto sadb = Socket::connect(path);
  unsigned error = 0;
  return sadb && ask(**sadb, error) && error == ESRCH;
}

bool exists(const std::string& path) {
  struct stat info{};
  return ::lstat(path.c_str(), &info) == 0;
}

TEST(Ipsecd, EndsOnASignalAndTakesItsSocketAway) {
  const TempFolder folder;
  const std::string path = folder / "s";
  for (const int signal : {SIGTERM, SIGINT}) {
    Running daemon(path);
    EXPECT_TRUE(answers(path));
    daemon.program.kill(signal);
    const auto end = daemon.program.end();
    EXPECT_EQ(end.status, 0);
    EXPECT_EQ(end.output, "ipsecd: serving " + path + "\n");
    EXPECT_FALSE(exists(path));
  }
}

TEST(Ipsecd, ASecondOneOnTheSamePathIsRefused) {
  const TempFolder folder;
  const std::string path = folder / "s";
  const Running first(path);
  const auto end = Program({kProgram, "--socket", path}).end();
  EXPECT_EQ(end.status, 1);
  EXPECT_EQ(end.output,
            "ipsecd: another ipsecd serves " + path + "; stop it first or choose another path with --socket\n");
  EXPECT_TRUE(answers(path));
}

TEST(Ipsecd, TakesOverWhatAKilledOneLeft) {
  const TempFolder folder;
  const std::string path = folder / "s";
  {
    Running killed(path);
    killed.program.kill(SIGKILL);
    EXPECT_EQ(killed.program.end().status, -1);
  }
  EXPECT_TRUE(exists(path));
  const Running next(path);
  EXPECT_TRUE(answers(path));
}

TEST(Ipsecd, ClientsNoticeItsDeathInTheMiddleOfALoad) {
  constexpr std::uint32_t kMany = 50'000;
  const TempFolder folder;
  const std::string path = folder / "s";
  const Running daemon(path);
  const auto sadb = Socket::connect(path).value();
  std::vector<Message> requests;
  for (std::uint32_t i = 0; i < kMany; ++i) {
    requests.push_back(engine::testing::add_esp(0x1000 + i));
    requests.back().seq = i + 1;
  }
  std::uint32_t answered = 0;
  const auto done = sadb->call(requests, [&](std::size_t i, Message&& m) {
    EXPECT_EQ(i, answered);
    EXPECT_EQ(m.error, 0);
    if (++answered == 100) daemon.program.kill(SIGKILL);
  });
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, Errc::unreachable);
  EXPECT_EQ(done.error().text,
            "ipsecd at " + path +
                " closed the connection before it had answered everything: start it with `ipsecd --socket " + path +
                "`");
  EXPECT_GE(answered, 100u);
  EXPECT_LT(answered, kMany);
}

// In a child that has dropped its privileges.
[[noreturn]] void ask_as_nobody(const std::string& path) {
  constexpr uid_t kNobody = 65534;
  if (::setgroups(0, nullptr) != 0 || ::setuid(kNobody) != 0) ::_exit(2);
  const auto sadb = Socket::connect(path);
  unsigned error = 0;
  const auto done = sadb ? ask(**sadb, error) : std::unexpected(sadb.error());
  std::fputs(done ? "answered" : done.error().text.c_str(), stderr);
  ::_exit(!done && done.error().code == Errc::denied ? 0 : 1);
}

// Only root can become another user; anyone else can only test the mode of the socket file, which other tests check.
TEST(Ipsecd, ServesNoOtherUserEvenIfTheSocketIsOpenToAll) {
  if (::geteuid() != 0) return;
  const TempFolder folder;
  const std::string path = folder / "s";
  Running daemon(path);
  ::chmod(path.c_str(), 0666);
  ::chmod((folder / ".").c_str(), 0755);
  EXPECT_EXIT(ask_as_nobody(path), ::testing::ExitedWithCode(0),
              "ipsecd at .*/s serves only root, its own user and the groups that it was started with; try again "
              "as one of them");
  daemon.program.wait_for(" of user 65534: only root and user 0 are served\n");
  EXPECT_TRUE(answers(path));
}

// Passes the socket as the service manager does: as descriptor 3, with this process's number.
void hand_over(int fd) {
  if (fd == 3) {
    ::fcntl(fd, F_SETFD, 0);
  } else {
    ::dup2(fd, 3);
  }
  ::setenv("LISTEN_FDS", "1", 1);
  ::setenv("LISTEN_PID", std::to_string(::getpid()).c_str(), 1);
}

TEST(Ipsecd, TakesOverTheSocketOfASocketUnit) {
  const TempFolder folder;
  const std::string path = folder / "unit";
  const int fd = backend::testing::listen_at(path);
  const auto early = Socket::connect(path).value();  // Before a daemon runs.
  Program daemon({kProgram}, [&] { hand_over(fd); });
  ::close(fd);
  unsigned error = 0;
  EXPECT_TRUE(ask(*early, error));
  EXPECT_EQ(error, unsigned{ESRCH});
  daemon.kill(SIGTERM);
  const auto end = daemon.end();
  EXPECT_EQ(end.status, 0);
  EXPECT_EQ(end.output, "ipsecd: serving " + path + "\n");
  EXPECT_TRUE(exists(path));  // It belongs to the service manager.
}

TEST(Ipsecd, RefusesAnotherKindOfSocket) {
  const TempFolder folder;
  const int fd = backend::testing::listen_at(folder / "stream", SOCK_STREAM);
  const auto end = Program({kProgram}, [&] { hand_over(fd); }).end();
  ::close(fd);
  EXPECT_EQ(end.status, 1);
  EXPECT_EQ(end.output,
            "ipsecd: the service manager passed something that is not a listening Unix SOCK_SEQPACKET socket: use "
            "ListenSequentialPacket= in the socket unit\n");
}

std::string notification(int fd) {
  char text[1024];
  if (!backend::testing::ready(fd, POLLIN)) return "nothing";
  const ssize_t got = ::recv(fd, text, sizeof text, 0);
  return std::string(text, static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
}

TEST(Ipsecd, TellsTheServiceManagerWhenItIsReadyAndWhenItEnds) {
  const TempFolder folder;
  const std::string path = folder / "s", manager = folder / "notify";
  const int fd = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  const sockaddr_un address = backend::testing::unix_address(manager);
  ASSERT_EQ(::bind(fd, backend::testing::generic(address), sizeof address), 0);
  Program daemon({kProgram, "--socket", path}, [&] { ::setenv("NOTIFY_SOCKET", manager.c_str(), 1); });
  EXPECT_EQ(notification(fd), "READY=1\nSTATUS=serving " + path);
  EXPECT_TRUE(answers(path));
  daemon.kill(SIGTERM);
  EXPECT_EQ(notification(fd), "STOPPING=1");
  EXPECT_EQ(daemon.end().status, 0);
  ::close(fd);
}

TEST(Ipsecd, LeavesNoCoreDump) {
  const TempFolder folder;
  const Running daemon(folder / "s");
  std::ifstream limits("/proc/" + std::to_string(daemon.program.pid()) + "/limits");
  std::stringstream text;
  text << limits.rdbuf();
  EXPECT_THAT(text.str(), ::testing::ContainsRegex("Max core file size +0 +0 "));
}

TEST(Ipsecd, WithoutDescriptorsItWaitsUntilAClientLeaves) {
  const TempFolder folder;
  const std::string path = folder / "s";
  Running daemon(path, [] {
    const rlimit few{24, 24};
    ::setrlimit(RLIMIT_NOFILE, &few);
  });
  std::vector<std::unique_ptr<Socket>> clients;
  for (int i = 0; i < 30; ++i) clients.push_back(Socket::connect(path).value());
  daemon.program.wait_for("ipsecd: cannot accept a client now: Too many open files\n");
  unsigned error = 0;
  EXPECT_TRUE(ask(*clients.front(), error));  // Clients that are connected are served.
  EXPECT_EQ(error, unsigned{ESRCH});
  auto waiting = std::move(clients.back());
  clients.clear();
  error = 0;
  EXPECT_TRUE(ask(*waiting, error));
  EXPECT_EQ(error, unsigned{ESRCH});
}

TEST(Ipsecd, AnswersHelpAndVersionAndRefusesTheRest) {
  const auto help = Program({kProgram, "--help"}).end();
  EXPECT_EQ(help.status, 0);
  EXPECT_THAT(help.output, StartsWith("usage: ipsecd [OPTION]...\n"));
  const auto version = Program({kProgram, "--version"}).end();
  EXPECT_EQ(version.status, 0);
  EXPECT_THAT(version.output, StartsWith("ipsecd "));
  const auto wrong = Program({kProgram, "--sokcet", "x"}).end();
  EXPECT_EQ(wrong.status, 2);
  EXPECT_EQ(wrong.output, "ipsecd: Unknown word '--sokcet'; `ipsecd --help` lists the options\n");
  const auto nowhere = Program({kProgram, "--socket", "/nonexistent/s"}).end();
  EXPECT_EQ(nowhere.status, 1);
  EXPECT_EQ(nowhere.output, "ipsecd: there is no folder /nonexistent: create it with `mkdir -p /nonexistent`\n");
}

}  // namespace

}  // namespace ipseckey
