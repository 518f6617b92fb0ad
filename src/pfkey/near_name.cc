#include "pfkey/near_name.h"

#include <fmt/format.h>

#include <array>
#include <cerrno>

#include "pfkey/diagnostics.h"
#include "pfkey/names.h"

namespace ipseckey::pfkey {
namespace {

constexpr std::string_view kThereIsOne = "there is one with ";

std::string other_type(const Message& request, const Message& there) {
  return request.satype == there.satype ? "" : fmt::format("SA type {}", name(there.satype));
}

std::string other_source(const Message& request, const Message& there) {
  if (!request.src || !there.src || request.src->address == there.src->address) return "";
  if (is_unspecified(request.src->address) || is_unspecified(there.src->address)) return "";
  return fmt::format("src {}", to_string(there.src->address));
}

std::string other_mark(const Message& request, const Message& there) {
  const std::uint32_t asked = request.mark ? request.mark->value : 0, has = there.mark ? there.mark->value : 0;
  if (asked == has) return "";
  return there.mark ? "mark " + mark_text(*there.mark) : "no mark";
}

struct Row {
  NamePart part;
  std::string_view word;  ///< It is in the text of each difference, and of no other row's.
  std::string (*difference)(const Message& request, const Message& there);  ///< What the SA has; empty: the same.
};
constexpr std::array kTable = {
    Row{NamePart::satype, "SA type", other_type},
    Row{NamePart::src, "src", other_source},
    Row{NamePart::mark, "mark", other_mark},
};

}  // namespace

std::string near_name_text(const Message& request, const Message& there, bool by_mark) {
  std::string text;
  for (const Row& row : kTable) {
    if (row.part == NamePart::mark && !by_mark) continue;
    const std::string difference = row.difference(request, there);
    if (!difference.empty()) text += fmt::format("{}{}", text.empty() ? kThereIsOne : " and ", difference);
  }
  return text;
}

std::optional<NamePart> differing_part(const Message& refusal) {
  const bool missing = refusal.error == ESRCH && refusal.diagnostic == static_cast<int>(Diagnostic::sa_notfound);
  if (!missing || !refusal.remark || !refusal.remark->text.starts_with(kThereIsOne)) return std::nullopt;
  for (const Row& row : kTable)
    if (refusal.remark->text.find(row.word) != std::string::npos) return row.part;
  return std::nullopt;
}

std::string mark_text(const Mark& mark) {
  return mark.mask == UINT32_MAX ? fmt::format("{:#x}", mark.value) : fmt::format("{:#x}/{:#x}", mark.value, mark.mask);
}

}  // namespace ipseckey::pfkey
