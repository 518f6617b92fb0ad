/// Which of netfilter's messages report changes by others.
#include "ipsecd/packets/nf_watch.h"

#include <gtest/gtest.h>

#include <vector>

#include "base/bytes.h"
#include "ipsecd/packets/nf_batch.h"

namespace ipseckey::ipsecd {
namespace {

constexpr std::uint32_t kOwn = 77, kOther = 78;

// A message about a table, as from that netlink socket.
std::vector<std::byte> about(std::string_view table, std::uint16_t type, std::uint32_t port) {
  NfBatch b;
  b.begin(type, Family::v4);
  b.text(NFTA_TABLE_NAME, table);
  b.number(NFTA_TABLE_FLAGS, 0);
  b.end();
  std::vector<std::byte> message = b.take();
  Writer(MutableBytes(message).subspan(12)).host(port);
  return message;
}

TEST(NfWatch, ChangesOfTheTableByOthersAreNews) {
  for (const std::uint16_t type :
       {NFT_MSG_NEWTABLE, NFT_MSG_DELTABLE, NFT_MSG_NEWCHAIN, NFT_MSG_DELCHAIN, NFT_MSG_NEWRULE, NFT_MSG_DELRULE}) {
    EXPECT_TRUE(tells_of_change(about("ipsecd-50", type, kOther), "ipsecd-50", kOwn)) << type;
    EXPECT_FALSE(tells_of_change(about("ipsecd-50", type, kOwn), "ipsecd-50", kOwn)) << type;
    EXPECT_FALSE(tells_of_change(about("ipsecd-5", type, kOther), "ipsecd-50", kOwn)) << type;
    EXPECT_FALSE(tells_of_change(about("ipsecd-500", type, kOther), "ipsecd-50", kOwn)) << type;
  }
  EXPECT_FALSE(tells_of_change(about("ipsecd-50", NFT_MSG_NEWGEN, kOther), "ipsecd-50", kOwn));
}

TEST(NfWatch, EachMessageOfADatagramCounts) {
  auto all = about("filter", NFT_MSG_DELTABLE, kOther);
  const auto second = about("ipsecd-50", NFT_MSG_DELTABLE, kOther);
  all.insert(all.end(), second.begin(), second.end());
  EXPECT_TRUE(tells_of_change(all, "ipsecd-50", kOwn));
  for (std::size_t size = 0; size < all.size() - 8; ++size)  // Cut off anywhere before the name's end.
    EXPECT_FALSE(tells_of_change(Bytes(all).first(size), "ipsecd-50", kOwn)) << size;
}

}  // namespace
}  // namespace ipseckey::ipsecd
