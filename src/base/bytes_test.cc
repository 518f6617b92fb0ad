#include "base/bytes.h"

#include <gmock/gmock.h>

#include <vector>

namespace ipseckey {

namespace {

using testing::ElementsAre;

std::vector<std::byte> octets(std::initializer_list<unsigned> values) {
  std::vector<std::byte> out;
  for (const unsigned v : values) out.push_back(static_cast<std::byte>(v));
  return out;
}

TEST(BigEndian, PutsTheMostSignificantOctetFirst) {
  const auto raw = std::bit_cast<std::array<std::uint8_t, 4>>(big_endian(std::uint32_t{0x01020304}));
  EXPECT_THAT(raw, ElementsAre(1, 2, 3, 4));
  EXPECT_EQ(big_endian(big_endian(std::uint64_t{0x0102030405060708})), 0x0102030405060708u);
  EXPECT_EQ(big_endian(std::uint8_t{7}), 7);
}

TEST(Reader, TakesFieldsOffTheFront) {
  const auto in = octets({7, 0x12, 0x34, 0xaa, 0xbb, 0xff, 0x99});
  Reader reader(in);
  std::uint8_t byte = 0;
  std::uint16_t number = 0;
  std::array<std::byte, 2> raw{};
  reader.host(byte);
  reader.net(number);
  reader.bytes(raw);
  reader.pad(1);
  EXPECT_EQ(byte, 7);
  EXPECT_EQ(number, 0x1234);
  EXPECT_THAT(raw, ElementsAre(std::byte{0xaa}, std::byte{0xbb}));
  EXPECT_EQ(reader.remaining(), 1u);
  EXPECT_TRUE(reader.ok());
}

TEST(Reader, HostOrderIsTheMemorysOrder) {
  const std::uint32_t value = 0x01020304;
  Reader reader(std::as_bytes(std::span(&value, 1)));
  std::uint32_t read = 0;
  reader.host(read);
  EXPECT_EQ(read, value);
}

TEST(Reader, EveryTruncationFailsAndLeavesZero) {
  const auto whole = octets({1, 2, 3, 4, 5, 6, 7});
  for (std::size_t size = 0; size < whole.size(); ++size) {
    Reader reader(Bytes(whole).first(size));
    std::uint8_t a = 0xff;
    std::uint16_t b = 0xffff;
    std::uint32_t c = 0xffffffff;
    reader.host(a);
    reader.net(b);
    reader.net(c);
    EXPECT_FALSE(reader.ok()) << size;
    EXPECT_EQ(reader.remaining(), 0u) << size;
    EXPECT_EQ(a, size >= 1 ? 1 : 0) << size;
    EXPECT_EQ(b, size >= 3 ? 0x0203 : 0) << size;
    EXPECT_EQ(c, 0u) << size;
  }
}

TEST(Reader, FailureSticks) {
  const auto in = octets({1, 2, 3, 4});
  Reader reader(in);
  EXPECT_TRUE(reader.take(5).empty());
  std::uint8_t byte = 0xff;
  reader.host(byte);
  EXPECT_EQ(byte, 0);
  EXPECT_FALSE(reader.ok());
}

TEST(Reader, AnEmptyTakeFromNothingSucceeds) {
  Reader reader(Bytes{});
  EXPECT_TRUE(reader.take(0).empty());
  EXPECT_TRUE(reader.ok());
}

TEST(Writer, AppendsFieldsAndCountsThem) {
  std::array<std::byte, 8> buffer;
  buffer.fill(std::byte{0xee});
  Writer writer(buffer);
  writer.host(std::uint8_t{7});
  writer.net(std::uint16_t{0x1234});
  writer.bytes(octets({0xaa, 0xbb}));
  writer.pad(2);
  EXPECT_TRUE(writer.ok());
  EXPECT_EQ(writer.size(), 7u);
  EXPECT_THAT(std::vector(buffer.begin(), buffer.end()), octets({7, 0x12, 0x34, 0xaa, 0xbb, 0, 0, 0xee}));
}

TEST(Writer, PatchOverwritesAnEarlierField) {
  std::array<std::byte, 4> buffer{};
  Writer writer(buffer);
  writer.pad(4);
  writer.patch(1, std::uint8_t{9});
  EXPECT_THAT(std::vector(buffer.begin(), buffer.end()), octets({0, 9, 0, 0}));
  EXPECT_EQ(writer.size(), 4u);
}

TEST(Writer, EveryShortBufferFailsAndNothingIsWrittenBeyondIt) {
  for (std::size_t size = 0; size < 7; ++size) {
    std::array<std::byte, 8> buffer;
    buffer.fill(std::byte{0xee});
    Writer writer(MutableBytes(buffer).first(size));
    writer.host(std::uint8_t{1});
    writer.net(std::uint16_t{2});
    writer.net(std::uint32_t{3});
    writer.patch(0, std::uint8_t{9});
    EXPECT_FALSE(writer.ok()) << size;
    for (std::size_t i = size; i < buffer.size(); ++i) EXPECT_EQ(buffer[i], std::byte{0xee}) << size;
  }
}

TEST(Writer, FailureSticksEvenForFieldsThatWouldFit) {
  std::array<std::byte, 2> buffer{};
  Writer writer(buffer);
  writer.net(std::uint32_t{0xffffffff});
  writer.host(std::uint8_t{1});
  EXPECT_FALSE(writer.ok());
  EXPECT_EQ(writer.size(), 0u);
  EXPECT_THAT(std::vector(buffer.begin(), buffer.end()), octets({0, 0}));
}

}  // namespace

}  // namespace ipseckey
