#pragma once
/// A whole file of rules: what it says, and everything that is wrong with it.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "policy/order.h"
#include "policy/rule.h"
#include "table/faults.h"
#include "table/names.h"

namespace ipseckey::policylang {

/// One fault of a file, with its place; lines and columns count from 1, columns in bytes.
struct FileFault {
  table::Severity severity;
  std::uint32_t line, column;
  std::string message;  ///< Without a full stop.
  std::string shown;    ///< "FILE:LINE:COLUMN: error: message" and the line with the place marked.
};

struct PolicyFile {
  /// The order in which the rules are tried: Solaris', unless the file begins with the line `order file`.
  policy::Order order = policy::Order::classes;
  policy::Rules rules;            ///< Of the entries without an error, in the order of the file.
  std::vector<FileFault> faults;  ///< In the order of the file.
  std::size_t entries = 0;
  std::size_t wrong = 0;  ///< Entries with an error, and the line with the order. Such a file must not be used in part.
};

/// `name`: of the file, for the messages. A rule that is there twice with the same meaning is left out, with a warning;
/// with another meaning it is an error.
PolicyFile read_policy(std::string_view text, std::string_view name, const table::Names& names);

/// A fault of an entry that was read, found out afterwards; shown at its first character. `text`: of the line in which
/// it begins, whose number is `line`.
FileFault fault_of_entry(std::string_view text, std::string_view name, std::uint32_t line, table::Severity severity,
                         std::string message);

/// A warning as an error.
FileFault as_error(FileFault fault);

/// The line that chooses an order; empty for Solaris', which needs none.
std::string_view order_line(policy::Order order);

}  // namespace ipseckey::policylang
