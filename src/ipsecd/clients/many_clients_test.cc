// Many clients at once, each doing what an administrator, a key manager or a monitor does, for a bounded time.
#include <gmock/gmock.h>
#include <sys/eventfd.h>

#include <atomic>
#include <set>

#include "backend/socket.h"
#include "engine/testing.h"
#include "ipsecd/testing.h"
#include "pfkey/notices.h"

namespace ipseckey::ipsecd {
namespace {

using backend::Socket;
using engine::testing::add_ah;
using engine::testing::add_esp;
using engine::testing::request;
using pfkey::Message;
using pfkey::SaType;
using pfkey::Type;
using testing::RunningDaemon;

constexpr std::uint32_t kWorkers = 20, kFlushers = 4, kReaders = 4, kMonitors = 4;
static_assert(kWorkers + kFlushers + kReaders + kMonitors == 32);
constexpr std::uint32_t kRounds = 4;
constexpr std::uint32_t kBatch = 16;
constexpr std::uint32_t kLast = 0xffff;  // The pid of the client that checks at the end.

using Spis = std::set<std::uint32_t>;

// A client with a pid and SPIs of its own. All of its requests must get their replies, without an error.
class Client {
 public:
  Client(const std::string& path, std::uint32_t number) : number_(number), sadb_(Socket::connect(path).value()) {}

  std::uint32_t spi(std::uint32_t i) const { return (number_ << 16) + 0x1000 + i; }
  bool owns(std::uint32_t some_spi) const { return some_spi >> 16 == number_; }

  void call(std::vector<Message> requests) {
    std::vector<unsigned> replies(requests.size());
    for (Message& m : requests) m.pid = number_, m.seq = ++seq_;
    const auto done = sadb_->call(requests, [&](std::size_t i, Message&& m) {
      ++replies[i];
      EXPECT_EQ(m.error, 0);
    });
    EXPECT_TRUE(done) << done.error().text;
    EXPECT_EQ(replies, std::vector<unsigned>(requests.size(), 1));
  }
  Spis dump(SaType satype) {
    Spis spis;
    unsigned ends = 0, doubles = 0;
    Message m = request(Type::dump, satype);
    m.pid = number_, m.seq = ++seq_;
    const auto done = sadb_->call(std::span(&m, 1), [&](std::size_t, Message&& sa) {
      if (sa.sa) doubles += !spis.insert(sa.sa->spi).second;
      ends += sa.seq == 0;
    });
    EXPECT_TRUE(done) << done.error().text;
    EXPECT_EQ(ends, 1u);
    EXPECT_EQ(doubles, 0u);
    return spis;
  }
  Socket& sadb() { return *sadb_; }

 private:
  std::uint32_t number_;
  std::uint32_t seq_ = 0;
  std::unique_ptr<Socket> sadb_;
};

// Adds SAs, deletes every other one, and finds exactly the rest.
Spis work(Client& client) {
  Spis mine;
  for (std::uint32_t round = 0; round < kRounds; ++round) {
    std::vector<Message> adds, dels;
    for (std::uint32_t i = 0; i < kBatch; ++i) {
      const std::uint32_t spi = client.spi(round * kBatch + i);
      adds.push_back(add_esp(spi));
      if (i % 2 == 1) {
        dels.push_back(request(Type::del, SaType::esp, spi));
      } else {
        mine.insert(spi);
      }
    }
    client.call(std::move(adds));
    client.call(std::move(dels));
    Spis found = client.dump(SaType::esp);
    std::erase_if(found, [&](std::uint32_t spi) { return !client.owns(spi); });
    EXPECT_EQ(found, mine);
  }
  return mine;
}

// No other client uses AH, so that nobody's ESP is flushed.
void flush(Client& client) {
  for (std::uint32_t round = 0; round < kRounds; ++round) {
    std::vector<Message> requests;
    for (std::uint32_t i = 0; i < kBatch; ++i) requests.push_back(add_ah(client.spi(round * kBatch + i)));
    requests.push_back(request(Type::flush, SaType::ah));
    client.call(std::move(requests));
  }
}

struct View {
  Spis esp;
  std::uint64_t lost = 0;
};

// Follows the table by notices until the last client flushes.
View monitor(Client& client, bool promiscuous, const std::function<void()>& ready) {
  View view;
  bool listening = false;
  const auto ended = backend::testing::hear(client.sadb(), promiscuous, -1, [&](Message&& m) {
    // The first is the answer to its own request; a promiscuous client also receives those of others.
    if (m.type == Type::x_promisc && !std::exchange(listening, true)) ready();
    view.lost += pfkey::messages_lost(m).value_or(0);
    if (m.satype == SaType::esp && m.error == 0 && m.sa) {
      if (m.type == Type::add) view.esp.insert(m.sa->spi);
      if (m.type == Type::del) view.esp.erase(m.sa->spi);
    }
    return !(m.type == Type::flush && m.pid == kLast);
  });
  EXPECT_TRUE(ended) << ended.error().text;
  return view;
}

TEST(ManyClients, SeeOneConsistentDatabase) {
  RunningDaemon daemon;
  const int ready_fd = ::eventfd(0, EFD_CLOEXEC | EFD_SEMAPHORE);
  std::atomic<std::uint32_t> watching = kMonitors;
  std::vector<View> views(kMonitors);
  std::vector<Spis> owned(kWorkers);
  std::vector<std::thread> monitors, others;
  std::uint32_t number = 0;
  for (View& view : views)
    monitors.emplace_back([&, number = ++number] {
      Client client(daemon.path(), number);
      view = monitor(client, number % 2 == 0, [&] { ::eventfd_write(ready_fd, 1); });
      --watching;
    });
  for (std::uint32_t i = 0; i < kMonitors; ++i) {
    ASSERT_TRUE(backend::testing::ready(ready_fd, POLLIN));
    eventfd_t one = 0;
    ::eventfd_read(ready_fd, &one);
  }
  for (Spis& mine : owned)
    others.emplace_back([&, number = ++number] {
      Client client(daemon.path(), number);
      mine = work(client);
    });
  for (std::uint32_t i = 0; i < kFlushers + kReaders; ++i)
    others.emplace_back([&, i, number = ++number] {
      Client client(daemon.path(), number);
      if (i < kFlushers) return flush(client);
      for (std::uint32_t round = 0; round < kRounds; ++round) client.dump(SaType::unspec);
    });
  for (std::thread& thread : others) thread.join();

  Client last(daemon.path(), kLast);
  Spis expected;
  for (const Spis& mine : owned) expected.insert(mine.begin(), mine.end());
  EXPECT_EQ(expected.size(), kWorkers * kRounds * kBatch / 2);
  EXPECT_EQ(last.dump(SaType::esp), expected);
  EXPECT_EQ(last.dump(SaType::ah), Spis());

  // A monitor that is behind may miss one flush, but not all of them.
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(testing::kDeadline);
  while (watching > 0 && std::chrono::steady_clock::now() < deadline) {
    std::vector<Message> flush_all;
    flush_all.push_back(request(Type::flush, SaType::ah));
    last.call(std::move(flush_all));
  }
  EXPECT_EQ(watching, 0u);
  if (watching > 0) daemon.stop();
  for (std::thread& thread : monitors) thread.join();
  // A monitor has received everything or knows that it has not.
  for (const View& view : views) EXPECT_TRUE(view.lost > 0 || view.esp == expected);
  EXPECT_TRUE(daemon.stop());
  EXPECT_THAT(daemon.log(), ::testing::IsEmpty());
  ::close(ready_fd);
}

}  // namespace
}  // namespace ipseckey::ipsecd
