// The examples of the four manual pages that are the contract, as they are printed there.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include "lang/lines.h"
#include "lang/testing.h"

namespace ipseckey::lang {
namespace {

using lang::testing::run;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::ElementsAreArray;

// Solaris 9, examples 7, 8, 10 and 11: continued lines without a backslash.
constexpr std::string_view kSolaris9 = R"(add ah spi 0x90125 src me.domain.com dst you.domain.com
          authalg md5 authkey 1234567890abcdef1234567890abcdef
update ah spi 0x90125 dst you.domain.com hard_bytes
          16000000
exit
add ah spi 0x2112 src you.domain.com dst me.domain.com
          authalg md5 authkey bde359723576fdea08e56cbe876e24ad
          hard_bytes 16000000
exit
# This is a sample file for flushing out the ESP table and
# adding a pair of SAs.

flush esp

### Watch out!  I have keying material in this file.  See the
### SECURITY CONSIDERATIONS section in this manual page for why this can be
### dangerous .

add esp spi 0x2112 src me.domain.com dst you.domain.com
    authalg md5 authkey bde359723576fdea08e56cbe876e24ad
    encralg des encrkey be02938e7def2839 hard_usetime 28800
add esp spi 0x5150 src you.domain.com dst me.domain.com
    authalg md5 authkey 930987dbe09743ade09d92b4097d9e93
    encralg des encrkey 8bd4a52e10127deb hard_usetime 28800

## End of file  -  This is a gratuitous comment
add esp spi 0x6789 src6 fec0:bbbb::4483 dst6 fec0:bbbb::7843
          authalg md5 authkey bde359723576fdea08e56cbe876e24ad
          encralg des encrkey be02938e7def2839 hard_usetime 28800
exit
)";

// illumos, the same examples and the pair: backslashes, one of them glued to an address.
constexpr std::string_view kIllumos = R"(add ah spi 0x90125 src me.example.com dst you.example.com \
authalg md5 authkey 1234567890abcdef1234567890abcdef
update ah spi 0x90125 dst you.example.com hard_bytes \
16000000
exit
add esp spi 0x2345 src me.example.com dst you.example.com \
authalg md5 authkey bde359723576fdea08e56cbe876e24ad \
encralg des encrkey be02938e7def2839
add esp spi 0x5432 src me.example.com dst you.example.com \
authalg md5 authkey bde359723576fdea08e56cbe876e24ad \
encralg des encrkey be02938e7def2839 pair-spi 0x2345
exit
add ah spi 0x2112 src you.example.com dst me.example.com \
authalg md5 authkey bde359723576fdea08e56cbe876e24ad \
hard_bytes 16000000
exit
# This is a sample file for flushing out the ESP table and
# adding a pair of SAs.

flush esp

### Watch out! I have keying material in this file. See the
### SECURITY section in this manual page for why this can be
### dangerous .

add esp spi 0x2112 src me.example.com dst you.example.com \
authalg md5 authkey bde359723576fdea08e56cbe876e24ad \
encralg des encrkey be02938e7def2839 hard_usetime 28800
add esp spi 0x5150 src you.example.com dst me.example.com \
authalg md5 authkey 930987dbe09743ade09d92b4097d9e93 \
encralg des encrkey 8bd4a52e10127deb hard_usetime 28800

## End of file - This is a gratuitous comment
add esp spi 0x6789 src6 fec0:bbbb::4483 dst6 fec0:bbbb::7843\
authalg md5 authkey bde359723576fdea08e56cbe876e24ad \
encralg des encrkey be02938e7def2839 hard_usetime 28800
exit
update esp spi 0x123456 dst 192.168.99.2 \
pair-spi 0x654321
)";

// OpenSolaris: our copy of the page has lost its line breaks, so each command is one line.
constexpr std::string_view kOpenSolaris =
    R"(add ah spi 0x90125 src me.domain.com dst you.domain.com authalg md5 authkey 1234567890abcdef1234567890abcdef
