#include "base/cast.h"

#include <gtest/gtest.h>

#include <array>
#include <new>
#include <utility>

namespace ipseckey {

namespace {

TEST(Cast, OctetsAndConstAreKept) {
  std::array<std::byte, 2> octets{std::byte{'h'}, std::byte{'i'}};
  static_assert(std::is_same_v<decltype(octets_as<char>(octets.data())), char*>);
  static_assert(std::is_same_v<decltype(octets_as<unsigned char>(std::as_const(octets).data())), const unsigned char*>);
  EXPECT_EQ(octets_as<char>(octets.data())[1], 'i');
  *octets_as<unsigned char>(octets.data()) = 'H';
  EXPECT_EQ(chars_of(octets), "Hi");
  EXPECT_EQ(chars_of({}), "");
}

struct General {
  std::uint16_t kind;
};
struct Special {
  std::uint16_t kind;
  std::uint32_t more;
};

TEST(Cast, AStructureIsPassedAsItsGeneralKind) {
  Special special{1, 2};
  static_assert(std::is_same_v<decltype(interface_cast<General>(&special)), General*>);
  static_assert(std::is_same_v<decltype(interface_cast<General>(&std::as_const(special))), const General*>);
  EXPECT_EQ(static_cast<void*>(interface_cast<General>(&special)), static_cast<void*>(&special));
}

TEST(Cast, AnObjectIsFoundWhereItWasConstructed) {
  alignas(Special) std::array<std::byte, 2 * sizeof(Special)> memory{};
  new (memory.data() + sizeof(Special)) Special{7, 8};
  EXPECT_EQ(object_at<Special>(memory.data() + sizeof(Special))->more, 8u);
}

// A type that is not an octet qualifies for none of these.
template <class To, class From>
concept AsOctets = requires(From* from) { octets_as<To>(from); };
static_assert(AsOctets<char, std::byte> && !AsOctets<char, int> && !AsOctets<int, std::byte>);
template <class O>
concept HoldsObjects = requires(O* memory) { object_at<Special>(memory); };
static_assert(HoldsObjects<std::byte> && !HoldsObjects<const std::byte> && !HoldsObjects<Special>);

}  // namespace

}  // namespace ipseckey
