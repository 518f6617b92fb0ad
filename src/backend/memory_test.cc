#include "backend/memory.h"

#include <gmock/gmock.h>
#include <unistd.h>

#include <cerrno>

#include "backend/testing.h"
#include "engine/testing.h"

namespace ipseckey::backend {
namespace {

using engine::testing::add_esp;
using engine::testing::request;
using pfkey::Message;
using pfkey::SaType;
using pfkey::Type;
using ::testing::ElementsAre;
using ::testing::Pair;

// A clock that the test sets.
struct Fixture : ::testing::Test {
  Instant now = engine::testing::at(0);
  Memory memory{{}, [this] { return now; }};

  // Each reply as request, type, errno and seq.
  using Reply = std::tuple<std::size_t, Type, unsigned, std::uint32_t>;
  std::vector<Reply> call(std::vector<Message> requests) {
    std::vector<Reply> replies;
    for (std::size_t i = 0; i < requests.size(); ++i) requests[i].seq = static_cast<std::uint32_t>(i + 1);
    EXPECT_TRUE(
        memory.call(requests, [&](std::size_t i, Message&& m) { replies.emplace_back(i, m.type, m.error, m.seq); }));
    return replies;
  }
};

using MemoryBackend = Fixture;

std::vector<Message> list(auto... messages) {
  std::vector<Message> all;
  (all.push_back(std::move(messages)), ...);
  return all;
}

TEST_F(MemoryBackend, AnswersRequestsInOrder) {
  EXPECT_THAT(call(list(add_esp(0x1001), add_esp(0x1001), request(Type::get, SaType::esp, 0x1001))),
              ElementsAre(Reply{0, Type::add, 0, 1}, Reply{1, Type::add, EEXIST, 2}, Reply{2, Type::get, 0, 3}));
  EXPECT_EQ(memory.engine().size(), 1u);
  EXPECT_EQ(memory.name(), "memory");
}

TEST_F(MemoryBackend, ADumpGivesEachSaAndThenItsEnd) {
  EXPECT_THAT(call(list(request(Type::dump, SaType::esp))), ElementsAre(Reply{0, Type::dump, 0, 0}));
  EXPECT_THAT(
      call(list(add_esp(0x1001), add_esp(0x1002), request(Type::dump, SaType::esp), request(Type::flush, SaType::esp))),
      ElementsAre(Reply{0, Type::add, 0, 1}, Reply{1, Type::add, 0, 2}, Reply{2, Type::dump, 0, 3},
                  Reply{2, Type::dump, 0, 3}, Reply{2, Type::dump, 0, 0}, Reply{3, Type::flush, 0, 4}));
}

Message short_lived(std::uint32_t spi) {
  Message m = add_esp(spi);
  m.hard = pfkey::Lifetime{.addtime = 10};
  return m;
}

TEST_F(MemoryBackend, TimePassesBetweenCalls) {
  call(list(short_lived(0x1001)));
  EXPECT_EQ(memory.engine().size(), 1u);
  now = engine::testing::at(10);
  EXPECT_THAT(call(list(request(Type::get, SaType::esp, 0x1001))), ElementsAre(Reply{0, Type::get, ESRCH, 1}));
  EXPECT_EQ(memory.engine().size(), 0u);
}

TEST_F(MemoryBackend, ListenersReceiveWhatTimeCauses) {
  call(list(short_lived(0x1001)));
  std::vector<Type> heard;
  EXPECT_TRUE(testing::hear(memory, true, -1, [&](Message&& m) {
    heard.push_back(m.type);
    now = engine::testing::at(10);
    return m.type != Type::expire;
  }));
  EXPECT_THAT(heard, ElementsAre(Type::x_promisc, Type::expire));
}

TEST_F(MemoryBackend, ListeningEndsWhenItIsStopped) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  ::close(ends[1]);  // The end of a file makes the other end readable.
  std::vector<Type> heard;
  EXPECT_TRUE(testing::hear(memory, false, ends[0], [&](Message&& m) { return heard.push_back(m.type), true; }));
  EXPECT_THAT(heard, ElementsAre(Type::x_promisc));
  ::close(ends[0]);
}

TEST_F(MemoryBackend, AListenersDescriptorTellsWhenTimeDoesSomething) {
  std::vector<std::pair<Type, std::uint32_t>> heard;
  const auto sink = [&](Message&& m) { heard.emplace_back(m.type, m.sa ? m.sa->spi : 0); };
  const auto listener = memory.listen(true).value();
  EXPECT_TRUE(listener->next(sink));
  EXPECT_THAT(std::exchange(heard, {}), ElementsAre(Pair(Type::x_promisc, 0)));
  // Nothing has a lifetime: nothing can happen, and nothing does.
  call(list(add_esp(0x1001)));
  EXPECT_FALSE(testing::readable(listener->descriptor()));
  EXPECT_TRUE(listener->next(sink));
  EXPECT_THAT(heard, ElementsAre());
  // Calls continue beside it, and what they change counts. The clock does not move, so the timer is armed from where it
  // is.
  call(list(short_lived(0x1002)));
  EXPECT_FALSE(testing::readable(listener->descriptor()));
  now = engine::testing::at(10);
  call(list(request(Type::get, SaType::esp, 0x1001)));
  EXPECT_TRUE(testing::readable(listener->descriptor(), testing::kDeadline));
  EXPECT_TRUE(listener->next(sink));
  EXPECT_THAT(std::exchange(heard, {}), ElementsAre(Pair(Type::expire, 0x1002)));
  EXPECT_FALSE(testing::readable(listener->descriptor()));
  // A deadline that is near on the clock is near in truth.
  Message soon = short_lived(0x1003);
  soon.hard = pfkey::Lifetime{.addtime = 1};
  call(list(std::move(soon)));
  EXPECT_TRUE(testing::readable(listener->descriptor(), testing::kDeadline));
  // Once it has ended, nothing is heard, and the next one begins afresh.
  now = engine::testing::at(11);
  EXPECT_TRUE(listener->end());
  EXPECT_EQ(listener->descriptor(), -1);
  EXPECT_TRUE(listener->next(sink));
  EXPECT_THAT(heard, ElementsAre());
  EXPECT_TRUE(testing::hear(memory, false, -1, [&](Message&& m) { return sink(std::move(m)), false; }));
  EXPECT_THAT(heard, ElementsAre(Pair(Type::x_promisc, 0)));
}

}  // namespace
}  // namespace ipseckey::backend
