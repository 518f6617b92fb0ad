#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstdlib>
#include <functional>
#include <new>
#include <string>
#include <thread>
#include <vector>

#include "api/ipseckey.h"
#include "backend/testing.h"

namespace {

// How many more allocations succeed; negative: all.
thread_local long left = -1;

}  // namespace

// Defined in a build that searches for leaks; nullptr elsewhere.
extern "C" {
[[gnu::weak]] void __lsan_disable();
[[gnu::weak]] void __lsan_enable();
}

// They replace the operators of the whole test program.
[[gnu::noinline]] void* operator new(std::size_t size) {
  if (left == 0) throw std::bad_alloc();
  if (left > 0) --left;
  if (void* const p = std::malloc(size ? size : 1)) return p;
  throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* p) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete(void* p, std::size_t) noexcept { std::free(p); }

namespace ipseckey {
namespace {

// A SADB in which memory ran out is leaked on purpose.
class LeaksAllowed {
 public:
  LeaksAllowed() {
    if (__lsan_disable) __lsan_disable();
  }
  LeaksAllowed(const LeaksAllowed&) = delete;
  LeaksAllowed& operator=(const LeaksAllowed&) = delete;
  ~LeaksAllowed() {
    if (__lsan_enable) __lsan_enable();
  }
};

// Lets memory run out at the first allocation, the second, and so on, until `work` succeeds. Returns how often it
// failed.
long fails_until_it_works(const std::function<Result<void>()>& work) {
  constexpr long kMost = 100'000;
  const LeaksAllowed leaks_allowed;
  for (long allocations = 0; allocations < kMost; ++allocations) {
    left = allocations;
    const auto done = work();
    const bool ran_out = left == 0;
    left = -1;
    if (done) return allocations;
    EXPECT_TRUE(ran_out);
    EXPECT_EQ(done.error().code, Errc::io);
    EXPECT_EQ(done.error().text, "out of memory");
    if (testing::Test::HasFailure()) return 0;
  }
  ADD_FAILURE() << "it never worked";
  return 0;
}

const std::string kLine =
    "add esp spi 0x2112 src 192.0.2.1 dst 192.0.2.2 encralg aes encrkey 00112233445566778899aabbccddeeff "
    "authalg sha256 authkey 00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\n";

TEST(OutOfMemory, IsAnErrorOfReading) {
  EXPECT_GT(fails_until_it_works([] -> Result<void> {
              auto commands = read_commands(kLine);
              if (!commands) return std::unexpected(std::move(commands.error()));
              return {};
            }),
            3);
}

TEST(OutOfMemory, IsAnErrorOfOpeningAndAsking) {
  EXPECT_GT(fails_until_it_works([] -> Result<void> {
              const long allowed = std::exchange(left, -1);
              auto commands = read_commands(kLine);
              left = allowed;
              auto sadb = Sadb::open("memory");
              if (!sadb) return std::unexpected(std::move(sadb.error()));
              auto added = sadb->ask(std::move(commands->requests.front().message));
              if (!added) return std::unexpected(std::move(added.error()));
              return sadb->dump(pfkey::SaType::unspec, [](pfkey::Message&&) {});
            }),
            3);
}

// Also in the destructors: a Listener that cannot be ended is left.
TEST(OutOfMemory, IsAnErrorOfListening) {
  EXPECT_GT(fails_until_it_works([] -> Result<void> {
              auto sadb = Sadb::open("memory");
              if (!sadb) return std::unexpected(std::move(sadb.error()));
              auto listener = sadb->listen(true);
              if (!listener) return std::unexpected(std::move(listener.error()));
              auto heard = listener->next();
              if (!heard) {
                EXPECT_EQ(listener->descriptor(), -1);
                EXPECT_EQ(listener->next().error().text, heard.error().text);
                return std::unexpected(std::move(heard.error()));
              }
              return {};
            }),
            3);
}

// Answers every request of every connection with itself. A Sadb that is given up keeps its connection, so all are kept
// open.
class Echo {
 public:
  explicit Echo(const std::string& path) : path_(path), thread_([this] { run(); }) {}
  Echo(const Echo&) = delete;
  Echo& operator=(const Echo&) = delete;
  ~Echo() {
    done_ = true;
    static_cast<void>(Sadb::open("ipsecd:" + path_));  // Wakes it.
    thread_.join();
    for (const pollfd& p : all_) ::close(p.fd);
  }

 private:
  void run() {
    while (!done_) {
      ::poll(all_.data(), all_.size(), -1);
      for (std::size_t i = 1; i < all_.size(); ++i)
        if (all_[i].revents & POLLIN) answer(all_[i]);
      if (all_[0].revents & POLLIN) all_.push_back({::accept4(all_[0].fd, nullptr, nullptr, SOCK_CLOEXEC), POLLIN, 0});
    }
  }
  static void answer(pollfd& p) {
    std::array<std::byte, 4096> wire{};
    const ssize_t size = ::recv(p.fd, wire.data(), wire.size(), 0);
    if (size <= 0) p.events = 0;
    if (size > 0) ::send(p.fd, wire.data(), static_cast<std::size_t>(size), MSG_NOSIGNAL);
  }

  std::string path_;
  std::vector<pollfd> all_{{backend::testing::listen_at(path_), POLLIN, 0}};
  std::atomic<bool> done_ = false;
  std::thread thread_;
};

// Over a socket, where what was sent must be found again when its reply comes.
TEST(OutOfMemory, IsAnErrorOfAskingADaemon) {
  const backend::testing::TempFolder folder;
  const std::string path = folder / "sadb.sock";
  const Echo daemon(path);
  EXPECT_GT(fails_until_it_works([&] -> Result<void> {
              const long allowed = std::exchange(left, -1);
              auto commands = read_commands(kLine);
              auto sadb = Sadb::open("ipsecd:" + path);
              left = allowed;
              if (!sadb) return std::unexpected(std::move(sadb.error()));
              auto added = sadb->ask(std::move(commands->requests.front().message));
              if (!added) return std::unexpected(std::move(added.error()));
              return {};
            }),
            1);
}

TEST(OutOfMemory, IsAnErrorOfWriting) {
  EXPECT_GT(fails_until_it_works([] -> Result<void> {
              const long allowed = std::exchange(left, -1);
              auto commands = read_commands(kLine);
              left = allowed;
              auto writer = SaWriter::create(SaWriter::Format::commands, SaWriter::Keys::shown, "memory");
              if (!writer) return std::unexpected(std::move(writer.error()));
              auto text = writer->write(std::move(commands->requests.front().message));
              if (!text) return std::unexpected(std::move(text.error()));
              return {};
            }),
            1);
}

}  // namespace
}  // namespace ipseckey
