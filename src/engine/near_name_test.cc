// Refusals of requests whose name almost matches an SA.
#include <gtest/gtest.h>

#include <cerrno>

#include "engine/testing.h"

namespace ipseckey::engine {
namespace {

using namespace engine::testing;
using pfkey::Diagnostic;

struct Row {
  Type type;
  SaType satype;
  std::uint32_t spi;
  const char* src;  // "": none.
  std::uint32_t mark;
  const char* remark;  // "": none.
};

void expect_misses(Engine& engine, std::span<const Row> rows) {
  const auto before = dump(engine);
  for (const Row& row : rows) {
    SCOPED_TRACE(row.remark);
    Message m = request(row.type, row.satype, row.spi);
    m.src.reset();
    const bool needs_source = row.type == Type::update || row.type == Type::x_updatepair;
    if (*row.src || needs_source) m.src = endpoint(*row.src ? row.src : "0.0.0.0");
    if (row.mark != 0) m.mark = pfkey::Mark{row.mark, 0xff};
    Message wanted = m.header();
    wanted.error = ESRCH, wanted.diagnostic = static_cast<std::uint16_t>(Diagnostic::sa_notfound);
    if (*row.remark) wanted.remark = pfkey::Remark{row.remark};
    const auto sent = ask(engine, std::move(m));
    ASSERT_EQ(sent.size(), 1u);
    EXPECT_EQ(sent[0].message, wanted);
    EXPECT_EQ(sent[0].to, audience_of(row.type, row.satype));
  }
  EXPECT_EQ(dump(engine), before);
}

TEST(NearName, EveryRefusalNamesTheWordThatDiffers) {
  using enum SaType;
  Engine engine;
  ASSERT_EQ(outcome(engine, add_esp(1)), kDone);
  const char* const kSource = "there is one with src 192.0.2.1";
  constexpr std::array kTypes = {Type::get, Type::update, Type::x_updatepair, Type::del, Type::x_delpair};
  for (const Type type : kTypes) {
    const std::array rows = {
        Row{type, esp, 1, "192.0.2.9", 0, kSource},
        Row{type, esp, 1, "192.0.2.9", 7, kSource},  // A mark is not part of a name here.
        Row{type, ah, 1, "", 0, "there is one with SA type esp"},
        Row{type, esp, 2, "192.0.2.9", 0, ""},
    };
    expect_misses(engine, rows);
  }
}

TEST(NearName, IfMarksNameSasTheMarkIsNamed) {
  using enum SaType;
  for (const bool dry_run : {false, true}) {
    Options options;
    options.names_by_mark = true, options.dry_run = dry_run;
    Engine engine(options);
    Message marked = add_esp(1);
    marked.mark = pfkey::Mark{0x10, 0xff};
    ASSERT_EQ(outcome(engine, std::move(marked)), kDone);
    ASSERT_EQ(outcome(engine, add_esp(2)), kDone);
    const std::string mark = dry_run ? "mark 0x10" : "mark 0x10/0xff";  // This engine does not store the mask.
    const std::string a = "there is one with " + mark, b = "there is one with src 192.0.2.1 and " + mark;
    const std::array rows = {
        Row{Type::get, esp, 1, "", 0, a.c_str()},
        Row{Type::del, esp, 1, "192.0.2.1", 3, a.c_str()},
        Row{Type::update, esp, 1, "192.0.2.9", 0, b.c_str()},
        Row{Type::get, esp, 2, "", 3, "there is one with no mark"},
    };
    expect_misses(engine, rows);
  }
}

}  // namespace
}  // namespace ipseckey::engine
