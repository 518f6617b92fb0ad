#include "cli/algorithms.h"

#include <fmt/format.h>

#include <set>

#include "base/text.h"
#include "pfkey/algorithms.h"

namespace ipseckey::cli {
namespace {

using pfkey::Algorithm;
using pfkey::AlgorithmKind;

using Found = std::set<std::pair<AlgorithmKind, std::uint8_t>>;

pfkey::Message question() {
  pfkey::Message m;
  m.type = pfkey::Type::reg;
  m.satype = pfkey::SaType::esp;
  return m;
}

Result<Found> answer(backend::Backend& sadb, pfkey::Message&& request) {
  Found found;
  const auto answered = sadb.call({&request, 1}, [&](std::size_t, pfkey::Message&& reply) {
    if (reply.supported_auth)
      for (const auto& a : reply.supported_auth->algorithms) found.emplace(AlgorithmKind::auth, a.id);
    if (reply.supported_encrypt)
      for (const auto& a : reply.supported_encrypt->algorithms) found.emplace(AlgorithmKind::encrypt, a.id);
  });
  if (!answered) return std::unexpected(answered.error());
  return found;
}

/// What the SADB says it has; nullopt: it was not there to ask.
std::optional<Found> ask(Session& session) {
  backend::Backend* const sadb = session.sadb();
  if (!sadb) return std::nullopt;
  pfkey::Message request = question();
  session.prepare(request);
  auto answered = answer(*sadb, std::move(request));
  if (answered) return std::move(*answered);
  session.console().complain(answered.error().text);
  session.lose_sadb();
  return std::nullopt;
}

std::string sizes(const Algorithm& a) {
  if (!a.takes_key()) return "-";
  if (a.min_bits == a.max_bits) return fmt::to_string(a.min_bits);
  return fmt::format("{}-{}/{}", a.min_bits, a.max_bits, a.step_bits);
}

std::string or_dash(unsigned number) { return number == 0 ? "-" : fmt::to_string(number); }

std::string synonyms(const Algorithm& a) {
  const auto blank = a.names.find(' ');
  return blank == std::string_view::npos ? "" : std::string(a.names.substr(blank + 1));
}

}  // namespace

std::function<bool(const Algorithm&)> usable_in(backend::Backend& sadb, std::uint32_t pid) {
  pfkey::Message request = question();
  request.seq = UINT32_MAX, request.pid = pid;  // No command of this run has that number.
  auto found = answer(sadb, std::move(request));
  if (!found || found->empty()) return {};
  return [found = std::move(*found)](const Algorithm& row) { return found.contains({row.kind, row.number}); };
}

Status show_algorithms(Session& session) {
  const auto supported = ask(session);
  if (!supported && session.no_sadb() == Status::usage) return Status::usage;
  std::string text;
  for (const AlgorithmKind kind : {AlgorithmKind::auth, AlgorithmKind::encrypt}) {
    text += kind == AlgorithmKind::auth ? "Authentication algorithms, for ah and esp\n"
                                        : "\nEncryption algorithms, for esp\n";
    text += fmt::format("{:>6}  {:<18}{:>12}{:>6}{:>5}{:>5}  {:<5}{:<12}{:<12}{}\n", "number", "name", "key bits",
                        "salt", "IV", "ICV", "here", "standing", "manual key", "other names");
    for (const Algorithm& a : pfkey::algorithms()) {
      if (a.kind != kind) continue;
      const std::string_view here = !supported ? "?" : supported->contains({kind, a.number}) ? "yes" : "no";
      std::string row = fmt::format("{:>6}  {:<18}{:>12}{:>6}{:>5}{:>5}  {:<5}{:<12}{:<12}{}", a.number, a.name(),
                                    sizes(a), or_dash(a.salt_bits), or_dash(a.iv), or_dash(a.icv), here,
                                    words(a.standing), words(a.manual()), synonyms(a));
      row.erase(row.find_last_not_of(' ') + 1);
      text += row + '\n';
    }
  }
  text += "\nKeys (minimum-maximum/step) and salt in bits; IV and ICV in bytes. Standing: as of RFC 8221. ";
  text += supported ? fmt::format("Here: {}.\n", session.shown_sadb()) : "No SADB was available to ask.\n";
  session.console().out(text);
  return Status::ok;
}

}  // namespace ipseckey::cli
