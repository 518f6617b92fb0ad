#include "apply/owner_rows.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sqlite3.h>
#include <stdlib.h>

#include <filesystem>
#include <string>
#include <vector>

namespace ipseckey::apply {
namespace {

backend::SadbPlace named(std::string name, backend::SadbProcess process = {}, std::string boot = "this boot") {
  return {std::move(name), "", process, std::move(boot)};
}

backend::SaName sa(std::uint32_t spi) { return {pfkey::SaType::esp, spi, *parse_address("192.0.2.1"), 0}; }

class OwnerRowsTest : public ::testing::Test {
 protected:
  OwnerRowsTest() {
    std::string pattern = ::testing::TempDir() + "owned.XXXXXX";
    folder_ = ::mkdtemp(pattern.data());
  }
  ~OwnerRowsTest() override { std::filesystem::remove_all(folder_); }

  OwnerRows owned() const { return OwnerRows(folder_ / "owned.db"); }
  /// The steps of an apply.
  void put(const backend::SadbPlace& place, std::uint32_t spi) const {
    OwnerRows rows = owned();
    ASSERT_TRUE(rows.prune(place, lives));
    ASSERT_TRUE(rows.put({place.name, "/keys", false}, {{sa(spi), 1000}}));
  }
  std::size_t rows_of(const std::string& sadb) const {
    const auto found = owned().read({sadb, "/keys", false});
    return found ? found->mine.size() : 999;
  }

  static bool lives(const backend::SadbProcess&) { return false; }
  static bool even_have_ended(const backend::SadbProcess& process) { return process.pid % 2 == 0; }

  std::filesystem::path folder_;
};

TEST_F(OwnerRowsTest, RowsOfAnotherBootGo) {
  put(named("ipsecd:/a"), 1);
  put(named("kernel:5:6"), 2);
  put(named("ipsecd:/a", {}, ""), 3);
  EXPECT_EQ(rows_of("ipsecd:/a"), 2u) << "an unknown boot is not another one";
  EXPECT_TRUE(owned().prune(named("ipsecd:/b", {}, "next boot")));
  EXPECT_EQ(rows_of("ipsecd:/a"), 0u);
  EXPECT_EQ(rows_of("kernel:5:6"), 0u);
  put(named("ipsecd:/b", {}, "next boot"), 4);
  EXPECT_EQ(rows_of("ipsecd:/b"), 1u) << "and those of the next one stay";
}

TEST_F(OwnerRowsTest, RowsOfANamespaceGoWhenAnotherHasItsNumber) {
  put(backend::kernel_place(5, 60), 1);
  put(backend::kernel_place(50, 61), 2);
  put(backend::kernel_place(5, 60), 3);
  EXPECT_EQ(rows_of("kernel:5:60"), 2u);
  put(backend::kernel_place(5, 62), 4);
  EXPECT_EQ(rows_of("kernel:5:60"), 0u);
  EXPECT_EQ(rows_of("kernel:50:61"), 1u) << "it is unknown whether that one is gone";
  EXPECT_EQ(rows_of("kernel:5:62"), 1u);
}

TEST_F(OwnerRowsTest, RowsOfAnIpsecdGoWithItsProcess) {
  put(named("ipsecd:/dead", {10, 1, 1}), 1);
  put(named("ipsecd:/alive", {11, 1, 1}), 2);
  put(named("ipsecd:/keeps"), 3);
  EXPECT_TRUE(owned().prune(named("ipsecd:/here", {13, 1, 1}), even_have_ended));
  EXPECT_EQ(rows_of("ipsecd:/dead"), 0u);
  EXPECT_EQ(rows_of("ipsecd:/alive"), 1u);
  EXPECT_EQ(rows_of("ipsecd:/keeps"), 1u);
}

TEST_F(OwnerRowsTest, AnotherProcessAtTheSamePathIsAnotherSadb) {
  put(named("ipsecd:/a", {10, 1, 1}), 1);
  EXPECT_TRUE(owned().prune(named("ipsecd:/a", {10, 1, 1}), even_have_ended));
  EXPECT_EQ(rows_of("ipsecd:/a"), 1u) << "it answers, so it lives";
  EXPECT_TRUE(owned().prune(named("ipsecd:/a", {11, 1, 1}), even_have_ended));
  EXPECT_EQ(rows_of("ipsecd:/a"), 0u);
}

// The same path in two mount namespaces: whichever ends, the rows of the other one must stay.
TEST_F(OwnerRowsTest, RowsOfTwoThatLiveAtOnePathStay) {
  put(named("ipsecd:/a", {11, 1, 1}), 1);
  put(named("ipsecd:/a", {13, 1, 1}), 2);
  for (const backend::SadbProcess& next : {backend::SadbProcess{15, 1, 1}, {10, 1, 1}, {17, 1, 1}})
    EXPECT_TRUE(owned().prune(named("ipsecd:/a", next), even_have_ended));
  EXPECT_EQ(rows_of("ipsecd:/a"), 2u);
}

TEST_F(OwnerRowsTest, AFileWithOtherTablesIsAnError) {
  sqlite3* file = nullptr;
  ASSERT_EQ(sqlite3_open((folder_ / "owned.db").c_str(), &file), SQLITE_OK);
  EXPECT_EQ(sqlite3_exec(file, "CREATE TABLE process(sadb TEXT)", nullptr, nullptr, nullptr), SQLITE_OK);
  sqlite3_close(file);
  EXPECT_FALSE(owned().prune(named("ipsecd:/a")));
}

TEST_F(OwnerRowsTest, WhatAnEarlierReleaseCalledItIsRenamed) {
  put(named("kernel:5"), 1);
  EXPECT_TRUE(owned().prune(backend::kernel_place(5, 60)));
  EXPECT_EQ(rows_of("kernel:5"), 0u);
  EXPECT_EQ(rows_of("kernel:5:60"), 1u);
}

}  // namespace
}  // namespace ipseckey::apply
