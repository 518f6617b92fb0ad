#include "pfkey/units.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <time.h>

#include "base/hex.h"
#include "pfkey/lines.h"
#include "pfkey/test_samples.h"

namespace ipseckey::pfkey {
namespace {

struct Row {
  std::uint64_t value;
  std::string_view text;
};

TEST(Units, Sizes) {
  constexpr Row rows[] = {
      {0, "0 bytes"},
      {1, "1 byte"},
      {1023, "1023 bytes"},
      {1024, "1.00 KiB"},
      {1536, "1.50 KiB"},
      {16000000, "15.26 MiB"},
      {1048570, "1023.99 KiB"},
      {1048575, "1.00 MiB"},
      {209715200, "200.00 MiB"},
      {std::uint64_t{1} << 30, "1.00 GiB"},
      {std::uint64_t{1} << 40, "1.00 TiB"},
      {std::uint64_t{1} << 50, "1.00 PiB"},
      {UINT64_MAX, "16.00 EiB"},
  };
  for (const Row& row : rows) EXPECT_EQ(size_text(row.value), row.text) << row.value;
}

TEST(Units, Durations) {
  constexpr Row rows[] = {
      {0, "0 seconds"},     {1, "1 second"},         {59, "59 seconds"},    {60, "1.00 minute"},
      {90, "1.50 minutes"}, {3599, "59.98 minutes"}, {3600, "1.00 hour"},   {28800, "8.00 hours"},
      {86399, "1.00 day"},  {86400, "1.00 day"},     {172800, "2.00 days"}, {UINT64_MAX, "213503982334601.28 days"},
  };
  for (const Row& row : rows) EXPECT_EQ(duration_text(row.value), row.text) << row.value;
}

class Zone {
 public:
  explicit Zone(const char* name) {
    setenv("TZ", name, 1);
    tzset();
  }
  ~Zone() {
    unsetenv("TZ");
    tzset();
  }
};

TEST(Units, TimesAreLocal) {
  {
    const Zone utc("UTC0");
    EXPECT_EQ(local_time_text(1795230245), "2026-11-21 03:04:05 UTC");
    EXPECT_EQ(local_time_text(0), "1970-01-01 00:00:00 UTC");
  }
  const Zone east("CET-1CEST,M3.5.0,M10.5.0/3");
  EXPECT_EQ(local_time_text(1795230245), "2026-11-21 04:04:05 CET");
  EXPECT_EQ(local_time_text(1782018245), "2026-06-21 07:04:05 CEST");
}

TEST(Units, TimesBeyondTheCalendarStayNumbers) {
  EXPECT_EQ(local_time_text(UINT64_MAX), "18446744073709551615 seconds after 1970");
  EXPECT_EQ(local_time_text(INT64_MAX), "9223372036854775807 seconds after 1970");
}

TEST(Escaped, NothingSteersATerminal) {
  EXPECT_EQ(escaped("east.example.com"), "east.example.com");
  EXPECT_EQ(escaped("a b~"), "a b~");
  EXPECT_EQ(escaped("\x1b]0;x\a\r\n\t\x7f"), "\\x1b]0;x\\x07\\x0d\\x0a\\x09\\x7f");
  EXPECT_EQ(escaped("\xc2\x9b\xff"), "\\xc2\\x9b\\xff");
  EXPECT_EQ(in_quotes("say \"no\\yes\""), "\"say \\\"no\\\\yes\\\"\"");
}

TEST(Lines, HexIsLowerCaseAndHidesOnDemand) {
  SecretText out;
  append_hex(out, samples::hex("00 09 0a 0f 10 7f 80 9a a9 f0 ff"));
  EXPECT_EQ(out, "00090a0f107f809aa9f0ff");
  out.clear();
  Lines(out).hex(samples::hex("deadbeef"), true);
  EXPECT_EQ(out, "XXXXXXXX");
}

TEST(Lines, AlignTheirValues) {
  SecretText out = "before\n";
  Lines lines(out);
  lines.line("mode", "transport");
  lines.line("", "more");
  lines.line("a longer label", "value");
  EXPECT_EQ(out,
            "before\n"
            "  mode      transport\n"
            "            more\n"
            "  a longer label value\n");
}

}  // namespace
}  // namespace ipseckey::pfkey
