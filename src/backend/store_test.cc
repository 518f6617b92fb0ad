#include "backend/store.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <array>
#include <filesystem>
#include <string>
#include <vector>

namespace ipseckey::backend {
namespace {

enum Sql : std::size_t { kPut, kAll };
constexpr std::array kSql = {"INSERT INTO small VALUES(?)", "SELECT n FROM small ORDER BY n"};

class StoreTest : public ::testing::Test {
 protected:
  StoreTest() {
    std::string pattern = ::testing::TempDir() + "store.XXXXXX";
    folder_ = ::mkdtemp(pattern.data());
  }
  ~StoreTest() override { std::filesystem::remove_all(folder_); }

  Store store() const {
    return Store(
        {folder_ / "small.db", "small numbers", "CREATE TABLE IF NOT EXISTS small(n INT CHECK(n < 10))", kSql});
  }
  static bool put(Store& store, std::uint64_t number) {
    Store::Statement insert = store.statement(kPut);
    insert.bind(number);
    return store.run(insert).has_value();
  }
  /// As another process sees it.
  std::vector<std::uint64_t> held() const {
    Store other = store();
    std::vector<std::uint64_t> numbers;
    if (!other.open(false).value()) return numbers;
    Store::Statement all = other.statement(kAll);
    while (all.step() == Store::Step::row) numbers.push_back(all.number(0));
    return numbers;
  }

  std::filesystem::path folder_;
};

using Numbers = std::vector<std::uint64_t>;

TEST_F(StoreTest, AChangeIsMadeWhenItIsCommitted) {
  Store store = this->store();
  ASSERT_TRUE(store.begin());
  EXPECT_TRUE(put(store, 1));
  EXPECT_TRUE(put(store, 2));
  EXPECT_EQ(held(), Numbers());
  EXPECT_TRUE(store.commit());
  EXPECT_EQ(held(), (Numbers{1, 2}));
}

TEST_F(StoreTest, AChangeThatFailsIsRolledBackEvenBeforeTheNext) {
  Store store = this->store();
  ASSERT_TRUE(store.begin());
  EXPECT_TRUE(put(store, 1));
  EXPECT_FALSE(put(store, 99));
  ASSERT_TRUE(store.begin());
  EXPECT_TRUE(put(store, 2));
  EXPECT_TRUE(store.commit());
  EXPECT_EQ(held(), Numbers{2});
}

}  // namespace
}  // namespace ipseckey::backend