update ah spi 0x90125 dst you.domain.com hard_bytes 16000000
exit
add esp spi 0x2345 src me.domain.com dst you.domain.com authalg md5 authkey bde359723576fdea08e56cbe876e24ad encralg des encrkey be02938e7def2839
add esp spi 0x5432 src me.domain.com dst you.domain.com authalg md5 authkey bde359723576fdea08e56cbe876e24ad encralg des encrkey be02938e7def2839 pair-spi 0x2345
add ah spi 0x2112 src you.domain.com dst me.domain.com authalg md5 authkey bde359723576fdea08e56cbe876e24ad hard_bytes 16000000
# This is a sample file for flushing out the ESP table and # adding a pair of SAs.
flush esp
add esp spi 0x2112 src me.domain.com dst you.domain.com authalg md5 authkey bde359723576fdea08e56cbe876e24ad encralg des encrkey be02938e7def2839 hard_usetime 28800
add esp spi 0x5150 src you.domain.com dst me.domain.com authalg md5 authkey 930987dbe09743ade09d92b4097d9e93 encralg des encrkey 8bd4a52e10127deb hard_usetime 28800
add esp spi 0x6789 src6 fec0:bbbb::4483 dst6 fec0:bbbb::7843 authalg md5 authkey bde359723576fdea08e56cbe876e24ad encralg des encrkey be02938e7def2839 hard_usetime 28800
update esp spi 0x123456 dst 192.168.99.2 pair-spi 0x654321
)";

// Oracle Solaris 11.4: what is sound there. Its example 8 breaks a line before the key and has a backslash after it.
constexpr std::string_view kOracle = R"(update ah spi 0x90125 dst you.example.com hard_bytes \
          16000000
exit
add ah spi 0x2112 src you.example.com dst me.example.com \
          authalg sha1 authkey
 d3b3be95dd3d688086d06c67c5e28482943142c9 \
          hard_bytes 16000000 
exit
flush esp
add esp spi 0x2112 src me.example.com dst you.example.com \
    authalg sha1 authkey d3b3be95dd3d688086d06c67c5e28482943142c9 \
    encralg aes encrkey be11a84eb75255e0d3add0c0cd9c5315 \
    hard_usetime 28800
add esp spi 0x5150 src you.example.com dst me.example.com \
    authalg sha1 authkey d3b3be95dd3d688086d06c67c5e28482943142c9 \
    encralg aes encrkey be11a84eb75255e0d3add0c0cd9c5315 \
    hard_usetime 28800
add esp spi 0x6789 \
     src6 fec0:bbbb::4483 dst6 fec0:bbbb::7843 \
     authalg sha1 authkey d3b3be95dd3d688086d06c67c5e28482943142c9 \
     encralg aes encrkey be11a84eb75255e0d3add0c0cd9c5315 \
     hard_usetime 28800
exit
update esp spi 0x123456 dst 192.168.99.2 \
pair-spi 0x654321
)";

// Each message as "TYPE SATYPE SPI SOURCE>DESTINATION" and what else a command of the manual can say; faults as they
// are reported.
std::string summary(const pfkey::Message& m) {
  std::string out = fmt::format("{} {}", static_cast<int>(m.type), satype_word(m.satype));
  if (m.sa) out += fmt::format(" 0x{:x}", m.sa->spi);
  if (m.src) out += fmt::format(" {}", to_string(m.src->address));
  if (m.dst) out += fmt::format(" > {}", to_string(m.dst->address));
  if (m.auth_key) out += fmt::format(" auth {}/{}", m.sa->auth, m.auth_key->bits);
  if (m.encrypt_key) out += fmt::format(" encr {}/{}", m.sa->encrypt, m.encrypt_key->bits);
  if (m.hard) out += fmt::format(" bytes {} usetime {}", m.hard->bytes, m.hard->usetime);
  if (m.pair) out += fmt::format(" pair 0x{:x}", m.pair->spi);
  return out;
}

