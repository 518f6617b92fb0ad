#pragma once
/// The messages about the commands of one source: texts with their places, counts, and the same as a JSON report.
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "cli/options.h"
#include "cli/warnings.h"
#include "lang/faults.h"
#include "lang/source.h"
#include "pfkey/json.h"
#include "pfkey/units.h"

namespace ipseckey::cli {

class Reporter {
 public:
  /// `name`: of the file; empty: the prompt or the shell, where lines have no numbers. `marks`: as Console::marks().
  /// `typed`: counts the warnings of a prompt, which has a Reporter for each command.
  Reporter(const Settings& settings, std::string name, bool marks, Warnings& typed)
      : settings_(settings), name_(std::move(name)), marks_(marks), kinds_(is_file() ? own_ : typed) {}
  Reporter(const Reporter&) = delete;
  Reporter& operator=(const Reporter&) = delete;

  /// Under --strict a warning is an error.
  lang::Severity severity(lang::Severity s) const { return settings_.strict ? lang::Severity::error : s; }

  /// Notes a fault of a line whose text is `text`, and gives the words for standard error: none for a warning of a
  /// kind that was shown often enough.
  std::string fault(lang::Fault fault, std::string_view text, const lang::Line& line);
  /// The same for one that has no place in the text.
  std::string fault(lang::Severity severity, std::uint32_t line, std::string message);
  /// The same for an object that there is no command of.
  std::string fault(lang::Severity severity, const lang::SourceFault& fault);

  /// The lines are the texts of objects: their faults are at members, which this tells.
  using PlaceOf = std::function<std::optional<lang::JsonPlace>(const lang::Line&, std::uint32_t at)>;
  void set_places(PlaceOf place_of) { place_of_ = std::move(place_of); }
  bool is_json(const lang::Line& line) const { return place_of_ && place_of_(line, 0); }

  /// At the end of a file: how many warnings of each kind were not shown.
  std::string rest() const { return own_.rest(shown()); }

  const std::string& name() const { return name_; }
  std::string shown() const { return pfkey::escaped(name_); }  ///< The name, harmless on a terminal.
  bool is_file() const { return !name_.empty(); }
  std::size_t warnings() const { return warnings_; }
  /// The faults so far, for the JSON report; kept only under --json.
  std::vector<pfkey::ReportedFault> take_faults();

 private:
  void note(const lang::Fault& fault, std::uint32_t line, std::uint32_t column, std::uint32_t length,
            std::string pointer = {});
  std::string fault_at(lang::Fault fault, const lang::JsonPlace& place);
  bool shows(const lang::Fault& fault, std::uint32_t line);

  const Settings& settings_;
  std::string name_;
  bool marks_;
  Warnings own_;
  Warnings& kinds_;
  std::size_t warnings_ = 0;
  std::vector<pfkey::ReportedFault> faults_;
  PlaceOf place_of_;
};

}  // namespace ipseckey::cli
