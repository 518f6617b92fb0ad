#pragma once
/// `ipseckey doctor`: one screen about this machine: what its kernel supports, what this user may do, dropped packets.
#include <string>
#include <vector>

#include "kernel/view.h"

namespace ipseckey::cli {

/// What was found out.
struct Diagnosis {
  kernel::KernelView kernel;
  std::string picked;  ///< The SADB that `auto` picks; empty: none.
  std::string why;     ///< A clause: why that one, or what is missing and the cure.
  /// How the packets of a picked ipsecd leave, as it reports: sentences.
  std::vector<std::string> leaving = {};

  /// Whether this user has a SADB to work with.
  bool usable() const { return !picked.empty() && (picked != "kernel" || kernel.may_change); }
};

/// For a person: at most 80 columns, one screen.
std::string doctor_screen(const Diagnosis& diagnosis);

/// For a program: kind "doctor" of doc/reference/json.md, a line.
std::string doctor_json(const Diagnosis& diagnosis);

}  // namespace ipseckey::cli
