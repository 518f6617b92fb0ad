#include "engine/reply.h"

#include <gmock/gmock.h>

#include <string_view>
#include <vector>

#include "engine/testing.h"
#include "pfkey/extensions.h"
#include "pfkey/test_samples.h"

namespace ipseckey::engine {
namespace {

using namespace engine::testing;
using ::testing::SizeIs;

// Extensions of replies only, extensions of other requests, and secrets: others must not receive them.
TEST(Reply, AnEchoHasOnlyFactsAboutTheSa) {
  const auto spoken = [](const Message& m) {
    std::vector<std::string_view> names;
    for (const pfkey::Extension& row : pfkey::extensions())
      std::visit(
          [&](auto slot) {
            if (m.*slot) names.push_back(row.name);
          },
          row.slot);
    return names;
  };
  const std::vector<std::string_view> facts = {"SA", "ADDRESS_SRC", "ADDRESS_DST"};
  for (const Type type : {Type::getspi, Type::add, Type::update, Type::x_updatepair, Type::x_delpair_state, Type::del,
                          Type::x_delpair, Type::acquire}) {
    Engine engine;
    ask(engine, add_esp(0x2000));
    Message back = reversed(add_esp(0x2001));
    back.pair = pfkey::Pair{0x2000};
    ask(engine, std::move(back));
    Message m = type == Type::add      ? add_esp(0x1000)
                : type == Type::getspi ? getspi(0x3000, 0x3000)
                                       : request(type, SaType::esp, 0x2000);
    const bool filter = type == Type::del || type == Type::x_delpair;
    if (filter) m.sa.reset();
    Message all = pfkey::samples::everything();
    if (type == Type::acquire) {  // Requests of the others with these are refused.
      m.remark = all.remark, m.traffic = all.traffic, m.current = all.current, m.offload = all.offload;
      m.initial_iv = std::move(all.initial_iv);
      m.supported_auth = all.supported_auth, m.supported_encrypt = all.supported_encrypt;
    }
    m.extended_dump = all.extended_dump, m.extended_register = all.extended_register;
    if (type != Type::getspi) m.spi_range = all.spi_range;
    const auto sent = ask(engine, std::move(m));
    ASSERT_THAT(sent, SizeIs(1)) << static_cast<unsigned>(type);
    EXPECT_EQ(sent[0].message.error, 0) << static_cast<unsigned>(type);
    std::vector<std::string_view> wanted = facts;
    if (filter) wanted.erase(wanted.begin());
    EXPECT_EQ(spoken(sent[0].message), wanted) << static_cast<unsigned>(type);
  }
}

}  // namespace
}  // namespace ipseckey::engine
