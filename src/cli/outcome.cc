#include "cli/outcome.h"

#include <fmt/format.h>

#include <cerrno>

#include "lang/blame.h"
#include "lang/commands.h"
#include "pfkey/diagnostics.h"
#include "pfkey/names.h"

namespace cli {
namespace {

using pfkey::Diagnostic;
using pfkey::Type;

std::string sa_name(const Asked& a) {
  return fmt::format("{} SA spi 0x{:x} dst {}", lang::satype_word(a.satype), a.spi, to_string(a.dst));
}

std::string_view done(Type type) {
  switch (type) {
    case Type::add:
      return "added";
    case Type::update:
      return "updated";
    case Type::x_updatepair:
      return "updated, with its pair,";
    case Type::del:
      return "deleted";
    case Type::x_delpair:
      return "deleted, with its pair,";
    default:
      return "done:";
  }
}

}  // namespace

Outcome outcome_of(const pfkey::Message& reply, const Asked& asked) {
  const auto diagnostic = static_cast<Diagnostic>(reply.diagnostic);
  if (reply.error == 0) return {true, {}};
  if (reply.error == EEXIST) return {false, fmt::format("{} already exists", sa_name(asked))};
  if (reply.error == ESRCH && diagnostic == Diagnostic::sa_notfound) {
    if (asked.check) return {true, {}};
    return {false, fmt::format("{} does not exist", sa_name(asked))};
  }
  if (reply.error == EINVAL)
    return {false,
            fmt::format("One of the entered values is incorrect: Diagnostic code {}: {}", reply.diagnostic,
                        pfkey::text_of(diagnostic)),
            lang::slot_for(diagnostic)};
  return {false, fmt::format("the SADB refuses: {}", pfkey::refusal_text(reply)), lang::slot_for(diagnostic)};
}

std::string done_text(Type type, const Asked& asked) { return fmt::format("{} {}", done(type), sa_name(asked)); }

}  // namespace cli
