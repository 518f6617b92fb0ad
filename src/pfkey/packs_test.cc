#include "pfkey/packs.h"

#include <gmock/gmock.h>

#include <vector>

#include "pfkey/codec.h"

namespace ipseckey::pfkey {
namespace {

std::vector<std::byte> header(unsigned units) {
  std::vector<std::byte> wire(kHeaderSize);
  encode(Message(), wire).value();
  wire[4] = static_cast<std::byte>(units & 0xff), wire[5] = static_cast<std::byte>(units >> 8);
  return wire;
}

TEST(Packs, TheFirstMessageIsAsLongAsItsHeaderSaysIfThatCanBe) {
  for (const auto& [units, room, size] : {std::tuple{2u, 16u, 16u},
                                          {2u, 40u, 16u},
                                          {5u, 40u, 40u},
                                          {6u, 40u, 40u},  // Runs past the end.
                                          {0xffffu, 40u, 40u},
                                          {0u, 40u, 40u},  // Shorter than a header.
                                          {1u, 40u, 40u}}) {
    auto wire = header(units);
    wire.resize(room);
    EXPECT_EQ(packs::first_size(wire), size) << units << ' ' << room;
  }
  const auto wire = header(2);
  for (std::size_t cut = 0; cut < wire.size(); ++cut) EXPECT_EQ(packs::first_size(Bytes(wire).first(cut)), cut);
}

TEST(Packs, AMarkIsTheReservedFieldOfAWholeHeader) {
  auto wire = header(2);
  EXPECT_EQ(packs::mark_of(wire), 0);
  packs::set_mark(wire, packs::kClient);
  EXPECT_EQ(packs::mark_of(wire), packs::kClient);
  EXPECT_EQ(decode(wire).value().diagnostic, packs::kClient);
  for (std::size_t cut = 0; cut < wire.size(); ++cut) EXPECT_EQ(packs::mark_of(Bytes(wire).first(cut)), 0);
}

}  // namespace
}  // namespace ipseckey::pfkey