std::vector<std::string> load(std::string_view file) {
  LineReader reader([file](MutableBytes room) mutable -> Result<std::size_t> {
    const std::size_t n = std::min(room.size(), file.size());
    std::ranges::copy(std::as_bytes(std::span(file.substr(0, n))), room.begin());
    file.remove_prefix(n);
    return n;
  });
  std::vector<std::string> out;
  for (auto line = reader.next(); line && *line; line = reader.next()) {
    const auto outcome = run(reader.text(**line), Where::file, {"manual", (*line)->number});
    for (const pfkey::Message& m : outcome.messages)
      if (m.type != pfkey::Type::reserved) out.push_back(summary(m));
    if (!outcome.report.empty()) out.push_back(outcome.report);
  }
  return out;
}

// The result of reading a page: its messages, and its faults, line by line.
struct Page {
  std::vector<std::string> messages, faults;
};

Page load_page(std::string_view file) {
  Page page;
  for (const std::string& entry : load(file)) {
    if (!entry.starts_with("manual:")) {
      page.messages.push_back(entry);
      continue;
    }
    for (std::size_t at = 0; at < entry.size(); at = entry.find('\n', at) + 1)
      page.faults.push_back(entry.substr(at, entry.find('\n', at) - at));
  }
  return page;
}

// A warning at each place where the page takes MD5 or DES, which RFC 8221 sections 5 and 6 rule out.
std::vector<std::string> warnings_of(std::string_view file) {
  std::vector<std::string> out;
  for (int line = 1; !file.empty(); ++line) {
    const std::string_view text = file.substr(0, file.find('\n'));
    if (const auto md5 = text.find("authalg md5"); md5 != std::string_view::npos)
      out.push_back(
          fmt::format("manual:{}:{}: warning: hmac-md5 MUST NOT be used (RFC 8221): use hmac-sha256", line, md5 + 1));
    if (const auto des = text.find("encralg des"); des != std::string_view::npos)
      out.push_back(
          fmt::format("manual:{}:{}: warning: des-cbc MUST NOT be used (RFC 8221): use aes-cbc", line, des + 1));
    file.remove_prefix(text.size() + 1);
  }
  return out;
}

TEST(Manual, OfSolaris9) {
  const Page page = load_page(kSolaris9);
  EXPECT_THAT(page.faults, ElementsAreArray(warnings_of(kSolaris9)));
  EXPECT_EQ(page.faults.size(), 8u);
  EXPECT_THAT(page.messages,
              ElementsAre("3 ah 0x90125 192.0.2.1 > 192.0.2.2 auth 2/128",              //
                          "2 ah 0x90125 0.0.0.0 > 192.0.2.2 bytes 16000000 usetime 0",  //
                          "3 ah 0x2112 192.0.2.2 > 192.0.2.1 auth 2/128 bytes 16000000 usetime 0",
                          "9 esp",  //
                          "3 esp 0x2112 192.0.2.1 > 192.0.2.2 auth 2/128 encr 2/64 bytes 0 usetime 28800",
                          "3 esp 0x5150 192.0.2.2 > 192.0.2.1 auth 2/128 encr 2/64 bytes 0 usetime 28800",
                          "3 esp 0x6789 fec0:bbbb::4483 > fec0:bbbb::7843 auth 2/128 encr 2/64 bytes 0 "
                          "usetime 28800"));
}

std::vector<std::string> newer_pages() {
  return {"3 ah 0x90125 192.0.2.1 > 192.0.2.2 auth 2/128",
          "2 ah 0x90125 0.0.0.0 > 192.0.2.2 bytes 16000000 usetime 0",
          "3 esp 0x2345 192.0.2.1 > 192.0.2.2 auth 2/128 encr 2/64",
          "3 esp 0x5432 192.0.2.1 > 192.0.2.2 auth 2/128 encr 2/64 pair 0x2345",
          "3 ah 0x2112 192.0.2.2 > 192.0.2.1 auth 2/128 bytes 16000000 usetime 0",
          "9 esp",
          "3 esp 0x2112 192.0.2.1 > 192.0.2.2 auth 2/128 encr 2/64 bytes 0 usetime 28800",
          "3 esp 0x5150 192.0.2.2 > 192.0.2.1 auth 2/128 encr 2/64 bytes 0 usetime 28800",
          "3 esp 0x6789 fec0:bbbb::4483 > fec0:bbbb::7843 auth 2/128 encr 2/64 bytes 0 usetime 28800",
          "2 esp 0x123456 0.0.0.0 > 192.168.99.2 pair 0x654321"};
}

