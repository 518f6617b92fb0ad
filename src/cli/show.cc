#include "cli/show.h"

#include <fmt/format.h>

#include "lang/commands.h"
#include "pfkey/json.h"
#include "pfkey/print.h"

namespace ipseckey::cli {

void append_sa(Session& session, const pfkey::Message& sa, SecretText& text) {
  if (session.settings().json) {
    pfkey::json_sa(sa, {.sadb = session.sadb_name(), .paranoid = session.settings().paranoid, .now = session.now()},
                   text);
  } else {
    pfkey::PrintOptions options = session.print_options();
    options.idles = session.opened() && session.opened()->idles();
    pfkey::print_sa(sa, options, text);
  }
}

void show_sa(Session& session, const pfkey::Message& sa) {
  SecretText text;
  text.reserve(kTextOfOne);
  append_sa(session, sa, text);
  session.console().out(text);
}

std::string how_many(const Session& session, std::size_t count, pfkey::SaType type) {
  const std::string kind = type == pfkey::SaType::unspec ? "" : fmt::format("{} ", lang::satype_word(type));
  return count == 0 ? fmt::format("There are no {}SAs in {}.\n", kind, session.shown_sadb())
                    : fmt::format("{} {}SA{} in {}.\n", count, kind, count == 1 ? "" : "s", session.shown_sadb());
}

}  // namespace ipseckey::cli
