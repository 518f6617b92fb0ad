#include "api/outcome.h"

#include <fmt/format.h>

#include <cerrno>

#include "lang/commands.h"
#include "lang/keyword_at_fault.h"
#include "pfkey/diagnostics.h"
#include "pfkey/names.h"
#include "pfkey/near_name.h"
#include "pfkey/notices.h"
#include "pfkey/units.h"

namespace ipseckey::api {
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

// The SADB's own words follow ours.
std::string with_remark(std::string text, const pfkey::Message& reply) {
  if (reply.remark) text += "; " + pfkey::escaped(reply.remark->text);
  return text;
}

// The place of the word that differs; if the command lacks it, the command's first word.
lang::Slot slot_of(std::optional<pfkey::NamePart> part) {
  if (part == pfkey::NamePart::src) return &lang::SaSpec::src;
  if (part == pfkey::NamePart::mark) return &lang::SaSpec::mark;
  return &lang::SaSpec::spi;
}

}  // namespace

Outcome outcome_of(const pfkey::Message& reply, const Asked& asked) {
  const auto diagnostic = static_cast<Diagnostic>(reply.diagnostic);
  if (reply.error == 0)
    return {true, reply.remark && reply.type != Type::get ? pfkey::escaped(reply.remark->text) : std::string()};
  if (reply.error == EEXIST) return {false, fmt::format("{} already exists", sa_name(asked))};
  if (reply.error == ESRCH && diagnostic == Diagnostic::sa_notfound) {
    const auto part = pfkey::differing_part(reply);
    // The real SADB may hold this SA beside one that differs in type or mark, but not beside one that differs only in
    // its source.
    if (asked.check && part != pfkey::NamePart::src) return {true, {}};
    return {false, with_remark(fmt::format("{} does not exist", sa_name(asked)), reply), slot_of(part)};
  }
  if (reply.error == EINVAL)
    return {false,
            with_remark(fmt::format("One of the entered values is incorrect: Diagnostic code {}: {}", reply.diagnostic,
                                    pfkey::text_of(diagnostic)),
                        reply),
            lang::keyword_at_fault(diagnostic), reply.remark && reply.remark->text == pfkey::kSameWayRound};
  return {false, with_remark(fmt::format("the SADB refuses: {}", pfkey::refusal_text(reply)), reply),
          lang::keyword_at_fault(diagnostic)};
}

std::string done_text(Type type, const Asked& asked) { return fmt::format("{} {}", done(type), sa_name(asked)); }

}  // namespace ipseckey::api