TEST(Manual, OfTheNewerPages) {
  for (const std::string_view file : {kIllumos, kOpenSolaris}) {
    const Page page = load_page(file);
    EXPECT_EQ(page.messages, newer_pages());
    EXPECT_THAT(page.faults, ElementsAreArray(warnings_of(file)));
    EXPECT_EQ(page.faults.size(), 12u);
  }
}

TEST(Manual, OfOracleSolaris) {
  EXPECT_THAT(load(kOracle),
              ElementsAre("2 ah 0x90125 0.0.0.0 > 192.0.2.2 bytes 16000000 usetime 0",
                          "3 ah 0x2112 192.0.2.2 > 192.0.2.1 auth 3/160 bytes 16000000 usetime 0",  //
                          "9 esp",                                                                  //
                          "3 esp 0x2112 192.0.2.1 > 192.0.2.2 auth 3/160 encr 12/128 bytes 0 usetime 28800",
                          "3 esp 0x5150 192.0.2.2 > 192.0.2.1 auth 3/160 encr 12/128 bytes 0 usetime 28800",
                          "3 esp 0x6789 fec0:bbbb::4483 > fec0:bbbb::7843 auth 3/160 encr 12/128 bytes 0 usetime 28800",
                          "2 esp 0x123456 0.0.0.0 > 192.168.99.2 pair 0x654321"));
}

// Example 7 of that page has lost a key, a keyword and an SPI in print.
TEST(Manual, OfOracleSolarisWhereItIsBroken) {
  EXPECT_THAT(load("add ah spi 0x90125 src me.example.com dst you.example.com \\\n          authalg sha1 authkey\n"),
              ElementsAre("manual:2:24: error: Unexpected end of command line: authkey needs HEX[/BITS]|@FILE\n"));
  EXPECT_THAT(load("add esp spi 0x2345 src me.example.com dst you.example.com \\\n"
                   "   authalg sha1 d3b3be95dd3d688086d06c67c5e28482943142c9 \\\n"
                   "   encralg aes encrkey be11a84eb75255e0d3add0c0cd9c5315\n"),
              ElementsAre("manual:2:17: error: Unknown extension word (40 characters, not shown: it may be part of a "
                          "key)\n"));
  EXPECT_THAT(load("add esp spi 0x5432 src me.example.com dst you.example.com \\\n"
                   "   authalg sha1 authkey d3b3be95dd3d688086d06c67c5e28482943142c9 \\\n"
                   "   encralg aes encrkey be11a84eb75255e0d3add0c0cd9c5315 pair-spi\n"),
              ElementsAre("manual:3:57: error: Unexpected end of command line: pair-spi needs NUMBER\n"));
}

TEST(Manual, OfTheShell) {
  for (const std::string_view command :
       {"flush", "flush ah", "save all", "save esp /tmp/snapshot", "delete esp spi 0x2112 dst 224.0.0.1",
        "delete-pair esp spi 0x2112 dst 224.0.0.1", "get ah spi 0x5150 dst mypeer", "monitor"}) {
    const auto outcome = run(command, Where::shell, {});
    EXPECT_EQ(outcome.report, "") << command;
    EXPECT_EQ(outcome.messages.size(), 1u) << command;
  }
}

// Example 12 as it is printed: the original refused it too.
TEST(Manual, OfTheShellWhereItIsRefused) {
  const auto outcome = run("update esp spi 0x123456 dst 192.168.99.2 pair-spi 0x654321", Where::shell, {});
  EXPECT_EQ(outcome.messages.size(), 0u);
  EXPECT_EQ(outcome.report,
            "column 1: error: can't do update from the command line: every user could see its keys in the process "
            "list; use the ipseckey> prompt, a file (ipseckey -f FILE) or a pipe: "
            "echo 'update esp spi 0x123456 dst 192.168.99.2 pair-spi 0x654321' | ipseckey\n");
}

}  // namespace
}  // namespace ipseckey::lang
