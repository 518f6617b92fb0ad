#include "cli/reporter.h"

#include <fmt/format.h>

#include <algorithm>

namespace ipseckey::cli {

void Reporter::note(const lang::Fault& fault, std::uint32_t line, std::uint32_t column, std::uint32_t length,
                    std::string pointer) {
  const bool warning = fault.severity == lang::Severity::warning;
  if (warning) ++warnings_;
  if (settings_.json) faults_.push_back({warning, name_, line, column, length, fault.message, std::move(pointer)});
}

// What the SADB says comes later than what is wrong in the line itself.
std::vector<pfkey::ReportedFault> Reporter::take_faults() {
  std::ranges::stable_sort(faults_, {}, &pfkey::ReportedFault::line);
  return std::move(faults_);
}

std::string Reporter::fault(lang::Fault fault, std::string_view text, const lang::Line& line) {
  fault.severity = severity(fault.severity);
  if (settings_.service) fault.message = lang::without_text(fault.message, text);
  if (const auto at = place_of_ ? place_of_(line, fault.at) : std::nullopt) return fault_at(std::move(fault), *at);
  const lang::Origin origin{name_, line.number};
  const lang::Position place = lang::position_of(text, fault.at, origin);
  const std::uint32_t number = is_file() ? place.line : 0;
  note(fault, number, place.column, fault.length);
  std::string said;
  if (shows(fault, number)) lang::render(fault, text, origin, marks_ && !settings_.service, said);
  return said;
}

std::string Reporter::fault(lang::Severity s, std::uint32_t line, std::string message) {
  const lang::Fault fault{severity(s), 0, 0, std::move(message)};
  note(fault, line, 0, 0);
  if (!shows(fault, line)) return {};
  const std::string_view word = fault.severity == lang::Severity::error ? "error" : "warning";
  if (line == 0) return fmt::format("{}: {}: {}\n", shown(), word, fault.message);
  return fmt::format("{}:{}: {}: {}\n", shown(), line, word, fault.message);
}

std::string Reporter::fault(lang::Severity s, const lang::SourceFault& fault) {
  return fault_at({severity(s), 0, 0, fault.message + (settings_.service ? "" : fault.detail)}, fault.place);
}

std::string Reporter::fault_at(lang::Fault fault, const lang::JsonPlace& place) {
  note(fault, place.line, 0, 0, place.pointer);
  if (!shows(fault, place.line)) return {};
  const std::string_view word = fault.severity == lang::Severity::error ? "error" : "warning";
  return fmt::format("{}:{}: {}: {}{}{}\n", shown(), place.line, word, place.pointer, place.pointer.empty() ? "" : ": ",
                     fault.message);
}

bool Reporter::shows(const lang::Fault& fault, std::uint32_t line) {
  return fault.severity == lang::Severity::error || kinds_.shows(fault, line);
}

}  // namespace ipseckey::cli
