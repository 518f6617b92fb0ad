#include "backend/owned.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <vector>

namespace backend {
namespace {

SadbPlace named(std::string name, SadbProcess process = {}, std::string boot = "this boot") {
  return {std::move(name), "", process, std::move(boot)};
}

SaName sa(std::uint32_t spi) { return {pfkey::SaType::esp, spi, *parse_address("192.0.2.1"), 0}; }

class OwnedTest : public ::testing::Test {
 protected:
  OwnedTest() {
    std::string pattern = ::testing::TempDir() + "owned.XXXXXX";
    folder_ = ::mkdtemp(pattern.data());
  }
  ~OwnedTest() override { std::filesystem::remove_all(folder_); }

  Owned owned() const { return Owned(folder_ / "owned.db"); }
  /// As an apply does it.
  void put(const SadbPlace& place, std::uint32_t spi) const {
    Owned rows = owned();
    ASSERT_TRUE(rows.prune(place, lives));
    ASSERT_TRUE(rows.put({place.name, "/keys", false}, {{sa(spi), 1000}}));
  }
  std::size_t rows_of(const std::string& sadb) const {
    const auto found = owned().read({sadb, "/keys", false});
    return found ? found->mine.size() : 999;
  }

  static bool lives(const SadbProcess&) { return false; }
  static bool even_have_ended(const SadbProcess& process) { return process.pid % 2 == 0; }

  std::filesystem::path folder_;
};

TEST_F(OwnedTest, RowsOfAnotherBootGo) {
  put(named("ipsecd:/a"), 1);
  put(named("kernel:5:6"), 2);
  put(named("ipsecd:/a", {}, ""), 3);
  EXPECT_EQ(rows_of("ipsecd:/a"), 2u) << "a boot that is not known is no other one";
  EXPECT_TRUE(owned().prune(named("ipsecd:/b", {}, "next boot")));
  EXPECT_EQ(rows_of("ipsecd:/a"), 0u);
  EXPECT_EQ(rows_of("kernel:5:6"), 0u);
  put(named("ipsecd:/b", {}, "next boot"), 4);
  EXPECT_EQ(rows_of("ipsecd:/b"), 1u) << "and those of the next one stay";
}

TEST_F(OwnedTest, RowsOfANamespaceGoWhenAnotherHasItsNumber) {
  put(kernel_place(5, 60), 1);
  put(kernel_place(50, 61), 2);
  put(kernel_place(5, 60), 3);
  EXPECT_EQ(rows_of("kernel:5:60"), 2u);
  put(kernel_place(5, 62), 4);
  EXPECT_EQ(rows_of("kernel:5:60"), 0u);
  EXPECT_EQ(rows_of("kernel:50:61"), 1u) << "nobody knows whether that one is gone";
  EXPECT_EQ(rows_of("kernel:5:62"), 1u);
}

TEST_F(OwnedTest, RowsOfAnIpsecdGoWithItsProcess) {
  put(named("ipsecd:/dead", {10, 1, 1}), 1);
  put(named("ipsecd:/alive", {11, 1, 1}), 2);
  put(named("ipsecd:/keeps"), 3);
  EXPECT_TRUE(owned().prune(named("ipsecd:/here", {13, 1, 1}), even_have_ended));
  EXPECT_EQ(rows_of("ipsecd:/dead"), 0u);
  EXPECT_EQ(rows_of("ipsecd:/alive"), 1u);
  EXPECT_EQ(rows_of("ipsecd:/keeps"), 1u);
}

TEST_F(OwnedTest, AnotherProcessAtTheSamePathIsAnotherSadb) {
  put(named("ipsecd:/a", {10, 1, 1}), 1);
  EXPECT_TRUE(owned().prune(named("ipsecd:/a", {10, 1, 1}), even_have_ended));
  EXPECT_EQ(rows_of("ipsecd:/a"), 1u) << "it answers, so it lives";
  EXPECT_TRUE(owned().prune(named("ipsecd:/a", {11, 1, 1}), even_have_ended));
  EXPECT_EQ(rows_of("ipsecd:/a"), 0u);
}

// The same path in two mount namespaces: whichever ends, the rows of the other one must stay.
TEST_F(OwnedTest, RowsOfTwoThatLiveAtOnePathStay) {
  put(named("ipsecd:/a", {11, 1, 1}), 1);
  put(named("ipsecd:/a", {13, 1, 1}), 2);
  for (const SadbProcess& next : {SadbProcess{15, 1, 1}, {10, 1, 1}, {17, 1, 1}})
    EXPECT_TRUE(owned().prune(named("ipsecd:/a", next), even_have_ended));
  EXPECT_EQ(rows_of("ipsecd:/a"), 2u);
}

TEST_F(OwnedTest, AFileWithOtherTablesIsAnError) {
  sqlite3* file = nullptr;
  ASSERT_EQ(sqlite3_open((folder_ / "owned.db").c_str(), &file), SQLITE_OK);
  EXPECT_EQ(sqlite3_exec(file, "CREATE TABLE process(sadb TEXT)", nullptr, nullptr, nullptr), SQLITE_OK);
  sqlite3_close(file);
  EXPECT_FALSE(owned().prune(named("ipsecd:/a")));
}

TEST_F(OwnedTest, WhatAnEarlierReleaseCalledItIsRenamed) {
  put(named("kernel:5"), 1);
  EXPECT_TRUE(owned().prune(kernel_place(5, 60)));
  EXPECT_EQ(rows_of("kernel:5"), 0u);
  EXPECT_EQ(rows_of("kernel:5:60"), 1u);
}

TEST(SadbPlace, OnlyTheSameNumberReplacesANamespace) {
  const SadbPlace here = kernel_place(5, 60);
  EXPECT_EQ(here.name, "kernel:5:60");
  EXPECT_EQ(kernel_place(5, 0).name, "kernel:5") << "a kernel that has no cookies";
  EXPECT_TRUE(replaced_by("kernel:5:6", here));
  for (const std::string name : {"kernel:5:60", "kernel:5", "kernel:50:6", "kernel:51", "ipsecd:/kernel:5:6"})
    EXPECT_FALSE(replaced_by(name, here)) << name;
  EXPECT_FALSE(replaced_by("kernel:5:6", kernel_place(5, 0)));
  EXPECT_FALSE(replaced_by("ipsecd:/a:1", {"ipsecd:/b", "ipsecd:/a", {}, ""}));
}

/// A process with these words for a command line, which waits until it is killed.
class Process {
 public:
  explicit Process(std::vector<std::string> words) {
    int ready[2];
    if (::pipe2(ready, O_CLOEXEC) != 0 || ::pipe2(waits_, O_CLOEXEC) != 0) return;
    std::vector<char*> argv;
    for (std::string& w : words) argv.push_back(w.data());
    argv.push_back(nullptr);
    pid_ = ::fork();
    if (pid_ == 0) {
      ::dup2(waits_[0], STDIN_FILENO);
      ::execv("/bin/cat", argv.data());
      ::_exit(127);
    }
    ::close(ready[1]);
    char none = 0;
    while (::read(ready[0], &none, 1) > 0) {
    }
    ::close(ready[0]);
  }
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;
  ~Process() {
    end();
    for (const int fd : waits_) ::close(fd);
  }

