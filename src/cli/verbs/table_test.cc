// Every command of the language is carried out, by one function or as messages.
#include "cli/verbs/table.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <set>

namespace ipseckey::cli {
namespace {

TEST(Verbs, EachHasOneHandlerOrIsMessages) {
  std::set<lang::Verb> handled;
  for (const VerbHandler& row : kHandlers) {
    const lang::CommandRow& command = lang::row(row.verb);
    EXPECT_TRUE(handled.insert(row.verb).second) << command.name() << " has two rows";
    // Messages are what a file may hold; of the rest `fresh` and `quit` are, which steer the reading of it.
    const bool steers = row.handler == verbs::fresh || row.handler == verbs::quit;
    EXPECT_EQ(row.handler == kMessages, command.allowed_from(lang::Where::file) && !steers) << command.name();
    // A function that serves two verbs tells them apart by the row.
    if (row.handler == kMessages) continue;
    EXPECT_LE(std::ranges::count(kHandlers, row.handler, &VerbHandler::handler), 2) << command.name();
  }
  EXPECT_EQ(handled.size(), lang::commands().size());
}

TEST(Verbs, WhatIsOnlyMessagesSaysWhichOne) {
  for (const VerbHandler& row : kHandlers) {
    if (row.handler != kMessages) continue;
    EXPECT_NE(lang::row(row.verb).message, pfkey::Type::reserved) << lang::row(row.verb).name();
  }
}

}  // namespace
}  // namespace ipseckey::cli
