#include "ipsecd/clients/outbox.h"

#include <gmock/gmock.h>

#include <deque>
#include <vector>

namespace ipseckey::ipsecd {
namespace {

using Kind = Outbox::Kind;

std::vector<std::byte> message(std::size_t size, unsigned fill) { return {size, static_cast<std::byte>(fill)}; }

std::vector<std::byte> front(const Outbox& box) { return {box.front().begin(), box.front().end()}; }

TEST(Outbox, IsFirstInFirstOut) {
  Outbox box;
  EXPECT_TRUE(box.empty());
  box.put(message(16, 1), Kind::reply);
  box.put(message(24, 2), Kind::broadcast);
  EXPECT_EQ(box.size(), 2u);
  EXPECT_EQ(front(box), message(16, 1));
  box.pop();
  EXPECT_EQ(front(box), message(24, 2));
  box.pop();
  EXPECT_TRUE(box.empty());
}

TEST(Outbox, KeepsItsOrderWhileItGrowsAndMovesUp) {
  Outbox box;
  std::deque<std::vector<std::byte>> model;
  for (unsigned i = 0; i < 5000; ++i) {
    model.push_back(message(8 + i % 700 * 8, i));
    box.put(model.back(), Kind::broadcast);
    // Two in, one out, then one in, two out.
    for (unsigned out = i % 2 + (i > 2500 ? 1 : 0); out > 0 && !model.empty(); --out) {
      ASSERT_EQ(front(box), model.front()) << i;
      box.pop();
      model.pop_front();
    }
    ASSERT_EQ(box.size(), model.size());
  }
  for (; !model.empty(); model.pop_front(), box.pop()) ASSERT_EQ(front(box), model.front());
  EXPECT_TRUE(box.empty());
}

TEST(Outbox, BroadcastsAndRepliesHaveRoomOfTheirOwn) {
  Outbox box;
  while (box.has_room(Kind::broadcast)) box.put(message(16, 1), Kind::broadcast);
  EXPECT_EQ(box.size(), Outbox::kBroadcasts);
  EXPECT_TRUE(box.has_room(Kind::reply));
  EXPECT_FALSE(box.half_empty());
  while (box.has_room(Kind::reply)) box.put(message(16, 2), Kind::reply);
  EXPECT_EQ(box.size(), Outbox::kBroadcasts + Outbox::kReplies);
  for (std::size_t i = 0; i < Outbox::kBroadcasts / 2; ++i) {
    EXPECT_FALSE(box.half_empty());
    box.pop();
  }
  EXPECT_TRUE(box.half_empty());
  EXPECT_FALSE(box.has_room(Kind::reply));
  box.clear();
  EXPECT_TRUE(box.empty());
  EXPECT_TRUE(box.has_room(Kind::reply));
}

TEST(Outbox, BytesCountToo) {
  Outbox box;
  box.put(message(Outbox::kReplyBytes, 1), Kind::reply);
  EXPECT_FALSE(box.has_room(Kind::reply));
  EXPECT_TRUE(box.has_room(Kind::broadcast));
  box.put(message(Outbox::kBroadcastBytes, 2), Kind::broadcast);
  EXPECT_FALSE(box.has_room(Kind::broadcast));
  box.pop();
  EXPECT_TRUE(box.has_room(Kind::reply));
}

TEST(Outbox, APackIsAsManyMessagesAsFitButAtLeastOne) {
  Outbox box;
  box.put(message(100, 1), Kind::reply);
  box.put(message(60, 2), Kind::broadcast);
  box.put(message(40, 3), Kind::reply);
  const auto sizes = [&](std::size_t most) {
    const Outbox::Pack pack = box.pack(most);
    return std::pair(pack.wire.size(), pack.messages);
  };
  EXPECT_EQ(sizes(0), std::pair(std::size_t{100}, std::size_t{1}));
  EXPECT_EQ(sizes(159), std::pair(std::size_t{100}, std::size_t{1}));
  EXPECT_EQ(sizes(160), std::pair(std::size_t{160}, std::size_t{2}));
  EXPECT_EQ(sizes(1000), std::pair(std::size_t{200}, std::size_t{3}));
  const Bytes two = box.pack(160).wire;
  box.pop(2);
  EXPECT_TRUE(all_zero(two));
  EXPECT_EQ(front(box), message(40, 3));
  EXPECT_EQ(box.bytes(), 40u);
  EXPECT_TRUE(box.has_room(Kind::broadcast));
}

TEST(Outbox, WipesRemovedMessages) {
  Outbox box;
  box.put(message(64, 0xaa), Kind::reply);
  box.put(message(64, 0xbb), Kind::reply);
  const Bytes first = box.front();
  box.pop();
  // The buffer still exists, because it contains the second message.
  EXPECT_TRUE(all_zero(first));
  EXPECT_EQ(front(box), message(64, 0xbb));
}

}  // namespace
}  // namespace ipseckey::ipsecd