  void end() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    pid_ = -1;
  }
  std::uint32_t id() const { return static_cast<std::uint32_t>(pid_); }

 private:
  pid_t pid_ = -1;
  int waits_[2] = {-1, -1};  // It reads from there; nobody writes.
};

TEST(SadbProcess, IsKnownByItsWordsAndEndsWithItself) {
  Process daemon({"/usr/sbin/ipsecd", "/dev/stdin"});
  const SadbProcess process = sadb_process(daemon.id());
  EXPECT_EQ(process.pid, daemon.id());
  EXPECT_FALSE(has_ended(process));
  SadbProcess other = process;
  ++other.start;
  EXPECT_TRUE(has_ended(other)) << "its number is another process' now";
  other = process;
  ++other.view;
  daemon.end();
  EXPECT_TRUE(has_ended(process));
  EXPECT_FALSE(has_ended(other)) << "it is counted by somebody else";
}

TEST(SadbProcess, WhoKeepsOrIsNoIpsecdIsNotKnown) {
  for (const std::vector<std::string>& words : {std::vector<std::string>{"ipsecd", "--", "-", "--keep"},
                                                {"ipsecd", "--", "-", "--keep=x"},
                                                {"ipsecd2", "-"},
                                                {"systemd", "-", "ipsecd"}}) {
    const Process daemon(words);
    EXPECT_EQ(sadb_process(daemon.id()), SadbProcess()) << words[0];
  }
  EXPECT_EQ(sadb_process(0), SadbProcess());
  EXPECT_FALSE(has_ended({}));
}

}  // namespace
}  // namespace backend
