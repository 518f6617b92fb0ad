#include "ipsecd/clients/listener.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <future>
#include <optional>
#include <thread>
#include <vector>

#include "backend/testing.h"

namespace ipseckey::ipsecd {
namespace {

using backend::testing::TempFolder;

std::string error_of(const Result<Listener>& r) { return r ? "listening" : r.error().text; }

mode_t mode_of(const std::string& path) {
  struct stat info{};
  return ::lstat(path.c_str(), &info) == 0 ? info.st_mode : 0;
}

TEST(Listener, CreatesAPrivateSocketAndRemovesIt) {
  const TempFolder folder;
  const std::string path = folder / "s";
  {
    const auto listener = Listener::at(path).value();
    EXPECT_EQ(mode_of(path), mode_t{S_IFSOCK | 0600});
    EXPECT_EQ(listener.path(), path);
  }
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST(Listener, ReplacesASocketOnWhichNobodyAnswers) {
  const TempFolder folder;
  ::close(backend::testing::listen_at(folder / "s"));
  const auto listener = Listener::at(folder / "s");
  EXPECT_EQ(error_of(listener), "listening");
}

TEST(Listener, LeavesAnotherDaemonAlone) {
  const TempFolder folder;
  const std::string path = folder / "s";
  const auto first = Listener::at(path).value();
  const auto second = Listener::at(path);
  EXPECT_EQ(error_of(second), "another ipsecd serves " + path + "; stop it first or choose another path with --socket");
  EXPECT_EQ(second.error().code, Errc::exists);
  EXPECT_EQ(mode_of(path), mode_t{S_IFSOCK | 0600});
}

TEST(Listener, LeavesOtherFilesAlone) {
  const TempFolder folder;
  const std::string file = folder / "file", link = folder / "link", dangling = folder / "dangling";
  std::ofstream(file) << "text";
  std::filesystem::create_symlink(file, link);
  std::filesystem::create_symlink(folder / "none", dangling);
  for (const std::string& path : {file, link, dangling, folder / "."}) {
    const auto listener = Listener::at(path);
    EXPECT_EQ(error_of(listener), path + " exists and is not a socket; remove it or choose another path");
    EXPECT_EQ(listener.error().code, Errc::exists);
  }
  std::string text;
  std::ifstream(file) >> text;
  EXPECT_EQ(text, "text");
  EXPECT_TRUE(std::filesystem::is_symlink(link));
  EXPECT_FALSE(std::filesystem::exists(folder / "none"));
}

TEST(Listener, DoesNotRemoveAFileThatReplacedIt) {
  const TempFolder folder;
  const std::string path = folder / "s";
  std::optional<Listener> first = Listener::at(path).value();
  std::filesystem::rename(path, folder / "moved");
  const int other = backend::testing::listen_at(path);
  first.reset();
  EXPECT_TRUE(std::filesystem::is_socket(path));
  ::close(other);
}

TEST(Listener, ReportsWhatIsWrongWithThePath) {
  const TempFolder folder;
  EXPECT_EQ(error_of(Listener::at(folder / "no/s")),
            "there is no folder " + (folder / "no") + ": create it with `mkdir -p " + (folder / "no") + "`");
  const std::string too_long(108, 'x');
  EXPECT_EQ(error_of(Listener::at(too_long)),
            "the socket path " + too_long + " has 108 bytes; at most 107 are allowed");
  const int lock = ::open((folder / "s.lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  ASSERT_EQ(::flock(lock, LOCK_EX), 0);
  EXPECT_EQ(error_of(Listener::at(folder / "s", SOCK_SEQPACKET, std::chrono::milliseconds(20))),
            "another program has held the lock " + (folder / "s.lock") + " for 0.02 s; stop it and try again");
  ::close(lock);
}

// Everybody can open a folder of mode 0755, and lock it.
TEST(Listener, IgnoresALockOfTheFolder) {
  const TempFolder folder;
  const int lock = ::open((folder / ".").c_str(), O_RDONLY | O_CLOEXEC);
  ASSERT_EQ(::flock(lock, LOCK_EX), 0);
  EXPECT_EQ(error_of(Listener::at(folder / "s", SOCK_SEQPACKET, std::chrono::milliseconds(20))), "listening");
  ::close(lock);
}

TEST(Listener, ItsOwnLockIsPrivateAndTemporary) {
  const TempFolder folder;
  {
    const auto listener = Listener::at(folder / "s").value();
  }
  EXPECT_TRUE(std::filesystem::is_empty(folder / "."));
  ::close(::open((folder / "s.lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  ::chmod((folder / "s.lock").c_str(), 0644);
  const std::string wrong =
      (folder / "s.lock") + " is not ipsecd's lock file: another user owns it or can open it; remove it";
  EXPECT_EQ(error_of(Listener::at(folder / "s")), wrong);
  EXPECT_EQ(mode_of(folder / "s.lock"), mode_t{S_IFREG | 0644});
  std::filesystem::remove(folder / "s.lock");
  ASSERT_EQ(::mkfifo((folder / "s.lock").c_str(), 0600), 0);
  EXPECT_EQ(error_of(Listener::at(folder / "s")), wrong);
  std::filesystem::remove(folder / "s.lock");
  std::filesystem::create_symlink(folder / "other", folder / "s.lock");
  EXPECT_THAT(error_of(Listener::at(folder / "s")), ::testing::StartsWith("cannot create the lock file "));
  EXPECT_FALSE(std::filesystem::exists(folder / "other"));
}

// Like another user who can write to the folder.
TEST(Listener, LettingInDoesNotChangeAFileThatReplacedTheSocket) {
  const TempFolder folder;
  const std::string path = folder / "s", victim = folder / "victim";
  std::ofstream(victim) << "secret";
  ::chmod(victim.c_str(), 0600);
  auto listener = Listener::at(path).value();
  std::filesystem::rename(path, folder / "moved");
  std::filesystem::create_symlink(victim, path);
  const std::vector<Policy> policies = {{.group = ::getgid(), .read_group = {}},
                                        {.group = 65534, .read_group = ::getgid()}};
  for (const Policy& policy : policies) {
    const auto done = listener.let_in(policy);
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().code, Errc::exists);
    EXPECT_EQ(mode_of(victim), mode_t{S_IFREG | 0600});
  }
  // Another program's socket, moved or linked to this path.
  std::filesystem::remove(path);
  const int other = backend::testing::listen_at(folder / "other");
  ::chmod((folder / "other").c_str(), 0600);
  std::filesystem::create_hard_link(folder / "other", path);
  EXPECT_FALSE(listener.let_in(policies[0]));
  std::filesystem::remove(folder / "other");
  EXPECT_FALSE(listener.let_in(policies[0]));
  EXPECT_EQ(mode_of(path), mode_t{S_IFSOCK | 0600});
  ::close(other);
}

// The second process waits until the first has created its socket; each then has its own.
TEST(Listener, ManyThatStartAtOnceInOneFolderAllServe) {
  const TempFolder folder;
  std::vector<std::string> errors(40);
  {
    std::vector<std::jthread> all;
    for (std::size_t i = 0; i < errors.size(); ++i)
      all.emplace_back([&, i] { errors[i] = error_of(Listener::at(folder / std::to_string(i))); });
  }
  EXPECT_THAT(errors, ::testing::Each("listening"));
}

TEST(Listener, WaitsForTheLock) {
  const TempFolder folder;
  const int lock = ::open((folder / "s.lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  ASSERT_EQ(::flock(lock, LOCK_EX), 0);
  std::promise<void> begun;
  std::jthread other([&] {
    begun.set_value();
    EXPECT_EQ(error_of(Listener::at(folder / "s")), "listening");
  });
  begun.get_future().wait();
  ::close(lock);
}

// covers RFC2367-1.2-1
TEST(Listener, TheGroupsDetermineTheModeOfTheFile) {
  constexpr gid_t kGroup = 65534;
  const TempFolder folder;
  const std::string path = folder / "s";
  auto listener = Listener::at(path).value();
  ASSERT_TRUE(listener.let_in({}));
  EXPECT_EQ(mode_of(path), mode_t{S_IFSOCK | 0600});
  ASSERT_TRUE(listener.let_in({.group = ::getgid(), .read_group = {}}));
  EXPECT_EQ(mode_of(path), mode_t{S_IFSOCK | 0660});
  ASSERT_TRUE(listener.let_in({.group = kGroup, .read_group = ::getgid()}));
  EXPECT_EQ(mode_of(path),
            mode_t{S_IFSOCK | 0666});  // A file has only one group: the kernel decides which clients are admitted.
  EXPECT_EQ(listener.group_of_file(), std::nullopt);
}

TEST(Listener, CreatesTheFolderOfTheDefaultPath) {
  const TempFolder folder;
  const auto listener = Listener::at_default(folder / "ipsecd/s");
  EXPECT_EQ(error_of(listener), "listening");
  EXPECT_EQ(mode_of(folder / "ipsecd"), mode_t{S_IFDIR} | (::geteuid() == 0 ? 0755u : 0700u));
  EXPECT_EQ(error_of(Listener::at_default(folder / "ipsecd/t")), "listening");  // It may exist already.
  EXPECT_EQ(error_of(Listener::at_default(folder / "no/ipsecd/s")),
            "cannot create the folder " + (folder / "no/ipsecd") +
                ": No such file or directory; choose another path with --socket");
}

TEST(Listener, NothingIsPassedWithoutAServiceManager) { EXPECT_FALSE(Listener::handed_over({}).value()); }

}  // namespace
}  // namespace ipseckey::ipsecd
