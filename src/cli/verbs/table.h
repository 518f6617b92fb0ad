#pragma once
/// THE table of what each command does: a verb, and the function that carries it out, each in a file of its own.
#include <array>

#include "cli/runner.h"
#include "lang/commands.h"

namespace ipseckey::cli {

namespace verbs {
Status apply(Runner& runner, const lang::Command& command);  ///< And unload.
Status count(Runner& runner, const lang::Command& command);
/// ok if this user has a SADB to work with, else no_sadb.
Status doctor(Runner& runner, const lang::Command& command);
Status dump(Runner& runner, const lang::Command& command);
Status fresh(Runner& runner, const lang::Command& command);
Status genkey(Runner& runner, const lang::Command& command);
Status help(Runner& runner, const lang::Command& command);
Status load(Runner& runner, const lang::Command& command);
Status monitor(Runner& runner, const lang::Command& command);  ///< And passive_monitor.
Status quit(Runner& runner, const lang::Command& command);
Status save(Runner& runner, const lang::Command& command);
}  // namespace verbs

inline constexpr std::array<VerbHandler, lang::kVerbs> kHandlers = {{
    {lang::Verb::add, kMessages},
    {lang::Verb::update, kMessages},
    {lang::Verb::update_pair, kMessages},
    {lang::Verb::del, kMessages},
    {lang::Verb::delete_pair, kMessages},
    {lang::Verb::get, kMessages},
    {lang::Verb::flush, kMessages},
    {lang::Verb::dump, verbs::dump},
    {lang::Verb::count, verbs::count},
    {lang::Verb::save, verbs::save},
    {lang::Verb::load, verbs::load},
    {lang::Verb::apply, verbs::apply},
    {lang::Verb::unload, verbs::apply},
    {lang::Verb::monitor, verbs::monitor},
    {lang::Verb::passive_monitor, verbs::monitor},
    {lang::Verb::doctor, verbs::doctor},
    {lang::Verb::genkey, verbs::genkey},
    {lang::Verb::fresh, verbs::fresh},
    {lang::Verb::help, verbs::help},
    {lang::Verb::quit, verbs::quit},
}};

consteval bool one_for_each_verb() {
  for (std::size_t i = 0; i < kHandlers.size(); ++i)
    if (static_cast<std::size_t>(kHandlers[i].verb) != i) return false;
  return true;
}
static_assert(one_for_each_verb(), "one row for each Verb, in its order");

}  // namespace ipseckey::cli
