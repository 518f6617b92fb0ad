// A table with the largest number of rows: the 65th is treated like the first.
#include <gmock/gmock.h>

#include <algorithm>
#include <array>
#include <string>
#include <utility>

#include "table/completion.h"
#include "table/pairs.h"
#include "table/record.h"

namespace ipseckey {
namespace {

template <std::size_t row>
struct Member {
  std::optional<table::Flag> flag;
  bool operator==(const Member&) const = default;
};

template <class Rows>
struct Flags;
template <std::size_t... row>
struct Flags<std::index_sequence<row...>> : Member<row>... {
  bool operator==(const Flags&) const = default;
};
using Record = Flags<std::make_index_sequence<table::kMostRows>>;

template <class T>
struct Syntax;
template <>
struct Syntax<table::Flag> {
  static constexpr std::size_t kWords = 0;
  static constexpr bool kSecret = false;
  static constexpr std::string_view kMetavar = "";
  static table::Value<table::Flag> read(table::Words, table::ReadContext&) { return table::Flag{}; }
  static void write(table::Flag, bool, std::string&) {}
};

using Slot = table::Slot<Record, table::Flag>;
struct Row : table::Row {
  Slot slot;
};

// "r000", "r001" ...
constexpr auto kNames = [] {
  std::array<std::array<char, 4>, table::kMostRows> names{};
  for (std::size_t i = 0; i < names.size(); ++i)
    names[i] = {'r', static_cast<char>('0' + i / 100), static_cast<char>('0' + i / 10 % 10),
                static_cast<char>('0' + i % 10)};
  return names;
}();
constexpr std::string_view name_of(std::size_t row) { return {kNames[row].data(), kNames[row].size()}; }

constexpr table::Uses kEntry = 1;

template <std::size_t row>
constexpr Row row_of() {
  constexpr std::optional<table::Flag> Record::* kMember = &Member<row>::flag;
  return {{name_of(row), "", "A flag.", &table::kKind<Syntax, table::Flag>, kEntry, kEntry}, Slot(kMember)};
}
constexpr auto kRows = []<std::size_t... row>(std::index_sequence<row...>) {
  return std::array{row_of<row>()...};
}(std::make_index_sequence<table::kMostRows>());
using Index = table::Index<kRows>;
constexpr table::Table kTable = Index::table();

constexpr table::Language kLanguage = {
    .table = kTable,
    .noun = "flag",
    .a_noun = "a flag",
    .known = [] { return std::span<const std::string_view>(); },
    .is_head = [](std::string_view) { return false; },
    .why_never = "",
    .passes_over = 0,
    .comments = "",
    .no_zone = "",
};

// The names that a text gave, and its faults.
std::string parsed(const std::string& text, Record& record) {
  static const table::Names kNone = {{},
                                     [](const std::string&) { return std::optional<std::uint8_t>(); },
                                     [](const std::string&) { return std::optional<std::uint16_t>(); }};
  const table::Entry entry{"all", kEntry};
  table::Pairs pairs(kLanguage, kNone);
  EXPECT_TRUE(pairs.begin(text));
  pairs.read(entry, [&](const table::Row& row, table::Words words, table::ReadContext& read, bool keep) {
    return table::read_value<Syntax>(static_cast<const Row&>(row).slot, words, read, keep, record);
  });
  pairs.require(entry, Index::required(kEntry));
  std::string said = table::names_of(kTable, pairs.given());
  for (const table::Fault& fault : pairs.faults()) said += "; " + fault.message;
  return said;
}

std::string all_but(std::size_t left_out) {
  std::string text;
  for (std::size_t row = 0; row < table::kMostRows; ++row)
    if (row != left_out) text.append(text.empty() ? "" : " ").append(name_of(row));
  return text;
}

std::string with_commas(std::string text) {
  for (std::size_t at = 0; (at = text.find(' ', at)) != std::string::npos; at += 2) text.replace(at, 1, ", ");
  return text;
}

TEST(ManyRows, TheOneThatIsMissingIsNamed) {
  static_assert(table::kMostRows > 65);
  for (std::size_t row = 0; row < table::kMostRows; ++row) {
    Record record;
    const std::string text = all_but(row);
    EXPECT_EQ(parsed(text, record), with_commas(text) + "; all needs " + std::string(name_of(row)));
    EXPECT_FALSE(table::has_value(kRows[row].slot, record));
  }
}

TEST(ManyRows, TheOneThatDiffersIsFound) {
  Record whole;
  EXPECT_EQ(parsed(all_but(table::kMostRows), whole), with_commas(all_but(table::kMostRows)));
  for (std::size_t row = 0; row < table::kMostRows; ++row) {
    Record lacking;
    parsed(all_but(row), lacking);
    EXPECT_EQ(table::names_of(kTable, table::differences(kRows, whole, lacking)), name_of(row));
  }
}

TEST(ManyRows, TheOneThatIsLeftIsOffered) {
  for (std::size_t row = 0; row < table::kMostRows; ++row) {
    const std::string text = all_but(row) + " ";
    const table::Unfinished unfinished = table::unfinished(text);
    table::Offers offers{"", false};
    offer_names(kTable, kEntry, end_of_pairs(kTable, unfinished.words).given, offers);
    EXPECT_THAT(offers.words, testing::ElementsAre(name_of(row)));
  }
}

TEST(ManyRows, TheSecondOfTwoIsAFault) {
  for (const std::size_t row : {std::size_t{0}, std::size_t{63}, std::size_t{64}, table::kMostRows - 1}) {
    Record record;
    const std::string name(name_of(row)), text = all_but(table::kMostRows);
    EXPECT_EQ(parsed(text + " " + name, record), with_commas(text) + "; Can only specify single " + name);
  }
}

TEST(ManyRows, SetsAreOfRows) {
  using table::RowSet;
  for (std::size_t a = 0; a < table::kMostRows; ++a)
    for (std::size_t b = 0; b < table::kMostRows; ++b) {
      const RowSet both = RowSet::of(a) | RowSet::of(b);
      EXPECT_TRUE(both.has(a) && both.has(b) && both.meets(RowSet::of(a)));
      EXPECT_EQ(RowSet::of(a).has(b), a == b);
      EXPECT_EQ((RowSet::of(a) & RowSet::of(b)).empty(), a != b);
      EXPECT_EQ((both & ~RowSet::of(a)).has(b), a != b);
      EXPECT_NE((~both).has(a), true);
    }
  EXPECT_EQ(RowSet::all(), ~RowSet());
  EXPECT_TRUE(RowSet().empty());
}

}  // namespace
}  // namespace ipseckey
