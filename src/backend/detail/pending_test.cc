#include "backend/detail/pending.h"

#include <gmock/gmock.h>

#include <array>
#include <cerrno>

namespace ipseckey::backend {
namespace {

using pfkey::Message;
using pfkey::Type;
using ::testing::Eq;
using ::testing::Optional;

Message message(Type type, std::uint32_t seq, std::uint32_t pid = 42, std::uint8_t error = 0) {
  Message m;
  m.type = type, m.seq = seq, m.pid = pid, m.error = error;
  return m;
}

TEST(Pending, JoinsRepliesToRequestsInAnyOrder) {
  Pending pending;
  pending.sent(0, message(Type::add, 1));
  pending.sent(1, message(Type::get, 2));
  pending.sent(2, message(Type::flush, 3));
  EXPECT_THAT(pending.match(message(Type::flush, 3)), Optional(2u));
  EXPECT_THAT(pending.match(message(Type::add, 1, 42, EEXIST)), Optional(0u));
  EXPECT_FALSE(pending.empty());
  EXPECT_THAT(pending.match(message(Type::get, 2)), Optional(1u));
  EXPECT_TRUE(pending.empty());
}

TEST(Pending, LeavesMessagesThatAnswerNoRequest) {
  Pending pending;
  pending.sent(0, message(Type::add, 1));
  EXPECT_THAT(pending.match(message(Type::add, 2)), Eq(std::nullopt));      // Another seq.
  EXPECT_THAT(pending.match(message(Type::add, 1, 43)), Eq(std::nullopt));  // Another process.
  EXPECT_THAT(pending.match(message(Type::del, 1)), Eq(std::nullopt));      // Another type.
  EXPECT_THAT(pending.match(message(Type::dump, 0)), Eq(std::nullopt));     // Nobody's dump.
  EXPECT_THAT(pending.match(message(Type::add, 1)), Optional(0u));
  EXPECT_THAT(pending.match(message(Type::add, 1)), Eq(std::nullopt));  // Answered already.
}

TEST(Pending, AnErrorMayComeWithoutTheType) {
  Pending pending;
  pending.sent(5, message(Type{77}, 1));
  EXPECT_THAT(pending.match(message(Type::reserved, 1, 42, EINVAL)), Optional(5u));
  EXPECT_TRUE(pending.empty());
}

TEST(Pending, ADumpEndsWithSeqZeroOrAnError) {
  Pending pending;
  pending.sent(0, message(Type::dump, 1));
  pending.sent(1, message(Type::dump, 2));
  pending.sent(2, message(Type::dump, 3));
  EXPECT_THAT(pending.match(message(Type::dump, 1)), Optional(0u));
  EXPECT_THAT(pending.match(message(Type::dump, 1)), Optional(0u));
  EXPECT_THAT(pending.match(message(Type::dump, 0)), Optional(0u));  // The end of the first.
  EXPECT_THAT(pending.match(message(Type::dump, 1)), Eq(std::nullopt));
  EXPECT_THAT(pending.match(message(Type::dump, 2, 42, EINVAL)), Optional(1u));
  EXPECT_THAT(pending.match(message(Type::dump, 0, 43)), Eq(std::nullopt));  // Another process' dump.
  EXPECT_THAT(pending.match(message(Type::dump, 0)), Optional(2u));
  EXPECT_TRUE(pending.empty());
}

TEST(Pending, AnExtendedRegisterHasAReplyForEachType) {
  Pending pending;
  Message request = message(Type::reg, 1);
  request.extended_register = pfkey::ExtendedRegister{{2, 3, 0, 0}};
  pending.sent(0, request);
  EXPECT_THAT(pending.match(message(Type::reg, 1)), Optional(0u));
  EXPECT_FALSE(pending.empty());
  EXPECT_THAT(pending.match(message(Type::reg, 1)), Optional(0u));
  EXPECT_TRUE(pending.empty());
  pending.sent(1, request);
  EXPECT_THAT(pending.match(message(Type::reg, 1, 42, EBUSY)), Optional(1u));
  EXPECT_TRUE(pending.empty());
}

TEST(Pending, NobodyWaitsForAnAnswerToANotice) {
  Pending pending;
  pending.sent(0, message(Type::acquire, 1, 42, ESRCH));
  EXPECT_TRUE(pending.empty());
}

}  // namespace
}  // namespace ipseckey::backend
