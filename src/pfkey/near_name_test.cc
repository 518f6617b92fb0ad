#include "pfkey/near_name.h"

#include <gtest/gtest.h>

#include <cerrno>

#include "pfkey/diagnostics.h"

namespace ipseckey::pfkey {
namespace {

constexpr Mark kMark{0x10, 0xff};

Message sa(SaType satype, std::string_view src, std::optional<Mark> mark = {}) {
  Message m;
  m.satype = satype, m.mark = mark;
  if (!src.empty()) m.src = Endpoint{.address = *parse_address(src)};
  return m;
}

TEST(NearName, TheTextNamesEveryWordThatDiffers) {
  struct Row {
    Message request, there;
    const char *by_mark, *without;
    std::optional<NamePart> part;
  };
  using enum SaType;
  const auto a = [](auto... words) { return sa(esp, words...); };
  const std::array rows = {
      Row{a("192.0.2.1"), a("192.0.2.1"), "", "", {}},
      Row{a(""), a("192.0.2.1"), "", "", {}},
      Row{a("0.0.0.0"), a("192.0.2.1"), "", "", {}},
      Row{a("192.0.2.9"), a("0.0.0.0"), "", "", {}},
      Row{a("192.0.2.9"), a("192.0.2.1"), "there is one with src 192.0.2.1", "there is one with src 192.0.2.1",
          NamePart::src},
      Row{a("192.0.2.9"), a("2001:db8::1"), "there is one with src 2001:db8::1", "there is one with src 2001:db8::1",
          NamePart::src},
      Row{a(""), a("192.0.2.1", kMark), "there is one with mark 0x10/0xff", "", NamePart::mark},
      Row{a("", Mark{1, 1}), a("192.0.2.1", Mark{7, UINT32_MAX}), "there is one with mark 0x7", "", NamePart::mark},
      Row{a("", kMark), a("192.0.2.1"), "there is one with no mark", "", NamePart::mark},
      Row{a("", Mark{0x10, 0x10}), a("192.0.2.1", kMark), "", "", {}},
      Row{a(""), sa(ah, "192.0.2.1"), "there is one with SA type ah", "there is one with SA type ah", NamePart::satype},
      Row{a("192.0.2.9", kMark), sa(ah, "192.0.2.1"), "there is one with SA type ah and src 192.0.2.1 and no mark",
          "there is one with SA type ah and src 192.0.2.1", NamePart::satype},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.by_mark);
    EXPECT_EQ(near_name_text(row.request, row.there, true), row.by_mark);
    EXPECT_EQ(near_name_text(row.request, row.there, false), row.without);
    Message refusal;
    refusal.error = ESRCH, refusal.diagnostic = static_cast<std::uint16_t>(Diagnostic::sa_notfound);
    if (*row.by_mark) refusal.remark = Remark{row.by_mark};
    EXPECT_EQ(differing_part(refusal), row.part);
  }
}

TEST(NearName, OnlyARefusalOfThatKindIsAboutAWord) {
  Message m;
  m.remark = Remark{"there is one with src 192.0.2.1"};
  EXPECT_EQ(differing_part(m), std::nullopt);
  m.error = ESRCH, m.diagnostic = static_cast<std::uint16_t>(Diagnostic::pair_sa_notfound);
  EXPECT_EQ(differing_part(m), std::nullopt);
  m.diagnostic = static_cast<std::uint16_t>(Diagnostic::sa_notfound);
  EXPECT_EQ(differing_part(m), NamePart::src);
  m.remark = Remark{"the kernel says: no src"};
  EXPECT_EQ(differing_part(m), std::nullopt);
}

}  // namespace
}  // namespace ipseckey::pfkey
